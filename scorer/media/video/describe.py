"""What a stream's headers and its first picture say about it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import floor
from typing import Any, Literal, cast

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import SideData, SideDataContainer, Type
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from scorer.media.opened import Source
from scorer.media.video.alpha import is_apart
from scorer.media.video.clock import DAY, read_clock
from scorer.media.video.color import BT2020, FULL, RGB, UNKNOWN, known_matrix
from scorer.media.video.display import Display
from scorer.media.video.info import Access, VideoInfo
from scorer.media.video.matrices import NAMES
from scorer.media.video.source import is_broadcast
from scorer.media.video.tags import is_counted, timecode
from scorer.media.video.tracks import Choice, sound_codecs

_NARROWEST = Fraction(1, 100)
_MATRIX_BYTES = 9 * 4
_SIDE_DATA_KINDS = 64
"""More than there are (FFmpeg 8 has 32)."""

Rotation = Literal[0, 90, 180, 270]


def describe(
    path: Source, container: InputContainer, stream: VideoStream, picture: av.VideoFrame, pts: array[int], time_base: Fraction,
    last_duration: int, access: Access, choice: Choice,
) -> VideoInfo:  # fmt: skip
    """Put together what is known; `pts` are in `time_base`.

    Raises InputError for time stamps that no result could have.
    """
    declared = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    # A frame may be shown before what comes first in the file; but no part holds times before the clock's start.
    origin = min([floor(clock_start(container, stream) / time_base), *pts[:1]])
    clock = read_clock(path, pts, time_base, declared, origin, last_duration)
    rotation, mirrored = upright(picture)
    turned = rotation in (90, 270)
    aspect = _aspect(stream.sample_aspect_ratio)
    width, height = picture.width, picture.height
    code = timecode(container, stream)
    rare: Any = picture.colorspace if picture.colorspace in NAMES else None
    return VideoInfo(
        width=height if turned else width,
        height=width if turned else height,
        frames=len(pts),
        rate=clock.rate,
        constant=clock.constant,
        time_base=time_base,
        start_pts=pts[0],
        last_pts=pts[-1],
        end_pts=pts[-1] + clock.duration,
        origin=origin,
        unit=clock.unit,
        bits=_bits(picture.format),
        chroma=_chroma(picture.format),
        alpha=any(component.is_alpha for component in picture.format.components) or is_apart(stream),
        sample_aspect=1 / aspect if turned else aspect,
        rotation=rotation,
        mirrored=mirrored,
        full_range=_full_range(picture),
        matrix=known_matrix(picture.colorspace, width, height),
        coded_matrix=rare,
        primaries=picture.color_primaries,
        transfer=picture.color_trc,
        timecode=code if code and clock.constant and is_counted(code, clock.rate) else None,
        display=Display.read(_side_data(picture)),
        audio=sound_codecs(container),
        container=choice.container,
        tracks=tuple(choice.tracks),
        stream=stream.index,
        access=access,
    )


def _aspect(told: Fraction | None) -> Fraction:
    """Width of a pixel to its height; what no screen has is a mistake, and means nothing to players either."""
    aspect = Fraction(told or 1)
    if not _NARROWEST <= aspect <= 1 / _NARROWEST:
        return Fraction(1)
    return aspect if max(aspect.numerator, aspect.denominator) < 2**15 else aspect.limit_denominator(255)


def upright(picture: av.VideoFrame) -> tuple[Rotation, bool]:
    """Degrees clockwise that make the picture upright, and whether it is flipped left to right after that.

    From the display matrix (ISO/IEC 14496-12, 8.3.2): (x', y') = (a x + c y, b x + d y).
    """
    matrix = next((each for each in _side_data(picture) if each.type == Type.DISPLAYMATRIX), None)
    if matrix is None or len(memoryview(matrix)) != _MATRIX_BYTES:
        return 0, False
    a, b, _, c, d, *_ = np.frombuffer(memoryview(matrix), np.int32).tolist()
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c
    if abs(a) >= abs(b):
        return (0 if a >= 0 else 180), mirrored
    return (90 if b > 0 else 270), mirrored


def _side_data(picture: av.VideoFrame) -> Iterable[SideData]:
    try:
        found = picture.side_data
    except ValueError:  # there is a kind of which the library knows no name, such as EXIF
        found = _without_unnamed(picture).side_data
    container = cast(SideDataContainer, found)  # the library's stub says it is a dict
    return (container[number] for number in range(len(container)))


def _without_unnamed(picture: av.VideoFrame) -> av.VideoFrame:
    """The same picture without the side data of which the library knows no name."""
    graph = Graph()
    unnamed = sorted(set(range(_SIDE_DATA_KINDS)) - {kind.value for kind in Type})
    graph.link_nodes(
        graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1)),
        *(graph.add("sidedata", mode="delete", type=str(kind)) for kind in unnamed),
        graph.add("buffersink"),
    ).configure()
    graph.vpush(picture)
    return graph.vpull()


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


_LEFT_OUT = {
    Type.A53_CC: "closed captions in the pictures are left out",
    Type.DYNAMIC_HDR_PLUS: "HDR10+ data are left out",
    Type.DYNAMIC_HDR_VIVID: "HDR Vivid data are left out",
    Type.DOVI_RPU_BUFFER: "Dolby Vision data are left out",
    Type.DOVI_METADATA: "Dolby Vision data are left out",
    Type.ICC_PROFILE: "the colour profile is left out",
}


def picture_notes(picture: av.VideoFrame, info: VideoInfo, timecode: str | None) -> Iterator[str]:
    """What of the pictures a result won't have, or will have otherwise; `timecode` is the source's."""
    kinds = {each.type for each in _side_data(picture)}
    yield from dict.fromkeys(note for kind, note in _LEFT_OUT.items() if kind in kinds)
    if Type.SPHERICAL in kinds and not (info.display and info.display.sphere):
        yield "the way its pictures cover a sphere is left out"
    if Type.STEREO3D in kinds and not (info.display and info.display.view):
        yield "how its pictures are for two eyes is left out"
    if picture.interlaced_frame:
        yield "the video is interlaced and comes out deinterlaced"
    if info.coded_matrix is not None:
        yield f"colours are converted from {NAMES[info.coded_matrix]} to {'BT.2020' if info.matrix == BT2020 else 'BT.709'}"
    elif picture.colorspace not in (RGB, UNKNOWN, info.matrix):
        yield f"colours are coded in a way that isn't known here ({picture.colorspace}), and taken for the usual one"
    if timecode and not info.timecode:
        yield "the time code is left out"


def clock_start(container: InputContainer, stream: VideoStream) -> Fraction:
    """Seconds at which the result's clock starts: a broadcast's may be any, in other containers a late start is meant.

    But a day late is no start: it is the time of day, or since 1970.
    """
    if is_broadcast(container):
        return Fraction(container.start_time or 0, av.time_base)
    start = (stream.start_time or 0) * Fraction(stream.time_base or 1)
    return start if abs(start) > DAY else Fraction(0)
