"""What a person's options ask for, in a request's words: the same for `scorer run`, `submit` and `share`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from scorer.errors import RequestError
from scorer.models import StyleKind
from scorer.senders import TAKEN, is_sender

Styles = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        metavar="STYLE[@WEIGHT]",
        help="An image, a trained style's number or a network's file; more than one are mixed.",
    ),
]
ModelName = Annotated[str, typer.Option("--model", help="One of those that `scorer models` lists.")]
Options = Annotated[list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="One of the model's own options.")]
Size = Annotated[int | None, typer.Option("--size", metavar="PX", help="Longer side of the frames; unchanged if not given.")]
Strength = Annotated[float, typer.Option("--strength", metavar="0..1", help="The style's share: 0 is the original, 1 all style.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", metavar="N", help="Frames the model gets at once.")]
ChunkFrames = Annotated[int | None, typer.Option("--chunk-frames", metavar="N", help="Frames of one task.")]
FailureThreshold = Annotated[float, typer.Option("--failure-threshold", metavar="0..1", help="Share of frames that may fail.")]


def style(text: str, kind: StyleKind, path_of: Callable[[Path], str]) -> dict[str, Any]:
    """STYLE[@WEIGHT] as a request says it; `path_of` tells where in the input store a file is, or will be."""
    name, weight = split_weight(text)
    share = 1.0
    if weight:
        try:
            share = float(weight)
        except ValueError as error:
            raise RequestError(f"The weight of style '{text}' is no number: write it as STYLE@0.5.") from error
        if not 0 < share <= 1000:
            raise RequestError(f"The weight of style '{name}' must be over 0 and at most 1000.")
        text = name
    if kind == "number":
        if not text.isdecimal():
            raise RequestError(f"Style '{text}' is no number, which is what this model takes: `scorer models` says which.")
        return {"source": int(text), "weight": share}
    return {"source": path_of(Path(text)), "weight": share}


def split_weight(text: str) -> tuple[str, str]:
    """STYLE[@WEIGHT] in its two parts; '@' may stand in a file's name, too."""
    name, at, weight = text.rpartition("@")
    return (name, weight) if at and not Path(text).exists() else (text, "")


def options(texts: Sequence[str] | None) -> dict[str, Any]:
    """NAME=VALUE, each, as a request says them."""
    return dict(_option(text) for text in texts or [])


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise RequestError(f"Option '{text}' has no value: write it as NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def sender(name: str) -> str:
    """A sender's name, which becomes a folder. Raises RequestError."""
    if not is_sender(name):
        raise RequestError(
            f"Sender '{name}' can't be a folder's name: write up to 40 letters, digits, '-' and '_', not {' or '.join(TAKEN)}."
        )
    return name


def job_name(source: Path) -> str:
    """A job's name, after its input."""
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in source.absolute().stem)
    return name.strip("-")[:40].strip("-") or "job"
