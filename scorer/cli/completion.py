"""What the shell offers behind an option: nothing here asks Azure, or loads a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import typer

from scorer import models
from scorer.errors import ScorerError


def one_of(*words: str) -> Callable[[str], list[str]]:
    """One of a few words."""

    def offer(incomplete: str) -> list[str]:
        return _beginning(incomplete, words)

    return offer


def model_names(incomplete: str) -> list[str]:
    """Models that are installed."""
    with suppress(ScorerError):
        return _beginning(incomplete, models.names())
    return []


def styles(ctx: typer.Context, incomplete: str) -> list[str]:
    """Numbers of trained styles, where the model has such; files are the shell's own."""
    if ctx.params.get("model") != "painted":
        return []
    from scorer.models.painted import STYLES

    return _beginning(incomplete, map(str, range(STYLES)))


def option_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """NAME= of the model's own options."""
    with suppress(ScorerError):
        return _beginning(incomplete, [f"{name}=" for name in models.spec(ctx.params.get("model") or "adaptive").options])
    return []


def stacks(incomplete: str) -> list[str]:
    """Stacks that have settings in this checkout."""
    found = [path.name.split(".")[1] for folder in ("stacks", ".") for path in Path(folder).glob("Pulumi.*.yaml")]
    return _beginning(incomplete, sorted(set(found)))


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
