"""Local copies of blobs, by real processes: none is made twice at once, none is taken from whoever has fetched it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scorer.errors import StorageFullError
from scorer.store.cache import copy_once, copy_path, forget_copy, locked, scratch

URL, ETAG = "az://films/input/film.mp4", '"0x1"'
pytestmark = pytest.mark.usefixtures("node")

PROGRAM = """
    import os, sys, time
    from pathlib import Path
    from scorer.store.cache import copy_once, forget_copy, locked, scratch

    def make(path):
        path.write_bytes(b"film")

    def fetch():
        return copy_once(URL, ETAG, make)

    def told(text):
        print(text, flush=True)
        sys.stdin.readline()
"""


class Task:
    """Another process, which goes on line by line as it is told to."""

    def __init__(self, body: str) -> None:
        program = f"URL, ETAG = {URL!r}, {ETAG!r}\n{textwrap.dedent(PROGRAM)}\n{textwrap.dedent(body)}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


Begin = Callable[[str], Task]


@pytest.fixture
def begin() -> Iterator[Begin]:
    tasks: list[Task] = []

    def start(body: str) -> Task:
        tasks.append(Task(body))
        return tasks[-1]

    yield start
    for task in tasks:
        task.process.kill()
        task.process.communicate()


def left(node: Path) -> list[str]:
    return sorted(path.name for path in (node / "blobs").iterdir())


def test_a_download_that_fails_leaves_nothing_to_fill_the_disk(node: Path) -> None:
    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise StorageFullError("No space is left.")

    with pytest.raises(StorageFullError):
        copy_once(URL, ETAG, full)
    assert [name for name in left(node) if not name.endswith(".lock")] == []
    assert copy_once(URL, ETAG, lambda path: path.touch()).exists()
    forget_copy(URL, ETAG)


def test_a_release_leaves_what_another_job_has_fetched(node: Path, begin: Begin) -> None:
    other = begin("path = fetch(); told('fetched'); print(path.read_bytes()); forget_copy(URL, ETAG)")
    assert other.says() == "fetched"
    forget_copy(URL, ETAG)
    assert copy_path(URL, ETAG).exists()
    other.go_on()
    assert other.says() == "b'film'"
    assert other.process.wait(30) == 0
    assert left(node) == []  # the last one to let go deletes it


def test_a_release_gives_up_the_own_share_alone(node: Path, begin: Begin) -> None:
    both = [begin("fetch(); told('fetched'); forget_copy(URL, ETAG); told('forgot')") for _ in range(2)]
    assert [task.says() for task in both] == ["fetched", "fetched"]
    for task, there in zip(both, (True, False), strict=True):
        task.go_on()
        assert task.says() == "forgot"
        assert copy_path(URL, ETAG).exists() is there
    assert left(node) == []


def test_whoever_is_killed_lets_go(node: Path, begin: Begin) -> None:
    other = begin("fetch(); fetch(); told('fetched')")
    assert other.says() == "fetched"
    other.process.kill()
    other.process.wait()
    forget_copy(URL, ETAG)
    assert left(node) == []


def test_what_is_being_made_is_left_alone(begin: Begin) -> None:
    maker = begin("""
        def make(path):
            path.write_bytes(b"fi")
            told("half")
            with path.open("ab") as file:
                file.write(b"lm")
        print(fetch().read_bytes())
    """)
    assert maker.says() == "half"
    forget_copy(URL, ETAG)
    maker.go_on()
    assert maker.says() == "b'film'"


def test_what_a_killed_task_left_goes_with_the_copy(node: Path, begin: Begin) -> None:
    maker = begin("""
        def make(path):
            path.write_bytes(b"fi")
            told("half")
        fetch()
    """)
    assert maker.says() == "half"
    maker.process.kill()
    maker.process.wait()
    assert len(left(node)) == 2
    forget_copy(URL, ETAG)
    assert left(node) == []


def test_a_lock_that_was_deleted_is_nobodys(node: Path, begin: Begin) -> None:
    """Who waits for a lock's file that is deleted meanwhile must not work beside who locks the next one."""
    lock = node / "own.lock"
    waiting = begin(f"told('ready')\nwith locked(Path({str(lock)!r})): told('inside')")
    assert waiting.says() == "ready"
    with locked(lock):
        waiting.go_on()
        _until_waiting(waiting.process.pid)
        lock.unlink()
        # The next one locks a new file before the old one is let go.
        third = begin(f"with locked(Path({str(lock)!r})): told('inside')\nprint('out', flush=True)")
        assert third.says() == "inside"
    _until_waiting(waiting.process.pid)  # for the new one
    third.go_on()
    assert third.says() == "out"
    assert waiting.says() == "inside"


def _until_waiting(pid: int) -> None:
    """Until the process waits for a lock."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        if any("->" in words and str(pid) in words for words in lines):
            return
        time.sleep(0.01)
    raise AssertionError("It waits for nothing.")


def test_many_at_once_come_and_go(node: Path, begin: Begin) -> None:
    """Fetched, read and released again and again by many: whoever has fetched can read."""
    body = """
        for _ in range(200):
            path = fetch()
            if path.read_bytes() != b"film":
                raise SystemExit(1)
            forget_copy(URL, ETAG)
        told("done")
    """
    tasks = [begin(body) for _ in range(4)]
    assert [task.says() for task in tasks] == ["done"] * 4
    forget_copy(URL, ETAG)
    assert left(node) == []


def test_scratch_goes_with_its_process_however_that_ends(node: Path) -> None:
    with scratch() as own:
        (own / "part").write_bytes(b"part")
        other = Task("with scratch() as folder:\n    (folder / 'x').mkdir()\n    told(folder)")
        killed = Task("with scratch() as folder:\n    (folder / 'x').mkdir()\n    told(folder)")
        theirs, left = Path(other.says()), Path(killed.says())
        killed.process.kill()
        killed.process.wait()
        with scratch() as third:
            assert not left.exists()
            assert sorted(path.parent for path in (own, theirs, third)) == [node / "scratch"] * 3
            assert (own / "part").exists()
            assert (theirs / "x").exists()
        other.process.kill()
        other.process.wait()
    with scratch():
        assert len(list((node / "scratch").iterdir())) == 1


def test_locks_of_others_stay_where_no_more_files_can_be_opened(node: Path) -> None:
    (node / "a.lock").touch()
    code = """
    import os, resource, sys
    from pathlib import Path
    from scorer.store.cache import locked
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
    try:
        while True:
            os.open("/dev/null", os.O_RDONLY)
    except OSError:
        pass
    for name in ("a.lock", "b.lock"):
        try:
            with locked(Path(sys.argv[1]) / name):
                pass
        except OSError as error:
            os.write(1, os.strerror(error.errno).encode() + b";")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), node], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "Too many open files;" * 2
    assert (node / "a.lock").exists()
