"""`python -m stacks --stack dev`: what a deployment costs, from its settings alone, without Pulumi or a login."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pulumi

from stacks.chosen import read_settings
from stacks.cost import TYPICAL, Prices, at_rest, typical_job
from stacks.settings import Settings


def main(arguments: list[str]) -> int:
    """Print it; the exit code: 2 where the settings can't be read."""
    parser = argparse.ArgumentParser(
        prog="python -m stacks", description="What a deployment costs at rest, and for a typical job."
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--stack", help="a stack whose settings are in this folder, such as dev")
    which.add_argument("--settings", type=Path, help="a file of settings, such as stacks/Pulumi.dev.yaml")
    given = parser.parse_args(arguments)
    path = given.settings or Path(__file__).with_name(f"Pulumi.{given.stack}.yaml")
    try:
        sys.stdout.write(bill(read_settings(path)))
    except (OSError, ValueError, pulumi.RunError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sys.stderr.write(f"The settings '{path}' can't be read: {reason}\n")
        return 2
    return 0


def bill(chosen: Settings) -> str:
    """The text that is printed."""
    parts = at_rest(chosen)
    width = max(map(len, parts))
    job = typical_job(chosen)
    (quick, slow), (low, high) = job.minutes, job.dollars
    return "\n".join(
        [
            f"List prices in US dollars ({Prices().of}; stacks/cost.py): to be checked, not an offer.",
            "",
            "At rest, a month",
            *(f"  {part:<{width}}  {dollars:8.2f}" for part, dollars in parts.items()),
            f"  {'together':<{width}}  {sum(parts.values()):8.2f}",
            "",
            f"A typical job ({TYPICAL.frames} frames of 1280x720, model {TYPICAL.model}; 'scorer plan' has yours)",
            f"  {quick:.0f} to {slow:.0f} minutes; {low:.2f} to {high:.2f} for up to {job.nodes} nodes, beside their disks",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
