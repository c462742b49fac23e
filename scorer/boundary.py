"""How work ends that goes wrong: with an error that is typed, whatever was raised.

A step, a worker and a command each have `typed` around all that they do, so that nothing leaves them but ScorerErrors.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scorer.errors import InternalError, ScorerError
from scorer.text import clean

# Where it is set, all that is known of an error that nobody foresaw is printed: nodes have it, a person may.
DEBUG = "SCORER_DEBUG"
# How often the engine that starts tasks tries each of them in all; nobody tries again where nothing is said.
TRIES = "SCORER_TRIES"
LONGEST = 500

_PACKAGE = Path(__file__).parent


@contextmanager
def typed() -> Iterator[None]:
    """Turn what nobody foresaw into InternalError, SystemExit and a library's own kinds of BaseException among it.

    KeyboardInterrupt passes where a person may have said so. A ScorerError of somebody else's kind passes if it can be written
    down.
    """
    try:
        yield
    except BaseException as error:
        if _passes(error):
            raise
        raise unforeseen(error) from error


def _passes(error: BaseException) -> bool:
    if isinstance(error, ScorerError):
        with suppress(BaseException):
            return error.exit_code in range(1, 256) and bool(str(error))
    return isinstance(error, KeyboardInterrupt) and not os.environ.get(TRIES)


def unforeseen(error: BaseException) -> InternalError:
    """The InternalError that says so, in one sentence."""
    if os.environ.get(DEBUG):
        for line in "".join(traceback.format_exception(error)).splitlines():
            print(clean(line), file=sys.stderr)
    return InternalError(f"Nobody foresaw this error ({words(error)}{_place(error)}): report it; {DEBUG}=1 shows all of it.")


def words(error: BaseException) -> str:
    """Kind and text of an error in one line, whatever it is and says."""
    try:
        text = str(error)
    except BaseException as worse:
        text = f"its text can't be had: {type(worse).__name__}"
    return clean(" ".join(f"{type(error).__name__}: {text}".split()).removesuffix(":"), LONGEST)


def _place(error: BaseException) -> str:
    """The line of this package where it happened, as far as that is known."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE) and path != Path(__file__):
            return f", {path.relative_to(_PACKAGE.parent)} line {frame.lineno}"
    return ""
