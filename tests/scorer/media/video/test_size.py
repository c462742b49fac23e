"""Frames that are wanted at another size than the video has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.media.images import resize
from scorer.media.video import VideoFrame, VideoIndex, probe, read_frames
from tests.scorer.media.video.samples import LIMITS, ffmpeg, make, psnr

LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
TAGGED = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
WIDTH, HEIGHT = 384, 216


def pixels(path: Path, index: VideoIndex, chunk_frames: int, size: tuple[int, int] | None) -> NDArray[Any]:
    found = [frame for each in index.ranges(chunk_frames) for frame in read_frames(path, index.info, each, size)]
    return np.stack([frame.pixels for frame in found if isinstance(frame, VideoFrame)])


@pytest.fixture(scope="module")
def drawn(bunny: Path) -> NDArray[np.uint8]:
    """Frames of a real clip before their chroma is halved: (N, HEIGHT, WIDTH, 3)."""
    scaled = ("-vf", f"select='not(mod(n,25))',scale={WIDTH}:{HEIGHT}:flags=area", "-fps_mode", "passthrough")
    raw = ffmpeg("-v", "error", "-i", bunny, *scaled, "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)


def coded(path: Path, drawn: NDArray[np.uint8], form: str, range_: str = "tv") -> Path:
    raw = path.with_suffix(".rgb")
    raw.write_bytes(drawn.tobytes())
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "25", "-i", raw)
    convert = f"scale=flags=bilinear+accurate_rnd+full_chroma_int:out_color_matrix=bt709:out_range={range_},format={form}"
    ffmpeg("-v", "error", *source, "-vf", convert, *TAGGED, "-color_range", range_, *LOSSLESS, path)
    return path


@pytest.mark.parametrize(("form", "range_"), [("yuv420p", "tv"), ("yuv420p", "pc"), ("yuv420p10le", "tv"), ("yuv444p", "tv")])
def test_reduced_frames_are_those_that_were_drawn(tmp_path: Path, drawn: NDArray[np.uint8], form: str, range_: str) -> None:
    """Nearer to the mean of the drawn pixels than frames that are converted first, which blurs chroma twice."""
    path = coded(tmp_path / "in.mp4", drawn, form, range_)
    index = probe(path, LIMITS)
    whole = pixels(path, index, 1000, None)
    peak = float(np.iinfo(whole.dtype).max)
    for size in ((192, 108), (256, 144), (128, 72), (50, 28)):
        reduced = pixels(path, index, 1000, size)
        wanted = np.stack([cv2.resize(each.astype(np.float32), size, interpolation=cv2.INTER_AREA) for each in drawn]) * (
            peak / 255
        )
        later = np.stack([resize(each, *size) for each in whole])
        assert reduced.shape == (len(drawn), size[1], size[0], 3)
        assert psnr(reduced, wanted, peak) > 41, size
        assert psnr(reduced, wanted, peak) > psnr(later.astype(np.float64), wanted, peak), size
        assert abs((reduced - wanted).mean()) < 0.002 * peak, size


def test_reduced_frames_are_the_same_in_every_chunk(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5", seconds=0.5)
    index = probe(path, LIMITS)
    assert (pixels(path, index, 1000, (64, 48)) == pixels(path, index, 4, (64, 48))).all()


@pytest.mark.parametrize("turn", ["90", "180", "270"])
def test_turned_videos_are_reduced_upright(tmp_path: Path, drawn: NDArray[np.uint8], turn: str) -> None:
    plain, path = coded(tmp_path / "plain.mp4", drawn[:2], "yuv420p"), tmp_path / "turned.mp4"
    ffmpeg("-v", "error", "-display_rotation", turn, "-i", plain, "-c", "copy", path)
    index = probe(path, LIMITS)
    size = (index.info.width // 3, index.info.height // 3)
    upright = np.rot90(drawn[0], int(turn) // 90)
    wanted = cv2.resize(upright.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    assert psnr(pixels(path, index, 9, size)[0], wanted, 255) > 44


@pytest.mark.parametrize(
    "way",
    [
        ("-vf", "format=yuv420p,interlace=scan=tff:lowpass=off", "-flags", "+ilme+ildct", "-c:v", "libx264"),
        ("-vf", "format=gbrp,zscale=matrixin=gbr:rangein=full:matrix=ycgco:range=limited,format=yuv444p", "-c:v", "ffv1"),
    ],
    ids=["interlaced", "YCgCo"],
)
def test_where_all_lines_or_another_matrix_are_needed_whole_frames_are_reduced(tmp_path: Path, way: tuple[str, ...]) -> None:
    path = make(tmp_path / "in.mkv", *way, seconds=0.2)
    index = probe(path, LIMITS)
    assert len(index.notes) == 1
    whole, reduced = (pixels(path, index, 9, size) for size in (None, (64, 48)))
    assert (reduced == np.stack([resize(each, 64, 48) for each in whole])).all()


def test_larger_frames_are_made_of_whole_ones(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mkv", "-c:v", "libx264", "-pix_fmt", "yuv420p", seconds=0.1)
    index = probe(path, LIMITS)
    whole, larger = (pixels(path, index, 9, size) for size in (None, (192, 144)))
    assert (larger == np.stack([resize(each, 192, 144) for each in whole])).all()
