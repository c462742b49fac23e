"""What holds for every resource: its tags, and that it goes with the resource group."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_azure_native import authorization, consumption, monitor, network, resources

# These belong to a scope, or a group of Azure's own, rather than to ours: they may stay when it is gone, so they are deleted one
# by one.
OUTLIVE_THEIR_GROUP = (
    authorization.RoleAssignment,
    authorization.RoleDefinition,
    consumption.Budget,
    monitor.DiagnosticSetting,
    network.FlowLog,
)


def apply_to_all(
    group: resources.ResourceGroup | None,
    location: str,
    tags: Mapping[str, str],
    *,
    protect: bool,
    elsewhere: tuple[type[pulumi.Resource], ...] = (),
) -> None:
    """Give `tags` and, where it takes one, `location` to all resources declared from here on; and delete them with `group`.

    Deleting the group takes along what isn't declared here: container groups of the workflow, and what Azure made by itself.
    A protected group stays, and one that was there before (None) does: so then each resource is deleted by itself, else a
    `pulumi destroy` would only forget them. So is what is `elsewhere`, in groups of others.
    """

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not isinstance(args.resource, pulumi.CustomResource) or args.resource is group:
            return None
        props = dict(args.props)
        if "tags" in props:
            props["tags"] = dict(tags)
        if "location" in props and props["location"] is None:
            props["location"] = location
        if group is not None and not protect and not isinstance(args.resource, (*OUTLIVE_THEIR_GROUP, *elsewhere)):
            args.opts.deleted_with = group
        return pulumi.ResourceTransformationResult(props, args.opts)

    pulumi.runtime.register_stack_transformation(transform)
