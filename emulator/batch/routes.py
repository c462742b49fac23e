"""Batch's calls, one function each: what the account and its pools answer. Source: https://learn.microsoft.com/rest/api/batchservice/"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from emulator.batch.jobs import RefusalError
from emulator.batch.nodes import Node
from emulator.batch.pool import Pool

if TYPE_CHECKING:
    from emulator.batch.service import BatchService

Json = dict[str, Any]
PAGE = 1000

Answer = tuple[int, Json]
Query = Mapping[str, list[str]]


def _job_exists(service: BatchService, _: Query, __: Json, job: str) -> Answer:
    return 200, service.ledger.get(job).shown()


def _jobs(service: BatchService, query: Query, _: Json) -> Answer:
    state = re.fullmatch(r"state eq '(\w+)'", query.get("$filter", [""])[0])
    found = [job.shown() for job in service.ledger.jobs.values() if state is None or job.state == state[1]]
    return 200, {"value": found}


def _add_job(service: BatchService, _: Query, body: Json) -> Answer:
    if service.earlier is not None:
        service.earlier(body)
    service.ledger.add_job(body, service.now, {pool.lower() for pool in service.pools} | set(service.pools))
    return 201, {}


def _update_job(service: BatchService, _: Query, body: Json, job: str) -> Answer:
    found = service.ledger.get(job)
    if found.state != "active":
        raise RefusalError(
            409, "JobCompleted" if found.state == "completed" else "JobTerminating", f"Job '{job}' is {found.state}."
        )
    found.body.update(body)
    return 200, {}


def _terminate_job(service: BatchService, _: Query, body: Json, job: str) -> Answer:
    service.pool.end_job(service.ledger.get(job), body.get("terminateReason") or "UserTerminate")
    return 202, {}


def _delete_job(service: BatchService, _: Query, __: Json, job: str) -> Answer:
    service.pool.end_job(service.ledger.get(job), "UserDelete")
    del service.ledger.jobs[job.lower()]
    return 202, {}


def _add_task(service: BatchService, _: Query, body: Json, job: str) -> Answer:
    if service.earlier is not None:
        service.earlier(body)
    service.ledger.add_task(job, body)
    return 201, {}


def _add_tasks(service: BatchService, _: Query, body: Json, job: str) -> Answer:
    if service.earlier is not None:
        for each in body["value"]:
            service.earlier(each)
    return 200, {"value": service.ledger.add_tasks(job, body["value"])}


def _tasks(service: BatchService, query: Query, _: Json, job: str) -> Answer:
    first = int(query.get("$skiptoken", ["0"])[0])
    found = [task.shown() for task in service.ledger.get(job).tasks.values()]
    answer: Json = {"value": found[first : first + PAGE]}
    if first + PAGE < len(found):
        answer["odata.nextLink"] = f"{service.endpoint}/jobs/{job}/tasks?api-version=2025-06-01&$skiptoken={first + PAGE}"
    return 200, answer


def _task(service: BatchService, _: Query, __: Json, job: str, task: str) -> Answer:
    return 200, service.ledger.task(job, task).shown()


def _preparations(service: BatchService, _: Query, __: Json, job: str) -> Answer:
    found = service.ledger.get(job)
    pool = found.body["poolInfo"]["poolId"]
    value = []
    for node, state in found.prepared.items():
        ended: Json = {"exitCode": None, **found.preparations.get(node, {})}
        ok = ended.get("exitCode") == 0
        info = {
            "startTime": found.prepared_at[node], "state": "running" if state == "running" else "completed",
            "retryCount": max(0, found.tries.get(node, 0) - 1), **ended,
        }  # fmt: skip
        info |= {} if state == "running" else {"result": "success" if ok else "failure"}
        value.append({"poolId": pool, "nodeId": node, "jobPreparationTaskExecutionInfo": info})
    return 200, {"value": value}


def _counts(service: BatchService, _: Query, __: Json, job: str) -> Answer:
    found = service.ledger.get(job)
    done = found.in_state("completed")
    good = sum(task.succeeded for task in done)
    counts = {
        "active": len(found.in_state("active")), "running": len(found.in_state("running")), "completed": len(done),
        "succeeded": good, "failed": len(done) - good,
    }  # fmt: skip
    return 200, {"taskCounts": counts, "taskSlotCounts": counts}


def _pool(service: BatchService, _: Query, __: Json, pool: str) -> Answer:
    found = service.pools.get(pool)
    if found is None:
        raise RefusalError(404, "PoolNotFound", f"There is no pool '{pool}'.")
    here = [node for node in found.nodes if node.ready_at <= found.now]
    counts = {kind: sum(node.kind == kind for node in here) for kind in ("dedicated", "spot")}
    body = {
        "id": pool,
        "state": "active",
        "currentDedicatedNodes": counts["dedicated"],
        "currentLowPriorityNodes": counts["spot"],
        "targetDedicatedNodes": found.targets["dedicated"],
        "targetLowPriorityNodes": found.targets["spot"],
        "allocationState": "steady" if found.is_steady else "resizing",
        "resizeErrors": found.resize_errors,
        "autoScaleRun": {"timestamp": "2026-01-05T00:00:00Z", **_formula_error(found)},
    }
    return 200, body | {"vmSize": found.declared()["properties"]["vmSize"].lower()}


def _nodes(service: BatchService, _: Query, __: Json, pool: str) -> Answer:
    found = service.pools[pool]
    return 200, {"value": [{"id": node.id, **_state(node, found)} for node in found.nodes]}


def _state(node: Node, pool: Pool) -> Json:
    """What the service says of a node."""
    if node.ready_at > pool.now:
        return {"state": "creating"}
    if pool.start_fails:
        failure = {"category": "usererror", "code": "FailureExitCode", "message": "The task exited with an exit code"}
        info = {"state": "completed", "startTime": "2026-01-05T00:00:00Z", "retryCount": 2}
        return {"state": "starttaskfailed", "startTaskInfo": {**info, "exitCode": pool.start_fails[0], "failureInfo": failure}}
    return {"state": "running" if node.runs else "idle"}


def _node_file(service: BatchService, _: Query, __: Json, pool: str, node: str, name: str) -> tuple[int, bytes]:
    found = service.pools[pool].start_fails
    if found is None or name != "startup/stdout.txt":
        raise RefusalError(404, "FileNotFound", f"There is no '{name}' on node '{node}'.")
    return 200, found[1].encode()


def _formula_error(pool: Pool) -> Json:
    if not pool.errors:
        return {}
    return {"error": {"code": "AutoScalingFormulaEvaluationError", "message": str(pool.errors[-1])}}


ROUTES: list[tuple[str, str, Callable[..., tuple[int, Json | bytes]]]] = [
    ("GET", "/jobs", _jobs),
    ("POST", "/jobs", _add_job),
    ("GET", "/jobs/([^/]+)", _job_exists),
    ("PATCH", "/jobs/([^/]+)", _update_job),
    ("DELETE", "/jobs/([^/]+)", _delete_job),
    ("POST", "/jobs/([^/]+)/terminate", _terminate_job),
    ("GET", "/jobs/([^/]+)/taskcounts", _counts),
    ("GET", "/jobs/([^/]+)/jobpreparationandreleasetaskstatus", _preparations),
    ("GET", "/jobs/([^/]+)/tasks", _tasks),
    ("POST", "/jobs/([^/]+)/tasks", _add_task),
    ("POST", "/jobs/([^/]+)/addtaskcollection", _add_tasks),
    ("GET", "/jobs/([^/]+)/tasks/([^/]+)", _task),
    ("GET", "/pools/([^/]+)", _pool),
    ("GET", "/pools/([^/]+)/nodes", _nodes),
    ("GET", "/pools/([^/]+)/nodes/([^/]+)/files/(.+)", _node_file),
]
