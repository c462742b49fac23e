"""Where a person looks at a resource."""

from __future__ import annotations

import pulumi


def portal(resource_id: pulumi.Input[str]) -> pulumi.Output[str]:
    """The resource's page in the Azure portal."""
    return pulumi.Output.concat("https://portal.azure.com/#resource", resource_id)
