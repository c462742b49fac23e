"""Transparency of a video: the source's own, beside the scored colours, in a result that holds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.documents.request import make_request
from scorer.job.dispatch import dispatch
from scorer.job.merge import merge
from scorer.media.coding import Coding
from scorer.media.video import encoding_of, probe
from tests.folders import FolderStores
from tests.scorer.job.scoring import score_all
from tests.scorer.media.video.samples import LIMITS, decode, describe, ffmpeg, make, psnr, video_line

WIDTH, HEIGHT, FRAMES = 96, 64, 10
Alpha = NDArray[np.float64]

GRADIENT = "a='clip(2*X+Y+6*N-20,0,255)'"
MOVING = f"format=yuva444p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':{GRADIENT}"
FLAT_FOURTH = f"format=gbrap,geq=r='if(eq(N,3),90,r(X,Y))':g='if(eq(N,3),90,g(X,Y))':b='if(eq(N,3),90,b(X,Y))':{GRADIENT}"

PRORES = ("in.mov", "prores_ks", "yuva444p10le")
SOURCES = [
    PRORES,
    ("in.mkv", "prores_ks", "yuva444p10le"),
    ("in.mov", "qtrle", "argb"),
    ("in.mov", "png", "rgba"),
    ("in.mkv", "png", "rgba64be"),
    ("in.mkv", "png", "ya8"),
    ("in.mkv", "ffv1", "yuva420p"),
    ("in.mkv", "ffv1", "yuva422p10le"),
    ("in.mkv", "ffv1", "bgra"),
    ("in.mkv", "ffv1", "gbrap12le"),
    ("in.avi", "utvideo", "gbrap"),
    ("in.webm", "libvpx-vp9", "yuva420p"),
    ("in.webm", "libvpx", "yuva420p"),
]
APART = ("libvpx", "libvpx-vp9")
"""They have it beside their pictures."""


def source(folder: Path, name: str, coder: str, form: str, picture: str = MOVING, *more: object) -> Path:
    how = ("-auto-alt-ref", 0, "-crf", 4, "-b:v", "2M", "-cpu-used", 8) if coder in APART else ()
    return make(
        folder / name, "-vf", f"gblur=2,{picture}", "-c:v", coder, *how, "-pix_fmt", form, *more,
        size=f"{WIDTH}x{HEIGHT}", rate="25", seconds=FRAMES / 25,
    )  # fmt: skip


def alpha(path: Path, width: int = WIDTH, height: int = HEIGHT, decoder: str = "") -> Alpha:
    """(N, H, W), 0..255, as ffmpeg decodes it; 16 bits are read, so that none are rounded."""
    by = ("-c:v", decoder) if decoder in APART else ()
    form = ("-vf", "alphaextract,format=gray16le", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
    raw = np.frombuffer(ffmpeg("-v", "error", *by, "-i", path, "-map", "0:v:0", *form), np.uint16)
    return raw.reshape(-1, height, width) / 65535 * 255


def made() -> Alpha:
    """(N, H, W), what GRADIENT says."""
    frames, rows, columns = np.ogrid[:FRAMES, :HEIGHT, :WIDTH]
    alpha: Alpha = np.clip(2.0 * columns + rows + 6 * frames - 20, 0, 255)
    return alpha


def score(stores: FolderStores, name: str, **how: object) -> Path:
    """The result of the whole way, the frames inverted."""
    request = make_request({"name": "job", "input": name, "model": "invert", "codec": "prores", "failure_threshold": 1.0, **how})
    plan = dispatch("job", request, stores)
    score_all(plan, stores)
    merge(plan, stores)
    return stores.output.root / "job" / plan.result


@pytest.mark.parametrize(("name", "coder", "form"), SOURCES)
def test_it_is_the_sources_own_beside_scored_colours(stores: FolderStores, name: str, coder: str, form: str) -> None:
    path = source(stores.input.root, name, coder, form)
    out = score(stores, name, chunk_frames=7)
    assert "prores (4444) (ap4h" in video_line(out)
    assert "yuva444p12le" in video_line(out)
    # The binary reads 8-bit grey with alpha a pixel off.
    given, kept = made() if form == "ya8" else alpha(path, decoder=coder), alpha(out)
    assert given.shape == kept.shape == (FRAMES, HEIGHT, WIDTH)
    assert given.min() < 40
    assert given.max() > 215
    assert abs(given - kept).max() <= 1
    colours = decode(path, "rgb24", WIDTH, HEIGHT)
    assert psnr(decode(out, "rgb24", WIDTH, HEIGHT), 255 - colours, 255) > 30
    info = probe(path, LIMITS).info
    assert not any("transparency" in note for note in encoding_of(info, Coding(codec="prores"), WIDTH, HEIGHT).notes)
    for other in (None, "hevc", "av1"):
        coding = Coding.model_validate({"codec": other})
        assert "transparency is left out" in encoding_of(info, coding, WIDTH, HEIGHT).notes


@pytest.mark.parametrize("coder", ["prores_ks", "libvpx-vp9"])
@pytest.mark.parametrize("container", ["mov", "mkv"])
@pytest.mark.parametrize("chunk_frames", [1, 7, 1000])
def test_chunks_of_any_length_give_the_same(stores: FolderStores, coder: str, container: str, chunk_frames: int) -> None:
    name, form = ("in.mov", "yuva444p10le") if coder == "prores_ks" else ("in.webm", "yuva420p")
    path = source(stores.input.root, name, coder, form)
    out = score(stores, name, chunk_frames=chunk_frames, container=container)
    assert out.suffix == f".{container}"
    assert abs(alpha(path, decoder=coder) - alpha(out)).max() <= 1


def test_what_is_opaque_or_clear_stays_so(stores: FolderStores) -> None:
    for name, coder, form in (("a.mov", "qtrle", "argb"), ("b.mkv", "ffv1", "yuva420p"), ("c.mov", "prores_ks", "yuva444p10le")):
        made_in, peak = ("yuva444p10le", 1023) if "10" in form else ("yuva444p", 255)
        colours = "lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)'"
        source(stores.input.root, name, coder, form, f"format={made_in},geq={colours}:a='{peak}*gte(X,{WIDTH // 2})'")
        kept = alpha(score(stores, name))
        assert kept[..., : WIDTH // 2].max() == 0
        assert kept[..., WIDTH // 2 :].min() > 254.9


def test_it_is_scaled_with_the_frames(stores: FolderStores) -> None:
    given = alpha(source(stores.input.root, *PRORES))
    halved = given.reshape(FRAMES, HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(2, 4))
    assert abs(alpha(score(stores, "in.mov", size=WIDTH // 2), WIDTH // 2, HEIGHT // 2) - halved).max() <= 1
    doubled = alpha(score(stores, "in.mov", options={"scale": 2}), 2 * WIDTH, 2 * HEIGHT)
    assert abs(doubled.reshape(FRAMES, HEIGHT, 2, WIDTH, 2).mean(axis=(2, 4)) - given).max() <= 3


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_it_is_turned_with_the_frames(stores: FolderStores, turn: int) -> None:
    lying = source(stores.input.root, "lying.mov", *PRORES[1:])
    path = stores.input.root / "in.mov"
    ffmpeg("-v", "error", "-display_rotation", turn, "-i", lying, "-c", "copy", path)
    width, height = (WIDTH, HEIGHT) if turn == 180 else (HEIGHT, WIDTH)
    out = score(stores, "in.mov")
    assert f", {width}x{height}" in video_line(out)
    assert abs(alpha(out, width, height) - alpha(path, width, height)).max() <= 1  # the binary turns it upright as well


@pytest.mark.parametrize("chunk_frames", [1, 7])
def test_a_frame_that_the_model_fails_on_keeps_its_own(stores: FolderStores, chunk_frames: int) -> None:
    path = source(stores.input.root, "in.mov", "qtrle", "argb", FLAT_FOURTH)
    out = score(stores, "in.mov", chunk_frames=chunk_frames, options={"poison": 90})
    given, colours = alpha(path), decode(out, "rgb24", WIDTH, HEIGHT)
    assert abs(given - alpha(out)).max() <= 1
    assert abs(colours[3] - 90).max() <= 2
    assert psnr(colours[4], 255 - decode(path, "rgb24", WIDTH, HEIGHT)[4], 255) > 30


def test_what_stands_in_for_a_damaged_frame_has_its_own_too(stores: FolderStores) -> None:
    path = source(stores.input.root, "in.mov", "png", "rgba")
    given, data = alpha(path), path.read_bytes()
    starts = [at for at in range(len(data)) if data[at : at + 8] == b"\x89PNG\r\n\x1a\n"]
    for number in (0, 4):
        data = data[: starts[number]] + bytes(200) + data[starts[number] + 200 :]
    path.write_bytes(data)
    kept = alpha(score(stores, "in.mov", chunk_frames=7))
    assert abs(kept - given[[1, 1, 2, 3, 3, *range(5, FRAMES)]]).max() <= 1


def test_without_a_share_of_the_model_all_is_as_it_was(stores: FolderStores) -> None:
    path = source(stores.input.root, *PRORES)
    out = score(stores, "in.mov", strength=0)
    assert abs(alpha(path) - alpha(out)).max() <= 1
    assert psnr(decode(out, "rgb24", WIDTH, HEIGHT), decode(path, "rgb24", WIDTH, HEIGHT), 255) > 40


def test_a_source_without_gets_none(stores: FolderStores) -> None:
    make(stores.input.root / "in.mov", "-c:v", "prores_ks", "-pix_fmt", "yuv444p10le", size="96x64", seconds=0.1)
    assert "yuva" not in describe(score(stores, "in.mov"))
