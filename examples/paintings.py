"""Paintings to take a style from, drawn stroke by stroke: `python examples/paintings.py OUT_DIR [--seed N] [--size PX]`.

A painting starts as a sketch of colours and a field of directions. Strokes then follow the directions and take up the colours;
each leaves bristle marks of different thickness, and in the end a light from the upper left falls on the thickness. The same seed
gives the same painting.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]
Random = np.random.Generator


class Canvas:
    """Wet paint: its colour (H, W, 3) and its thickness (H, W), side `size`. Lengths are in 640ths of the side."""

    def __init__(self, size: int, ground: Floats) -> None:
        self.size, self.unit = size, size / 640
        self.colour = np.clip(ground, 0, 255).astype(np.uint8)
        self.thickness = np.full((size, size), 90, np.uint8)

    def line(self, points: Floats, width: float, colour: Floats, thickness: float) -> None:
        """Draw a line through (n, 2) points x, y, in pixels."""
        fixed = [np.round(points * 16).astype(np.int32)]  # 4 bits behind the point
        pixels = max(1, round(width * self.unit))
        cv2.polylines(self.colour, fixed, False, [float(c) for c in np.clip(colour, 0, 255)], pixels, cv2.LINE_AA, 4)
        cv2.polylines(self.thickness, fixed, False, float(np.clip(thickness, 0, 255)), pixels, cv2.LINE_AA, 4)

    def fill(self, points: Floats, colour: Floats, thickness: float) -> None:
        """Fill the polygon of (n, 2) points x, y, in pixels."""
        fixed = [np.round(points * 16).astype(np.int32)]
        cv2.fillPoly(self.colour, fixed, [float(c) for c in np.clip(colour, 0, 255)], cv2.LINE_AA, 4)
        cv2.fillPoly(self.thickness, fixed, thickness, cv2.LINE_AA, 4)

    def stroke(self, random: Random, points: Floats, width: float, colour: Floats, bristles: int = 6) -> None:
        """Draw a brush along (n, 2) points: bristles side by side, each with a shade, a thickness and a ragged end of its own."""
        along = np.gradient(points, axis=0)
        across = np.stack((-along[:, 1], along[:, 0]), axis=1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
        for offset in random.permutation(np.linspace(-0.5, 0.5, bristles)):
            first, last = random.integers(0, 2), len(points) - random.integers(0, 2)
            bristle = (points + across * offset * width * self.unit)[first:last]
            self.line(bristle, 1.6 * width / bristles, colour + random.normal(0, 11), random.uniform(60, 210))

    def lit(self, relief: float) -> Image.Image:
        """Let light fall on the paint from the upper left."""
        height = cv2.GaussianBlur(self.thickness.astype(np.float32), (0, 0), max(0.5, 0.9 * self.unit))
        slope = (cv2.Sobel(height, cv2.CV_32F, 1, 0) + cv2.Sobel(height, cv2.CV_32F, 0, 1)) / 255
        light = np.tanh(slope * self.unit)[..., None] * relief
        return Image.fromarray(np.clip(self.colour * (1 + light) + 40 * np.maximum(light, 0) ** 2, 0, 255).astype(np.uint8))


def plane(size: int) -> tuple[Floats, Floats]:
    """Give x and y of each pixel, (H, W), both from 0 to 1."""
    x, y = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    return x, y


def clouds(random: Random, size: int, cells: int) -> Floats:
    """Make smooth noise (H, W) from 0 to 1: `cells` bumps a side, and half as strong ones of half the size."""
    noise = np.zeros((size, size))
    for octave in (1, 2):
        grid = random.random((cells * octave + 1, cells * octave + 1))
        noise += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) / octave
    return np.asarray((noise - noise.min()) / np.ptp(noise))


def palette(text: str) -> Floats:
    """Read colours (n, 3) from hexadecimal words."""
    return np.array([list(bytes.fromhex(word)) for word in text.split()], dtype=np.float64)


def blend(colours: Floats, share: Floats) -> Floats:
    """Mix colours (H, W, 3) between the palette's first, where `share` (H, W) is 0 or less, and its last, from 1 on."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(share, stops, channel) for channel in colours.T], axis=-1)


