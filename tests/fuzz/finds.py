"""What a hunt has looked at and found: each find becomes a case of the tests."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.cases import Case

CASES = Path(__file__).with_name("cases")
STATE = Path(".fuzz")


class Hunt:
    """What one process has looked at and found."""

    def __init__(self, name: str) -> None:
        self._name, self._known = name, set[str]()
        self.current = STATE / f"{name}.json"
        self.looked = 0

    def begin(self, case: Case) -> None:
        """Write down what is looked at, in case nobody is there to say so afterwards."""
        self.looked += 1
        self.current.write_text(json.dumps(asdict(case)))
        if self.looked % 50 == 0:
            (STATE / f"{self._name}.count").write_text(str(self.looked))

    def is_new(self, told: str) -> bool:
        """Whether nothing of the kind was kept by this process."""
        return kind_of(told) not in self._known

    def keep(self, case: Case, told: str, number: int) -> None:
        """Make it a case of the tests."""
        self._known.add(kind_of(told))
        keep(case, told, number)


def keep(case: Case, told: str, number: int) -> None:
    """Write the case down, with what was said of it and the seed that led to it."""
    name = hashlib.sha256(json.dumps(asdict(case), sort_keys=True).encode()).hexdigest()[:10]
    path = case.keep(CASES, f"{case.format}-{name}", _last_line(told), number)
    print(f"found: {path}: {_last_line(told)}", flush=True)


def _last_line(told: str) -> str:
    return re.sub(r"/\S*/", "", (told.strip().splitlines() or ["?"])[-1])[:300]


def kind_of(told: str) -> str:
    return re.sub(r"\d+", "0", _last_line(told))
