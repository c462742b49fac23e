"""What is said of a job's progress: in a terminal, without one, or to a program."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from scorer.cli.progress import Bar, Lines
from scorer.documents.plan import Plan
from scorer.engines.base import Progress
from tests.conftest import MakeClip, write_images
from tests.scorer.cli.command_line import SCORER, run

PLAN = cast(Plan, SimpleNamespace(frames=10, chunks=[None, None]))


class _Heard(io.StringIO):
    """Lets somebody wait for words."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Condition()

    def write(self, text: str) -> int:
        with self.told:
            self.told.notify_all()
            return super().write(text)

    def wait(self, words: str) -> None:
        with self.told:
            assert self.told.wait_for(lambda: words in self.getvalue(), 20), self.getvalue()


def test_without_a_terminal_lines_tell_how_far_it_is() -> None:
    heard = _Heard()
    with Lines(Console(file=heard, width=200), every=0.01) as lines:
        heard.wait("planning\n")
        lines.plan(PLAN)
        heard.wait("scoring 10 frames in 2 chunks\n")
        lines.progress(Progress(4, 0, 4))
        heard.wait("4 of 10 frames · loading the model\n")
        lines.progress(Progress(5, 0, 4))
        lines.progress(Progress(8, 1, 4))
        heard.wait("8 of 10 frames · 1 failed · ")
        heard.wait(" frames/s · about ")
        lines.progress(Progress(10, 1, 4))
        heard.wait("10 of 10 frames · 1 failed · joining the result\n")
    assert heard.getvalue().endswith("\n10 of 10 frames · 1 failed\n")


def test_a_bar_of_what_is_done_is_full() -> None:
    screen = io.StringIO()
    with Bar(Console(file=screen, width=200, force_terminal=True)) as bar:
        bar.plan(PLAN)
        bar.progress(Progress(10, 0, 10))
    _, full, after = screen.getvalue().rpartition("10/10")
    assert full
    assert "loading" not in after


def test_a_run_tells_where_it_is_and_keeps_quiet_when_asked(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=4)
    command = ["run", str(clip), "--model", "invert", "--out", "out.mp4", "--chunk-frames", "2"]
    told = run(*command, folder=tmp_path)
    assert told.stderr.splitlines() == ["scoring 4 frames in 2 chunks", "4 of 4 frames"]
    again = run(*command, folder=tmp_path)
    assert again.stderr.splitlines() == ["scoring 4 frames in 2 chunks", "4 of 4 frames"]
    assert "all done before" in again.stdout
    quiet = run(*command, "--quiet", folder=tmp_path)
    assert (quiet.stdout, quiet.stderr) == ("out.mp4\n", "")
    refused = run("run", "nowhere.mp4", "--model", "invert", "--quiet", folder=tmp_path, code=4)
    assert refused.stdout == ""
    assert "nowhere.mp4" in refused.stderr


def test_a_terminal_shows_a_full_bar_of_what_was_done_before(tmp_path: Path, make_clip: MakeClip) -> None:
    command = ["run", str(make_clip(frames=2)), "--model", "invert", "--out", "out.mp4"]
    run(*command, folder=tmp_path)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    with subprocess.Popen(
        [*SCORER, *command], cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # its end has closed
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"2/2" in shown
    assert b"0/2" not in shown.rpartition(b"2/2")[2]


def document(*arguments: str | Path, folder: Path, code: int = 0) -> dict[str, Any]:
    """What a command prints with --json."""
    content: dict[str, Any] = json.loads(run(*arguments, "--json", folder=folder, code=code).stdout)
    return content


def test_a_program_reads_one_document(tmp_path: Path, make_clip: MakeClip) -> None:
    facts = document("run", make_clip(frames=4), "--model", "invert", "--out", "out.mp4", folder=tmp_path)
    assert facts["result"] == str(tmp_path / "out.mp4")
    assert Path(facts["report"]).is_file()
    assert (facts["state"], facts["frames"], facts["failed"], facts["reused"], facts["notes"]) == ("done", 4, 0, 0, [])
    assert set(facts["stage_seconds"]) == {"dispatch", "score", "merge"}


@pytest.mark.parametrize(
    ("arguments", "code", "kind", "words"),
    [
        (["run", "nowhere.mp4", "--model", "invert"], 4, "MissingError", "nowhere.mp4"),
        (["run", "nowhere.mp4", "--modle", "invert"], 64, "UsageError", "--model"),
        (["run"], 64, "UsageError", "INPUT"),
        (["status"], 2, "RequestError", "--stack"),
    ],
)
def test_a_program_reads_what_went_wrong(tmp_path: Path, arguments: list[str], code: int, kind: str, words: str) -> None:
    error = document(*arguments, folder=tmp_path, code=code)["error"]
    assert (error["exit_code"], error["kind"]) == (code, kind)
    assert words in error["message"]


def test_a_terminal_without_our_letters_breaks_nothing(tmp_path: Path) -> None:
    write_images(tmp_path / "Gemälde 絵", ["a.png"])
    command = [*SCORER, "run", "Gemälde 絵", "--model", "invert"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert re.match(r"Gem\\xe4lde \\u7d75-invert-[0-9a-f]{6} - 1 frame - ", done.stdout)
