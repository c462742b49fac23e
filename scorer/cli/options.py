"""What a person's options ask for, in a request's words: the same for `scorer run`, `submit` and `share`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from scorer.cli import completion
from scorer.cli.arguments import a_strength, check_mask, check_style, number, pixels, whole
from scorer.documents.request import Request, make_request
from scorer.documents.request_fields import Steady
from scorer.errors import RequestError
from scorer.media.image_names import format_for, is_photo
from scorer.media.times import is_time
from scorer.media.wanted import ResultContainer
from scorer.models import StyleKind
from scorer.submitter.senders import TAKEN, is_sender

STEADY = get_args(Steady)
_OTHERWISE = ("style", "option", "mask", "strength")
"""What a request says in other words."""


@dataclass(frozen=True, kw_only=True)
class ScoringOptions:
    """How frames are to be scored: each field is an option of a command, and most are a request's field.

    `scorer.run` (scorer/api.py) has an argument of each.
    """

    style: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STYLE[@WEIGHT][@TIME]",
            autocompletion=completion.styles,
            help="An image, a trained style's number or a network's file; several are mixed, or change by time: a.png@10s.",
        ),
    ] = None
    model: Annotated[
        str, typer.Option(metavar="NAME", autocompletion=completion.model_names, help="One of those that `scorer models` lists.")
    ] = "adaptive"
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", autocompletion=completion.option_names, help="One of the model's own options."),
    ] = None
    size: Annotated[
        int | None,
        typer.Option(metavar="PX", parser=pixels, help="Longer side of the frames in pixels; unchanged if not given."),
    ] = None
    strength: Annotated[
        list[Any] | None,
        typer.Option(
            metavar="0..1[@TIME]",
            parser=a_strength,
            help="The style's share: 0 is the original, 1 all style; several change it from time to time.",
        ),
    ] = None
    keep_colors: Annotated[
        float, typer.Option(metavar="0..1", parser=number(), help="The original's share in the colours: 1 keeps them.")
    ] = 0.0
    style_size: Annotated[
        int | None,
        typer.Option(metavar="PX", parser=pixels, help="The painting's side when its style is read: smaller is stronger."),
    ] = None
    stroke_size: Annotated[
        float, typer.Option(metavar="0.25..4", parser=number(), help="How many times as large strokes are.")
    ] = 1.0
    mask: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="An image or a video: what is white is styled, what is black stays as it was."),
    ] = None
    mask_feather: Annotated[
        int, typer.Option(metavar="PX", parser=whole(0, 1000), help="Pixels on each side of its edges over which both are mixed.")
    ] = 4
    steady: Annotated[
        str,
        typer.Option(
            metavar="|".join(STEADY),
            autocompletion=completion.one_of(*STEADY),
            help="Average a video's frames along its motion: strokes flicker less.",
        ),
    ] = "off"
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="From here on a video is scored: seconds, or h:mm:ss.fff.")
    ] = None
    end: Annotated[str | None, typer.Option(metavar="TIME", help="Up to here.")] = None
    batch_size: Annotated[int | None, typer.Option(metavar="N", parser=whole(), help="Frames the model gets at once.")] = None
    chunk_frames: Annotated[int | None, typer.Option(metavar="N", parser=whole(), help="Frames of one task.")] = None
    container: Annotated[
        str | None,
        typer.Option(
            metavar="mp4|mkv|mov",
            autocompletion=completion.one_of("mp4", "mkv", "mov"),
            help="A video's: an mp4, or an mkv where it keeps more, if not given.",
        ),
    ] = None
    sound: Annotated[
        str,
        typer.Option(
            metavar="keep|drop",
            autocompletion=completion.one_of("keep", "drop"),
            help="Whether a video's result has the input's sound.",
        ),
    ] = "keep"
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a video that is cut off; else what plays of it is scored.")] = (
        False
    )
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="h264|hevc|av1|prores",
            autocompletion=completion.one_of("h264", "hevc", "av1", "prores"),
            help="A video's; h264, or hevc for over 8 bits a colour, if not given.",
        ),
    ] = None
    quality: Annotated[
        str,
        typer.Option(
            metavar="small|good|high|lossless",
            autocompletion=completion.one_of("small", "good", "high", "lossless"),
            help="How much a video's result keeps, and how large it is.",
        ),
    ] = "good"
    failure_threshold: Annotated[float, typer.Option(metavar="0..1", parser=number(), help="Share of frames that may fail.")] = (
        0.05
    )

    def request(
        self, source: Path, place: str, kind: StyleKind, path_of: Callable[[Path], str], out: Path | None = None,
        *, here: bool = True, **more: object,
    ) -> Request:  # fmt: skip
        """The request for `source`, which is or will be at `place` in the input store; `path_of` says where a style is.

        `kind` is what the model takes as its style, `out` what the result is to be called, `here` whether styles are on this
        machine, `more` are other fields of a request. Raises RequestError, MissingError, StyleError.
        """
        same = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _OTHERWISE}
        same["container"] = self.container or _container(source, out)
        same["image_format"] = format_for(source.name, out.name) if out and is_photo(place) else None
        return make_request({
            "name": job_name(source), "input": place, "styles": list(self._styles(kind, path_of, here=here)),
            "options": options(self.option), "mask": self._mask(path_of, here=here), **self._strengths(),
            **same, **more,
        })  # fmt: skip

    def _strengths(self) -> dict[str, Any]:
        told = [each.split("@") if isinstance(each, str) else [each] for each in self.strength or []]
        if len(told) > 1 and not all(time for _, *time in told):
            raise RequestError("There are several strengths, and not all have a time: write each as 0.5@10s, or one alone.")
        values = [float(value) if isinstance(value, str) else value for value, *_ in told]
        if told and len(told[0]) > 1:
            return {"strengths": [{"strength": value, "at": time} for value, (_, time) in zip(values, told, strict=True)]}
        return {"strength": values[0]} if told else {}

    def _mask(self, path_of: Callable[[Path], str], *, here: bool) -> str | None:
        if self.mask is None:
            return None
        check_mask(self.mask, here=here)
        return path_of(Path(self.mask))

    def _styles(self, kind: StyleKind, path_of: Callable[[Path], str], *, here: bool) -> Iterator[dict[str, Any]]:
        """The styles as a request says them."""
        for text in self.style or []:
            (name, weight), time = split_weight(text), split_time(text)[1]
            share = _weight(text, name, weight)
            if share != 1 and len(self.style or []) == 1:
                less = f"for less of the style write '--strength {share:g}'" if share < 1 else "leave the weight out"
                raise RequestError(f"Weights mix several styles, and '{text}' is the only one: {less}.")
            check_style(name, kind, self.model, here=here)
            yield {"source": int(name) if kind == "number" else path_of(Path(name)), "weight": share, "at": time}


def _container(source: Path, out: Path | None) -> str | None:
    """A video's, by the name that its result is to have."""
    ending = out.suffix.lower().removeprefix(".") if out and not source.is_dir() else ""
    return ending if ending in get_args(ResultContainer) else None


