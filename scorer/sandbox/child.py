"""The sandboxed process: `python -m scorer.sandbox.child QUESTION <file >answer`."""

from __future__ import annotations

import errno
import os
import sys

import av
import av.subtitles.codeccontext
import av.subtitles.stream
from PIL import Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from scorer.errors import InputError, MissingError, SandboxError, StyleError
from scorer.media.opened import OpenedFile
from scorer.media.style_image import check_style_image
from scorer.media.video.probe import probe
from scorer.sandbox.answer import READY, Answer, Found, Question, Refusal
from scorer.sandbox.lock import end_with, lock_in

FILE, ANSWER = 0, 1
"""Descriptors."""

_LOADED = (
    JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin,
    av.subtitles.codeccontext, av.subtitles.stream,
)  # fmt: skip
"""What the libraries import when they meet such an image or track; nothing can be opened then."""


def main() -> None:
    """Answer the question on the command line."""
    if sys.platform == "win32":  # where a descriptor would change ends of lines
        import msvcrt

        for descriptor in (FILE, ANSWER):
            msvcrt.setmode(descriptor, os.O_BINARY)
    question = Question.model_validate_json(sys.argv[1])
    limits = question.limits
    end_with(question.parent)
    Image.preinit()
    try:
        lock_in(limits.probe_seconds, limits.probe_memory_mb, ANSWER, required=question.required)
    except SandboxError as error:
        _say(Answer(refusal=Refusal(kind="sandbox", sentence=str(error))).model_dump_json().encode())
        return
    _say(READY)
    _say(examine(question).model_dump_json().encode())


def examine(question: Question) -> Answer:
    """What is to be said of the file that is open as standard input; of an exception, too."""
    file, limits = OpenedFile(FILE, question.name), question.limits
    try:
        if question.kind != "video":
            check_style_image(file, question.kind)
            return Answer()
        return Answer.model_construct(video=Found.of(probe(file, limits, question.asked)))
    except Exception as error:  # whatever a file makes the libraries stumble over
        return Answer(refusal=_refusal(error))


def _refusal(error: Exception) -> Refusal:
    if _is_of_memory(error):
        return Refusal(kind="memory", sentence="")
    for kind in (InputError, StyleError, MissingError):
        if isinstance(error, kind):
            return Refusal(kind=kind.__name__, sentence=str(error))
    return Refusal(kind="fault", sentence=f"{type(error).__name__}: {error}")


def _is_of_memory(error: BaseException | None) -> bool:
    """Whether `error`, or what it was made of, says that there is no more memory."""
    if error is None:
        return False
    none_left = isinstance(error, MemoryError) or (isinstance(error, av.FFmpegError) and error.errno == errno.ENOMEM)
    return none_left or _is_of_memory(error.__cause__) or _is_of_memory(error.__context__)


def _say(data: bytes) -> None:
    while data:
        data = data[os.write(ANSWER, data) :]


if __name__ == "__main__":
    main()
