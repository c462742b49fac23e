"""Jobs whose nodes mount work/, or a share for parts: a part that one node has made is a part to all others."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.local_azure import LocalAzure
from tests.conftest import write_clip
from tests.deployed import deploy
from tests.end_to_end.job_helpers import ask, by_local_engine, lost, put_images, runs, scored, wait_for_parts

FRAMES = 60


@pytest.fixture(scope="module", params=["blob", "nfs"])
def azure(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[LocalAzure]:
    with deploy(tmp_path_factory.mktemp("azure"), mount=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


@pytest.fixture(scope="module")
def styled(clip: Path) -> bytes:
    """What the laptop makes of it."""
    return by_local_engine(clip.parent, clip, chunk_frames=10).read_bytes()


def on_share(azure: LocalAzure) -> set[str]:
    """The files on all shares of the deployment's nodes."""
    shares = azure.batch.pool.folder / "shares"
    return {path.name for path in shares.rglob("*") if path.is_file()}


def scored_on(azure: LocalAzure, job: str) -> set[str]:
    """The nodes that any of the job's tasks ran on."""
    return {event.node for event in azure.batch.pool.timeline if event.job == job and event.what == "start"}


def test_a_video_over_mounted_parts_is_what_the_laptop_makes(azure: LocalAzure, clip: Path, styled: bytes) -> None:
    azure.put("films/clip.mp4", clip.read_bytes())
    job = azure.dispatch(ask(azure, "video", "films/clip.mp4", chunk_frames=10, failure_threshold=0))
    status = azure.wait(job)
    assert (status["state"], status["done"], status["failed"]) == ("done", FRAMES, 0)
    assert azure.get("output", f"{job}/result.mp4") == styled
    assert len(scored_on(azure, job)) > 1
    assert runs(azure, job) == Counter({**{str(task): 1 for task in range(4)}, "merge": 1})
    assert scored(azure, job) == dict.fromkeys(range(6), 1)
    assert not azure.names("work", f"{job}/parts/")  # the merge took them away, through its mount
    assert not on_share(azure)


def test_nodes_that_are_taken_back_leave_their_parts(azure: LocalAzure, clip: Path, styled: bytes) -> None:
    azure.put("films/slow.mp4", clip.read_bytes())
    request = ask(azure, "slow", "films/slow.mp4", chunk_frames=10, failure_threshold=0, options={"sleep_ms": 200})
    job = azure.dispatch(request)
    wait_for_parts(azure, job, 2)
    with azure.batch.lock:
        for node in list(azure.batch.pool.nodes):
            azure.batch.pool.preempt(node.id)
    status = azure.wait(job)
    assert (status["state"], status["done"], status["failed"]) == ("done", FRAMES, 0)
    assert lost(azure, job) > 0
    assert scored(azure, job).total() <= 6 + 4, "a lost node loses what it was at"
    assert azure.get("output", f"{job}/result.mp4") == styled
    assert not on_share(azure)  # what tries left that were cut off, too


@pytest.mark.parametrize("azure", ["nfs"], indirect=True)
def test_what_a_cancelled_job_left_on_the_share_goes_with_a_later_one(azure: LocalAzure, clip: Path) -> None:
    """No container group and no person mounts it: the first preparation of any job that finds it old enough deletes it."""
    (share,) = (azure.batch.pool.folder / "shares").glob("*/*")
    assert share.stat().st_mode & 0o7777 == 0o1777  # the nodes' start task has opened it
    left = share / "cancelled-0123456789abcdef0123/parts/000000-0123-0123456789abcdef.nut"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"part")
    for path in (left, left.parent):
        path.chmod(0o777)
        os.utime(path, (0, 0))
    azure.put("films/next.mp4", clip.read_bytes())
    job = azure.dispatch(ask(azure, "next", "films/next.mp4", chunk_frames=60, failure_threshold=0))
    assert azure.wait(job)["state"] == "done"
    assert not left.exists()


@pytest.mark.parametrize("azure", ["blob"], indirect=True)
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
