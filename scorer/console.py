"""The terminal, or a task's log: nothing that is printed there moves its cursor, colours it or begins a line of its own."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from scorer.text import clean

LONGEST_LINE = 20_000
"""Characters of one line of ours."""


class _CleanConsole(Console):
    """Cleans every text that is printed, be it a line's, a table's or a live display's; none is markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(clean(text, LONGEST_LINE), **options)


errors = _CleanConsole(stderr=True)
screen = _CleanConsole()
