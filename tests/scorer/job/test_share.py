"""Parts of videos on a share that all nodes mount: what says that they are whole stays in the work store, which others read."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from av.container import InputContainer

from scorer.check.probe import _stores
from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.documents.status import read_status
from scorer.errors import RequestError, TaskError
from scorer.job.dispatch import dispatch
from scorer.job.failures import is_for_good
from scorer.job.fallback import fill_gaps
from scorer.job.finish import merge_job
from scorer.job.merge import forget_failed
from scorer.job.parts import find_part, find_parts, keep_part, read_parts
from scorer.media.opened import Source
from scorer.media.video.source import open_source
from scorer.store import Entry, FolderStore, ShareStore, open_share
from tests.conftest import MakeClip, frame_hashes
from tests.folders import FolderStores
from tests.scorer.job.scoring import score_all


@pytest.fixture
def share(tmp_path: Path) -> ShareStore:
    (tmp_path / "share").mkdir()
    return ShareStore(tmp_path / "share")


@pytest.fixture
def node(stores: FolderStores, share: ShareStore) -> FolderStores:
    """What a node sees; `stores` is what everybody else does."""
    return replace(stores, share=share)


@pytest.fixture
def video(stores: FolderStores, make_clip: MakeClip) -> Plan:
    """Planned by the submitter, which mounts nothing."""
    clip = make_clip(frames=30)
    return dispatch("job", make_request({"name": "job", "input": clip.name, "model": "invert", "chunk_frames": 12}), stores)


def files(store: FolderStore) -> set[str]:
    return {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()}


def test_parts_alone_are_on_the_share_and_the_merge_takes_them_away(video: Plan, node: FolderStores, share: ShareStore) -> None:
    score_all(video, node)
    assert {Path(name).suffix for name in files(share)} == {".nut"}
    assert len(files(share)) == 3
    assert not [name for name in files(node.work) if name.endswith(".nut")]
    assert all(find_parts(video, node))
    merge_job(video, node)
    assert len(frame_hashes(node.output.root / "job/result.mp4")) == 30
    assert files(share) == set()
    assert not [name for name in files(node.work) if "/parts/" in name]


def test_a_part_that_is_gone_from_the_share_is_made_again(video: Plan, node: FolderStores, share: ShareStore) -> None:
    score_all(video, node)
    (share.root / min(files(share))).unlink()
    assert [part is None for part in find_parts(video, node)] == [True, False, False]
    score_all(video, node)
    assert all(find_parts(video, node))


def test_whoever_mounts_nothing_begins_a_job_anew_by_what_is_said(video: Plan, stores: FolderStores, node: FolderStores) -> None:
    score_all(video, node)
    first = find_part(video, video.chunks[0], node)
    assert first is not None
    keep_part(video, video.chunks[0], node, first.model_copy(update={"failed": 1}))
    assert [part.failed for part in read_parts(video, stores)] == [1, 0, 0]
    forget_failed(video, stores)
    assert [part.chunk for part in read_parts(video, stores)] == [1, 2]
    assert [part is None for part in find_parts(video, node)] == [True, False, False]


def test_what_a_node_remembers_of_the_share_is_not_believed(video: Plan, node: FolderStores, share: ShareStore) -> None:
    """Clients of NFS keep sizes for up to a minute, and ask anew when they open: https://man7.org/linux/man-pages/man5/nfs.5.html."""

    class Remembered(ShareStore):
        def list(self, folder: str) -> Iterator[Entry]:
            yield from (replace(entry, size=entry.size // 2) for entry in super().list(folder))

    score_all(video, node)
    late = replace(node, share=Remembered(share.root))
    assert all(find_parts(video, late))
    fill_gaps(video, late)
    assert [part.failed for part in find_parts(video, node) if part] == [0, 0, 0]


def test_a_try_that_still_writes_counts_for_nothing(video: Plan, node: FolderStores, share: ShareStore) -> None:
    score_all(video, node)
    whole = find_part(video, video.chunks[0], node)
    assert whole is not None
    (share.root / whole.written.path(video)).with_name(f"{video.chunks[0].key}-0123456789abcdef.nut").write_bytes(b"half")
    assert find_part(video, video.chunks[0], node) == whole
    merge_job(video, node)
    assert files(share) == set()


def test_a_part_that_goes_while_it_is_read_is_no_fault_of_the_work(
    video: Plan, node: FolderStores, share: ShareStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On NFS an open file that another node deletes can't be read on: here each read of it says so."""
    score_all(video, node)
    whole = open_source

    @contextmanager
    def stale(path: Source) -> Iterator[InputContainer]:
        if str(path).endswith(".nut"):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        with whole(path) as container:
            yield container

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["scorer.media.video.join"], "open_source", stale)
        with pytest.raises(TaskError, match="can't be read: run the same command again") as failed:
            merge_job(video, node, tries=2)
    assert not is_for_good(failed.value)
    assert read_status("job", node).state == "merging"
    assert len(files(share)) == 3
    merge_job(video, node, tries=2)
    assert len(frame_hashes(node.output.root / "job/result.mp4")) == 30


def old(path: Path, days: float) -> None:
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))


