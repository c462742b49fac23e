"""Where a person looks at a resource."""

from __future__ import annotations

import pulumi


def page(portal: str, resource_id: pulumi.Input[str]) -> pulumi.Output[str]:
    """The resource's page in the cloud's portal."""
    return pulumi.Output.concat(portal, "/#resource", resource_id)
