"""Colours that torch converts, against the converters of color.py: each form of planes, matrix and range, both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scorer.media.limits import Limits
from scorer.media.pixels import Frames
from scorer.media.video import PlanesFrame, VideoInfo, probe, read_planes
from scorer.media.video.color import FULL, LIMITED, MATRICES, ToPicture, ToPixels, plane_of
from scorer.media.video.plane_colors import to_levels, to_packed, turned
from scorer.media.video.planes import DecodedPlanes, PlaneForm, ToPlanes, form_of
from tests.scorer.media.video.samples import ffmpeg

FORMATS = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le")
SIDES = ((48, 32), (16, 16), (18, 20))

TEN_BIT = 64
"""A level of 10 bits in 16."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> VideoInfo:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg("-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.1", "-pix_fmt", "yuv420p", path)
    return probe(path, Limits()).info


def info_of(clip: VideoInfo, form: PlaneForm) -> VideoInfo:
    return clip.model_copy(
        update={
            "width": form.width, "height": form.height, "bits": form.bits, "chroma": form.chroma, "matrix": form.matrix,
            "full_range": form.full_range,
        }
    )  # fmt: skip


def numbers(seed: int, form: PlaneForm, plane: int) -> NDArray[Any]:
    """Noise of all numbers that are allowed, or soft waves.

    Beyond them color.py itself goes wrong: of 8 bits and as much chroma as luma, blue that would be more than twice as bright as
    white becomes black.
    """
    rows, columns = form.sides[plane]
    scale = 1 << (form.bits - 8)
    low, high = (0, 256 * scale - 1) if form.full_range else (16 * scale, (235 if plane == 0 else 240) * scale)
    if seed == 0:
        return np.random.default_rng(plane).integers(low, high + 1, (rows, columns))
    y, x = np.mgrid[:rows, :columns]
    wave = np.sin(x / 3 + seed + plane) * np.cos(y / 4 - plane)
    soft: NDArray[Any] = np.rint(low + (wave + 1) / 2 * (high - low)).astype(int)
    return soft


def picture_of(form: PlaneForm, seed: int) -> av.VideoFrame:
    picture = av.VideoFrame(form.width, form.height, form.pixel_format)
    for plane in range(3):
        plane_of(picture, plane, form.bits > 8)[:] = numbers(seed, form, plane)
    picture.colorspace, picture.color_range = form.matrix, FULL if form.full_range else LIMITED
    return picture


def packed(planes: DecodedPlanes) -> torch.Tensor:
    room = np.zeros((1, planes.nbytes), np.uint8)
    planes.pack(room[0])
    return torch.from_numpy(room)


def levels(planes: DecodedPlanes) -> Frames:
    made = to_levels(packed(planes), planes.form)[0].permute(1, 2, 0).numpy()
    assert (made == np.rint(made)).all()
    return made.astype(np.uint8 if planes.form.bits == 8 else np.uint16)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_planes_become_what_they_become_on_the_processor(clip: VideoInfo, pixel_format: str, *, full_range: bool) -> None:
    for matrix in MATRICES:
        for width, height in SIDES:
            form = form_of(pixel_format, width, height, matrix, full_range=full_range)
            assert form is not None
            for seed in range(2):
                planes = ToPlanes(info_of(clip, form))(picture_of(form, seed))
                assert planes is not None
                assert planes.form == form
                expected = planes.pixels().astype(int)
                # Halved chroma of 10 bits is enlarged there to fewer bits than here.
                most = 1 if form.bits == 8 else TEN_BIT // 2
                assert np.abs(levels(planes) - expected).max() <= most, (matrix, width, height, seed)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("pixel_format", "deep"), [*((each, False) for each in FORMATS), *((each, True) for each in FORMATS[3:])]
)
def test_levels_become_the_planes_that_are_encoded(clip: VideoInfo, pixel_format: str, *, full_range: bool, deep: bool) -> None:
    kind, most = (np.uint16, 65535) if deep else (np.uint8, 255)
    for matrix in MATRICES:
        for width, height in SIDES:
            form = form_of(pixel_format, width, height, matrix, full_range=full_range)
            assert form is not None
            noise = np.random.default_rng(matrix).integers(0, most, (height, width, 3), kind, endpoint=True)
            y, x = np.mgrid[:height, :width]
            wave = np.rint((np.sin(x / 5)[..., None] * np.cos(y[..., None] / 3 + np.arange(3)) + 1) / 2 * most).astype(kind)
            for pixels in (noise, wave):
                picture = ToPicture(info_of(clip, form), form.pixel_format, full_range=full_range)(pixels)
                given = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
                made = to_packed(given, float(most), form)
                for number, plane in enumerate(form.split(made.numpy()[0])):
                    expected = plane_of(picture, number, form.bits > 8).astype(int)
                    assert np.abs(plane - expected).max() <= 1, (matrix, width, height, number)


