"""What others left on a node, or may do there: none of it is used or followed, and nobody waits for it for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from scorer.errors import TaskError
from scorer.node import take_slot
from scorer.store.cache import copy_once, copy_path, forget_copy, scratch
from tests.scorer.store.test_cache import ETAG, URL, left


def test_what_is_planted_among_the_scratch_is_not_followed(node: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "kept").touch()
    (node / "scratch").mkdir()
    (node / "scratch/link").symlink_to(elsewhere)
    (node / "scratch/file").touch()
    os.mkfifo(node / "scratch/pipe")
    with scratch() as folder:
        assert not list(folder.iterdir())
    assert (elsewhere / "kept").exists()


SECRET = "what no task may touch"


def _link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "elsewhere")


def _others(path: Path) -> None:
    path.write_bytes(b"planted")
    os.chown(path, 12345, 12345)


def _closed(path: Path) -> None:
    (path / "inside").mkdir(parents=True)
    path.chmod(0)


PLANTED: dict[str, Callable[[Path], object]] = {
    "link": _link,
    "dead link": lambda path: path.symlink_to("/nowhere"),
    "pipe": os.mkfifo,
    "folder": lambda path: (path / "inside").mkdir(parents=True),
    "closed folder": _closed,
    "others' file": _others,
}


@pytest.mark.parametrize("what", PLANTED)
@pytest.mark.parametrize("place", ["copy", "lock", "unfinished"])
def test_what_was_planted_is_neither_used_nor_followed(node: Path, what: str, place: str) -> None:
    elsewhere = node / "elsewhere"
    elsewhere.write_text(SECRET)
    path = copy_path(URL, ETAG)
    path.parent.mkdir()
    names = {"copy": path.name, "lock": f"{path.name}.lock", "unfinished": f".{path.name}.part"}
    PLANTED[what](path.with_name(names[place]))

    def download(to: Path) -> None:
        to.write_bytes(b"film")

    found = copy_once(URL, ETAG, download)
    assert found == path
    assert (found.read_bytes(), found.is_symlink(), found.stat().st_uid) == (b"film", False, os.geteuid())
    assert elsewhere.read_text() == SECRET
    forget_copy(URL, ETAG)
    assert left(node) == []


@pytest.mark.parametrize("what", PLANTED)
def test_a_slot_is_a_file_that_can_be_locked(node: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = node / "elsewhere"
    elsewhere.write_text(SECRET)
    monkeypatch.setenv("SCORER_SLOTS", "1")
    monkeypatch.setenv("SCORER_SLOTS_DIR", str(node / "slots"))
    (node / "slots").mkdir()
    PLANTED[what](node / "slots/0")
    with take_slot(patience=1) as slot:
        assert slot.number == 0
        with pytest.raises(TaskError), take_slot(patience=0.1):
            pass
    assert elsewhere.read_text() == SECRET


AS_NOBODY = """
import os, sys
from pathlib import Path
from scorer.errors import OutputError
from scorer.store.blob import BlobStore
from scorer.store.cache import try_lock
if os.geteuid() == 0:
    os.chown(sys.argv[1], 65534, 65534)
    os.setgid(65534)
    os.setuid(65534)
folder = Path(sys.argv[1])
"""


def as_nobody(folder: Path, code: str) -> str:
    """What a user prints who may do what the system lets users do; the tests' own may be root."""
    for each in (folder, *list(folder.parents)[:3]):
        each.chmod(0o755)
    environment = {**os.environ, "SCORER_NODE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY + textwrap.dedent(code), folder],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_folder_that_cant_be_emptied_keeps_no_slot(tmp_path: Path) -> None:
    said = as_nobody(
        tmp_path,
        """
        (folder / "0/inside").mkdir(parents=True)
        (folder / "0/inside").chmod(0)
        (folder / "0").chmod(0)
        print(try_lock(folder / "0") is not None)
        """,
    )
    assert said == "True\n"


def test_whoever_can_make_no_copy_is_told_and_doesnt_wait_for_ever(tmp_path: Path) -> None:
    said = as_nobody(
        tmp_path,
        """
        (folder / "blobs").mkdir()
        (folder / "blobs").chmod(0o555)
        folder.chmod(0o555)
        store = BlobStore("account", "container")
        def write():
            with store.writing("film.mp4"):
                pass
        for call in (lambda: store.fetch("film.mp4", "1"), lambda: store.release("film.mp4", "1"), write):
            try:
                call()
            except OutputError as error:
                print(error)
        """,
    )
    assert said == f"'{tmp_path}' can't be written: check its permissions.\n" * 3
