"""What asked for a job, said again: the command that one can paste, and what in it isn't as it is by default."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from scorer.documents.request import Request
from scorer.media.times import as_clock, as_seconds
from scorer.models import Device

# Fields of a request that are options of `scorer run` by the same name.
OPTIONS = frozenset({
    "batch_size", "chunk_frames", "codec", "container", "end", "failure_threshold", "keep_colors", "mask_feather", "model",
    "quality", "size", "sound", "start", "steady", "strength", "strict", "stroke_size", "style_size",
})  # fmt: skip
# Those that a report says elsewhere.
_ELSEWHERE = {"version", "name", "input", "styles", "options", "model", "mask"}


def command(request: Request, device: Device) -> str:
    """The `scorer run` that asks for the same. Files are named as from here, those of other folders by their names alone."""
    words = ["scorer", "run", _file(request.input)]
    for style in request.styles:
        name = str(style.source) if isinstance(style.source, int) else _file(style.source)
        time = "" if style.at is None else f"@{_time(style.at)}"
        words += ["--style", name + (f"@{_number(style.weight)}" if style.weight != 1 else "") + time]
    for key in request.strengths:
        words += ["--strength", f"{_number(key.strength)}@{_time(key.at)}"]
    words += ["--mask", _file(request.mask)] if request.mask else []
    for field, value in _chosen(request):
        option = f"--{field.replace('_', '-')}"
        if field in OPTIONS:
            words += [option] if value is True else [option, f"{value}"]
    for name, value in request.options.items():
        words += ["--option", f"{name}={_option(value)}"]
    words += ["--out", f"result.{request.image_format}"] if request.image_format else []
    words += ["--device", device] if device != "auto" else []
    return shlex.join(words)


def settings(request: Request, device: Device) -> dict[str, str]:
    """What differs from the defaults, as a report says it."""
    chosen = {field.replace("_", " "): str(value) for field, value in _chosen(request) if field not in _ELSEWHERE}
    chosen |= {name: as_clock(time) for name, time in (("start", request.start), ("end", request.end)) if time}
    if request.strengths:
        chosen["strengths"] = ", ".join(f"{key.strength:g} at {as_clock(key.at)}" for key in request.strengths)
    chosen |= {name: str(value) for name, value in request.options.items()}
    return chosen | ({"device": device} if device != "auto" else {})


def _chosen(request: Request) -> Iterator[tuple[str, Any]]:
    for name, field in Request.model_fields.items():
        value = getattr(request, name)
        if value != field.get_default(call_default_factory=True):
            yield name, value


def _number(value: float) -> str:
    """With all its digits: another number asks for another job."""
    return repr(value).removesuffix(".0")


def _time(seconds: float) -> str:
    clock = as_clock(seconds)
    return clock if as_seconds(clock) == seconds else f"{seconds:.9f}".rstrip("0") + "s"


def _option(value: object) -> str:
    """As a person writes it: a text in quotes only where it would be taken for something else."""
    if isinstance(value, str):
        with suppress(ValueError):
            json.loads(value)
            return json.dumps(value)
        return value
    return json.dumps(value)


def _file(path: str) -> str:
    """A path of the input store. A report is sent on: where else in a machine its input was is nobody's business."""
    whole, here = Path("/") / path, Path.cwd()
    name = whole.relative_to(here).as_posix() if whole.is_relative_to(here) and whole != here else whole.name
    name = f"./{name}" if name.startswith("-") else name
    return name + "/" if path.endswith("/") else name
