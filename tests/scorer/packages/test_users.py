"""What tasks share on a node works whichever users Azure Batch runs them as: two real users, in one real folder.

Without a userIdentity each task is another user, https://learn.microsoft.com/azure/batch/batch-user-accounts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

import scorer.packages.install
from emulator.folders import open_folder
from scorer.errors import TaskError
from scorer.node import take_slot
from scorer.packages.install import install, uninstall
from scorer.store import FolderStore
from scorer.store.cache import copy_once, copy_path, forget_copy, locked, scratch, try_lock
from tests.scorer.packages.users import ONE, OTHER, THIRD, as_user, at_work

URL, ETAG = "az://films/input/film.mp4", '"0x1"'
UMASKS = pytest.mark.parametrize("umask", [0o022, 0o077], ids=["umask 022", "umask 077"])


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder as the image has it, where every user gets to."""
    with open_folder("node-") as place:
        folder = place / "node"
        folder.mkdir()
        folder.chmod(0o777)
        monkeypatch.setenv("SCORER_NODE_DIR", str(folder))
        monkeypatch.delenv("SCORER_SLOTS_DIR", raising=False)
        yield folder


def fetch(content: bytes) -> Callable[[], bytes]:
    def download(to: Path) -> None:
        to.write_bytes(content)

    return lambda: copy_once(URL, ETAG, download).read_bytes()


@UMASKS
def test_a_copy_that_one_user_fetched_is_the_others_too(node: Path, umask: int) -> None:
    with at_work(ONE, fetch(b"film"), umask) as first:
        assert first == b"film"
        with at_work(OTHER, fetch(b"fetched again"), umask) as second:
            assert second == b"film"
            # Both are at work with it: whoever forgets it takes it from nobody.
            as_user(THIRD, lambda: forget_copy(URL, ETAG), umask)
            assert copy_path(URL, ETAG).exists()
    assert as_user(OTHER, lambda: forget_copy(URL, ETAG), umask) is None
    assert not list((node / "blobs").iterdir())


@UMASKS
def test_two_users_never_have_one_slot(node: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_SLOTS", "2")
    held = ExitStack()

    def take() -> int:
        return held.enter_context(take_slot(patience=0.3)).number

    with at_work(ONE, take, umask) as first, at_work(OTHER, take, umask) as second:
        assert {first, second} == {0, 1}
        assert isinstance(as_user(THIRD, take, umask), TaskError)
    assert as_user(THIRD, take, umask) == 0
    assert (node / "slots/0").stat().st_uid == ONE


@UMASKS
def test_a_lock_that_one_user_made_keeps_others_out(node: Path, umask: int) -> None:
    path = node / "blobs/film.mp4.lock"
    held = ExitStack()
    is_free = partial(lambda: try_lock(path) is not None)
    with at_work(ONE, lambda: held.enter_context(locked(path)), umask):
        assert as_user(OTHER, is_free, umask) is False
    assert as_user(OTHER, is_free, umask) is True
    assert path.stat().st_uid == ONE, "nobody took it away"


@UMASKS
def test_scratch_of_others_is_left_alone_while_they_work_and_taken_away_afterwards(node: Path, umask: int) -> None:
    held = ExitStack()

    def write() -> str:
        folder = held.enter_context(scratch())
        (folder / "part.mp4").write_bytes(b"part")
        return str(folder)

    with at_work(ONE, write, umask) as first:
        with at_work(OTHER, write, umask) as second:
            assert {str(each) for each in (node / "scratch").iterdir()} == {first, second}
        as_user(THIRD, write, umask)
        assert Path(first, "part.mp4").read_bytes() == b"part"
        assert not Path(second).exists(), "whoever made it was killed"


@UMASKS
def test_a_package_that_one_user_installed_is_the_others_too(node: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer.packages.install, "find_package", lambda *_: None)
    scripts = FolderStore(node)

    def filled(content: str) -> None:
        def fill(folder: Path, *_: object) -> None:
            (folder / "site/model").mkdir(parents=True)
            (folder / "site/model/__init__.py").write_text(content)

        monkeypatch.setattr(scorer.packages.install, "_fill", fill)

    def use() -> str:
        return (install("shade-1", scripts) / "site/model/__init__.py").read_text()

    filled("once")
    assert as_user(ONE, use, umask) == "once"
    filled("again")
    assert as_user(OTHER, use, umask) == "once"
    assert as_user(OTHER, partial(uninstall, "shade-1"), umask) is None
    assert not (node / "packages/shade-1").exists()
    # Of one that was killed while it installed, nothing is in the way.
    shutil.copytree(node, node / "packages/.shade-1.part", ignore=shutil.ignore_patterns("packages"))
    (node / "packages/.shade-1.part").chmod(0o700)
    assert as_user(ONE, use, umask) == "again"


@UMASKS
def test_in_a_sticky_folder_nothing_of_others_is_believed(node: Path, umask: int) -> None:
    """As in /tmp: whoever shares that with others shares nothing that he works with."""
    node.chmod(0o1777)
    assert as_user(ONE, fetch(b"planted"), umask) == b"planted"
    found = as_user(OTHER, fetch(b"film"), umask)
    assert isinstance(found, OSError)
