"""What a plan is in Azure Machine Learning's words: the bodies of its workers' jobs, and what is read back of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scorer.documents.deployment import Deployment
from scorer.documents.plan import Plan
from scorer.engines.environment import node_environment

# Whose a job is, in its properties, which nothing can change once it is there.
JOB, SENDER, PLAN, WORKER = "scorer_job", "scorer_sender", "scorer_plan", "scorer_worker"

# Who works in the container, as in that of Azure Batch: the user of images/scorer/Dockerfile. Azure Machine Learning sets up
# what it starts as root, and is reported to fail in images of others, so its own image is root's. Not confirmed.
USER = 10001
_BECOME = f"setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs"
# That user's.
HOME = "/work"
# torch's workers hand tensors over in it; Docker gives 64 MB.
SHARED_MEMORY = "2g"

# Low-priority nodes end a job after a week: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
LONGEST_SPOT_DAYS = 6

# https://learn.microsoft.com/rest/api/azureml/jobs/get#jobstatus
WAITS = {"NotStarted", "Starting", "Provisioning", "Preparing", "Queued", "Paused"}
ENDED = {"Completed", "Failed", "Canceled"}

Json = dict[str, Any]


def worker_id(job: str, index: int, attempt: int) -> str:
    """The id of a try of one of a job's workers, which no other has, nor ever had, in the workspace."""
    return f"{job}-w{index}-t{attempt}"


def worker_body(plan: Plan, deployment: Deployment, sender: str, index: int, compute: str) -> Json:
    """The job that is one of the plan's workers, on the cluster `compute`."""
    spot = compute == deployment.spot_compute
    days = min(deployment.job_days, LONGEST_SPOT_DAYS) if spot else deployment.job_days
    known = {JOB: plan.job, SENDER: sender, PLAN: plan.digest, WORKER: str(index)}
    own = {"SCORER_TASK_MINUTES": str(deployment.task_minutes), "HOME": HOME}
    return {
        "properties": {
            "jobType": "Command",
            "experimentName": plan.job,
            "displayName": f"{plan.request.name}: worker {index + 1}",
            "computeId": compute,
            "environmentId": deployment.environment,
            "command": f"{_BECOME} scorer work {plan.job} --plan {plan.digest}",
            "environmentVariables": node_environment(deployment) | own,
            "identity": {"identityType": "Managed", "clientId": deployment.node_client_id},
            "resources": {"instanceCount": 1, "shmSize": SHARED_MEMORY},
            "limits": {"jobLimitsType": "Command", "timeout": f"P{days}D"},
            "properties": {name: value for name, value in known.items() if value},
        }
    }


def probe_body(job: str, deployment: Deployment, compute: str) -> Json:
    """A job that examines its node, for `scorer check`, and is of no plan."""
    return {
        "properties": {
            "jobType": "Command",
            "experimentName": job,
            "displayName": "scorer check",
            "computeId": compute,
            "environmentId": deployment.environment,
            "command": f"{_BECOME} scorer probe {job} --number 1 --keep",
            "environmentVariables": node_environment(deployment) | {"HOME": HOME},
            "identity": {"identityType": "Managed", "clientId": deployment.node_client_id},
            "resources": {"instanceCount": 1, "shmSize": SHARED_MEMORY},
            "limits": {"jobLimitsType": "Command", "timeout": "PT1H"},
        }
    }


@dataclass(frozen=True)
class Worker:
    """A try of one of a job's workers, as Azure Machine Learning shows it."""

    id: str
    job: str
    sender: str
    plan: str
    """The digest of the plan that it works by."""
    index: int
    attempt: int
    state: str
    compute: str
    """Resource id of its cluster, in small letters."""
    created: datetime
    page: str
    """Its page in Studio; '' where none is named."""

    @property
    def is_waiting(self) -> bool:
        """Whether it doesn't run yet."""
        return self.state in WAITS

    @property
    def has_ended(self) -> bool:
        """Whether it neither runs nor will; one in a state that nobody knows may."""
        return self.state in ENDED


def read_worker(document: Json) -> Worker | None:
    """The worker that a job of the workspace is; None where it is somebody else's."""
    properties = document["properties"]
    known = properties.get("properties") or {}
    found = re.fullmatch(rf"{re.escape(known.get(JOB) or '?')}-w(\d+)-t(\d+)", document["name"])
    if found is None:
        return None
    created = (document.get("systemData") or {}).get("createdAt")
    studio = (properties.get("services") or {}).get("Studio") or {}
    return Worker(
        id=document["name"], job=known[JOB], sender=known.get(SENDER) or "", plan=known.get(PLAN) or "",
        index=int(found[1]), attempt=int(found[2]), state=properties.get("status") or "Unknown",
        compute=(properties.get("computeId") or "").lower(),
        created=_moment(created) if created else datetime.now(UTC), page=studio.get("endpoint") or "",
    )  # fmt: skip


def _moment(text: str) -> datetime:
    """Of an ISO 8601 text, which may have more digits than Python reads."""
    moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
