"""What two tasks on a node told is judged; what Batch says of a task that told nothing, and of a pool without nodes."""

import json
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models as batch

from scorer.check import nodes, resources
from scorer.check.findings import Finding
from scorer.check.judge import judge
from scorer.check.known import ANSWER, TOLERANCE, difference, drawn, styled
from scorer.check.options import without_named
from scorer.check.probe import Facts
from scorer.check.probe_answer import read_facts
from scorer.check.trial_request import FRAMES, clip
from scorer.documents.deployment import CONTAINER_OPTIONS, read_deployment
from scorer.engines.azure_batch.bodies import job_body, probe_job_body, probe_task, worker_task
from scorer.engines.azure_batch.pool import resize_problem
from scorer.engines.task_count import TaskCount
from stacks.container_options import check_options
from tests.conftest import frame_hashes
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT
from tests.scorer.job.scoring import plan_folder

TARGET = read_deployment(
    json.dumps({**DOCUMENT, "gpuSize": "Standard_NC4as_T4_v3", "gpuCores": 4, "gpuFamily": "standardNCASv3_T4Family"})
)
FACTS: dict[str, Any] = {
    "job": "check-1", "number": 1, "uid": 10001, "gid": 10001, "shared": "", "found": True, "slot": "", "promised": 1,
    "variable": True, "devices": 1, "gpus": 1, "driver": "580.95.05", "torch": "2.15.0", "openvino": "", "token": "",
    "stores": {"input": "", "output": "", "work": ""}, "frame": list(ANSWER), "runtime": "torch 2.15 cuda float16", "styling": "",
}  # fmt: skip


def bad(*, same_node: bool = True, second: dict[str, Any] | None = None, **first: Any) -> dict[str, str]:
    """What is wrong, by name, of a node on which both tasks found `first`, but for what the second found in its place."""
    facts = {**FACTS, **first}
    findings = judge(
        Facts.model_validate(facts), Facts.model_validate({**facts, "number": 2, **(second or {})}), TARGET, same_node=same_node
    )
    return {each.name: f"{each.text} -> {each.todo}" for each in findings if each.state == "wrong"}


def test_a_node_as_it_should_be() -> None:
    assert bad() == {}
    assert bad(second={"uid": 1003, "gid": 1003}) == {}, "whoever can use what is shared may be anybody"


NODES: dict[str, tuple[dict[str, Any], str, str]] = {
    "another user": (
        {"second": {"uid": 1003, "gid": 1003, "found": False}},
        "node's folder",
        "tasks run as 10001:10001 and 1003:1003, and the second can't use",
    ),
    "closed folder": (
        {"second": {"shared": "'/node/blobs' can't be written"}},
        "node's folder",
        "what they share can't be used: '/node/blobs' can't be written -> /node and /slots of the image must be open",
    ),
    "another user's folder": (
        {"shared": "'/node' can't be written", "second": {"uid": 1003, "shared": "'/node' can't be written"}},
        "node's folder",
        f"; or make all tasks one user: pulumi config set containerOptions '{CONTAINER_OPTIONS} --user 10001:10001', then",
    ),
    "nothing kept": ({"second": {"found": False}}, "node's folder", "can't use what the first has fetched"),
    "no slot": ({"slot": "All 1 slots of this machine are taken"}, "slots", "All 1 slots"),
    "no variable": (
        {"gpus": 0, "devices": 0, "variable": False, "driver": ""},
        "GPUs",
        "doesn't set NVIDIA_VISIBLE_DEVICES and NVIDIA_DRIVER_CAPABILITIES, without which containers get no GPU",
    ),
    "no device": ({"gpus": 0, "devices": 0}, "GPUs", "the container has no /dev/nvidia0 -> portal"),
    "no torch": ({"gpus": 0, "torch": ""}, "GPUs", "torch is missing, without which no GPU is used"),
    "one of four": ({"promised": 4}, "GPUs", "1 of 4 GPUs"),
    "old driver": (
        {"driver": "550.144.03", "gpus": 0},
        "driver",
        "550.144.03, and CUDA 13 needs 580 -> pulumi config set nodeImageVersion",
    ),
    "no driver": ({"driver": ""}, "driver", "doesn't see NVIDIA's driver"),
    "no token": ({"token": "Nobody answers at 169.254.169.254", "stores": {}}, "token", "Nobody answers"),
    "no role": (
        {"stores": {"input": "", "work": "it can't be written"}},
        "nodes' stores",
        "work: it can't be written -> pulumi refresh",
    ),
    "too much": (
        {"second": {"stores": {"input": "a node may write 'x' there, which none should"}}},
        "nodes' stores",
        "which none should",
    ),
    "another picture": ({"frame": [128.0] * 48}, "frame", "of 255 levels from the known one"),
    "no picture": ({"frame": []}, "frame", "differs by 255 of 255"),
    "no weights": (
        {"styling": "The weights of 'painted' aren't here.", "frame": []},
        "frame",
        "The weights of 'painted' aren't here.",
    ),
}


