"""The second engine scores: what `pulumi up` declares with Azure Machine Learning runs real jobs, whatever is taken away."""

import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.batch.quota import Quota
from emulator.forked import SCORER, start
from emulator.local_azure import PERSON, LocalAzure
from emulator.logic_app.engine import Engine
from emulator.logic_app.trigger import Trigger
from emulator.logic_app.trigger import serve as serve_trigger
from emulator.machine_learning.cluster import Manner
from emulator.machine_learning.service import VERSION
from scorer.documents.records import FrameRecord, from_lines
from tests.conftest import MakeClip
from tests.deployed import deploy
from tests.end_to_end.checks import check, left_out, wrong
from tests.end_to_end.job_helpers import ask, by_local_engine, lose, lose_merger
from tests.end_to_end.test_trigger_to_result import person

# The lines of scorer check.
CHECKS = [
    "sign-in", "data store", "ops store", "Spot quota", "nodes' image", "submitter's image", "workspace", "environment",
    "Spot cluster", "workflow", "workflow", "nodes", "GPUs", "driver", "token", "nodes' stores", "frame", "request",
]  # fmt: skip
# Of the calls that a dispatch makes, each so many-th is one that it is killed at.
STRIDE = 11


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """One deployment for all tests."""
    with deploy(tmp_path_factory.mktemp("learning"), engine="machine-learning", nodesMax=2) as running:
        yield running


@pytest.fixture
def azure(learning: LocalAzure) -> Iterator[LocalAzure]:
    """The deployment, with nothing in its input; its faults fixed afterwards."""
    learning.clear("input")
    yield learning
    learning.learning.fault = learning.blobs.fault = None
    learning.learning.stands_still = False


def states(azure: LocalAzure, job: str) -> Counter[str]:
    return Counter(each.state for each in azure.learning.workers(job))


def frames_recorded(azure: LocalAzure, job: str) -> Counter[int]:
    """How many records each frame has."""
    names = (name for name in azure.names("logs", f"{job}/") if name.endswith(".jsonl"))
    lines = (line for name in names for line in from_lines(azure.get("logs", name)))
    return Counter(line.frame for line in lines if isinstance(line, FrameRecord))


def parts(azure: LocalAzure, job: str) -> int:
    return sum(name.endswith(".json") for name in azure.names("work", f"{job}/parts/"))


def saves_no_more_than(most: int, name: str) -> Callable[[str, str], int | None]:
    """A fault of storage: so many parts of the job of that name are said to be whole, however quick its workers are."""
    saved = itertools.count()

    def fault(method: str, path: str) -> int | None:
        is_part = method == "PUT" and re.search(f"/{name}-[^/]*/parts/.*json$", path)
        return 503 if is_part and next(saved) >= most else None

    return fault


