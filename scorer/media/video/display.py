"""What a screen is told beside the pictures: the display they were graded on (HDR10), a sphere, two eyes' views.

Sources: SMPTE ST 2086 and CTA-861.3 (HDR10), https://github.com/google/spatial-media (360 degrees).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, Literal, Self

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData, Type
from av.video.stream import VideoStream
from pydantic import BaseModel, ConfigDict, Field

Short = Annotated[int, Field(ge=0, lt=2**16)]
Long = Annotated[int, Field(ge=0, lt=2**32)]
Angle = Annotated[int, Field(ge=-(2**31), lt=2**31)]

_CHROMATICITY, _LUMINANCE = 50_000, 10_000
"""Units of a coordinate, and of a candela a square metre."""
Projection = Literal["equirectangular", "cubemap"]
View = Literal["side by side", "top and bottom"]

_PROJECTIONS: dict[int, Projection] = {0: "equirectangular", 1: "cubemap", 2: "equirectangular"}
_VIEWS: dict[int, View] = {1: "side by side", 2: "top and bottom"}
_VIEW_CODES: dict[View, bytes] = {"top and bottom": b"\1", "side by side": b"\2"}


class Mastering(BaseModel):
    """The display that the pictures were graded on."""

    model_config = ConfigDict(frozen=True)

    red: tuple[Short, Short]
    green: tuple[Short, Short]
    blue: tuple[Short, Short]
    white: tuple[Short, Short]
    """x and y, in 0.00002."""
    darkest: Long
    brightest: Long
    """In 0.0001 candela a square metre."""

    @classmethod
    def read(cls, data: bytes) -> Self | None:
        """From FFmpeg's AVMasteringDisplayMetadata: R, G, B, white, darkest, brightest as fractions; which of them are told."""
        *numbers, has_primaries, has_luminance = struct.unpack("=22i", data[:88])
        if not (has_primaries and has_luminance) or not all(numbers[1::2]):
            return None
        values = [Fraction(top, bottom) for top, bottom in zip(numbers[::2], numbers[1::2], strict=True)]
        red, green, blue, white = ((_units(x), _units(y)) for x, y in zip(values[:8:2], values[1:8:2], strict=True))
        darkest, brightest = (min(max(round(value * _LUMINANCE), 0), 2**32 - 1) for value in values[8:])
        return cls(red=red, green=green, blue=blue, white=white, darkest=darkest, brightest=brightest)


def _units(value: Fraction) -> int:
    return min(max(round(value * _CHROMATICITY), 0), 2**16 - 1)


class Light(BaseModel):
    """How bright the pictures get, in candela a square metre."""

    model_config = ConfigDict(frozen=True)

    pixel: Short
    """The brightest one (MaxCLL)."""
    frame: Short
    """The brightest one's mean (MaxFALL)."""


class Sphere(BaseModel):
    """How the pictures cover a sphere."""

    model_config = ConfigDict(frozen=True)

    projection: Projection
    yaw: Angle
    pitch: Angle
    roll: Angle
    """Degrees in 16.16 bits."""
    bounds: tuple[Long, Long, Long, Long] = (0, 0, 0, 0)
    """What is cut off at the top, bottom, left and right, in 0.32 bits of the whole."""
    padding: Long = 0
    """Pixels around each side of a cube."""


class Display(BaseModel):
    """What a screen is told."""

    model_config = ConfigDict(frozen=True)

    mastering: Mastering | None = None
    light: Light | None = None
    sphere: Sphere | None = None
    view: View | None = None
    """Where in a picture the two eyes' are."""

    @classmethod
    def read(cls, found: Iterable[SideData]) -> Self | None:
        """What a decoded picture says; None where it is nothing."""
        data = {each.type: bytes(memoryview(each)) for each in found}
        sphere, light, view = data.get(Type.SPHERICAL), data.get(Type.CONTENT_LIGHT_LEVEL), data.get(Type.STEREO3D)
        mastering = data.get(Type.MASTERING_DISPLAY_METADATA)
        display = cls(
            mastering=Mastering.read(mastering) if mastering else None,
            light=_light(light) if light else None,
            sphere=_sphere(sphere) if sphere else None,
            view=_VIEWS.get(struct.unpack("=i", view[:4])[0]) if view else None,
        )
        return display if display != cls() else None

    def boxes(self) -> bytes:
        """As a video's sample entry in an mp4 has it."""
        parts: list[bytes] = []
        if (screen := self.mastering) is not None:
            points = (*screen.green, *screen.blue, *screen.red, *screen.white)
            parts.append(_box(b"mdcv", struct.pack(">8H2I", *points, screen.brightest, screen.darkest)))
        if self.light is not None:
            parts.append(_box(b"clli", struct.pack(">2H", self.light.pixel, self.light.frame)))
        if self.view is not None:
            parts.append(_box(b"st3d", bytes(4), _VIEW_CODES[self.view]))
        if (sphere := self.sphere) is not None:
            head = _box(b"prhd", bytes(4), struct.pack(">3i", sphere.yaw, sphere.pitch, sphere.roll))
            if sphere.projection == "cubemap":
                form = _box(b"cbmp", bytes(8), struct.pack(">I", sphere.padding))
            else:
                form = _box(b"equi", bytes(4), struct.pack(">4I", *sphere.bounds))
            parts.append(_box(b"sv3d", _box(b"svhd", bytes(5)), _box(b"proj", head, form)))
        return b"".join(parts)


def _light(data: bytes) -> Light:
    pixel, frame = struct.unpack("=2I", data[:8])
    return Light(pixel=min(pixel, 2**16 - 1), frame=min(frame, 2**16 - 1))


def _sphere(data: bytes) -> Sphere | None:
    kind, yaw, pitch, roll, left, top, right, bottom, padding = struct.unpack("=4i5I", data[:36])
    if (projection := _PROJECTIONS.get(kind)) is None:
        return None
    return Sphere(projection=projection, yaw=yaw, pitch=pitch, roll=roll, bounds=(top, bottom, left, right), padding=padding)


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def telling(template: VideoStream, display: Display) -> InputContainer:
    """A file without a frame, whose one stream is like `template` and tells of the display as well.

    The library lets nobody add that to a stream, but copies it along with one.
    """
    file, form = io.BytesIO(), "mov" if template.codec_context.codec.canonical_name == "prores" else "mp4"
    with av.open(file, "w", format=form, container_options={"movflags": "empty_moov"}) as result:
        result.add_stream_from_template(template, opaque=True)
        result.start_encoding()
        head = file.getvalue()
    path = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", None)
    return av.open(io.BytesIO(_within(head, path, display.boxes())), "r", format="mov")


def _within(data: bytes, path: tuple[bytes | None, ...], more: bytes) -> bytes:
    """The boxes `data` with `more` at the end of the one that `path` leads to; None is whichever comes first."""
    if not path:
        return data + more
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if path[0] in (None, kind):
            first = at + (16 if kind == b"stsd" else 8)  # it counts its entries before them
            body = data[at + 8 : first] + _within(data[first : at + size], path[1:], more)
            return data[:at] + _box(kind, body) + data[at + size :]
        at += size
    raise ValueError(f"no box {path[0]!r}")
