"""What of a request fits together: its fields with each other, and with its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from scorer import models
from scorer.media.coding import Coding, check_coding
from scorer.media.times import as_clock
from scorer.media.wanted import Wanted
from scorer.text import closest

if TYPE_CHECKING:  # it is checked while it is made
    from scorer.documents.request import Request

STYLE_SIZE = "style_size"
"""The option of a model that a request's field of that name is."""


def check_fields(request: Request) -> None:
    """Raise ValueError where fields contradict each other, or are of videos and the input is none."""
    check_coding(request.codec, request.quality, request.container)
    _check_mask(request)
    _check_times(request)
    if request.media == "video":
        return
    if request.coding != Coding() or request.asked != Wanted():
        raise ValueError(f"container, sound, strict, codec and quality are of videos, not of '{request.input}': leave them out")
    if request.steady != "off":
        raise ValueError(f"steady is of videos, not of '{request.input}': leave it out")


def _check_mask(request: Request) -> None:
    if request.mask is None:
        if request.mask_feather != type(request).model_fields["mask_feather"].default:
            raise ValueError("mask_feather is of a mask, and there is none: leave it out")
    elif request.mask.endswith("/"):
        raise ValueError(f"the mask '{request.mask}' is a folder: name an image or a video")
    elif request.media == "frames" and not request.is_mask_image:
        raise ValueError(f"the mask '{request.mask}' is no image, and a video masks videos alone, not '{request.input}'")


def _check_times(request: Request) -> None:
    if request.media == "frames" and (request.start is not None or request.end is not None):
        raise ValueError(f"start and end are of videos, not of '{request.input}': leave them out")
    if request.media == "frames" and request.is_over_time:
        raise ValueError(f"styles and strengths have times in videos, not in '{request.input}': leave the times out")
    if len({style.at is None for style in request.styles}) > 1:
        raise ValueError("some of its styles have a time and some have none: give each of them one, or none")
    if request.strengths and request.strength != 1:
        raise ValueError("it has a strength and strengths: write one of them")
    times = [key.at for key in request.strengths]
    if twice := [time for time in times if times.count(time) > 1]:
        raise ValueError(f"two of its strengths are at {as_clock(twice[0])}: write one of them")
    if request.end is not None and (request.start or 0) >= request.end:
        raise ValueError(
            f"its start, {as_clock(request.start or 0)}, isn't before its end, {as_clock(request.end)}: exchange them"
        )


class Takes(Protocol):
    """What a model says of the requests that it takes."""

    @property
    def style(self) -> models.StyleKind: ...

    @property
    def max_styles(self) -> int: ...

    @property
    def over_time(self) -> bool: ...

    @property
    def options(self) -> Mapping[str, str]: ...


def check_model(request: Request, model: Takes) -> None:
    """Raise ValueError where the request's styles or options aren't what its model takes."""
    if model.style == "none" and request.styles:
        raise ValueError(f"model '{request.model}' takes no style; leave it out")
    what = models.STYLE_KINDS[model.style]
    if model.style != "none" and not request.styles:
        raise ValueError(f"model '{request.model}' needs {what} as its style; name one with {_STYLED_BY}")
    if len(request.styles) > max(1, model.max_styles):
        raise ValueError(f"model '{request.model}' mixes at most {model.max_styles} styles, not {len(request.styles)}")
    if request.has_timed_styles and not model.over_time:
        raise ValueError(f"model '{request.model}' can't change its style over time: leave the times out, or choose {_OVER_TIME}")
    for style in request.styles:
        if isinstance(style.source, int) != (model.style == "number"):
            quotes = " without quotes" if model.style == "number" else ""
            raise ValueError(f"style '{style.source}' is not what model '{request.model}' takes, which is: {what}{quotes}")
    if request.style_size is not None and STYLE_SIZE not in model.options:
        raise ValueError(f"model '{request.model}' has no style_size, which is of models that read a painting; leave it out")
    if request.style_size is not None and STYLE_SIZE in request.options:
        raise ValueError("style_size stands in its options, too; write it once")
    if unknown := sorted(set(request.options) - set(model.options)):
        known = ", ".join(model.options) or "none"
        near = closest(unknown[0], model.options)
        meant = f"; did you mean '{near}'?" if near else ""
        raise ValueError(f"model '{request.model}' has no option '{unknown[0]}'; it has: {known}{meant}")


_OVER_TIME = "'adaptive' or 'painted'"
_STYLED_BY = "--style, or 'styles' in a request"
