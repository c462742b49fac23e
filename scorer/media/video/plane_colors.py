"""Colours converted by torch, where a model computes: planes to R'G'B' and back, within a level of what color.py makes.

Sources: ITU-T H.273, 8.3 (matrix coefficients), ITU-R BT.601, BT.709, BT.2020. Where chroma is smaller it is enlarged and reduced
linearly, as color.py has it done.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scorer.media.video.planes import PlaneForm

_LUMA = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""How much of red and of blue is in luma, by the matrix's code point."""


WHITE_OF_16 = 255.0 * 256
"""What white becomes where levels have 16 bits: as in color.py, they are those of 8 bits with eight more behind them."""


def to_levels(packed: Tensor, form: PlaneForm) -> Tensor:
    """R'G'B', full range, of packed planes (N, form.nbytes), uint8: whole numbers (N, 3, H, W) in float32.

    They go up to 255, or to 65535 where the planes have more than 8 bits.
    """
    luma, *chroma = _planes(packed, form)
    low, span, reach = _ranges(form)
    most, white = (255.0, 255.0) if form.bits == 8 else (65535.0, WHITE_OF_16)
    half = 1 << (form.bits - 1)
    y = _scaled(luma, white / span, -low * white / span)
    blue, red = (_enlarged(_scaled(plane, white / reach, -half * white / reach), form) for plane in chroma)
    of_red, of_blue = _LUMA[form.matrix]
    of_green = 1 - of_red - of_blue
    levels = y.new_empty((len(y), 3, form.height, form.width))
    torch.add(y, red, alpha=2 * (1 - of_red), out=levels[:, 0])
    torch.add(y, red, alpha=-2 * (1 - of_red) * of_red / of_green, out=levels[:, 1])
    levels[:, 1].add_(blue, alpha=-2 * (1 - of_blue) * of_blue / of_green)
    torch.add(y, blue, alpha=2 * (1 - of_blue), out=levels[:, 2])
    return levels.clamp_(0, most).round_()


def to_packed(levels: Tensor, most: float, form: PlaneForm) -> Tensor:
    """Packed planes (N, form.nbytes), uint8, of R'G'B' (N, 3, H, W) that goes up to `most`. Its chroma lies in the middle."""
    white = most if most == 255 else WHITE_OF_16
    low, span, reach = _ranges(form, to_the_end=True)
    of_red, of_blue = _LUMA[form.matrix]
    red, green, blue = levels.float().unbind(1)
    y = (red * of_red).add_(green, alpha=1 - of_red - of_blue).add_(blue, alpha=of_blue)
    packed = torch.empty((len(levels), form.nbytes), dtype=torch.uint8, device=levels.device)
    planes = _planes(packed, form)
    half, highest = 1 << (form.bits - 1), (1 << form.bits) - 1
    for plane, color, share in ((planes[1], blue, of_blue), (planes[2], red, of_red)):
        plane.copy_(_rounded(_reduced(color - y, form), reach / white / 2 / (1 - share), half, highest))
    planes[0].copy_(_rounded(y, span / white, low, highest))
    return packed


def turned(levels: Tensor, rotation: int, *, mirrored: bool) -> Tensor:
    """(N, 3, H, W) turned clockwise by so many degrees, and then flipped left to right."""
    upright = torch.rot90(levels, -rotation // 90, (2, 3)) if rotation else levels
    return upright.flip(3) if mirrored else upright


def _ranges(form: PlaneForm, *, to_the_end: bool = False) -> tuple[float, float, float]:
    """Luma's black, and from there to white; and chroma's whole range.

    As in color.py, a full range of 10 bits ends at 1020 where it is read, four times 255, and at 1023 where it is written.
    """
    scale = 1 << (form.bits - 8)
    if form.full_range:
        whole = float(256 * scale - 1 if to_the_end else 255 * scale)
        return 0.0, whole, whole
    return 16.0 * scale, 219.0 * scale, 224.0 * scale


def _planes(packed: Tensor, form: PlaneForm) -> Sequence[Tensor]:
    """(N, H, W) each, without copying."""
    numbers = packed if form.bits == 8 else packed.view(torch.int16)  # of 10 bits: none is negative
    planes, at = [], 0
    for rows, columns in form.sides:
        planes.append(numbers[:, at : at + rows * columns].view(-1, rows, columns))
        at += rows * columns
    return planes


def _scaled(plane: Tensor, scale: float, offset: float) -> Tensor:
    """The plane's numbers in float32, in one pass over memory."""
    return torch.add(torch.tensor(offset), plane, alpha=scale)


def _rounded(values: Tensor, scale: float, offset: float, highest: int) -> Tensor:
    """What becomes whole numbers where what is behind the point is left out, which copying does."""
    return _scaled(values, scale, offset + 0.5).clamp_(0, highest)


def _enlarged(plane: Tensor, form: PlaneForm) -> Tensor:
    """(N, H, W) of chroma at luma's size."""
    rows, columns = form.sides[1]
    across, down = form.siting
    if columns < form.width:
        plane = _doubled(functional.pad(plane, (1, 1), mode="replicate"), 2, across)
    if rows < form.height:
        plane = _doubled(functional.pad(plane, (0, 0, 1, 1), mode="replicate"), 1, down)
    return plane


def _doubled(padded: Tensor, dim: int, siting: int) -> Tensor:
    """Two pixels of each sample but the first and the last: pixel 0 lies `siting` / 4 of a step before it."""
    count = padded.shape[dim] - 2
    own = padded.narrow(dim, 1, count)
    made = own.new_empty([side * (2 if number == dim else 1) for number, side in enumerate(own.shape)])
    pixels = _pairs(made, dim)
    for pixel in (0, 1):
        away = (2 * pixel - siting) / 4
        beside = padded.narrow(dim, 2 if away > 0 else 0, count)
        torch.lerp(own, beside, abs(away), out=pixels.select(dim + 1, pixel))
    return made


def _reduced(plane: Tensor, form: PlaneForm) -> Tensor:
    """(N, H, W) at chroma's size."""
    rows, columns = form.sides[1]
    if columns < form.width:
        plane = _halved(functional.pad(plane, (1, 1), mode="replicate"), 2)
    if rows < form.height:
        plane = _halved(functional.pad(plane, (0, 0, 1, 1), mode="replicate"), 1)
    return plane


def _halved(padded: Tensor, dim: int) -> Tensor:
    """Each two pixels but the first and the last by 1, 3, 3, 1 of 8 with those beside them."""
    even, odd = _pairs(padded, dim).unbind(dim + 1)
    count = even.shape[dim] - 1
    inner = odd.narrow(dim, 0, count) + even.narrow(dim, 1, count)
    outer = even.narrow(dim, 0, count) + odd.narrow(dim, 1, count)
    return outer.add_(inner, alpha=3).mul_(1 / 8)


def _pairs(whole: Tensor, dim: int) -> Tensor:
    """The same numbers with one more dimension, of two, behind `dim`."""
    return whole.view(*whole.shape[:dim], -1, 2, *whole.shape[dim + 1 :])
