"""Asking the sandboxed process, and believing no word of its answer that wasn't checked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import ValidationError

from scorer.errors import InputError, MissingError, SandboxError, ScorerError, StyleError
from scorer.media.limits import Limits
from scorer.media.style_image import REFUSALS, What
from scorer.media.video.info import VideoIndex
from scorer.media.wanted import Wanted
from scorer.sandbox.answer import READY, Answer, Question, Refusal, index_of, most_bytes

_KEPT = (
    "PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT", "WINDIR",
)  # fmt: skip
"""What the process needs of the environment to find its code; nothing of Azure's, no address and no secret."""
_LAST_SECONDS = 5.0
"""After its answer it only has to end."""
_SET = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""Threads that nobody needs would take address space, and a look for plugins takes time."""

Kind = Literal["video"] | What

_ERRORS: dict[Kind, type[ScorerError]] = {"video": InputError, "style": REFUSALS["style"], "mask": REFUSALS["mask"]}
_IMAGE = "give a smaller image, as a JPEG or PNG file"
_ADVICE: dict[Kind, str] = {
    "video": "convert it to H.264 in an mp4 file, or give a smaller one", "style": _IMAGE, "mask": _IMAGE,
}  # fmt: skip
_KINDS: dict[str, type[ScorerError]] = {"InputError": InputError, "StyleError": StyleError, "MissingError": MissingError}


def probe_video(path: Path, limits: Limits, asked: Wanted | None = None) -> VideoIndex:
    """Check the video and find its frames: `scorer.media.video.probe` in a sandboxed process.

    Raises MissingError where there is no such file; InputError where it isn't a whole video that can be decoded within the
    limits, or where looking at it took too much or went wrong in any other way; SandboxError where nothing can be looked at here.
    """
    answer = _ask("video", path, limits, asked)
    try:
        if answer.video is None:
            raise ValueError("no video")
        return index_of(answer.video, limits)
    except ValueError as error:
        raise InputError(f"'{path}' can't be looked at, its description contradicts itself: {_ADVICE['video']}.") from error


def check_style(path: Path, limits: Limits, what: What = "style") -> None:
    """Check that the file is an image that can be a style, or a mask: `check_style_image` in a sandboxed process.

    Raises StyleError, of a mask InputError, where it isn't, or where looking at it took too much or went wrong; SandboxError like
    `probe_video`.
    """
    _ask(what, path, limits)


def _ask(kind: Kind, path: Path, limits: Limits, asked: Wanted | None = None) -> Answer:
    """The answer, which is no refusal. Raises what it refuses with, or the kind's error."""
    error = _ERRORS[kind]
    name, required = str(path).encode(errors="backslashreplace").decode(), os.environ.get("SCORER_SANDBOX") == "required"
    question = Question(
        kind=kind, name=name, limits=limits, asked=asked or Wanted(), required=required, parent=os.getpid()
    )  # fmt: skip
    with _opened(path, error) as file:
        end = _run(question, file)
    if not end.said.startswith(READY):
        raise SandboxError(_why_not_begun(end))
    try:
        answer = Answer.model_validate_json(end.said.removeprefix(READY))
    except ValidationError as cause:
        raise error(f"'{path}' {_why_ended(end, limits)}: {_ADVICE[kind]}.") from cause
    if answer.refusal is not None:
        raise _refused(answer.refusal, path, limits, kind)
    return answer


def _opened(path: Path, error: type[ScorerError]) -> BinaryIO:
    """Raises MissingError, or `error`."""
    try:
        if path.is_file():  # a pipe would be waited for
            return path.open("rb")
    except PermissionError as cause:
        raise error(f"'{path}' may not be read: change its permissions.") from cause
    if path.exists():
        raise error(f"'{path}' is not a file: name the video or image itself.")
    raise MissingError(f"There is no file '{path}': check the name.")


@dataclass(frozen=True)
class _End:
    """What came of the process."""

    said: bytes
    late: bool
    """Whether it was at work when its time was over."""
    code: int | None
    """Its exit code, or the signal that ended it, negative; None where we ended it."""


def _run(question: Question, file: BinaryIO) -> _End:
    said: list[bytes] = []
    with _started(question, file) as process:
        listener = threading.Thread(target=_listen, args=(process, most_bytes(question.limits), said))
        try:
            listener.start()
            listener.join(question.limits.probe_seconds)
            late, code = listener.is_alive(), None
            if not late:
                with suppress(subprocess.TimeoutExpired):
                    code = process.wait(_LAST_SECONDS)
        finally:
            _kill(process)
            listener.join()
    return _End(b"".join(said), late, code)


def _started(question: Question, file: BinaryIO) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "scorer.sandbox.child", question.model_dump_json()]
    environment = {**{name: os.environ[name] for name in _KEPT if name in os.environ}, **_SET}
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(  # noqa: S603  # our own module
        command, stdin=file, stdout=pipe, stderr=nowhere, env=environment, start_new_session=True
    )


def _listen(process: subprocess.Popen[bytes], most: int, said: list[bytes]) -> None:
    """Hear the process out, up to `most` bytes."""
    if process.stdout is not None:
        said.append(process.stdout.read(most))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """And whatever it may have started: it leads a group of its own."""
    if sys.platform == "win32" or not hasattr(os, "killpg"):
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
            os.killpg(process.pid, signal.SIGKILL)


def _why_not_begun(end: _End) -> str:
    with suppress(ValidationError):
        refusal = Answer.model_validate_json(end.said).refusal
        if refusal is not None and refusal.kind == "sandbox":
            return refusal.sentence
    what = "took too long to begin" if end.late else f"ended before it began ({end.code})"
    return f"The process that looks at strangers' files {what}: run the same command again, on a machine with more memory."


def _why_ended(end: _End, limits: Limits) -> str:
    if end.late or (sys.platform != "win32" and end.code == -signal.SIGXCPU):
        return f"can't be looked at within {limits.probe_seconds} seconds"
    if sys.platform != "win32" and end.code == -signal.SIGKILL:
        return f"can't be looked at within {_gigabytes(limits)} of memory"
    return f"can't be looked at, since its decoder crashed on it ({end.code})"


def _refused(refusal: Refusal, path: Path, limits: Limits, kind: Kind) -> ScorerError:
    if typed := _KINDS.get(refusal.kind):
        return typed(refusal.sentence)
    error = _ERRORS[kind]
    if refusal.kind == "memory":
        return error(f"'{path}' can't be looked at within {_gigabytes(limits)} of memory: {_ADVICE[kind]}.")
    return error(f"'{path}' can't be looked at ({refusal.sentence}): {_ADVICE[kind]}.")


def _gigabytes(limits: Limits) -> str:
    return f"{limits.probe_memory_mb / 1000:.1f} GB"