def with_scoring_options(command: Callable[..., None]) -> Callable[..., None]:
    """Make an option of each field of ScoringOptions, in place of the parameter `scoring` of `command`."""
    hints, own = get_type_hints(command, include_extras=True), get_type_hints(ScoringOptions, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for name, each in inspect.signature(command).parameters.items():
        if hints[name] is ScoringOptions:
            parameters += [
                inspect.Parameter(field.name, each.KEYWORD_ONLY, default=field.default, annotation=own[field.name])
                for field in fields(ScoringOptions)
            ]
        else:
            parameters.append(each.replace(annotation=hints[name], kind=each.KEYWORD_ONLY))

    @wraps(command)
    def called(**values: Any) -> None:
        scoring = ScoringOptions(**{name: values.pop(name) for name in own})
        command(scoring=scoring, **values)

    # What typer goes by: it would follow __wrapped__ otherwise.
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # any function may have one
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def _weight(text: str, name: str, weight: str) -> float:
    if not weight:
        return 1.0
    try:
        share = float(weight)
    except ValueError as error:
        raise RequestError(f"The weight of style '{text}' is no number: write it as STYLE@0.5.") from error
    if not 0 < share <= 1000:
        raise RequestError(f"The weight of style '{name}' must be over 0 and at most 1000.")
    return share


def split_time(text: str) -> tuple[str, str | None]:
    """What stands before '@TIME', and the time; None where there is none."""
    before, at, time = text.rpartition("@")
    return (before, time) if at and is_time(time) and not Path(text).exists() else (text, None)


def split_weight(text: str) -> tuple[str, str]:
    """STYLE[@WEIGHT][@TIME] in its first two parts; '@' may stand in a file's name, too."""
    text = split_time(text)[0]
    name, at, weight = text.rpartition("@")
    return (name, weight) if at and not Path(text).exists() else (text, "")


def options(texts: Sequence[str] | None) -> dict[str, Any]:
    """NAME=VALUE, each, as a request says them."""
    return dict(_option(text) for text in texts or [])


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise RequestError(f"Option '{text}' has no {'name' if equals else 'value'}: write it as NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def sender_name(name: str) -> str:
    """`name`, if it can be a sender's, which becomes a folder. Raises RequestError."""
    if not is_sender(name):
        raise RequestError(
            f"Sender '{name}' can't be a folder's name: write up to 40 letters, digits, '-' and '_', not {' or '.join(TAKEN)}."
        )
    return name


def job_name(source: Path) -> str:
    """A job's name, after its input."""
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in source.absolute().stem)
    return name.strip("-")[:40].strip("-") or "job"