@pytest.mark.parametrize("what", NODES)
def test_a_node_that_isnt(what: str) -> None:
    facts, name, words = NODES[what]
    told = bad(**facts)
    assert words in told[name]
    assert " -> " in told[name]
    assert told[name].rpartition(" -> ")[2]


def test_tasks_on_two_nodes_say_nothing_of_what_one_shares() -> None:
    """Batch prefers the first's node, but promises nothing: a deployment that works isn't called wrong for it."""
    assert bad(second={"found": False}, same_node=False) == {}
    assert "node's folder" in bad(second={"shared": "'/node' can't be written"}, same_node=False)


@pytest.mark.parametrize(
    ("cause", "names"),
    [
        ({"gpus": 0, "devices": 0, "variable": False, "driver": "", "styling": "no GPU", "frame": []}, ["GPUs"]),
        ({"gpus": 0, "devices": 0, "driver": "", "styling": "no GPU", "frame": []}, ["GPUs"]),
        ({"gpus": 0, "styling": "no GPU", "frame": [], "driver": "570.86"}, ["GPUs", "driver"]),
        ({"slot": "All 1 slots are taken", "styling": "All 1 slots are taken", "frame": []}, ["slots"]),
    ],
    ids=["image", "node", "driver", "slots"],
)
def test_one_cause_is_told_once(cause: dict[str, Any], names: list[str]) -> None:
    assert list(bad(**cause)) == names


def test_the_frame_is_the_same_whatever_computes() -> None:
    answer, runtime = styled()
    assert runtime
    assert difference(answer) < TOLERANCE / 2
    plain = drawn().reshape(4, 24, 4, 24, 3).mean((1, 3)).reshape(-1)
    assert difference(tuple(map(float, plain))) > 4 * TOLERANCE, "a frame that nothing has styled"


def test_the_clip_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip())
    assert len(frame_hashes(path)) == FRAMES


def test_probes_are_what_a_jobs_own_tasks_are(stores: FolderStores) -> None:
    """In all that says how they run: on what pool, in what container, as whom, in what environment."""
    plan = plan_folder(stores)
    real, job = job_body(plan, TARGET, "", 0), probe_job_body(plan.job, TARGET)
    worker, task = worker_task(plan, 0, TaskCount(all=1, at_once=1), TARGET), probe_task(plan.job, 2, TARGET, "TVM:1")
    for name in ("pool_info", "common_environment_settings"):
        assert getattr(job, name) == getattr(real, name)
    for name in ("container_settings", "user_identity"):
        assert getattr(task, name) == getattr(worker, name)
        assert getattr(job.job_preparation_task, name) == getattr(real.job_preparation_task, name)
    assert task.affinity_info is not None
    assert task.affinity_info.affinity_id == "TVM:1"


def ended(**info: Any) -> batch.BatchTask:
    about = {"executionInfo": {"retryCount": 0, "requeueCount": 0, **info}, "nodeInfo": {"nodeId": "tvmps_1"}}
    return batch.BatchTask({"id": "1", "state": "completed", **about})


OPTIONS = "--read-only --tmpfs /tmp:rw --tmpfs=/work:rw --cap-drop ALL --memory 4g --memory-swap 4g"


