"""Everything that anybody may do, in one place: who, which role, on what.

Scopes are as narrow as Azure has them: a container rather than its account, an account rather than its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from stacks.identity import Role, assign, assign_people
from stacks.storage import Storage


@dataclass(frozen=True, kw_only=True)
class PermissionsArgs:
    """Who there is, and what there is."""

    nodes: pulumi.Input[str]
    """Principal ids of the identities."""
    submitter: pulumi.Input[str]
    operators: Sequence[str]
    """Object ids of the people and groups who submit jobs and publish models."""
    batch_principal: str
    """Object id of the service principal MicrosoftAzureBatch; empty where nodes may join the VNet without a role."""
    storage: Storage
    registry_id: pulumi.Input[str]
    batch_account_id: pulumi.Input[str]
    insights_id: pulumi.Input[str]
    vnet_id: pulumi.Input[str]


class Permissions(pulumi.ComponentResource):
    """The role assignments. What acts as nodes or submitter waits for `nodes` or `submitter`."""

    def __init__(self, name: str, args: PermissionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Permissions", name, None, opts)
        container = {kind: each.id for kind, each in args.storage.containers.items()}

        # A node reads videos, styles and models, and writes results, parts and records.
        node_roles: list[tuple[str, Role, pulumi.Input[str]]] = [
            ("input", Role.BLOB_READER, container["input"]),
            ("scripts", Role.BLOB_READER, container["scripts"]),
            ("output", Role.BLOB_CONTRIBUTOR, container["output"]),
            ("work", Role.BLOB_CONTRIBUTOR, container["work"]),
            ("logs", Role.BLOB_CONTRIBUTOR, container["logs"]),
            ("images", Role.IMAGE_PULL, args.registry_id),
            ("telemetry", Role.TELEMETRY_WRITER, args.insights_id),
        ]
        # The submitter reads requests and probes videos, writes plans and answers, sets refused requests aside, and adds jobs.
        submitter_roles: list[tuple[str, Role, pulumi.Input[str]]] = [
            ("input", Role.BLOB_READER, container["input"]),
            ("scripts", Role.BLOB_READER, container["scripts"]),
            ("output", Role.BLOB_CONTRIBUTOR, container["output"]),
            ("work", Role.BLOB_CONTRIBUTOR, container["work"]),
            ("logs", Role.BLOB_CONTRIBUTOR, container["logs"]),
            ("quarantine", Role.BLOB_CONTRIBUTOR, container["quarantine"]),
            ("jobs", Role.JOB_SUBMITTER, args.batch_account_id),
            ("images", Role.IMAGE_PULL, args.registry_id),
            ("telemetry", Role.TELEMETRY_WRITER, args.insights_id),
        ]
        # People put requests and models in, take results out, sign links for outside users, and look after jobs.
        people_roles: list[tuple[str, Role, pulumi.Input[str]]] = [
            ("input", Role.BLOB_CONTRIBUTOR, container["input"]),
            ("output", Role.BLOB_CONTRIBUTOR, container["output"]),
            ("scripts", Role.BLOB_CONTRIBUTOR, container["scripts"]),
            ("work", Role.BLOB_READER, container["work"]),
            ("logs", Role.BLOB_READER, container["logs"]),
            ("quarantine", Role.BLOB_READER, container["quarantine"]),
            ("dead-letters", Role.BLOB_READER, container["dead-letters"]),
            ("links", Role.BLOB_DELEGATOR, args.storage.data.id),
            ("jobs", Role.BATCH_CONTRIBUTOR, args.batch_account_id),
        ]

        self.nodes: list[pulumi.Resource] = [
            assign(f"{name}-nodes-{what}", role, args.nodes, scope, parent=self) for what, role, scope in node_roles
        ]
        self.submitter: list[pulumi.Resource] = [
            assign(f"{name}-submitter-{what}", role, args.submitter, scope, parent=self) for what, role, scope in submitter_roles
        ]
        for what, role, scope in people_roles:
            assign_people(f"{name}-people-{what}", role, args.operators, scope, parent=self)
        if args.batch_principal:
            # Batch puts the nodes into our subnet.
            self.nodes.append(
                assign(f"{name}-batch-network", Role.NETWORK_CONTRIBUTOR, args.batch_principal, args.vnet_id, parent=self)
            )
        self.register_outputs({})
