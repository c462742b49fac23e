"""Microsoft's own Logic Apps engine, as tests use it: it runs in a process of its own, see dotnet.py."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]


class EngineError(Exception):
    """What the engine says against a definition or an expression."""


@dataclass
class Context:
    """What expressions can refer to."""

    parameters: Json = field(default_factory=dict)
    trigger: Json = field(default_factory=dict)
    """The trigger's outputs: headers, body."""
    variables: Json = field(default_factory=dict)
    actions: Json = field(default_factory=dict)
    """By name: status, outputs."""
    run: str = "08585287554177334956853859655CU00"

    def document(self) -> Json:
        """All of it as the engine wants it."""
        return {
            "parameters": self.parameters,
            "variables": self.variables,
            "actions": self.actions,
            "trigger": {"outputs": self.trigger},
            "workflow": {"name": "workflow", "run": {"name": self.run}},
        }


class Engine:
    """The engine; a context manager, as its process must end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        program = Path(__file__).with_name("dotnet.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._process.communicate(timeout=60)

    def validate(self, definition: Json) -> None:
        """Raise EngineError where Logic Apps would refuse to save the definition."""
        self._ask("validate", definition)

    def is_function(self, name: str) -> bool:
        """Whether the expression language has a function of this name that needs nothing but its arguments."""
        return bool(self._ask("is_function", name))

    def calls(self, template: object) -> list[tuple[str, str | None]]:
        """Each function that the expressions in `template` call, with its first argument where that is a literal."""
        return [(name, argument) for name, argument in self._ask("calls", template)]

    def evaluate(self, template: object, context: Context) -> Any:
        """`template` with every expression in it replaced by its value. Raises EngineError."""
        return self._ask("evaluate", template, context.document())

    def _ask(self, method: str, *arguments: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:  # workflows run side by side
            self._process.stdin.write(json.dumps([method, *arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the engine's process ended with {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer["answer"]