@pytest.mark.parametrize(
    ("code", "exit_code", "message", "words"),
    [
        (
            "ContainerInvalidSettings",
            None,
            "containerRunOptions: --cap-drop is not supported",
            f"pulumi config set containerOptions '{CONTAINER_OPTIONS.replace('--cap-drop ALL ', '')}', then pulumi up",
        ),
        (
            "ContainerInvalidSettings",
            None,
            "At least one value is invalid",
            "or all options: pulumi config set containerOptions ''",
        ),
        ("ContainerInvalidImage", None, "One or more container images specified are invalid", "the image can't be pulled"),
        ("FailureExitCode", 64, "The task exited", "older than this command"),
        ("FailureExitCode", 126, "The task exited", "node tvmps_1 starts no container"),
        ("FailureExitCode", 125, "The task exited", "pool > nodes: remove tvmps_1"),
        ("FailureExitCode", 137, "The task exited", "set taskMemoryGb higher"),
        ("FailureExitCode", 1, "The task exited", "the job's stderr.txt"),
    ],
)
def test_a_task_that_told_nothing(code: str, exit_code: int | None, message: str, words: str) -> None:
    failure = {"category": "usererror", "code": code, "message": message}
    found = nodes.failure(ended(failureInfo=failure, **({"exitCode": exit_code} if exit_code is not None else {})), TARGET)
    assert isinstance(found, Finding)
    assert (found.name, found.state) == ("nodes", "wrong")
    assert words in f"{found.text} -> {found.todo}"
    assert nodes.failure(ended(exitCode=0), TARGET) is None


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("unrecognized arguments: --memory-swap", "--read-only --tmpfs /tmp:rw --tmpfs=/work:rw --cap-drop ALL --memory 4g"),
        ("unrecognized arguments: --tmpfs --read-only", "--cap-drop ALL --memory 4g --memory-swap 4g"),
        ("'--cap-drop=ALL'", "--read-only --tmpfs /tmp:rw --tmpfs=/work:rw --memory 4g --memory-swap 4g"),
        ("something is invalid", OPTIONS),
    ],
)
def test_options_that_are_named_are_left_out_with_their_values(said: str, left: str) -> None:
    assert without_named(OPTIONS, said) == left
    assert check_options(left) == left


@pytest.mark.parametrize(
    "change",
    [
        {"job": "check-2"},
        {"uid": -1},
        {"frame": [1e300]},
        {"frame": ["nan"]},
        {"stores": {"a" * 21: ""}},
        {"torch": 7},
        {"number": 3},
        {"stores": {f"{chr(97 + each)}": "" for each in range(11)}},
        {"driver": "of a stranger"},
        {"driver": "580"},
        {"token": "x" * 5000 + "\x1b[31m"},
    ],
)
def test_what_a_node_tells_is_read_like_any_strangers_words(change: dict[str, Any]) -> None:
    said = read_facts(json.dumps({**FACTS, **change}).encode(), "check-1", 1)
    assert isinstance(said, Finding) or (said.token and "\x1b" not in said.token)
    for data in (b"", b"{", b"[]", b"\xff\xfe", b"{}\n{}", b"{" * 60_000):
        assert isinstance(read_facts(data, "check-1", 1), Finding)
    mixed = b"a library's line\n" + json.dumps(FACTS).encode() + b"\n"
    assert isinstance(read_facts(mixed, "check-1", 1), Facts)


QUOTA = {
    "lowPriorityCoreQuota": 12, "dedicatedCoreQuota": 900, "dedicatedCoreQuotaPerVMFamilyEnforced": True, "poolQuota": 20,
    "dedicatedCoreQuotaPerVMFamily": [{"name": "Standard NCASv3_T4 Family", "coreQuota": 8}], "activeJobAndJobScheduleQuota": 300,
}  # fmt: skip


