"""What holds whichever engine a deployment has: each test runs on Azure Batch and on Azure Machine Learning."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from emulator import forked
from emulator.local_azure import PERSON, LocalAzure
from tests.conftest import MakeClip
from tests.deployed import SETTINGS, deploy
from tests.end_to_end.job_helpers import ask, by_local_engine, ends_of, put_images, runs, said, scored

TRIES = int(str(SETTINGS["taskRetries"])) + 1


@pytest.fixture(scope="module", params=["batch", "machine-learning"])
def one_of_both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """A deployment with the engine."""
    if request.param == "batch":
        yield request.getfixturevalue("deployed")
        return
    with deploy(tmp_path_factory.mktemp("either"), engine=request.param, nodesMax=2) as running:
        yield running


@pytest.fixture
def azure(one_of_both: LocalAzure) -> Iterator[LocalAzure]:
    """The deployment, with nothing in its input; its faults fixed afterwards."""
    one_of_both.clear("input")
    yield one_of_both
    one_of_both.blobs.fault = None


def on_batch(azure: LocalAzure) -> bool:
    """Whether its engine is Azure Batch, whose tasks the emulator counts and keeps the words of."""
    return bool(azure.deployment["engine"] == "batch")


@contextmanager
def without_nodes(azure: LocalAzure) -> Iterator[None]:
    """No task begins before the block's end."""
    if on_batch(azure):
        azure.batch.pool.fixed = 0
    else:
        azure.learning.stands_still = True
    try:
        yield
    finally:
        if on_batch(azure):
            azure.batch.pool.fixed = None
        else:
            azure.learning.stands_still = False


def typed(azure: LocalAzure, folder: Path, *arguments: str, code: int = 0) -> CompletedProcess[str]:
    """What a person types."""
    environment = {**azure.environment(PERSON), "HOME": str(folder), "SCORER_NODE_DIR": str(folder / "cache"), "COLUMNS": "120"}
    done = forked.run(arguments, environment, folder)
    assert done.returncode == code, done.stderr
    return done


def test_a_job_is_followed_from_its_request_to_its_result(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=30)
    azure.put("films/plain.mp4", clip.read_bytes())
    request = ask(azure, "plain", "films/plain.mp4", chunk_frames=10)
    with without_nodes(azure):
        job = azure.dispatch(request)
        assert azure.dispatch(request) == job, "the same request is the same job"
        facts = json.loads(typed(azure, tmp_path, "status", job, "--json").stdout)
        assert (facts["state"], facts["frames"], facts["done"]) == ("scoring", 30, 0)
        assert job in typed(azure, tmp_path, "status").stdout
    assert azure.wait(job)["state"] == "done"
    facts = json.loads(typed(azure, tmp_path, "status", job, "--json").stdout)
    assert (facts["state"], facts["done"], facts["failed"]) == ("done", 30, 0)
    typed(azure, tmp_path, "fetch", job, "--out", "fetched.mp4")
    assert (tmp_path / "fetched.mp4").read_bytes() == by_local_engine(tmp_path, clip, chunk_frames=10).read_bytes()
    assert scored(azure, job) == {0: 1, 1: 1, 2: 1}
    typed(azure, tmp_path, "cancel", job, code=4)


def test_a_cancelled_job_is_left_alone_until_it_begins_anew(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip) -> None:
    azure.put("films/given.mp4", make_clip(frames=30).read_bytes())
    request = ask(azure, "given-up", "films/given.mp4", chunk_frames=10)
    with without_nodes(azure):
        job = azure.dispatch(request)
        typed(azure, tmp_path, "cancel", job)
        assert "was cancelled" in typed(azure, tmp_path, "status", job, code=2).stderr
        azure.dispatch("requests/")
        assert azure.dispatch(request) == job
    assert azure.wait(job)["state"] == "cancelled"
    typed(azure, tmp_path, "restart", job)
    azure.dispatch("requests/")
    assert azure.wait(job)["state"] == "done"
    assert scored(azure, job) == {0: 1, 1: 1, 2: 1}


def test_an_image_that_is_none_ends_in_a_clear_report(azure: LocalAzure, tmp_path: Path) -> None:
    media = put_images(azure, tmp_path / "broken", 20)
    azure.put("broken/frame0015.png", b"not an image")
    job = azure.dispatch(ask(azure, "broken", media, chunk_frames=10, failure_threshold=0))
    status = azure.wait(job)
    assert (status["state"], status["exit_code"]) == ("failed", 10)
    assert "frame0015.png" in status["error"]
    assert "frame0015.png" in azure.get("output", f"{job}/report.html").decode()
    assert any("frame0015.png" in each["reason"] for each in azure.insights.events("job.failed") if each["job"] == job)
    # Tried again by Batch, its tasks ended at once.
    assert scored(azure, job)[1] == 1, "its frames were scored once"
    if on_batch(azure):
        assert "frame0015.png" in said(azure, job, failed=True)
        assert ends_of(azure, job) <= {0, 10}, "whoever finds nothing left ends well"
    assert typed(azure, tmp_path, "status", job, code=10).stdout


def test_a_model_that_ends_its_process_is_tried_as_often_as_is_set(azure: LocalAzure, make_clip: MakeClip) -> None:
    azure.put("films/mortal.mp4", make_clip(frames=20).read_bytes())
    request = ask(azure, "mortal", "films/mortal.mp4", chunk_frames=10, failure_threshold=1, options={"deadly": True})
    job = azure.dispatch(request)
    status = azure.wait(job)
    assert (status["state"], status["failed"]) == ("done", 20)
    failures = [name for name in azure.names("work", f"{job}/failed/") if name.endswith(".json")]
    assert [json.loads(azure.get("work", name))["tries"] for name in failures] == [TRIES] * 2
    if on_batch(azure):
        assert runs(azure, job) == Counter({"0": 1, "1": 1, "merge": 1}), "a worker outlives its process"


def test_a_model_that_is_killed_for_memory_gets_less_at_once(azure: LocalAzure, tmp_path: Path) -> None:
    media = put_images(azure, tmp_path / "greedy", 8)
    job = azure.dispatch(ask(azure, "greedy", media, batch_size=4, chunk_frames=4, options={"most_frames": 2}))
    status = azure.wait(job)
    assert (status["state"], status["failed"]) == ("done", 0)
    assert b"killed in batches of 4: batches of 2" in azure.get("output", f"{job}/report.html")
    assert not [name for name in azure.names("work", f"{job}/failed/") if "try" in name]
    if on_batch(azure):
        assert runs(azure, job) == Counter({"0": 1, "1": 1, "merge": 1})
        assert said(azure, job).count("ended its process with code -9") == 2


def test_an_input_that_changes_under_way_ends_the_job(azure: LocalAzure, make_clip: MakeClip) -> None:
    azure.put("films/swapped.mp4", make_clip(frames=30).read_bytes())
    with without_nodes(azure):
        job = azure.dispatch(ask(azure, "swapped", "films/swapped.mp4", chunk_frames=10))
        azure.put("films/swapped.mp4", b"something else")
    status = azure.wait(job)
    assert (status["state"], status["exit_code"]) == ("failed", 5)
    assert "has changed since the job was planned" in status["error"]
