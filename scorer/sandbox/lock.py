"""What the sandboxed process gives up, once all of its code is loaded and before it reads the file's first byte."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from scorer.errors import SandboxError

if sys.platform != "win32":
    try:
        import resource
    except ImportError:
        resource = None  # type: ignore[assignment]  # asked for below

# From linux/prctl.h, linux/sched.h and sys/mman.h.
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_THREAD = 0x10000
_PROT_EXEC = 4

_OPEN_FILES = 8
"""The file, the answer, what Python and the libraries hold."""

_CALLS = (
    "read", "pread64", "readv", "lseek", "close",
    "munmap", "brk", "mremap", "madvise",
    "futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "membarrier", "gettid", "getpid",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
    "getrandom", "exit", "exit_group",
)  # fmt: skip
"""Of these any use is harmless to everybody else: nothing is opened, sent or started."""


def end_with(parent: int) -> None:
    """On Linux: end when the process `parent` does, and be the one that Linux ends where memory runs out."""
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before that
        os._exit(1)
    with suppress(OSError):  # where /proc isn't mounted
        Path("/proc/self/oom_score_adj").write_text("1000")


def lock_in(seconds: int, memory_mb: int, answer: int, *, required: bool) -> None:
    """Take no more than this from here on, and on Linux do nothing but read open files and write to the descriptor `answer`.

    Raises SandboxError where system calls can't be filtered though that is `required`.
    """
    try:
        calls = _filter_of_calls(answer)  # first: to find the library takes other programs
    except (ImportError, RuntimeError, OSError) as error:
        calls = None
        _unfiltered(error, required=required)
    if sys.platform != "win32" and resource is not None:
        spent = sum(os.times()[:2])
        _limit(resource.RLIMIT_AS, memory_mb * 2**20)
        _limit(resource.RLIMIT_CPU, int(spent) + seconds, grace=1)  # a second later the signal would say nothing of time
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    if sys.platform == "linux":
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if calls is not None:
        try:
            calls.load()
        except OSError as error:
            _unfiltered(error, required=required)


def _unfiltered(error: Exception, *, required: bool) -> None:
    """There is no Linux, no libseccomp, or a kernel without seccomp. Raises SandboxError where that may not be."""
    if required:
        raise SandboxError(
            f"Strangers' files aren't looked at here, since system calls can't be filtered ({error}): install libseccomp, "
            "or run this where the kernel has seccomp."
        ) from error


def _limit(what: int, most: int, grace: int = 0) -> None:
    """Lower it; one that is lower stays."""
    hard = resource.getrlimit(what)[1]
    last = most + grace if hard == resource.RLIM_INFINITY else min(most + grace, hard)
    with suppress(ValueError, OSError):  # macOS keeps no limit on address space
        resource.setrlimit(what, (min(most, last), last))


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _filter_of_calls(answer: int) -> Any:
    """Once it is loaded, every other system call answers EPERM."""
    import pyseccomp as seccomp

    calls = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    calls.set_attr(seccomp.Attr.CTL_TSYNC, 1)  # for threads that the libraries have begun, too
    for call in _CALLS:
        calls.add_rule(seccomp.ALLOW, call)
    for call in ("write", "writev"):
        calls.add_rule(seccomp.ALLOW, call, seccomp.Arg(0, seccomp.EQ, answer))
    for call in ("mmap", "mprotect"):  # memory for data, not for code
        calls.add_rule(seccomp.ALLOW, call, seccomp.Arg(2, seccomp.MASKED_EQ, _PROT_EXEC, 0))
    # Threads. The newer call has its flags where no filter sees them; the C library then takes the older one.
    calls.add_rule(seccomp.ALLOW, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD))
    calls.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    calls.add_rule(seccomp.ALLOW, "tgkill", seccomp.Arg(0, seccomp.EQ, os.getpid()))  # abort()
    return calls
