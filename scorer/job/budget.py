"""How much work a request asks for, once its media are known: within the limits, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt, sqrt

from scorer.documents.request import Request
from scorer.errors import InputError, RequestError
from scorer.media import images
from scorer.media.limits import Limits
from scorer.media.video import Encoding, VideoInfo, encoding_of
from scorer.models.around import at_stroke_size
from scorer.store import Entry, Stores


def fit_video(request: Request, info: VideoInfo, limits: Limits, batch_size: int | None, name: str) -> Request:
    """The request with frames a batch that fit into memory, where it doesn't say how many: `batch_size` or fewer.

    Raises RequestError where its size or its batches are beyond a limit, InputError where the video `name` is without a size.
    """
    width, height = images.fit_size(info.width, info.height, request.size, even=True)
    pixels = width * height
    if pixels > limits.max_pixels:
        raise RequestError(
            f"The request's size is {request.size}: it makes frames of {width}x{height} pixels, more than the "
            f"{limits.max_pixels:,} allowed; ask for {_largest(info, limits.max_pixels)} or less, or leave it out."
        )
    encoder = encoding_of(info, request.coding, width, height).encoder
    if not encoder.takes(width, height):
        raise InputError(
            f"'{name}' makes frames of {width}x{height} pixels, and {encoder.told} takes {encoder.range_of_sides}: "
            "ask for another size or codec."
        )
    if info.frames * pixels > limits.max_gigapixels * 10**9:
        raise RequestError(
            f"The request's size is {request.size}: it makes {info.frames:,} frames of {width}x{height} pixels, "
            f"{info.frames * pixels / 1e9:,.0f} gigapixels, more than the {limits.max_gigapixels:,} allowed; "
            f"ask for {_largest(info, limits.max_gigapixels * 10**9 // info.frames)} or less, or leave it out."
        )
    if request.stroke_size < 1:
        width, height = at_stroke_size(width, height, request.stroke_size)
        _check_strokes(request, width, height, info.frames, limits)
    most = max(1, limits.max_batch_pixels // (width * height))
    if request.batch_size is not None and request.batch_size > most:
        raise RequestError(
            f"The request's batch_size is {request.batch_size}: of frames of {width}x{height} pixels that is more than the "
            f"{limits.max_batch_pixels:,} pixels allowed at once; ask for {most} or less, or leave it out."
        )
    if request.batch_size is None and batch_size is not None:
        return request.model_copy(update={"batch_size": min(batch_size, most)})
    return request


def _check_strokes(request: Request, width: int, height: int, frames: int, limits: Limits) -> None:
    """Raise RequestError where the frames that the model works on, larger than what comes out, are beyond a limit."""
    pixels = width * height
    made = pixels * request.stroke_size**2
    room = min(limits.max_pixels, limits.max_gigapixels * 10**9 // frames)
    if pixels > room:
        least = ceil(100 * sqrt(made / room)) / 100
        raise RequestError(
            f"The request's stroke_size is {request.stroke_size:g}: the model would work on frames of {width}x{height} pixels, "
            f"more than the {room:,} allowed; ask for {least:g} or more, or for a smaller size."
        )


def encoding(request: Request, info: VideoInfo) -> Encoding:
    """How the result's pictures are coded where the model doesn't change their size."""
    return encoding_of(info, request.coding, *images.fit_size(info.width, info.height, request.size, even=True))


def _largest(info: VideoInfo, pixels: int) -> int:
    """The largest size whose frames have no more than `pixels` pixels."""
    longer, shorter = max(info.width, info.height), min(info.width, info.height)
    size = isqrt(pixels * longer // shorter)
    while size > 1:
        width, height = images.fit_size(info.width, info.height, size, even=True)
        if width * height <= pixels:
            break
        size -= 1
    return size


def check_bytes(name: str, entries: Sequence[Entry], limits: Limits) -> None:
    """Raise InputError for more bytes than one input, a video or all images of the folder `name`, may have."""
    size = sum(entry.size for entry in entries)
    if size > limits.max_input_gb * 10**9:
        raise InputError(
            f"'{name}' has {size / 1e9:,.1f} GB, more than the {limits.max_input_gb:,} allowed: cut it into several inputs."
        )


def check_images(entries: Sequence[Entry], limits: Limits) -> None:
    """Raise InputError for an image of more bytes than one may have: each is read into memory whole."""
    largest = max(entries, key=lambda entry: entry.size)
    if largest.size > limits.max_image_mb * 10**6:
        raise InputError(
            f"The image '{largest.path}' has {largest.size / 1e6:,.1f} MB, more than the {limits.max_image_mb:,} allowed: "
            "make it smaller, or take it out of the folder."
        )


def check_room(entry: Entry, stores: Stores) -> None:
    """Raises InputError where not even an empty disk could hold the video; one that is full by chance may be tried again."""
    most = stores.input.capacity()
    if most is not None and entry.size > most:
        raise InputError(
            f"'{stores.input.where(entry.path)}' has {entry.size / 1e9:.1f} GB, and the disk that it is copied to "
            f"{most / 1e9:.1f} GB in all: give a smaller video."
        )
