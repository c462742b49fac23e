"""Processes that look at strangers' files, begun as copies of one that has loaded their code: that takes 0.4 s for each video.

A copy is a process of its own, which locks itself in and answers as any other does. How one is started and what it is given
is shown where that is the subject, with real ones: tests/scorer/sandbox, the images, and all programs that tests start.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import BinaryIO, NoReturn, Self

from scorer.sandbox import examine
from scorer.sandbox.answer import Question

ADDRESS = "TESTS_APART"
"""Names the socket of the server in the environment."""
_NUMBER = struct.Struct("!i")
_QUESTION_BYTES = 2**16

start_anew = examine._started
"""Starts a process that loads its code itself."""


class Copy:
    """What subprocess.Popen has, as far as looking at files needs it."""

    def __init__(self, address: str, question: Question, file: BinaryIO) -> None:
        read, write = os.pipe()
        self.stdout: BinaryIO = os.fdopen(read, "rb")
        self._server = socket.socket(socket.AF_UNIX)
        try:
            self._server.connect(address)
            socket.send_fds(self._server, [question.model_dump_json().encode()], [file.fileno(), write])
        finally:
            os.close(write)
        self.pid = self._number()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or the signal that ended it, negative. Raises subprocess.TimeoutExpired."""
        self._server.settimeout(timeout)
        try:
            return self._number()
        except TimeoutError as error:
            raise subprocess.TimeoutExpired("a copy", timeout or 0) from error

    def _number(self) -> int:
        number: int = _NUMBER.unpack(self._server.recv(_NUMBER.size))[0]
        return number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stdout.close()
        self._server.close()


def use_copies(address: str) -> None:
    """Have the server at `address` start whatever looks at files for this process, and for copies of it."""
    examine._started = lambda question, file: Copy(address, question, file)  # type: ignore[assignment,return-value]  # see Copy


@contextmanager
def serving() -> Iterator[str]:
    """A server of this process and of copies of it; its address."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        address = f"{folder}/apart"
        listener.bind(address)
        listener.listen(100)
        command = [sys.executable, "-P", "-c", "from emulator.forked_sandbox import serve; serve()", str(listener.fileno())]
        environment = {**os.environ, **examine._SET, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=[listener.fileno()]):
            listener.close()
            yield address  # the server ends with its standard input


def serve() -> None:
    """Start a copy for each question that comes, until standard input ends."""
    import pyseccomp  # noqa: F401  # looking for its library takes other programs

    import scorer.sandbox.child  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as listener, selectors.DefaultSelector() as selector:
        for source in (sys.stdin, listener):
            selector.register(source, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in selector.select()):
            asking = listener.accept()[0]
            if os.fork() == 0:
                _keep(asking)
            asking.close()


def _keep(asking: socket.socket) -> NoReturn:
    """Start a copy, and tell when it has ended: the end of a process is its parent's to know."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    question, files, _, _ = socket.recv_fds(asking, _QUESTION_BYTES, 2)
    mine = Question.model_validate_json(question).model_copy(update={"parent": os.getpid()})
    copy = os.fork()
    if copy == 0:
        _look(mine, *files)
    for file in files:
        os.close(file)
    try:
        asking.send(_NUMBER.pack(copy))
        asking.send(_NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])))
    finally:  # whoever asked may have ended
        os._exit(0)


def _look(question: Question, file: int, answer: int) -> NoReturn:
    """Be what `python -m scorer.sandbox.child` is, with the file and the answer in their places and nothing else open."""
    from scorer.sandbox import child

    os.setsid()
    for source, place in ((file, child.FILE), (answer, child.ANSWER), (os.open(os.devnull, os.O_WRONLY), 2)):
        os.dup2(source, place)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.argv = ["child", question.model_dump_json()]
    try:
        child.main()
    except BaseException:
        os._exit(1)
    os._exit(0)