def test_submit_brings_what_the_laptop_makes(azure: LocalAzure, engine: Engine, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("bunny.mp4", frames=60, rate="30000/1001")
    options = ("--model", "invert", "--chunk-frames", "10", "--every", "0.3", "--out", "new.mp4")
    with serve_trigger(azure, engine, tmp_path / "containers") as trigger:
        done = person(trigger, tmp_path, "submit", str(clip), *options)
        assert done.returncode == 0, done.stderr
        job = done.stdout.splitlines()[0]
        assert (tmp_path / "new.mp4").read_bytes() == by_local_engine(tmp_path, clip, chunk_frames=10).read_bytes()
        assert f"{job}-w0-t0: https://ml.azure.com/runs/{job}-w0-t0?wsid=" in done.stderr
        told = person(trigger, tmp_path, "status", job, "--json")
        facts = json.loads(told.stdout)
        assert (facts["state"], facts["frames"], facts["tasks"]) == (
            "done", 60, {"waiting": 0, "running": 0, "done": 7, "failed": 0}
        )  # fmt: skip
        assert all(page.startswith("https://ml.azure.com/runs/") for page in facts["pages"].values())
        assert job in person(trigger, tmp_path, "status").stdout
        trigger.wait()
        assert [run.status for run in trigger.runs] == ["Succeeded"]
    assert b"<html" in azure.get("output", f"{job}/report.html")
    assert frames_recorded(azure, job) == dict.fromkeys(range(60), 1)
    logs = [name for name in azure.names("logs", f"{job}/tasks/") if name.endswith("stderr.txt")]
    assert logs
    assert [each["chunks"] for each in azure.insights.events("job.started") if each["job"] == job] == ["6"]
    assert [each["failed"] for each in azure.insights.events("job.finished") if each["job"] == job] == ["0"]
    assert sum(value for value, known in azure.insights.points("scorer.frames") if known["job"] == job) == 60
    azure.learning.wait(lambda: all(each.has_ended for each in azure.learning.workers(job)))
    assert set(states(azure, job)) <= {"Completed", "Canceled"}
    azure.learning.wait(lambda: not any(cluster.nodes for cluster in azure.learning.clusters.values()))


def test_all_workers_are_lost_and_then_the_merger(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=40)
    azure.put("films/lost.mp4", clip.read_bytes())
    azure.blobs.fault = saves_no_more_than(1, "lost")
    job = azure.dispatch(ask(azure, "lost", "films/lost.mp4", chunk_frames=5))
    azure.learning.wait(lambda: parts(azure, job) == 1 and states(azure, job) == {"Running": 2})
    manners: tuple[Manner, ...] = ("failed", "canceled")
    with azure.learning.lock:
        for worker, manner in zip(azure.learning.workers(job), manners, strict=True):
            lose(azure, worker, manner)
    assert states(azure, job) == {"Failed": 1, "Canceled": 1}
    azure.blobs.fault = None
    azure.dispatch("requests/")
    assert sorted(each.name for each in azure.learning.workers(job) if not each.has_ended) == [f"{job}-w0-t1", f"{job}-w1-t1"]
    # Whoever merges can't write the result, and is lost.
    azure.blobs.fault = lambda method, path: 503 if method == "PUT" and f"{job}/result." in path else None
    azure.learning.wait(lambda: any("/claims/merge-" in name for name in azure.names("work", f"{job}/")))
    (merge,) = azure.names("work", f"{job}/claims/merge-")
    lose_merger(azure, merge, "again")
    azure.blobs.fault = None
    assert azure.wait(job)["state"] == "done"
    expected_bytes = by_local_engine(tmp_path, clip, chunk_frames=5).read_bytes()
    assert azure.get("output", f"{job}/result.mp4") == expected_bytes


def test_cancel_and_restart_do_only_what_is_missing(
    azure: LocalAzure, engine: Engine, tmp_path: Path, make_clip: MakeClip
) -> None:
    clip = make_clip("slow.mp4", frames=40)
    options = ("--model", "invert", "--chunk-frames", "5", "--every", "0.3")
    azure.blobs.fault = saves_no_more_than(2, "slow")
    with serve_trigger(azure, engine, tmp_path / "containers") as trigger:
        job = person(trigger, tmp_path, "submit", str(clip), *options, "--no-wait").stdout.strip()
        trigger.wait()
        azure.learning.wait(lambda: parts(azure, job) == 2)
        assert person(trigger, tmp_path, "cancel", job).returncode == 0
        azure.learning.wait(lambda: set(states(azure, job)) == {"Canceled"})
        azure.blobs.fault = None
        assert "was cancelled" in person(trigger, tmp_path, "status", job).stderr
        assert person(trigger, tmp_path, "cancel", job).returncode == 4
        azure.dispatch("requests/")
        assert set(states(azure, job)) == {"Canceled"}, "a poll leaves it"
        before = {name for name in azure.names("work", f"{job}/parts/") if name.endswith(".json")}
        calls = len(azure.blobs.calls)
        done = person(trigger, tmp_path, "restart", job, "--wait", "--every", "0.3", "--out", "slow-new.mp4")
        assert done.returncode == 0, done.stderr
        assert {each.name.rpartition("-")[2] for each in azure.learning.workers(job)} == {"t1"}
        assert set(frames_recorded(azure, job)) == set(range(40))
        after = Counter(call.blob for call in azure.blobs.calls[calls:] if call.method == "PUT")
        assert not before & after.keys(), "what was scored wasn't again"
        assert person(trigger, tmp_path, "restart", job).returncode == 2


def test_dispatch_killed_at_calls_all_along_and_repeated(azure: LocalAzure, make_clip: MakeClip) -> None:
    azure.put("films/killed.mp4", make_clip(frames=30).read_bytes())
    azure.learning.stands_still = True  # nodes would make calls too
    for step in itertools.count(1, STRIDE):
        request = ask(azure, f"killed-{step}", "films/killed.mp4", chunk_frames=10)
        if not dispatch_killed_at(azure, request, step):
            break
        job = azure.dispatch(request)
        assert sorted(each.name for each in azure.learning.workers(job)) == [f"{job}-w{index}-t0" for index in range(2)]
        azure.learning.clear()
    assert step > 2 * STRIDE, "dispatch makes at least so many calls"
    azure.learning.stands_still = False
    (job,) = {str(each.own["scorer_job"]) for each in azure.learning.ledger.jobs.values() if f"killed-{step}-" in each.name}
    assert azure.wait(job)["state"] == "done"


def dispatch_killed_at(azure: LocalAzure, request: str, step: int) -> bool:
    """Dispatch, killed as its call number `step` arrives; whether it came so far."""
    calls = itertools.count()
    reached, known = threading.Event(), threading.Event()

    def fault(*_: str) -> int | None:
        if next(calls) != step:
            return None
        reached.set()
        known.wait()
        process.kill()
        process.wait()
        return 0

    azure.blobs.fault = azure.learning.fault = fault
    submitter, nowhere = azure.environment(azure.principal("submitter")), Path("/dev/null")
    process = start([*SCORER, "dispatch", request], submitter, azure.folder, nowhere, nowhere)
    known.set()
    process.wait()
    azure.blobs.fault = azure.learning.fault = None
    return reached.is_set()


@pytest.fixture
def checked(azure: LocalAzure, engine: Engine, tmp_path: Path) -> Iterator[Trigger]:
    """The deployment, with the rights of whoever deployed it; as it was afterwards."""
    azure.blobs.manager.readers.add(PERSON)
    before = set(azure.names("output")) | set(azure.names("input"))
    with serve_trigger(azure, engine, tmp_path / "containers") as trigger:
        yield trigger
    azure.blobs.manager.readers.clear()
    azure.learning.quota = Quota()
    assert set(azure.names("output")) | set(azure.names("input")) == before, "all that a check makes is gone"
    assert not [name for name in azure.learning.ledger.jobs if name.startswith("check-")]


def test_all_is_well(checked: Trigger, tmp_path: Path) -> None:
    found = check(checked, tmp_path, "--minutes", "3")
    assert [each["name"] for each in found] == CHECKS
    assert {each["state"] for each in found} == {"ok"}, wrong(found)
    told = {each["name"]: each["text"] for each in found}
    assert told["Spot quota"] == "1000 cores: 2 of 2 nodes of Standard_NC4as_T4_v3"
    assert told["nodes"].startswith("a node came, and ran a job as 10001:10001 in ")
    assert "/scorer-ml:" in told["nodes' image"]
    assert told["frame"].startswith("as it should be")
    assert told["request"].startswith("8 frames came back styled in ")


def test_no_quota(checked: Trigger, tmp_path: Path) -> None:
    checked.azure.learning.quota = Quota(spot=3)
    found = check(checked, tmp_path, code=21)
    bad = wrong(found)
    assert list(bad) == ["Spot quota"]
    assert bad["Spot quota"].startswith("3 cores: 0 of 2 nodes of Standard_NC4as_T4_v3 -> Studio > Quota")
    assert bad["Spot quota"].endswith("ask for 8")
    assert left_out(found) == {"nodes": "fix Spot quota first", "request": "fix Spot quota first"}


def test_whoever_may_not_read_the_subscription_is_told_of_clusters_alone(checked: Trigger, tmp_path: Path) -> None:
    checked.azure.blobs.manager.readers.clear()
    found = check(checked, tmp_path, "--quick")
    assert "you may not read 'usages'" in left_out(found)["quota"]
    assert {"workspace", "environment", "Spot cluster"} <= {each["name"] for each in found if each["state"] == "ok"}


def test_no_node_comes_in_time(checked: Trigger, tmp_path: Path) -> None:
    """Who asks may know nothing of the quota: then the cluster says why."""
    checked.azure.blobs.manager.readers.clear()
    checked.azure.learning.quota = Quota(spot=0)
    found = check(checked, tmp_path, "--minutes", "0.05", code=21)
    bad = wrong(found)
    assert list(bad)[-1] == "nodes"
    assert bad["nodes"].startswith("no node did the job in the time it had: no quota: the subscription has no cores left")
    assert "its page in Studio says why: https://ml.azure.com/runs/check-" in bad["nodes"]


def test_an_environment_that_names_another_image(checked: Trigger, tmp_path: Path) -> None:
    (version,) = checked.azure.cloud.of_type(VERSION)
    properties = version.body["properties"]
    image = properties["image"]
    properties["image"] = "docker.io/acme/scorer:1"
    try:
        found = check(checked, tmp_path, code=21)
    finally:
        properties["image"] = image
    assert wrong(found)["environment"].startswith("it names docker.io/acme/scorer:1, and jobs are to run ")
    assert left_out(found) == {"nodes": "fix environment first", "request": "fix environment first"}


def test_a_workspace_that_nobody_lets_in(checked: Trigger, tmp_path: Path) -> None:
    checked.azure.learning.fault = lambda _, __: 403
    try:
        found = check(checked, tmp_path, "--quick", code=21)
    finally:
        checked.azure.learning.fault = None
    assert list(wrong(found)) == ["workspace"]
    assert "refused (403 " in wrong(found)["workspace"]