def cover(
    canvas: Canvas, random: Random, sketch: Floats, angle: Floats, *, gap: float, width: float, length: float, vary: float
) -> None:
    """Paint the whole sketch with strokes that follow the angles (H, W), a stroke every `gap`, in no order that shows."""
    step = gap * canvas.unit
    grid = np.arange(step / 2, canvas.size + step / 2, step)
    starts = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2) + random.normal(0, step / 3, (len(grid) ** 2, 2))
    steps = 7
    paths = np.empty((len(starts), steps, 2))
    points = starts
    for index in range(steps):
        paths[:, index] = points
        column, row = np.clip(points, 0, canvas.size - 1).astype(int).T
        turn = angle[row, column]
        points = points + np.stack((np.cos(turn), np.sin(turn)), axis=1) * length * canvas.unit / steps
    for path in random.permutation(paths):
        column, row = np.clip(path[steps // 2], 0, canvas.size - 1).astype(int)
        colour = sketch[row, column] + random.normal(0, vary) + random.normal(0, vary / 2, 3)
        canvas.stroke(random, path, width * random.uniform(0.7, 1.3), colour)


def swirls(random: Random, size: int) -> Image.Image:
    """Paint a night in long curved strokes that turn around the stars."""
    x, y = plane(size)
    angle = 0.5 * np.sin(5 * x + 3 * clouds(random, size, 3)) - 0.2
    share = 0.1 + 0.5 * clouds(random, size, 4)
    east, south = np.cos(angle), np.sin(angle)
    stars = [(0.8, 0.18, 0.15), (0.45, 0.38, 0.17), (0.18, 0.15, 0.09), (0.52, 0.1, 0.07), (0.86, 0.5, 0.08), (0.2, 0.52, 0.07)]
    for star_x, star_y, radius in stars:
        across, down = x - star_x - random.normal(0, 0.02), y - star_y - random.normal(0, 0.02)
        far = np.hypot(across, down) + 1e-6
        pull = 4 * np.exp(-((far / radius) ** 2))
        east, south = east - pull * down / far, south + pull * across / far
        rings = 0.5 + 0.5 * np.cos(far / radius * 9)
        share = share + np.exp(-((far / radius) ** 2) * 1.6) * (0.35 + 0.45 * rings)
    sketch = blend(palette("0b1640 14307a 1f57a8 3f8fc4 8cc6c9 f3e08a ffd23c fff6c8"), share)
    hills = 0.78 + 0.06 * np.sin(7 * x + 1) - 0.1 * x
    land = y > hills
    rolling = 0.5 + 0.5 * np.sin((y - hills) * 55 + 4 * clouds(random, size, 4))
    sketch[land] = blend(palette("0a1233 123a55 1f6a62 6d9a4a"), rolling)[land]
    angle = np.where(land, np.arctan2(0.06 * 7 * np.cos(7 * x + 1) - 0.1, 1), np.arctan2(south, east))
    tree = np.abs(x - 0.13 - 0.015 * np.sin(22 * y)) < 0.085 * np.clip((y - 0.25) / 0.5, 0, 1) ** 0.8
    sketch[tree] = blend(palette("06080f 10261c 2c4a22 593f1c"), clouds(random, size, 12))[tree]
    angle[tree] = (-np.pi / 2 + 0.5 * np.sin(30 * y + 25 * x))[tree]
    canvas = Canvas(size, sketch * 0.7)
    cover(canvas, random, sketch, angle, gap=18, width=20, length=80, vary=11)
    cover(canvas, random, sketch, angle, gap=16, width=11, length=62, vary=15)
    return canvas.lit(0.5)


def dabs(random: Random, size: int) -> Image.Image:
    """Paint a harbour at sunset in dots of unmixed colours."""
    x, y = plane(size)
    far = np.hypot(x - 0.62, (y - 0.42) * 1.2)
    sky = blend(palette("fff3b0 ffd166 ff9f68 f3722c e56b9f 9b5de5 5a67d8 3a86c8"), far * 1.25 + 0.15 * clouds(random, size, 5))
    glitter = np.exp(-(((x - 0.62) / (0.05 + 0.25 * (y - 0.5))) ** 2)) * (0.4 + 0.6 * np.sin(y * 130) ** 2)
    water = blend(palette("0f4c81 1f7a9c 2ec4b6 7bdcb5 ffe08a ffb347"), 0.5 * clouds(random, size, 9) + 0.9 * glitter)
    sketch = np.where((y < 0.5)[..., None], sky, water)
    hills = (y < 0.5) & (y > 0.47 - 0.16 * np.exp(-(((x - 0.12) / 0.2) ** 2)) - 0.1 * np.exp(-(((x - 1) / 0.16) ** 2)))
    sketch[hills] = blend(palette("4a2c7a 7b3fa0 c04c8a"), clouds(random, size, 8))[hills]
    for boat_x, boat_y, scale in ((0.25, 0.72, 0.24), (0.78, 0.62, 0.12)):
        up, side = (boat_y - y) / scale, (x - boat_x) / scale
        sketch[(up > 0.12) & (up < 1.4) & (side > 0) & (side < 0.6 * (1.4 - up))] = (255, 240, 214)
        sketch[(up > 0.12) & (up < 1.1) & (side < -0.05) & (side > -0.45 * (1.1 - up))] = (240, 84, 64)
        sketch[(np.abs(up) < 0.12) & (np.abs(side) < 0.55 + 0.6 * up)] = (44, 22, 84)
    canvas = Canvas(size, 0.5 * sketch + 0.5 * np.array((236, 222, 196)))
    shifts = ((58, -23, -58), (-58, 6, 58), (58, 58, -35), (-23, 46, -12), (0, 0, 0), (46, -46, 35))
    strong = np.array(shifts, dtype=np.float64)  # towards orange, blue, yellow, green, none, pink
    for gap, width in ((12.0, 17.0), (11.0, 13.5)):
        step = gap * canvas.unit
        spots = random.random((int((size / step) ** 2 * 1.1), 2)) * size
        for spot in spots:
            column, row = spot.astype(int)
            colour = sketch[row, column] + strong[random.integers(len(strong))] * random.uniform(0.1, 0.75)
            end = spot + random.normal(0, 2.5, 2) * canvas.unit
            canvas.line(np.stack((spot, end)), width * random.uniform(0.75, 1.15), colour, random.uniform(60, 255))
    return canvas.lit(0.28)


def waves(random: Random, size: int) -> Image.Image:
    """Print a sea cut into wood: flat colours, dark outlines, rows of lines, and foam."""
    x, y = plane(size)
    paper, ink = palette("f3e6c8")[0], palette("10243f")[0]
    sky = blend(palette("d8694a eaa57a f3e0b8 f3e6c8 f3e6c8"), y * 1.4)
    sky[np.hypot(x - 0.7, y - 0.24) < 0.12] = palette("c8321e")[0]
    canvas = Canvas(size, sky)
    across = np.linspace(-0.1, 1.1, 300)
    blues = palette("9fc4c6 5b93b5 2f6a9e 1d4a7e 163a68")
    for layer, blue in enumerate(blues):
        phase, height = random.uniform(0, 6.3), 0.05 + 0.02 * layer
        turn = 2 * np.pi * across * (2.6 - 0.3 * layer) + phase
        # The crests lean over: a wave's x runs ahead where it is high (Gerstner's wave).
        crest = np.stack((across + 0.75 * height * np.cos(turn), 0.42 + 0.13 * layer - height * np.sin(turn)), axis=1)
        body = np.concatenate((crest, [[1.2, 1.2], [-0.2, 1.2]])) * size
        canvas.fill(body, blue, 120)
        for row in range(1, 9):
            depth = 0.018 * row * (1 + 0.25 * layer)
            flatter = crest + np.stack((0.006 * row + 0 * turn, depth + 0.4 * depth * np.sin(turn)), axis=1)
            colour = paper if row in (2, 3) else ink
            pieces = np.array_split(flatter, 6 + layer)
            for piece in pieces:
                cut = random.integers(0, 12)
                canvas.line(piece[cut : len(piece) - random.integers(1, 8)] * size, 4.5 - 0.3 * row, colour, 200)
        canvas.line(crest * size, 7, ink, 220)
        foam = crest[np.sin(turn) > 0.2][:: 5 - layer // 2]
        foam = foam + random.normal(0, 0.008, foam.shape) + [0, 0.006]
        widths = random.uniform(13, 22, len(foam)) + 2.5 * layer
        spray = foam - np.abs(random.normal(0, 0.035, foam.shape)) * [-1, 1]
        for extra, colour in ((7, ink), (0, paper)):
            for spot, width in zip(np.concatenate((foam, spray)) * size, [*widths, *widths * 0.25], strict=True):
                canvas.line(np.stack((spot, spot + 1)), width + extra * (width > 12), colour, 160)
    grain = cv2.resize(random.normal(0, 1, (size // 2 + 1, max(2, size // 40))), (size, size), interpolation=cv2.INTER_LINEAR)
    canvas.colour = np.clip(canvas.colour + 7 * grain[..., None], 0, 255).astype(np.uint8)
    return canvas.lit(0.12)


def knife(random: Random, size: int) -> Image.Image:
    """Paint an avenue in the rain, laid on with a palette knife in thick flat slabs."""
    x, y = plane(size)
    far = np.hypot((x - 0.5) * 1.1, (y - 0.45) * 0.9)
    leaves = far * 1.5 + 0.35 * (clouds(random, size, 9) - 0.4)
    sketch = blend(palette("fff2b8 ffc93c ff8c1a e8431f b3123a 5b1049 1c1240"), leaves)
    road = y > 0.58 + 0.06 * np.abs(x - 0.5)
    puddles = np.abs(x - 0.5) * 1.5 + 0.6 * (clouds(random, size, 7) - 0.3)
    sketch[road] = blend(palette("ffe9a8 ff9f1c 2ec4b6 1b6ca8 14213d 0b0f2a"), puddles)[road]
    angle = np.where(road, 0.05, np.pi / 4 + 1.2 * clouds(random, size, 3) * np.sign(x - 0.5))
    canvas = Canvas(size, sketch * 0.6)

    def slab(centre: Floats, turn: float, length: float, width: float, colour: Floats) -> None:
        along = np.array((np.cos(turn), np.sin(turn))) * canvas.unit
        side = np.array((-along[1], along[0]))
        corners = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1))) / 2 + random.normal(0, 0.07, (4, 2))
        shape = centre + corners[:, :1] * along * length + corners[:, 1:] * side * width
        canvas.fill(shape, colour, random.uniform(90, 150))
        for place in np.linspace(-0.4, 0.4, 5):  # the blade's scratches
            ends = centre + side * width * place + along * length * np.array(((-0.45,), (random.uniform(0.1, 0.45),)))
            canvas.line(ends, width / 5, colour + random.normal(0, 8), random.uniform(90, 150))
        canvas.line(shape[[1, 2]], 2.5, colour * 1.15 + 12, 250)  # the ridge where the blade was lifted
        canvas.line(shape[[2, 3]], 1.5, colour * 0.85, 230)

    for gap, length, width in ((34, 110, 52), (30, 84, 36), (30, 60, 24)):
        spots = random.random((int((640 / gap) ** 2 * 1.4), 2)) * size
        for spot in spots:
            column, row = spot.astype(int)
            colour = sketch[row, column] + random.normal(0, 10) + random.normal(0, 8, 3)
            slab(spot, angle[row, column] + random.normal(0, 0.15), length * random.uniform(0.6, 1.3), width, colour)
        for tree in (0.1, 0.22, 0.33, 0.68, 0.79, 0.92):
            thick = 6 + 60 * abs(tree - 0.5) ** 1.5
            for height in np.arange(0.08, 0.64 + 0.25 * abs(tree - 0.5), 0.05):
                spot = np.array((tree + 0.012 * np.sin(20 * height), height)) * size
                slab(spot, np.pi / 2 + random.normal(0, 0.08), 44, thick, palette("120a26 2a1440 3b1030")[random.integers(3)])
    return canvas.lit(0.34)


def ink(random: Random, size: int) -> Image.Image:
    """Paint bamboo in a mist: few strokes of a wet brush on paper, and a seal."""
    _, y = plane(size)
    paper = blend(palette("f7f0dc e9dcc0 d9c8a4"), 0.7 * clouds(random, size, 6) + 0.2 * y)
    ridges = np.zeros((size, size))
    for depth, base in enumerate((0.35, 0.5, 0.66)):
        edge = base + 0.35 * (clouds(random, size, 3 + depth)[size // 2][None] - 0.5)
        ridges = np.maximum(ridges, (y > edge) * np.exp(-(y - edge) * 9) * (0.35 + 0.15 * depth))
    canvas = Canvas(size, paper * (1 - ridges[..., None] * 0.95))
    black = palette("17171c")[0]
    for _ in range(7):
        foot, lean, wide = random.uniform(0.02, 0.98), random.normal(0, 0.12), random.uniform(12, 26)
        shade = black + random.choice([0, 0, 45, 95])
        for start in np.arange(1.05, -0.1, -0.16):
            joint = np.linspace(start, start - 0.145, 8)
            canvas.stroke(random, np.stack((foot + lean * (1 - joint), joint), axis=1) * size, wide, shade, bristles=11)
            knot = np.array((foot + lean * (1 - start), start)) * size
            canvas.stroke(random, knot + np.linspace(-0.7, 0.7, 5)[:, None] * [wide * canvas.unit, 0], 5, black, bristles=3)
            for _ in range(random.integers(2, 7)):
                turn, length = random.uniform(0.1, 1.3) * random.choice([-1, 1]) + np.pi / 2, random.uniform(50, 110)
                run = np.linspace(0, 1, 12)[:, None] * length * canvas.unit
                rib = knot + run * [np.cos(turn), np.sin(turn)] + (run / size) ** 2 * [0, size * 1.5]
                half = 13 * canvas.unit * np.linspace(0, 1, 12) ** 0.5 * np.linspace(1, 0, 12)
                side = half[:, None] * [-np.sin(turn), np.cos(turn)]
                canvas.fill(
                    np.concatenate((rib + side, (rib - side)[::-1])), shade + random.normal(8, 12), random.uniform(80, 150)
                )
    canvas.fill(np.array(((0.86, 0.84), (0.93, 0.84), (0.93, 0.93), (0.86, 0.93))) * size, palette("c22b1c")[0], 90)
    for seal_y in (0.862, 0.885, 0.908):
        canvas.line(np.array(((0.872, seal_y), (0.918, seal_y))) * size, 4, palette("f3e6c8")[0], 90)
    return canvas.lit(0.2)


PAINTERS: dict[str, Callable[[Random, int], Image.Image]] = {each.__name__: each for each in (swirls, dabs, waves, knife, ink)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Paint one of each kind."""
    parser = argparse.ArgumentParser(description="Draws paintings to take a style from, one PNG of each kind of brushwork.")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--seed", type=int, default=1, help="another seed, another painting (default: %(default)s)")
    parser.add_argument("--size", type=int, default=640, help="side in pixels (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for name, painter in PAINTERS.items():
        painter(np.random.default_rng(options.seed), options.size).save(options.out_dir / f"{name}.png")
        print(options.out_dir / f"{name}.png")


if __name__ == "__main__":
    main()
