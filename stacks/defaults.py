"""What holds for every resource: its tags, and that it goes with the resource group."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_azure_native import authorization, consumption, monitor, resources

# These belong to a scope rather than to the group: Azure may keep them when the group is gone, so they are deleted one by one.
OUTLIVE_THEIR_GROUP = (authorization.RoleAssignment, authorization.RoleDefinition, consumption.Budget, monitor.DiagnosticSetting)


def apply_to_all(group: resources.ResourceGroup, tags: Mapping[str, str], *, protect: bool) -> None:
    """Give `tags` to all resources declared from here on, and let them be deleted with `group`.

    Deleting the group takes along what isn't declared here: container groups of the workflow, and what Azure made by itself.
    A protected group stays, so then each resource is deleted by itself: else a refused `pulumi destroy` would only forget them.
    """

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not isinstance(args.resource, pulumi.CustomResource) or args.resource is group:
            return None
        props = {**args.props, "tags": dict(tags)} if "tags" in args.props else args.props
        if not protect and not isinstance(args.resource, OUTLIVE_THEIR_GROUP):
            args.opts.deleted_with = group
        return pulumi.ResourceTransformationResult(props, args.opts)

    pulumi.runtime.register_stack_transformation(transform)
