"""`scorer run - --out -`: a video comes and goes through pipes, and nothing else does."""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import IO

import av
import numpy as np
import pytest

from scorer.cli import pipes
from scorer.errors import InputError, OutputError, RequestError
from scorer.media.images import decode
from tests.conftest import MakeClip, ffmpeg, frame_hashes, write_images
from tests.scorer.cli.command_line import SCORER, typed


class Unseekable(io.RawIOBase):
    """What is read as from a pipe."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What is typed, with nothing on standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    return partial(typed, monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture
def pipe(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[bytes, str]]:
    """What is typed with bytes on standard input; what comes out, and what is said."""

    def piped(data: bytes, *arguments: str) -> tuple[bytes, str]:
        path = tmp_path / "stdout"
        with path.open("w") as out, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
            patch.setattr("sys.stdout", out)
            said = run(*arguments, folder=tmp_path)
        assert said.stdout == ""
        content = path.read_bytes()
        path.unlink()
        return content, said.stderr

    return piped


def test_a_video_goes_through_pipes_and_what_is_said_beside_them(
    tmp_path: Path, make_clip: MakeClip, run: Run, pipe: Callable[..., tuple[bytes, str]]
) -> None:
    clip = tmp_path / "clip.mkv"
    ffmpeg("-i", make_clip(), "-c", "copy", clip)
    command = ["run", "-", "--model", "invert", "--out", "-"]
    made, said = pipe(clip.read_bytes(), *command)
    with av.open(Unseekable(made), "r") as container:
        assert len(list(container.decode(video=0))) == 30
    run("run", clip, "--model", "invert", "--out", "named.mp4", folder=tmp_path)
    (tmp_path / "piped.mp4").write_bytes(made)
    assert frame_hashes(tmp_path / "piped.mp4") == frame_hashes(tmp_path / "named.mp4")
    lines = said.splitlines()
    assert (lines[0], lines[-2]) == ("scoring 30 frames in 2 chunks", "30 of 30 frames")
    assert lines[-1].startswith("standard output · 30 frames · dispatch ")

    assert pipe(clip.read_bytes(), *command, "--quiet") == (made, "")
    jobs = [path.name for path in (tmp_path / ".scorer/output").iterdir() if path.name.startswith("stdin-")]
    assert len(jobs) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".scorer", "clip.mkv", "input", "named.mp4", "piped.mp4"]


def test_what_is_no_video_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"no video" * 1000)))
    assert "error: 'standard input' is not a video" in run("run", "-", "--model", "invert", folder=tmp_path, code=3).stderr
    assert list((tmp_path / ".scorer/piped").iterdir()) == []


def test_processes_hand_it_on_and_nothing_of_theirs_goes_with_it(tmp_path: Path) -> None:
    """In a process of its own, into whose standard output anything of it could write."""
    write_images(tmp_path, ["a.png"])
    done = subprocess.run(
        [*SCORER, "run", "a.png", "--model", "invert", "--out", "-"], cwd=tmp_path, capture_output=True, check=True
    )
    assert np.array_equal(
        decode(done.stdout, "a.png", 10**6).pixels, 255 - decode((tmp_path / "a.png").read_bytes(), "a", 10**6).pixels
    )


def test_the_same_bytes_are_the_same_file_which_stays_as_it_is(tmp_path: Path) -> None:
    first = pipes.received(io.BytesIO(b"one" * 10**6), tmp_path)
    assert first.read_bytes() == b"one" * 10**6
    os.utime(first, (1, 1))
    assert pipes.received(io.BytesIO(b"one" * 10**6), tmp_path) == first
    assert first.stat().st_mtime == 1
    assert pipes.received(io.BytesIO(b"other"), tmp_path) != first


class Stopped(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if piece := super().read(size):
            return piece
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (io.BytesIO(), InputError, "Nothing came through standard input"),
        (io.BytesIO(b"x" * 11), InputError, "More than 10 bytes came"),
        (Stopped(b"x" * 5), KeyboardInterrupt, ""),
    ],
)
def test_what_does_not_come_whole_leaves_nothing(
    tmp_path: Path, source: io.BytesIO, error: type[BaseException], words: str
) -> None:
    with pytest.raises(error, match=words or None):
        pipes.received(source, tmp_path, most=10)
    assert list((tmp_path / "piped").iterdir()) == []


def test_whoever_stops_reading_is_told_where_the_result_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "result.mp4").write_bytes(b"x" * 10**6)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out, monkeypatch.context() as patch:
        patch.setattr("sys.stdout", out)
        with pytest.raises(OutputError, match=r"whoever reads it has ended.*result\.mp4', and the same command sends it again"):
            pipes.send(tmp_path / "result.mp4")


def unread() -> IO[str]:
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full() -> IO[str]:
    """A disk without space."""
    return Path("/dev/full").open("w")


RUN = ["run", "a.png", "--model", "invert", "--out", "b.png"]
MISTAKE = ["run", "no.png", "--model", "invert"]
UNWRITABLE = {
    "a full disk": (
        RUN,
        "stdout",
        full,
        9,
        r"\(No space left on device\): what is done stays, and the same command tells it again",
    ),
    "a full disk, as JSON": ([*RUN, "--json"], "stdout", full, 9, "can't be written to standard output"),
    "nobody reads": (RUN, "stdout", unread, 8, "can't be written to standard output .whoever reads it has ended"),
    "nobody reads the JSON": ([*RUN, "--json"], "stdout", unread, 8, "whoever reads it has ended"),
    "a mistake, as JSON": ([*MISTAKE, "--json"], "stdout", full, 4, "There is no 'no.png'"),
    "progress on a full disk": (RUN, "stderr", full, 0, ""),
    "progress that nobody reads": (RUN, "stderr", unread, 0, ""),
    "a mistake on a full disk": (MISTAKE, "stderr", full, 4, ""),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_what_cant_be_said_has_a_code_of_its_own_and_stops_no_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    write_images(tmp_path, ["a.png"])
    arguments, stream, opened, code, words = UNWRITABLE[case]
    with opened() as out, monkeypatch.context() as patch:
        patch.setattr(f"sys.{stream}", out)
        done = run(*arguments, folder=tmp_path, code=code)
        out.flush()  # as Python does when it ends
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == bool(words)
    assert re.search(words, "".join(errors))
    assert (tmp_path / "b.png").exists() == (arguments[1] == "a.png")


def test_a_terminal_is_no_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    _, terminal = os.openpty()
    with os.fdopen(terminal, "r+b", buffering=0) as raw, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", io.TextIOWrapper(raw))
        patch.setattr("sys.stdout", io.TextIOWrapper(raw))
        with pytest.raises(RequestError, match="into which nothing is piped"):
            pipes.stdin()
        with pytest.raises(RequestError, match="a terminal or closed"):
            pipes.check_stdout(as_json=False, dispatch_only=False)


REFUSED = {
    "nothing comes": (["run", "-", "--model", "invert"], 3, "Nothing came through standard input"),
    "a mistake is told before it is read": (["run", "-", "--style", "no.png"], 4, "There is no 'no.png'"),
    "a device, too": (["run", "-", "--model", "invert", "--device", "tpu"], 2, "tpu"),
    "two things on one output": (["run", "shots/a.png", "--model", "invert", "--out", "-", "--json"], 2, "leave one of them out"),
    "an id and a video": (["run", "shots/a.png", "--model", "invert", "--out", "-", "--dispatch-only"], 2, "--dispatch-only"),
    "a folder": (["run", "shots", "--model", "invert", "--out", "-"], 2, "can't go through standard output"),
    "of other commands": (["preview", "-", "--model", "invert"], 4, "standard input is the INPUT of `scorer run` alone"),
    "a style": (["run", "shots", "--style", "-"], 4, "standard input is the INPUT of `scorer run` alone; name an image"),
    "a sheet": (["preview", "shots", "--model", "invert", "--out", "-"], 64, "write './-' for a file"),
    "work": (["run", "shots", "--model", "invert", "--work", "-"], 64, "write './-' for a file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_pipe_is_for_is_refused_in_a_sentence(run: Run, tmp_path: Path, case: str) -> None:
    write_images(tmp_path / "shots", ["a.png"])
    arguments, code, words = REFUSED[case]
    done = run(*arguments, folder=tmp_path, code=code)
    assert words in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != ".scorer"] == ["shots"]


def test_a_file_may_be_called_so(run: Run, tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots/a.png").write_bytes((tmp_path / "a.png").read_bytes())
    run("run", "shots", "--model", "invert", "--out", "./-", folder=tmp_path)
    assert (tmp_path / "-/a.png").exists()
