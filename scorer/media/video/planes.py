"""Pictures as decoders give and encoders take them: a plane of luma, and two of chroma, which may be smaller.

Where a model computes on a GPU their colours are converted there (plane_colors.py): what goes there and back is half of what
R'G'B' is, or less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from scorer.media.pixels import Frames
from scorer.media.video.color import ACCURATE, FULL, LIMITED, MATRICES, ToPixels, coded_size, matrix_of, plane_of, range_of
from scorer.media.video.info import VideoInfo

Chroma = Literal["420", "422", "444"]
_STEPS: dict[Chroma, tuple[int, int]] = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}
"""Rows and columns of luma for one of chroma."""

_LAYOUTS: dict[str, tuple[Chroma, int]] = {
    f"yuv{chroma}p{ending}": (chroma, bits) for chroma in _STEPS for ending, bits in (("", 8), ("10le", 10))
} | {f"yuvj{chroma}p": (chroma, 8) for chroma in _STEPS}


@dataclass(frozen=True)
class PlaneForm:
    """How a picture's planes are laid out, and what their numbers mean."""

    width: int
    height: int
    """Of the luma."""
    chroma: Chroma
    bits: int
    matrix: int
    """Between R'G'B' and Y'CbCr: a code point of ITU-T H.273."""
    full_range: bool
    siting: tuple[int, int] = (1, 1)
    """Where a chroma sample lies, across and down from the first pixel that it belongs to: in halves of a pixel."""

    @property
    def sides(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each plane; halves are rounded up."""
        down, across = _STEPS[self.chroma]
        halved = math.ceil(self.height / down), math.ceil(self.width / across)
        return ((self.height, self.width), halved, halved)

    @property
    def kind(self) -> type[np.uint8 | np.uint16]:
        """Of a number: those of more than 8 bits take 16."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def nbytes(self) -> int:
        """Of all planes, without anything between rows."""
        return sum(rows * columns for rows, columns in self.sides) * np.dtype(self.kind).itemsize

    @property
    def pixel_format(self) -> str:
        """The library's name of it."""
        return f"yuv{self.chroma}p" + (f"{self.bits}le" if self.bits > 8 else "")

    @property
    def is_even(self) -> bool:
        """Whether each chroma sample belongs to as many of luma."""
        down, across = _STEPS[self.chroma]
        return self.height % down == self.width % across == 0

    def split(self, packed: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """The planes that are packed into an array of `nbytes`, one behind the other, without copying."""
        planes, at = [], 0
        numbers = packed.view(self.kind)
        for rows, columns in self.sides:
            planes.append(numbers[at : at + rows * columns].reshape(rows, columns))
            at += rows * columns
        return planes


LEAST = 16
"""Pixels a side: of smaller pictures the library scales chroma in other ways."""


def form_of(
    pixel_format: str, width: int, height: int, matrix: int, *, full_range: bool, siting: tuple[int, int] = (1, 1)
) -> PlaneForm | None:  # fmt: skip
    """The form of such pictures; None where they have other planes, or sides that chroma's don't divide, or are too small."""
    if pixel_format not in _LAYOUTS or matrix not in MATRICES or min(width, height) < LEAST:
        return None
    form = PlaneForm(width, height, *_LAYOUTS[pixel_format], matrix, full_range, siting)
    return form if form.is_even else None


class Sitings:
    """Finds where pictures' chroma lies, as color.py takes it: the library knows, and tells what it does with a sample alone."""

    def __init__(self) -> None:
        self._to_small, self._to_rgb = VideoReformatter(), VideoReformatter()

    def __call__(self, picture: av.VideoFrame) -> tuple[int, int]:
        """As in PlaneForm."""
        small = self._to_small.reformat(picture, 16, 16, format="yuv420p", interpolation=ACCURATE, threads=1)
        for number in range(3):
            plane_of(small, number, deep=False)[:] = 128
        plane_of(small, 2, deep=False)[4, 4] = 255  # of pixels 8 and 9
        rgb = self._to_rgb.reformat(
            small, format="gbrp", src_color_range=FULL, dst_color_range=FULL, interpolation=ACCURATE, threads=1
        )
        red = plane_of(rgb, 2, deep=False).astype(float) - 128
        places = np.arange(16)
        across, down = (float((red.sum(axis) @ places) / red.sum()) for axis in (0, 1))
        return round(2 * (across - 8)), round(2 * (down - 8))


@dataclass(frozen=True, eq=False)
class DecodedPlanes:
    """A picture as it was decoded."""

    picture: av.VideoFrame = field(repr=False)
    info: VideoInfo = field(repr=False)
    form: PlaneForm

    @property
    def nbytes(self) -> int:
        """Of its planes."""
        return self.form.nbytes

    def pack(self, into: NDArray[np.uint8]) -> None:
        """Write its planes into an array of `nbytes`, one behind the other."""
        for number, plane in enumerate(self.form.split(into)):
            np.copyto(plane, plane_of(self.picture, number, self.form.bits > 8))

    def pixels(self) -> Frames:
        """(H, W, 3), R'G'B' full range, upright, as a picture is read that isn't held in planes."""
        return ToPixels(self.info, self.info.width, self.info.height)(self.picture)


class ToPlanes:
    """Takes decoded pictures as they are; one for each stream that is read."""

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        self._coded = coded_size(info, info.width, info.height)
        self._sitings = Sitings()
        self._siting: tuple[int, int] | None = None

    def __call__(self, picture: av.VideoFrame) -> DecodedPlanes | None:
        """The picture, if no more is to be done than to convert its colours and to turn it.

        None where it is interlaced, has another size or depth than the first, or is of no PlaneForm.
        """
        info = self._info
        if picture.interlaced_frame or info.coded_matrix is not None or (picture.width, picture.height) != self._coded:
            return None
        if any(plane.line_size < 0 for plane in picture.planes):
            return None
        if self._siting is None or picture.key_frame:  # a stream says it anew at its key frames, if at all
            self._siting = self._sitings(picture)
        full_range, matrix = range_of(picture, info) == FULL, matrix_of(picture, info)
        form = form_of(picture.format.name, *self._coded, matrix, full_range=full_range, siting=self._siting)
        return DecodedPlanes(picture, info, form) if form is not None and (form.bits > 8) == (info.bits > 8) else None


@dataclass(frozen=True, eq=False)
class CodedPlanes:
    """A picture to be encoded."""

    packed: NDArray[np.uint8] = field(repr=False)
    """Its planes, one behind the other."""
    form: PlaneForm

    @property
    def nbytes(self) -> int:
        """Of its planes."""
        return self.form.nbytes

    @property
    def shape(self) -> tuple[int, int, int]:
        """What its pixels' would be, (H, W, 3)."""
        return (self.form.height, self.form.width, 3)

    def picture(self) -> av.VideoFrame:
        """A new one, for an encoder."""
        picture = av.VideoFrame(self.form.width, self.form.height, self.form.pixel_format)
        for number, plane in enumerate(self.form.split(self.packed)):
            plane_of(picture, number, self.form.bits > 8)[:] = plane
        return picture

    def pixels(self) -> Frames:
        """(H, W, 3), R'G'B' of 8 bits: for looking at."""
        matrix = MATRICES[self.form.matrix]
        shown = VideoReformatter().reformat(
            self.picture(), format="rgb24", src_colorspace=matrix, dst_colorspace=matrix,
            src_color_range=FULL if self.form.full_range else LIMITED, dst_color_range=FULL, interpolation=ACCURATE, threads=1,
        )  # fmt: skip
        pixels: Frames = shown.to_ndarray().astype(np.uint8, copy=False)
        return pixels