def test_cores_count_by_family_where_azure_counts_so() -> None:
    both = TARGET.model_copy(update={"spot_percent": 50})

    def states(**more: Any) -> list[str]:
        found = resources.judge_quota(resources.AccountQuota.model_validate({**QUOTA, **more}), both)
        return [each.state for each in found]

    assert states() == ["ok", "wrong", "ok", "ok"]  # 3 nodes of 4 cores may come
    assert states(dedicatedCoreQuotaPerVMFamilyEnforced=False) == ["ok"] * 4
    assert states(dedicatedCoreQuotaPerVMFamily=[]) == ["ok", "wrong", "ok", "ok"]
    assert states(lowPriorityCoreQuota=11, activeJobAndJobScheduleQuota=9) == ["wrong", "wrong", "ok", "wrong"]


def test_who_wants_spot_nodes_alone_needs_no_dedicated_cores() -> None:
    """They take over while Spot nodes are taken away, which is told; but a deployment works without."""
    quota = resources.AccountQuota.model_validate({**QUOTA, "dedicatedCoreQuotaPerVMFamily": []})
    spot, dedicated, *_ = resources.judge_quota(quota, TARGET.model_copy(update={"spot_percent": 100}))
    assert (spot.state, dedicated.state) == ("ok", "ok")
    assert dedicated.text.endswith("0 of 3 nodes of Standard_NC4as_T4_v3, should Spot nodes be taken away")
    short = quota.model_copy(update={"low_priority_core_quota": 8})
    states = [each.state for each in resources.judge_quota(short, TARGET.model_copy(update={"spot_percent": 100}))]
    assert states[:2] == ["wrong", "wrong"]


def test_nodes_are_not_waited_for_that_no_quota_lets_come() -> None:
    def stops(**more: Any) -> list[str]:
        found = resources.judge_quota(resources.AccountQuota.model_validate({**QUOTA, **more}), TARGET)
        return [each.stops for each in found]

    assert stops() == [""] * 4
    assert stops(lowPriorityCoreQuota=3) == [""] * 4, "two dedicated nodes may come"
    assert stops(lowPriorityCoreQuota=3, dedicatedCoreQuotaPerVMFamily=[]) == ["nodes", "nodes", "", ""]
    assert stops(lowPriorityCoreQuota=4, dedicatedCoreQuotaPerVMFamily=[]) == [""] * 4, "one Spot node may come"


# How runs end: https://learn.microsoft.com/rest/api/logic/workflow-runs/list#workflowstatus
@pytest.mark.parametrize(
    ("statuses", "state", "words"),
    [
        ([], "ok", "flow is enabled, and no run of it has come to its end yet"),
        (["Running", "Waiting"], "ok", "no run of it has come to its end yet"),
        (["Succeeded", "Failed", "Succeeded"], "ok", "of its last 3 runs 2 ended well, the latest among them"),
        (["Cancelled", "Succeeded"], "ok", "of its last 1 run 1 ended well"),
        (["Cancelled", "Failed"], "wrong", "its last run ended as failed"),
        (["Faulted"], "wrong", "its last run ended as faulted"),
        (["TimedOut", "Succeeded"], "wrong", "its last run ended as timedout"),
    ],
)
def test_runs_that_somebody_cancelled_say_nothing_of_a_workflow(statuses: list[str], state: str, words: str) -> None:
    found = resources.judge_runs("flow", [resources.RunFacts(status=each) for each in statuses])
    assert found.state == state
    assert words in found.text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccountCoreQuotaReached", "no quota: the Batch account has no dedicated cores left"),
        ("AccountVMSeriesCoreQuotaReached", "no quota: the Batch account has no dedicated cores of its GPU size's family left"),
        ("AccountLowPriorityCoreQuotaReached", "no quota: the Batch account has no Spot cores left"),
        ("AccountSpotCoreQuotaReached", "no quota: the Batch account has no Spot cores left"),
        ("AllocationFailed", "Azure has no such machine to give"),
        ("AllocationTimedOut", "Azure found no machine in time"),
        ("NewReason", "NewReason: said by Azure"),
    ],
)
def test_a_resize_error_is_a_sentence(code: str, words: str) -> None:
    assert resize_problem(code, "said by\nAzure\x1b[2J").startswith(words)