def test_what_was_left_for_too_long_is_deleted(share: ShareStore) -> None:
    for name in ("gone/parts/a.nut", "gone/parts/b.nut", "half/parts/a.nut", "half/parts/b.nut", "new/parts/a.nut"):
        share.put(name, b"part")
    (share.root / "empty/parts").mkdir(parents=True)
    for name in ("gone/parts/a.nut", "gone/parts/b.nut", "half/parts/a.nut", "empty/parts", "empty"):
        old(share.root / name, 8)
    week_ago = time.time() - 7 * 86_400
    assert share.prune(week_ago) == 3
    assert files(share) == {"half/parts/b.nut", "new/parts/a.nut"}
    assert not (share.root / "empty/parts").exists()
    assert (share.root / "gone/parts").is_dir()  # whoever is about to write there finds it
    for name in ("gone/parts", "empty"):
        old(share.root / name, 8)
    assert share.prune(week_ago) == 0
    assert {str(path.relative_to(share.root)) for path in share.root.rglob("*") if path.is_dir()} == {
        "gone", "half", "half/parts", "new", "new/parts",
    }  # fmt: skip


def test_nothing_outside_the_share_is_deleted(share: ShareStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside.nut"
    outside.write_bytes(b"another's")
    old(outside, 30)
    share.put("job/parts/a.nut", b"part")
    (share.root / "job/parts/link.nut").symlink_to(outside)
    (share.root / "job/folder").symlink_to(tmp_path)
    assert share.prune(time.time() + 60) == 2
    assert outside.exists()
    assert ShareStore(tmp_path / "nowhere").prune(time.time()) == 0


def test_users_of_other_numbers_write_beside_it_and_delete_it(share: ShareStore) -> None:
    """Whoever runs the tests may have any right: what counts is what the folders say."""
    with share.writing("job/parts/a.nut") as path:
        path.write_bytes(b"part")
    share.put("other/parts/check", b"check")
    for folder in ("job", "job/parts", "other", "other/parts"):
        assert (share.root / folder).stat().st_mode & 0o7777 == 0o777
    (share.root / "job").chmod(0o755)
    share.put("job/parts/b.nut", b"part")
    assert (share.root / "job").stat().st_mode & 0o7777 == 0o755  # what is there is somebody else's


def test_a_check_looks_at_the_share_as_tasks_use_it(node: FolderStores, share: ShareStore) -> None:
    told = _stores("check-1", 1, node, None)
    assert {name: text for name, text in told.items() if text} == {}
    assert "parts" in told
    (share.root / "check-2").write_bytes(b"in the way")
    assert "can't be written" in _stores("check-2", 1, node, None)["parts"]


@pytest.mark.parametrize(
    ("url", "words"),
    [("az://films/work", "is no folder that machines mount"), ("file:///nowhere/parts", "mount the share there")],
)
def test_a_share_that_isn_t_mounted_is_refused(url: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        open_share(url)
