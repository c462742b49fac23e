"""Everything that anybody may do, in one place: who, which role, on what, and at which paths.

Scopes are as narrow as Azure has them: a container rather than its account, an account rather than its group. Inside a container
conditions say which blobs nodes and submitter write: those that their steps make, and no plan, answer or ledger by a node. What
conditions can't say is whose job a blob is of: all nodes are one identity, so that a node whose task is broken into may write
parts, status and results of other jobs of its stack, and read their media.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from scorer.documents.paths import CLAIMS, FAILED, MERGED, PARTS, REJECTED, REPORT, RESULT_IMAGES, RESULT_VIDEOS, STATUS, WRITABLE
from stacks import conditions
from stacks.identity import Role, assign, assign_people, define
from stacks.setting_types import EngineName, Mount
from stacks.storage import Storage

# What tasks write into work/: parts and samples, why and how often they failed, the result's mark; and workers their claims. They
# delete parts and claims at a job's end, and the marks of tries that have come to theirs.
NODE_WORK = (f"*/{PARTS}/*", f"*/{FAILED}/*", f"*/{CLAIMS}/*", f"*/{MERGED}")
NODE_WORK_DELETE = (f"*/{PARTS}/*", f"*/{FAILED}/*.try-*", f"*/{CLAIMS}/*")
# By blobfuse a write is an upload under another name that is renamed (and the first name deleted); folders are blobs, too.
MOUNTED_WORK = (f"*/{PARTS}/*", f"*/{PARTS}", f"*/{FAILED}/*", f"*/{FAILED}", f"*/{CLAIMS}/*", f"*/{MERGED}*")
NODE_OUTPUT = tuple(f"*/{name}" for name in (STATUS, REPORT, *RESULT_VIDEOS, f"{RESULT_IMAGES}*"))
# Images of an earlier plan.
NODE_OUTPUT_DELETE = (f"*/{RESULT_IMAGES}*",)
# What a custom role needs to submit jobs: https://learn.microsoft.com/azure/machine-learning/how-to-assign-roles
_WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
SUBMIT = tuple(
    f"{_WORKSPACE}/{action}"
    for action in (
        "*/read",
        "environments/write",
        "environments/build/action",
        "environments/readSecrets/action",
        "jobs/*",
        "metadata/artifacts/write",
    )
)
# What Azure Batch Data Contributor and Network Contributor have. Azure gives somebody a role on a scope once: where its owner or
# another deployment may have given that, each deployment gives one of its own.
# https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
_BATCH = "Microsoft.Batch/batchAccounts"
OPERATE = tuple(f"{_BATCH}/{action}" for action in ("read", "applications/*", "pools/*", "poolOperationResults/*"))
OPERATE_JOBS = (f"{_BATCH}/jobs/*", f"{_BATCH}/jobSchedules/*")
JOIN = ("Microsoft.Network/*",)
# Ends all links of an account: https://learn.microsoft.com/rest/api/storagerp/storage-accounts/revoke-user-delegation-keys
REVOKE = "Microsoft.Storage/storageAccounts/revokeUserDelegationKeys/action"
SUBMITTER_OUTPUT = tuple(f"*/{name}" for name in (STATUS, REPORT, REJECTED, WRITABLE))
SUBMITTER_OUTPUT_DELETE = (f"*/{REJECTED}", f"*/{WRITABLE}")


@dataclass(frozen=True, kw_only=True)
class PermissionsArgs:
    """Who there is, and what there is."""

    resource_group_id: pulumi.Input[str]
    nodes: pulumi.Input[str]
    """Principal ids of the identities."""
    submitter: pulumi.Input[str]
    operators: Sequence[str]
    """Object ids of the people and groups who submit jobs and publish models."""
    batch_principal: str
    """Object id of the service principal MicrosoftAzureBatch; empty where nodes may join the VNet without a role."""
    storage: Storage
    mount: Mount = "none"
    scanned: bool = False
    """Whether what comes into the data account is scanned for malware."""
    registry_id: pulumi.Input[str]
    engine: EngineName = "batch"
    account_id: pulumi.Input[str]
    """Of where jobs are submitted: a Batch account, or an Azure Machine Learning workspace."""
    account_group_id: str | None = None
    """Of the resource group that it is in, where it was there before."""
    insights_id: pulumi.Input[str]
    vnet_id: pulumi.Input[str]
    network_group_id: str | None = None
    """The same of the VNet."""


@dataclass(frozen=True)
class Grant:
    """One role on one scope."""

    what: str
    role: Role | pulumi.Input[str]
    scope: pulumi.Input[str]
    condition: str | None = None


class Permissions(pulumi.ComponentResource):
    """The role assignments. What acts as nodes or submitter waits for `nodes` or `submitter`."""

    def __init__(self, name: str, args: PermissionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Permissions", name, None, opts)
        container = {kind: each.id for kind, each in args.storage.containers.items()}
        append = define(
            name, "append", "add blobs and read them", args.resource_group_id, self,
            data_actions=[conditions.READ, conditions.ADD],
        ).id  # fmt: skip

        revoke = define(name, "revoke", "revoke links", args.resource_group_id, self, actions=[REVOKE]).id

        # A node reads videos, styles and models, and writes results, parts and records.
        if args.mount == "blob":
            node_work = conditions.paths(MOUNTED_WORK, MOUNTED_WORK)
        else:
            node_work = conditions.paths(NODE_WORK, NODE_WORK_DELETE)
        node_grants = [
            Grant("input", Role.BLOB_READER, container["input"]),
            Grant("scripts", Role.BLOB_READER, container["scripts"]),
            Grant("output", Role.BLOB_CONTRIBUTOR, container["output"], conditions.paths(NODE_OUTPUT, NODE_OUTPUT_DELETE)),
            Grant("work", Role.BLOB_CONTRIBUTOR, container["work"], node_work),
            Grant("logs", append, container["logs"]),
            Grant("images", Role.IMAGE_PULL, args.registry_id),
            Grant("telemetry", Role.TELEMETRY_WRITER, args.insights_id),
        ]
        # The submitter reads requests and probes videos, writes plans and answers, sets refused requests aside, adds jobs, and
        # reports on those that ended without a word.
        submitter_output = conditions.paths(SUBMITTER_OUTPUT, SUBMITTER_OUTPUT_DELETE)
        submitter_grants = [
            Grant("input", Role.BLOB_READER, container["input"]),
            Grant("scripts", Role.BLOB_READER, container["scripts"]),
            Grant("output", Role.BLOB_CONTRIBUTOR, container["output"], submitter_output),
            Grant("work", Role.BLOB_CONTRIBUTOR, container["work"]),
            Grant("logs", Role.BLOB_READER, container["logs"]),
            Grant("quarantine", append, container["quarantine"]),
            Grant("jobs", self._submit(name, args), args.account_id),
            Grant("images", Role.IMAGE_PULL, args.registry_id),
            Grant("telemetry", Role.TELEMETRY_WRITER, args.insights_id),
        ]
        if args.storage.workspace is not None:
            # A node writes what a run prints into the workspace's own account, in containers that the workspace makes.
            node_grants.append(Grant("runs", Role.BLOB_CONTRIBUTOR, args.storage.workspace.id))
        if args.scanned:
            # Results of scans are tags. Nobody here may write any: then they are Defender's alone.
            tags = define(name, "scans", "read scan results", args.resource_group_id, self, data_actions=[conditions.READ_TAGS])
            submitter_grants.append(Grant("scans", tags.id, container["input"]))
        # People put requests and models in, take results out, sign links for outside users, and look after jobs.
        people_grants = [
            Grant("input", Role.BLOB_CONTRIBUTOR, container["input"]),
            Grant("output", Role.BLOB_CONTRIBUTOR, container["output"]),
            Grant("scripts", Role.BLOB_CONTRIBUTOR, container["scripts"]),
            Grant("work", Role.BLOB_READER, container["work"]),
            Grant("logs", Role.BLOB_READER, container["logs"]),
            Grant("quarantine", Role.BLOB_READER, container["quarantine"]),
            Grant("dead-letters", Role.BLOB_READER, container["dead-letters"]),
            Grant("links", Role.BLOB_DELEGATOR, args.storage.data.id),
            Grant("revoke", revoke, args.storage.data.id),
            Grant("jobs", self._operate(name, args), args.account_id),
        ]
        if args.storage.workspace is not None:
            people_grants.append(Grant("runs", Role.BLOB_READER, args.storage.workspace.id))

        def give(who: str, principal: pulumi.Input[str], grants: Sequence[Grant]) -> list[pulumi.Resource]:
            return [
                assign(f"{name}-{who}-{each.what}", each.role, principal, each.scope, parent=self, condition=each.condition)
                for each in grants
            ]

        self.nodes = give("nodes", args.nodes, node_grants)
        self.submitter = give("submitter", args.submitter, submitter_grants)
        for each in people_grants:
            assign_people(f"{name}-people-{each.what}", each.role, args.operators, each.scope, parent=self)
        if args.batch_principal:
            # Batch puts the nodes into our subnet.
            join = self._join(name, args)
            self.nodes.append(assign(f"{name}-batch-network", join, args.batch_principal, args.vnet_id, parent=self))
        self.register_outputs({})

    def _operate(self, name: str, args: PermissionsArgs) -> Role | pulumi.Input[str]:
        """What lets people look after jobs."""
        if args.engine != "batch":
            return Role.DATA_SCIENTIST
        if args.account_group_id is None or not args.operators:
            return Role.BATCH_CONTRIBUTOR
        return define(
            name, "operate", "look after jobs", args.resource_group_id, self,
            actions=OPERATE, data_actions=OPERATE_JOBS, elsewhere=args.account_group_id,
        ).id  # fmt: skip

    def _join(self, name: str, args: PermissionsArgs) -> Role | pulumi.Input[str]:
        """What lets Azure Batch put nodes into the VNet."""
        if args.network_group_id is None:
            return Role.NETWORK_CONTRIBUTOR
        return define(
            name, "join", "join nodes to a VNet", args.resource_group_id, self, actions=JOIN, elsewhere=args.network_group_id
        ).id

    def _submit(self, name: str, args: PermissionsArgs) -> Role | pulumi.Input[str]:
        """What lets the submitter add jobs. Azure has a role for that of Batch alone."""
        if args.engine == "batch":
            return Role.JOB_SUBMITTER
        return define(name, "submit", "submit Azure Machine Learning jobs", args.resource_group_id, self, actions=SUBMIT).id
