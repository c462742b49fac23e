"""Everything that can go wrong, typed; each kind has its own exit code, so that a caller can decide without reading text."""

from __future__ import annotations

import errno

from scorer.text import clean


class ScorerError(Exception):
    """One readable sentence: it names the file or setting, and says what to do next.

    `exit_code` is what the command line ends with; `retry` says whether the same work may succeed when it is tried again.
    """

    exit_code = 1
    retry = False

    def __str__(self) -> str:
        """The sentence as it may go out: it quotes strangers' names."""
        return clean(super().__str__())


class RequestError(ScorerError):
    """A request or a command line option is invalid."""

    exit_code = 2


class InputError(ScorerError):
    """The input, or its mask, is there but can't be used: not a video, truncated, empty, too large, corrupt."""

    exit_code = 3


class MissingError(ScorerError):
    """A file or blob that was named isn't there."""

    exit_code = 4


class ChangedError(ScorerError):
    """An input is no longer the one that dispatch saw."""

    exit_code = 5


class StyleError(ScorerError):
    """A style can't be used: not an image, no such number, a checkpoint of another network."""

    exit_code = 6


class ModelError(ScorerError):
    """No such model, or its weights or its runtime can't be had here."""

    exit_code = 7


class GpuError(ModelError):
    """A machine that should have GPUs has none that can be used: its work would take hours on a processor."""

    exit_code = 20
    retry = True


class OutputError(ScorerError):
    """The output can't be written: no permission, not a folder, a name that is taken."""

    exit_code = 8


DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a disk has no room; EFBIG of a limit on one file's size, its own or the user's."""


class StorageFullError(ScorerError):
    """The disk or the account is full. What is done is kept: the same command goes on from there."""

    exit_code = 9
    retry = True


class FailureThresholdError(ScorerError):
    """More frames failed than the request allows."""

    exit_code = 10


class OutOfMemoryError(ScorerError):
    """A frame doesn't fit into memory, not even in tiles."""

    exit_code = 11


class StoreError(ScorerError):
    """A store didn't answer, or refused us."""

    exit_code = 12
    retry = True


class BatchError(ScorerError):
    """Azure Batch, or Azure Machine Learning, didn't answer, or refused us."""

    exit_code = 14
    retry = True


class BusyError(ScorerError):
    """As many jobs run as may; nothing was submitted."""

    exit_code = 15
    retry = True


class SenderLimitError(BusyError):
    """One sender has as many jobs as it may; others may still have some."""


class ScanError(ScorerError):
    """A file that a request names wasn't scanned for malware yet; nothing was submitted."""

    exit_code = 19
    retry = True


class LoginError(ScorerError):
    """Nobody is signed in to Azure here."""

    exit_code = 16


class TaskError(ScorerError):
    """A task ended without its part more often than it may be tried."""

    exit_code = 13
    retry = True


class SandboxError(ScorerError):
    """Strangers' files can't be looked at safely here: the process that does so couldn't be locked in, or didn't begin."""

    exit_code = 17
    retry = True


class InternalError(TaskError):
    """Work ended by what nobody foresaw: a fault of this package, or of a library."""

    exit_code = 70  # EX_SOFTWARE of sysexits.h
    retry = False


class DocumentError(ScorerError):
    """What was kept of a job (its plan, its status, a package) isn't of the form that it has, or not of that job."""

    exit_code = 18


class CheckError(ScorerError):
    """Something of a deployment is wrong: `scorer check` says what."""

    exit_code = 21


class StoppedError(ScorerError):
    """Stopped from the keyboard, where there is more to say than that."""

    exit_code = 130


class UsageError(ScorerError):
    """The command line itself makes no sense: no such command or option, a value of another kind, something missing."""

    exit_code = 64  # EX_USAGE of sysexits.h
