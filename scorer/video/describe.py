"""What a stream's headers and its first picture say about it."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterable
from fractions import Fraction
from math import floor
from typing import Literal, cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData, SideDataContainer, Type
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from scorer.errors import InputError
from scorer.video.color import FULL, known_matrix
from scorer.video.info import Access, VideoInfo
from scorer.video.source import is_broadcast

MP4_AUDIO = {"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac", "dts"}
"""What players expect in an mp4 file."""

_USUAL_RATES = [Fraction(n) for n in (24, 25, 30, 48, 50, 60, 100, 120)]
_USUAL_RATES += [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)]

Rotation = Literal[0, 90, 180, 270]


def describe(
    container: InputContainer, stream: VideoStream, picture: av.VideoFrame, pts: array[int], time_base: Fraction,
    last_duration: int, access: Access,
) -> VideoInfo:  # fmt: skip
    """Put together what is known; `pts` are in `time_base`. Raises InputError for a sound track that can't be copied."""
    rate, constant = _rate(stream, pts, time_base)
    rotation, mirrored = upright(picture)
    turned = rotation in (90, 270)
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    audio = _audio(container)
    width, height = picture.width, picture.height
    duration = round(1 / (rate * time_base)) if constant or last_duration <= 0 else last_duration
    return VideoInfo(
        width=height if turned else width,
        height=width if turned else height,
        frames=len(pts),
        rate=rate,
        constant=constant,
        time_base=time_base,
        start_pts=pts[0],
        last_pts=pts[-1],
        end_pts=pts[-1] + max(duration, 1),
        origin=_origin(container, time_base),
        bits=_bits(picture.format),
        chroma=_chroma(picture.format),
        sample_aspect=1 / aspect if turned else aspect,
        rotation=rotation,
        mirrored=mirrored,
        full_range=_full_range(picture),
        matrix=known_matrix(picture.colorspace, width, height),
        primaries=picture.color_primaries,
        transfer=picture.color_trc,
        audio=audio,
        container=_result_container(container, audio),
        stream=stream.index,
        access=access,
    )


def _result_container(source: InputContainer, audio: tuple[str, ...]) -> Literal["mp4", "mkv"]:
    """What can hold every sound track as it is."""
    if set(audio) <= MP4_AUDIO:
        return "mp4"
    with av.open(io.BytesIO(), "w", format="matroska") as trial:
        for track in source.streams.audio:
            try:
                trial.add_stream_from_template(track)
            except ValueError as error:
                codec = track.codec_context.name
                raise InputError(
                    f"The sound of '{source.name}' is {codec}, which can be copied neither into an mp4 nor into an mkv: "
                    "convert it to FLAC or AAC first."
                ) from error
    return "mkv"


def _rate(stream: VideoStream, pts: array[int], time_base: Fraction) -> tuple[Fraction, bool]:
    """Frames a second, and whether all time stamps agree with that to a tick.

    Of the rates that agree, a usual one is preferred that the container declares, then a usual one, then a declared one.
    """
    declared = [Fraction(each) for each in (stream.average_rate, stream.guessed_rate, stream.base_rate) if each]
    if len(pts) < 2:
        return (declared or [Fraction(25)])[0], True
    ticks = np.frombuffer(pts, np.int64) - pts[0]
    mean = (len(pts) - 1) / (int(ticks[-1]) * time_base)
    numbers = np.arange(len(pts))
    usual = [each for each in declared if each in _USUAL_RATES] + _USUAL_RATES
    for rate in [*usual, *declared, mean]:
        # Two time stamps are rounded, the first frame's and this one's: half a tick each.
        if np.abs(ticks - numbers * float(1 / (rate * time_base))).max() <= 1.001 and rate.numerator < 2**30:
            return rate, True
    return mean.limit_denominator(1001), False


def upright(picture: av.VideoFrame) -> tuple[Rotation, bool]:
    """Degrees clockwise that make the picture upright, and whether it is flipped left to right after that.

    From the display matrix (ISO/IEC 14496-12, 8.3.2): (x', y') = (a x + c y, b x + d y).
    """
    data = next((each for each in _side_data(picture) if each.type == Type.DISPLAYMATRIX), None)
    if data is None:
        return 0, False
    a, b, _, c, d, *_ = np.frombuffer(memoryview(data), np.int32).tolist()
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c
    if abs(a) >= abs(b):
        return (0 if a >= 0 else 180), mirrored
    return (90 if b > 0 else 270), mirrored


def _side_data(picture: av.VideoFrame) -> Iterable[SideData]:
    container = cast(SideDataContainer, picture.side_data)  # the library's stub says it is a dict
    return (container[number] for number in range(len(container)))


def _bits(pixel_format: VideoFormat) -> int:
    bits = max(component.bits for component in pixel_format.components)
    return 8 if bits <= 8 else 10 if bits <= 10 else 12


def _chroma(pixel_format: VideoFormat) -> Literal["420", "422", "444"]:
    """The subsampling that keeps all of the source's chroma, if need be more than it has."""
    if len(pixel_format.components) < 3 and not pixel_format.has_palette:
        return "420"
    if pixel_format.is_rgb or pixel_format.has_palette or pixel_format.chroma_width(16) == 16:
        return "444"
    return "422" if pixel_format.chroma_height(16) == 16 and pixel_format.chroma_width(16) == 8 else "420"


def _full_range(picture: av.VideoFrame) -> bool:
    """Of the result; R'G'B' becomes the usual limited range."""
    if picture.format.is_rgb or picture.format.has_palette:
        return False
    return picture.color_range == FULL or picture.format.name.startswith(("yuvj", "gray", "ya"))


def _audio(container: InputContainer) -> tuple[str, ...]:
    if any(stream.codec_context is None for stream in container.streams.audio):
        raise InputError(f"'{container.name}' has a sound track of an unknown format: remove it, or convert it to AAC.")
    return tuple(stream.codec_context.codec.canonical_name for stream in container.streams.audio)


def _origin(container: InputContainer, time_base: Fraction) -> int:
    """Broadcast clocks start anywhere; in other containers a late start is meant."""
    return floor(Fraction(container.start_time or 0, av.time_base) / time_base) if is_broadcast(container) else 0
