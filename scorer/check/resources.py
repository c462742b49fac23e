"""What Azure Resource Manager says of the deployment's resources: quota and workflows.

Sources: https://learn.microsoft.com/rest/api/batchmanagement/batch-account/get, https://learn.microsoft.com/azure/batch/batch-quota-limit,
https://learn.microsoft.com/rest/api/logic/workflow-runs/list
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from scorer.azure import resource_manager
from scorer.azure.clouds import current
from scorer.check.findings import Finding, Stops, good, left_out, wrong
from scorer.check.refusals import refusal
from scorer.documents import Words
from scorer.documents.deployment import Deployment
from scorer.report.text import counted
from scorer.validation import faults

BATCH_VERSION = "2024-07-01"
LOGIC_VERSION = "2019-05-01"
RUNS = 5
"""That are looked at, the latest."""
_FAILED = ("Failed", "TimedOut", "Aborted", "Faulted")
OLD = "an earlier version described this deployment: 'pulumi up' describes it anew"


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class FamilyQuota(_Answer):
    """Dedicated cores of one family of sizes."""

    name: str
    core_quota: int


class AccountQuota(_Answer):
    """Of a Batch account."""

    low_priority_core_quota: int = 0
    dedicated_core_quota: int = 0
    dedicated_core_quota_per_vm_family: Annotated[tuple[FamilyQuota, ...], Field(alias="dedicatedCoreQuotaPerVMFamily")] = ()
    by_family: Annotated[bool, Field(alias="dedicatedCoreQuotaPerVMFamilyEnforced")] = False
    pool_quota: int = 0
    active_job_and_job_schedule_quota: int = 0

    def dedicated(self, family: str) -> int:
        """Cores that nodes of the family may have. Batch and `az vm` write its name in their own ways."""
        if not self.by_family:
            return self.dedicated_core_quota
        return next((each.core_quota for each in self.dedicated_core_quota_per_vm_family if _same(each.name, family)), 0)


class _Account(_Answer):
    properties: AccountQuota


class RunError(_Answer):
    """Why a run failed."""

    code: Words = ""
    message: Words = ""


class RunFacts(_Answer):
    """How a run went."""

    status: Words
    start_time: Words = ""
    error: RunError | None = None


class _Run(_Answer):
    name: Words = ""
    properties: RunFacts


class _Runs(_Answer):
    value: tuple[_Run, ...] = ()


class _WorkflowFacts(_Answer):
    state: Words


class _Workflow(_Answer):
    properties: _WorkflowFacts


Answer = TypeVar("Answer", bound=BaseModel)


def check_quota(target: Deployment, me: str) -> Iterator[Finding]:
    """Cores of both kinds, pools and jobs, against what the settings may ask for."""
    if not target.batch_account or not target.gpu_cores:
        yield left_out("quota", OLD)
        return
    found = ask("quota", _Account, target.batch_account, BATCH_VERSION, me)
    yield from [found] if isinstance(found, Finding) else judge_quota(found.properties, target)


def judge_quota(quota: AccountQuota, target: Deployment) -> Iterator[Finding]:
    """What the numbers mean for these settings."""
    account = target.batch_account.rpartition("/")[2]
    kinds = [("dedicated quota", f"dedicated cores ({target.gpu_family})", quota.dedicated(target.gpu_family))]
    if target.spot_percent:
        kinds.insert(0, ("Spot quota", "Spot cores", quota.low_priority_core_quota))
    needed = target.nodes_max * target.gpu_cores
    on_spot_alone = target.spot_percent == 100 and quota.low_priority_core_quota >= needed
    stops: Stops = "nodes" if all(cores < target.gpu_cores for _, _, cores in kinds) else ""
    for name, what, cores in kinds:
        nodes = cores // target.gpu_cores
        text = f"{cores} {what}: {min(nodes, target.nodes_max)} of {target.nodes_max} nodes of {target.gpu_size}"
        if cores >= needed:
            yield good(name, text)
        elif on_spot_alone:
            yield good(name, f"{text}, should Spot nodes be taken away")
        else:
            lower = f", or pulumi config set nodesMax {nodes}" if nodes else ""
            yield wrong(name, text, f"portal > Batch account {account} > Quotas: ask for {needed}{lower}", stops)
    for name, what, most, least, why in (
        ("pool quota", "pools", quota.pool_quota, 2, "a change of gpuSize makes a new pool before the old one goes"),
        ("job quota", "active jobs", quota.active_job_and_job_schedule_quota, target.jobs_max, "maxActiveJobs may run at once"),
    ):
        if most >= least:
            yield good(name, f"{most} {what}")
        else:
            todo = f"portal > Batch account {account} > Quotas: ask for {least}"
            yield wrong(name, f"{most} {what}, and {least} are needed: {why}", todo)


def check_workflows(target: Deployment, me: str) -> Iterator[Finding]:
    """Whether the workflows are enabled, and how their last runs ended."""
    if not target.workflows:
        yield left_out("workflow", OLD)
    for each in target.workflows:
        name = each.rpartition("/")[2]
        found = ask("workflow", _Workflow, each, LOGIC_VERSION, me)
        runs = found if isinstance(found, Finding) else ask("workflow", _Runs, f"{each}/runs?$top={RUNS}", LOGIC_VERSION, me)
        if isinstance(found, Finding):
            yield found
        elif found.properties.state != "Enabled":
            yield wrong(
                "workflow",
                f"{name} is {found.properties.state.lower()}",
                f"portal > Logic App {name} > Enable, or pulumi refresh && pulumi up",
                "request",
            )
        elif isinstance(runs, Finding):
            yield runs
        else:
            yield judge_runs(name, [run.properties for run in runs.value])


def judge_runs(name: str, runs: list[RunFacts]) -> Finding:
    """What the runs, the latest first, say of a workflow that is enabled; one that somebody cancelled says nothing."""
    ended = [run for run in runs if run.status in ("Succeeded", *_FAILED)]
    if not ended:
        return good("workflow", f"{name} is enabled, and no run of it has come to its end yet")
    failed = sum(run.status in _FAILED for run in ended)
    last = ended[0]
    if last.status in _FAILED:
        why = f" ({last.error.code}: {last.error.message})" if last.error else ""
        return wrong(
            "workflow", f"{name}: its last run ended as {last.status.lower()}{why}",
            f"portal > Logic App {name} > Runs history: the action Failure has the reason, Log what the container wrote",
        )  # fmt: skip
    return good(
        "workflow",
        f"{name} is enabled; of its last {counted(len(ended), 'run')} {len(ended) - failed} ended well, the latest among them",
    )


def ask(name: str, model: type[Answer], path: str, version: str, me: str) -> Answer | Finding:
    """What Azure says of the resource; what is wrong or left out where it says nothing of use."""
    try:
        return model.model_validate(resource_manager.call("GET", path, version))
    except ValidationError as error:
        return left_out(name, f"Azure's answer can't be read ({faults(error)[0]})")
    except HttpResponseError as error:
        found = refusal(error, current().resource_manager, me)
        if found.kind == "role":  # operators needn't have it: whoever deploys does
            resource = path.partition("?")[0].removesuffix("/runs").rpartition("/")[2]
            return left_out(name, f"you may not read '{resource}': whoever deploys may, or the role Reader on it")
        return wrong(name, found.text, found.todo)
    except AzureError as error:
        found = refusal(error, current().resource_manager, me)
        return wrong(name, found.text, found.todo)


def _same(one: str, other: str) -> bool:
    return one.replace(" ", "").lower() == other.replace(" ", "").lower()
