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
    y = luma.float().sub_(low).mul_(white / span)
    half = 1 << (form.bits - 1)
    blue, red = (_enlarged(plane.float().sub_(half).mul_(white / reach), form) for plane in chroma)
    of_red, of_blue = _LUMA[form.matrix]
    of_green = 1 - of_red - of_blue
    green = y - (2 * (1 - of_red) * of_red / of_green) * red - (2 * (1 - of_blue) * of_blue / of_green) * blue
    levels = torch.stack([y + 2 * (1 - of_red) * red, green, y + 2 * (1 - of_blue) * blue], 1)
    return levels.clamp_(0, most).round_()


def to_packed(levels: Tensor, most: float, form: PlaneForm) -> Tensor:
    """Packed planes (N, form.nbytes), uint8, of R'G'B' (N, 3, H, W) that goes up to `most`. Its chroma lies in the middle."""
    white = most if most == 255 else WHITE_OF_16
    low, span, reach = _ranges(form, to_the_end=True)
    of_red, of_blue = _LUMA[form.matrix]
    of_green = 1 - of_red - of_blue
    red, green, blue = levels.float().unbind(1)
    y = of_red * red + of_green * green + of_blue * blue
    planes = [y * (span / white) + low]
    half = float(1 << (form.bits - 1))
    for color, share in ((blue, of_blue), (red, of_red)):
        planes.append(_reduced((color - y) * (reach / white / 2 / (1 - share)), form) + half)
    highest = float((1 << form.bits) - 1)
    kind = torch.uint8 if form.bits == 8 else torch.int16
    whole = [plane.round().clamp(0, highest).to(kind).reshape(len(levels), -1).view(torch.uint8) for plane in planes]
    return torch.cat(whole, 1)


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


def _enlarged(plane: Tensor, form: PlaneForm) -> Tensor:
    """(N, H, W) of chroma at luma's size."""
    rows, columns = form.sides[1]
    across, down = form.siting
    if columns < form.width:
        wide = functional.pad(plane, (1, 1), mode="replicate")
        sides = wide[..., :-2], plane, wide[..., 2:]
        plane = torch.stack(_halves(*sides, across), 3).flatten(2)
    if rows < form.height:
        tall = functional.pad(plane, (0, 0, 1, 1), mode="replicate")
        sides = tall[:, :-2], plane, tall[:, 2:]
        plane = torch.stack(_halves(*sides, down), 2).flatten(1, 2)
    return plane


def _halves(before: Tensor, own: Tensor, behind: Tensor, siting: int) -> list[Tensor]:
    """What each sample's two pixels get of it and of its neighbours: pixel 0 lies `siting` / 4 of a step before it."""
    found = []
    for pixel in (0, 1):
        away = (2 * pixel - siting) / 4
        found.append(torch.lerp(own, behind if away > 0 else before, abs(away)) if away else own)
    return found


def _reduced(plane: Tensor, form: PlaneForm) -> Tensor:
    """(N, H, W) at chroma's size: where that is half, by 1, 3, 3, 1 of 8."""
    height, width = form.sides[1]
    if width < form.width:
        wide = functional.pad(plane, (1, 1), mode="replicate")
        plane = (wide[..., :-2:2] + wide[..., 3::2] + 3 * (wide[..., 1:-1:2] + wide[..., 2:-1:2])) / 8
    if height < form.height:
        tall = functional.pad(plane, (0, 0, 1, 1), mode="replicate")
        plane = (tall[:, :-2:2] + tall[:, 3::2] + 3 * (tall[:, 1:-1:2] + tall[:, 2:-1:2])) / 8
    return plane
