"""Jobs whose nodes mount work/: a part that one node has made is a part to all others."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.local_azure import LocalAzure
from tests.conftest import MakeClip
from tests.deployed import deploy
from tests.end_to_end.job_helpers import ask, by_local_engine, lost, put_images, runs


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    with deploy(tmp_path_factory.mktemp("azure"), mount="blob") as running:
        yield running


def scored_on(azure: LocalAzure, job: str) -> set[str]:
    """The nodes that any of the job's tasks ran on."""
    return {event.node for event in azure.batch.pool.timeline if event.job == job and event.what == "start"}


def test_a_video_over_mounted_parts_is_what_the_laptop_makes(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=60)
    azure.put("films/clip.mp4", clip.read_bytes())
    job = azure.dispatch(ask(azure, "video", "films/clip.mp4", chunk_frames=10, failure_threshold=0))
    status = azure.wait(job)
    assert (status["state"], status["done"], status["failed"]) == ("done", 60, 0)
    assert azure.get("output", f"{job}/result.mp4") == by_local_engine(tmp_path, clip, chunk_frames=10).read_bytes()
    assert len(scored_on(azure, job)) > 1
    assert runs(azure, job) == Counter({**{str(chunk): 1 for chunk in range(6)}, "merge": 1})
    assert not azure.names("work", f"{job}/parts/")  # the merge took them away, through its mount


def test_nodes_that_are_taken_back_leave_their_parts(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("slow.mp4", frames=80)
    azure.put("films/slow.mp4", clip.read_bytes())
    request = ask(azure, "slow", "films/slow.mp4", chunk_frames=10, failure_threshold=0, options={"sleep_ms": 40})
    job = azure.dispatch(request)
    batch = azure.batch.job(job)
    azure.batch.wait(lambda: len(batch.in_state("completed")) >= 3)
    with azure.batch.lock:
        done = {task.id for task in batch.in_state("completed")}
        for node in list(azure.batch.pool.nodes):
            azure.batch.pool.preempt(node.id)
    status = azure.wait(job)
    assert (status["state"], status["done"], status["failed"]) == ("done", 80, 0)
    assert lost(azure, job) > 0
    assert all(runs(azure, job)[task] == 1 for task in done)
    expected = by_local_engine(tmp_path, clip, chunk_frames=10)
    assert azure.get("output", f"{job}/result.mp4") == expected.read_bytes()


def test_a_folder_of_images_by_mounted_parts(azure: LocalAzure, tmp_path: Path) -> None:
    media = put_images(azure, tmp_path / "images", 12)
    job = azure.dispatch(ask(azure, "images", media, chunk_frames=4, failure_threshold=0))
    status = azure.wait(job)
    assert (status["state"], status["done"], status["failed"]) == ("done", 12, 0)
    expected = by_local_engine(tmp_path, tmp_path / "images", chunk_frames=4)
    result = azure.names("output", f"{job}/result/")
    assert len(result) == 12
    assert all(azure.get("output", name) == (expected / name.rpartition("/")[2]).read_bytes() for name in result)
    # The same request again: the submitter finds the parts by the container's own name, and there is nothing to do.
    assert azure.dispatch(f"requests/{job.rpartition('-')[0]}.json") == job
