"""What the sandboxed process has given up, tried from inside it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BEFORE = """
import ctypes, encodings.idna, errno, os, resource, signal, socket, subprocess, sys, threading, mmap, time
from pathlib import Path
import scorer.sandbox.child
from scorer.sandbox.lock import end_with, lock_in
libc, parent = ctypes.CDLL(None, use_errno=True), os.getppid()
"""
LOCKED = BEFORE + "lock_in({seconds}, {memory}, 1, required=True)\n"

TRIES = {
    "reads another file": "os.open('/etc/passwd', os.O_RDONLY)",
    "writes a file": "os.open({folder!r} + '/made', os.O_WRONLY | os.O_CREAT)",
    "lists a folder": "os.listdir('/')",
    "deletes a file": "os.unlink({folder!r} + '/kept')",
    "renames a file": "os.rename({folder!r} + '/kept', {folder!r} + '/gone')",
    "changes a file's rights": "os.chmod({folder!r} + '/kept', 0o777)",
    "writes to the file it reads": "os.write(0, b'x')",
    "calls out": "socket.socket()",
    "calls out by a pair": "socket.socketpair()",
    "calls its machine's name service": "socket.create_connection(('127.0.0.1', 80))",
    "starts a program": "os.execv('/bin/true', ['true'])",
    "starts a process": "os.fork()",
    "starts a process as libraries do": "subprocess.run(['true'])",
    "ends others": "os.kill(parent, 0)",
    "ends its group": "os.killpg(parent, 0)",
    "raises its limits": "check(libc.setrlimit(resource.RLIMIT_AS, bytes([255] * 16)))",
    "makes code": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "traces others": "check(libc.ptrace(16, parent, 0, 0))",
    "reads others' memory": "check(libc.process_vm_readv(parent, None, 0, None, 0, 0))",
    "makes a room of its own": "check(libc.unshare(0x10000000))",
    "becomes another user": "os.setuid(1)",
    "becomes seen by name": "check(libc.prctl(15, b'other', 0, 0, 0))",
}


def run(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_it_can_do_nothing_but_read_and_answer(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "file").write_text("what it may read")
    code = LOCKED.format(seconds=30, memory=1600) + (
        "def check(result):\n    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))\n"
    )
    for name, attempt in TRIES.items():
        code += f"try:\n    {attempt.format(folder=str(tmp_path))}\nexcept OSError as error:\n"
        code += f"    os.write(1, b'{name.replace(chr(39), '')}: ' + errno.errorcode[error.errno].encode() + b'\\n')\n"
        code += f"else:\n    os.write(1, b'{name.replace(chr(39), '')}: done\\n')\n"
    code += "thread = threading.Thread(target=lambda: os.write(1, os.read(0, 100)))\nthread.start()\nthread.join()\n"
    with (tmp_path / "file").open("r+b") as file:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], stdin=file, capture_output=True, text=True, check=False, timeout=60
        )
    *lines, last = done.stdout.splitlines()
    assert lines == [f"{name.replace(chr(39), '')}: EPERM" for name in TRIES], done.stderr
    assert last == "what it may read"  # by a thread: decoders have some
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "kept"]


def test_memory_and_processor_time_have_an_end() -> None:
    hungry = LOCKED.format(seconds=30, memory=1000) + (
        "try:\n    held = [bytearray(2**28) for _ in range(8)]\nexcept MemoryError:\n    os.write(1, b'no more')\n"
    )
    assert run(hungry).stdout == "no more"
    busy = LOCKED.format(seconds=1, memory=1600) + "while True: pass\n"
    assert run(busy).returncode == -signal.SIGXCPU


def test_it_is_ended_with_whoever_asked(tmp_path: Path) -> None:
    child = BEFORE + "end_with(int(sys.argv[1]))\nos.write(1, b'%d\\n' % os.getpid())\ntime.sleep(600)\n"
    (tmp_path / "child.py").write_text(child)
    parent = f"import os, subprocess, sys\nsubprocess.run([sys.executable, {str(tmp_path / 'child.py')!r}, str(os.getpid())])\n"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        number = int(asking.stdout.readline())
        assert (Path("/proc") / str(number) / "oom_score_adj").read_text().strip() == "1000"
        asking.kill()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and is_there(number):
        time.sleep(0.05)
    assert not is_there(number)
    # Whoever asked may have ended before that.
    assert run(child, str(os.getpid() + 1)).returncode == 1


def is_there(process: int) -> bool:
    try:
        state = (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("required", [False, True])
def test_without_the_filter_nothing_is_looked_at_where_it_is_required(required: bool) -> None:
    hide = BEFORE + "sys.modules['pyseccomp'] = None\n"
    done = run(hide + f"lock_in(10, 1600, 1, required={required})\nprint('looks')\n")
    if required:
        assert "SandboxError: Strangers' files aren't looked at here" in done.stderr
    assert (done.stdout == "looks\n") is not required


def test_windows_has_no_limits_but_time(tmp_path: Path) -> None:
    """It lacks the module that sets them: everything is imported, and looks, without it."""
    (tmp_path / "in.mp4").write_text("This is no video.")
    code = BEFORE + (
        "import importlib, scorer.sandbox.lock, scorer.sandbox.examine\n"
        "from scorer.media.limits import Limits\n"
        "sys.platform, sys.modules['resource'], sys.modules['pyseccomp'] = 'win32', None, None\n"
        "lock, examine = importlib.reload(scorer.sandbox.lock), importlib.reload(scorer.sandbox.examine)\n"
        "lock.end_with(0)\n"
        "lock.lock_in(10, 1600, 1, required=False)\n"
        "try:\n    examine.probe_video(Path(sys.argv[1]), Limits())\nexcept Exception as error:\n    print(error)\n"
    )
    assert "is not a video" in run(code, str(tmp_path / "in.mp4")).stdout
