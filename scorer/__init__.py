"""The scorer: what the image runs on the cluster, and what a person runs on a laptop, by `scorer run` or from Python.

`import scorer` loads nothing; what has a name here is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scorer.api import Result, run
    from scorer.documents.records import FrameRecord
    from scorer.errors import ScorerError

__all__ = ["FrameRecord", "Result", "ScorerError", "run"]

_PLACES = {
    "FrameRecord": "scorer.documents.records",
    "Result": "scorer.api",
    "ScorerError": "scorer.errors",
    "run": "scorer.api",
}


if not TYPE_CHECKING:  # which would take any name for one of it

    def __getattr__(name: str) -> Any:
        """What `__all__` names."""
        if name not in _PLACES:
            raise AttributeError(f"module 'scorer' has no attribute '{name}'")
        return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