def test_frames_of_a_film_are_the_same_within_a_level(bunny: Path) -> None:
    index = probe(bunny, Limits())
    frames = [found for found in read_planes(bunny, index.info, index.range(50, 3)) if isinstance(found, PlanesFrame)]
    assert len(frames) == 3
    for found in frames:
        away = np.abs(levels(found.planes).astype(int) - found.planes.pixels())
        assert away.max() <= 1
        assert away.mean() < 0.2


CODED = {
    "H.264 says nothing": ("-c:v libx264 -pix_fmt yuv420p", (0, 1)),
    "H.264 in the middle": ("-c:v libx264 -pix_fmt yuv420p -chroma_sample_location center", (1, 1)),
    "H.264 at the top": ("-c:v libx264 -pix_fmt yuv420p -chroma_sample_location top", (1, 0)),
    "H.264 at the bottom left": ("-c:v libx264 -pix_fmt yuv420p -chroma_sample_location bottomleft", (0, 2)),
    "H.264, 4:2:2": ("-c:v libx264 -pix_fmt yuv422p", (0, 1)),
    "HDR10's HEVC": ("-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le -chroma_sample_location topleft", (0, 0)),
    "VP9": ("-c:v libvpx-vp9 -cpu-used 8 -pix_fmt yuv420p", (1, 1)),
    "MPEG-4": ("-c:v mpeg4 -pix_fmt yuv420p", (0, 1)),
}


@pytest.mark.parametrize("kind", CODED)
def test_chroma_lies_where_the_decoder_says(kind: str, tmp_path: Path) -> None:
    coding, siting = CODED[kind]
    path = tmp_path / "clip.mkv"
    ffmpeg("-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.12", *coding.split(), path)
    index = probe(path, Limits())
    frames = [found for found in read_planes(path, index.info, index.range(0, 3)) if isinstance(found, PlanesFrame)]
    assert len(frames) == 3
    for found in frames:
        assert found.planes.form.siting == siting
        away = np.abs(levels(found.planes).astype(int) - found.planes.pixels())
        assert away.max() <= (1 if index.info.bits == 8 else TEN_BIT // 2)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_they_are_turned_as_pictures_are(clip: VideoInfo, rotation: int, *, mirrored: bool) -> None:
    form = form_of("yuv444p", 24, 16, 1, full_range=True)
    assert form is not None
    upright = (16, 24) if rotation in (90, 270) else (24, 16)
    changes = {"rotation": rotation, "mirrored": mirrored, "width": upright[0], "height": upright[1]}
    info = info_of(clip, form).model_copy(update=changes)
    picture = picture_of(form, 1)
    planes = ToPlanes(info)(picture)
    assert planes is not None
    made = turned(to_levels(packed(planes), form), rotation, mirrored=mirrored)[0].permute(1, 2, 0).numpy()
    assert np.abs(made - ToPixels(info, *upright)(picture)).max() <= 1


def test_a_batch_is_what_its_frames_are(clip: VideoInfo) -> None:
    form = form_of("yuv420p", 32, 18, 1, full_range=False)
    assert form is not None
    found = [ToPlanes(info_of(clip, form))(picture_of(form, seed)) for seed in range(3)]
    each = [packed(planes) for planes in found if planes is not None]
    batch = to_levels(torch.cat(each), form)
    for number, one in enumerate(each):
        torch.testing.assert_close(batch[number : number + 1], to_levels(one, form), rtol=0, atol=0)
    again = to_packed(batch, 255.0, form)
    for number in range(3):
        torch.testing.assert_close(again[number : number + 1], to_packed(batch[number : number + 1], 255.0, form), rtol=0, atol=0)
