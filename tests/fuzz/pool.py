"""Asking the children that look at files: each is started anew when it has died, and before its memory is worn out."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from scorer.errors import ScorerError
from scorer.sandbox import check_style, probe_video
from scorer.sandbox.answer import Answer, Question, index_of
from tests.fuzz.cases import IMAGES, Case
from tests.fuzz.checks import LIMITS, Outcome, check_index, check_sentence, refusal
from tests.fuzz.worker import OUT_OF_MEMORY, READY

SECONDS = LIMITS.probe_seconds
"""For one file, by the clock."""
LOOKS = 500
"""At so many files a child looks at most."""


class Child:
    """A process that answers one line for each that it is sent."""

    def __init__(self, *arguments: str, stdin: int = subprocess.PIPE) -> None:
        self._orders, self._asked = -1, 0
        command = [sys.executable, "-m", "tests.fuzz.worker", *arguments]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        read, self._orders = os.pipe()
        try:
            source = stdin if stdin != subprocess.PIPE else read
            command += [str(read)] * (source != read)
            self._process = subprocess.Popen(
                command, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, pass_fds=[read]
            )
        finally:
            os.close(read)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == READY + b"\n", "the child doesn't begin"

    def ask(self, line: str) -> str | None:
        """The answer; None where the child didn't outlive the question, or its time."""
        self._asked += 1
        assert self._process.stdout is not None
        try:
            os.write(self._orders, line.encode() + b"\n")
        except BrokenPipeError:
            return None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            answer = self._process.stdout.readline() if selector.select(SECONDS) else b""
        return answer.decode() or None

    @property
    def worn(self) -> bool:
        """Whether it has been asked often enough."""
        return self._asked >= LOOKS

    def end(self) -> str:
        """End it; how it ended."""
        os.close(self._orders)
        assert self._process.stdout is not None
        self._process.stdout.close()
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return f"it took more than {SECONDS} seconds"
        if code == OUT_OF_MEMORY:
            return "it took more memory than it may"
        return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with {code}"


class Looker:
    """Both children, and the folder in which they find their files."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._exit = folder, ExitStack()
        self._media = os.memfd_create("media")
        self._exit.callback(os.close, self._media)
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for child in self._children.values():
            child.end()
        self._exit.close()

    def checked(self, case: Case) -> Outcome:
        """What comes of the case. Raises AssertionError where that breaks a promise."""
        outcome = self.look(case)
        assert outcome["end"] != "broken", f"{case}: {outcome['told']}"
        return outcome

    def look(self, case: Case) -> Outcome:
        """What comes of the case: as dispatch sees it, and then as a task does, if it gets so far."""
        path = self._folder / f"case{case.ending}"
        path.write_bytes(case.data())
        try:
            seen = self.probe(path, "style" if case.format in IMAGES else "video")
            if seen["end"] != "taken" and case.format not in IMAGES:
                return seen
            return self._use(path)
        except AssertionError as error:
            return Outcome(end="broken", told=str(error))

    def probe(self, path: Path, kind: Literal["video", "style"]) -> Outcome:
        """What dispatch sees in it. Raises AssertionError where that breaks a promise."""
        os.truncate(self._media, 0)
        os.pwrite(self._media, path.read_bytes(), 0)
        question = Question(kind=kind, name=str(path), limits=LIMITS, required=True, parent=os.getpid())
        said = self._ask("probe", question.model_dump_json())
        answer = Answer.model_validate_json(said) if said else None
        if answer is None or (answer.refusal is not None and answer.refusal.kind == "memory"):
            return really(path, kind)
        if answer.refusal is not None:
            assert answer.refusal.kind != "fault", answer.refusal.sentence
            check_sentence(answer.refusal.sentence)
            return Outcome(end=answer.refusal.kind, told=answer.refusal.sentence)
        if answer.video is not None:
            check_index(index_of(answer.video, LIMITS), LIMITS)
        return Outcome(end="taken", told="")

    def _use(self, path: Path) -> Outcome:
        said = self._ask("use", str(path))
        assert said is not None, f"a task that reads it dies: {self._last}"
        outcome: Outcome = json.loads(said)
        return outcome

    def _ask(self, kind: str, line: str) -> str | None:
        child = self._children.get(kind)
        if child is None or child.worn:
            if child is not None:
                child.end()
            child = Child(kind, stdin=self._media) if kind == "probe" else Child(kind)
            self._children[kind] = child
        answer = child.ask(line)
        if answer is None:
            self._last = self._children.pop(kind).end()
        return answer


def really(path: Path, kind: Literal["video", "style"]) -> Outcome:
    """What the product itself says of the file, by a child for it alone. Raises AssertionError where it doesn't say it well."""
    try:
        if kind == "style":
            check_style(path, LIMITS)
        else:
            check_index(probe_video(path, LIMITS), LIMITS)
    except ScorerError as error:
        return refusal(error)
    return Outcome(end="taken", told="")
