"""What a check found: a line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["ok", "wrong", "left out"]
Stops = Literal["", "nodes", "request"]


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    name: str
    state: State
    text: str
    """What is so; of what is left out, why."""
    todo: str = ""
    """What to type or to set, where something is wrong."""
    stops: Stops = ""
    """What can't work while it is so, and isn't tried: it would cost time and nodes. Without nodes there is no request's way."""

    @property
    def line(self) -> str:
        """As a person reads it."""
        return f"{self.state:9} {self.name:18} {self.text}" + (f" -> {self.todo}" if self.todo else "")

    @property
    def facts(self) -> dict[str, Any]:
        """As a program reads it."""
        return {"name": self.name, "state": self.state, "text": self.text, "todo": self.todo}


def good(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name, "ok", text)


def wrong(name: str, text: str, todo: str, stops: Stops = "") -> Finding:
    """Something is wrong, and `todo` fixes it."""
    return Finding(name, "wrong", text, todo, stops)


def left_out(name: str, why: str) -> Finding:
    """It couldn't be checked, which says nothing of whether it works."""
    return Finding(name, "left out", why)
