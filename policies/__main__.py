"""The policy pack: `pulumi up --policy-pack policies` checks every resource before Azure sees it.

Every rule is mandatory: a resource that breaks one is not made. The Python that Pulumi runs needs the packages pulumi and
pulumi-policy.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Pulumi runs this folder as a program; its modules are imported by the name that the rest of the repository knows them by.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import EnforcementLevel, PolicyPack

from policies.pack import policies

if __name__ == "__main__":
    PolicyPack("batch-scoring", policies(), EnforcementLevel.MANDATORY)
