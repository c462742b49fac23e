"""A job with a mask: where it is black a frame stays as it was, whatever else is done, however the job is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.documents.status import Status
from scorer.errors import ChangedError, InputError, MissingError, RequestError, ScorerError
from scorer.job.dispatch import dispatch
from scorer.job.report import write_report
from scorer.models import Frames
from tests.conftest import MakeClip, ffmpeg
from tests.folders import FolderStores
from tests.scorer.job.scoring import score_all
from tests.scorer.job.test_over_time import planned, shown

HALF = np.zeros((64, 96), np.uint8)
HALF[:, 48:] = 255


def png(pixels: Frames) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def film(path: Path, rate: str, *frames: int) -> Path:
    """A mask's video of these greys, one a frame."""
    drawn = "+".join(f"{grey}*eq(N\\,{number})" for number, grey in enumerate(frames))
    ffmpeg("-f", "lavfi", "-i", f"color=s=48x32:r={rate}:d=60,format=gray,geq=lum='{drawn}'", "-frames:v", str(len(frames)),
           "-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", path)  # fmt: skip
    return path


def test_images_of_8_and_16_bits_are_exact_where_the_mask_is_black_or_white(stores: FolderStores) -> None:
    rng = np.random.default_rng(3)
    given = {f"{bits}.png": rng.integers(0, 2**bits, (64, 96, 3)).astype(f"uint{bits}") for bits in (8, 16)}
    for name, pixels in given.items():
        stores.input.put(f"shots/{name}", png(pixels))
    stores.input.put("mask.png", png(HALF))
    request = {"name": "job", "input": "shots/", "model": "invert", "mask": "mask.png", "mask_feather": 3}
    plan = dispatch("job", make_request(request), stores)
    score_all(plan, stores)
    for name, pixels in given.items():
        made = cv2.imread(str(stores.output.root / "job/result" / name), cv2.IMREAD_UNCHANGED)
        assert made is not None
        assert made.dtype == pixels.dtype
        assert np.array_equal(made[:, :45], pixels[:, :45])
        assert np.array_equal(made[:, 51:], np.iinfo(pixels.dtype).max - pixels[:, 51:])


@pytest.mark.parametrize("steady", ["off", "full"])
def test_a_video_is_the_same_however_it_is_cut_and_nothing_is_averaged_where_the_mask_is_black(
    tmp_path: Path, make_clip: MakeClip, steady: str
) -> None:
    clip = make_clip(frames=20)
    found: dict[str, list[tuple[float, Frames]]] = {}
    jobs: dict[str, dict[str, Any]] = {
        "original": {"strength": 0}, "styled": {"steady": steady}, "masked": {"steady": steady, "mask": "mask.png"},
        "cut": {"steady": steady, "mask": "mask.png", "chunk_frames": 6},
    }  # fmt: skip
    for name, changes in jobs.items():
        stores = FolderStores.below(tmp_path / name)
        stores.input.put("mask.png", png(HALF))
        plan = planned(stores, clip, **changes)
        score_all(plan, stores)
        found[name] = shown(stores, plan)
    for (_, original), (_, styled), (_, one), (_, other) in zip(*found.values(), strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one[:, :42], original[:, :42])
        assert np.array_equal(one[:, 54:], styled[:, 54:])


@pytest.mark.parametrize("start", [0, 0.36])
def test_a_masks_video_is_shown_by_the_time_of_the_input_and_its_last_frame_is_held(
    tmp_path: Path, make_clip: MakeClip, start: float
) -> None:
    clip = make_clip(frames=30)
    stores = FolderStores.below(tmp_path / "job")
    stores.input.put("mask.mov", film(tmp_path / "mask.mov", "10", 0, 0, 0, 255, 0, 0, 255).read_bytes())
    plan = planned(stores, clip, mask="mask.mov", start=start, chunk_frames=4)
    assert [chunk.mask.frames for chunk in plan.chunks if chunk.mask][-1] == 1  # the last, long before
    score_all(plan, stores)
    whole = FolderStores.below(tmp_path / "whole")
    unmasked = planned(whole, clip)
    score_all(unmasked, whole)
    original = FolderStores.below(tmp_path / "original")
    as_it_was = planned(original, clip, strength=0)
    score_all(as_it_was, original)
    first = round(start * 25)
    every = list(zip(shown(whole, unmasked), shown(original, as_it_was), strict=True))[first:]
    masked = shown(stores, plan)
    assert len(masked) == 30 - first
    for (_, made), ((at, styled), (_, before)) in zip(masked, every, strict=True):
        is_white = int(at * 10 + 1e-6) == 3 or at >= 0.6 - 1e-6
        assert np.array_equal(made, styled if is_white else before), at


@pytest.mark.parametrize(
    ("name", "coded"),
    [("cutout.mov", ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"]),
     ("cutout.webm", ["-c:v", "libvpx-vp9", "-lossless", "1", "-pix_fmt", "yuva420p"])],
)  # fmt: skip
def test_what_is_transparent_in_a_masks_video_is_black_as_in_an_image(
    tmp_path: Path, make_clip: MakeClip, name: str, coded: list[str]
) -> None:
    """As programs give that cut people out: white all over, and transparent where nobody is."""
    clip, found = make_clip(frames=4), list[list[tuple[float, Frames]]]()
    ffmpeg("-f", "lavfi", "-i", "color=white:s=96x64:r=25:d=0.16,format=yuva444p,geq=lum=255:cb=128:cr=128:a='255*gte(X,48)'",
           *coded, tmp_path / name)  # fmt: skip
    jobs: list[dict[str, Any]] = [{"strength": 0}, {}, {"mask": name}]
    for number, changes in enumerate(jobs):
        stores = FolderStores.below(tmp_path / str(number))
        stores.input.put(name, (tmp_path / name).read_bytes())
        plan = planned(stores, clip, **changes)
        score_all(plan, stores)
        found.append(shown(stores, plan))
    for (_, original), (_, styled), (_, made) in zip(*found, strict=True):
        assert np.array_equal(made[:, :42], original[:, :42])
        assert np.array_equal(made[:, 54:], styled[:, 54:])


def test_another_mask_is_another_plan(stores: FolderStores, make_clip: MakeClip) -> None:
    clip = make_clip(frames=20)
    found = set()
    for content, changes in ((HALF, {}), (255 - HALF, {}), (HALF, {"mask_feather": 0})):
        stores.input.put("mask.png", png(content))
        found.add(planned(stores, clip, mask="mask.png", **changes).fingerprint)
    found.add(planned(stores, clip).fingerprint)
    assert len(found) == 4


REFUSED: dict[str, tuple[dict[str, Any], type[ScorerError], str]] = {
    "missing": ({"mask": "no.png"}, MissingError, r"no\.png"),
    "text": ({"mask": "text.png"}, InputError, r"^The mask .*text\.png is no image that can be used"),
    "no video": ({"mask": "text.mp4"}, InputError, r"text\.mp4' is not a video"),
    "folder": ({"mask": "masks/"}, RequestError, "the mask 'masks/' is a folder: name an image or a video"),
    "url": ({"mask": "https://a/b.png"}, RequestError, "mask is .*is a URL"),
    "feather": ({"mask_feather": 9}, RequestError, "there is none: leave it out"),
    "film over images": ({"input": "shots/", "mask": "mask.mp4"}, RequestError, "a video masks videos alone, not 'shots/'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_be_no_mask_is_refused_before_the_work(stores: FolderStores, make_clip: MakeClip, case: str) -> None:
    changes, kind, words = REFUSED[case]
    for name in ("text.png", "text.mp4"):
        stores.input.put(name, b"this is neither\n" * 100)
    with pytest.raises(kind, match=words):
        planned(stores, make_clip(frames=5), **changes)


def test_a_mask_that_is_changed_on_the_way_ends_the_job(stores: FolderStores, make_clip: MakeClip) -> None:
    stores.input.put("mask.png", png(HALF))
    plan = planned(stores, make_clip(frames=5), mask="mask.png")
    stores.input.put("mask.png", png(255 - HALF))
    with pytest.raises(ChangedError):
        score_all(plan, stores)


def test_the_report_shows_the_mask(stores: FolderStores, make_clip: MakeClip, tmp_path: Path) -> None:
    stores.input.put("white.mp4", film(tmp_path / "white.mp4", "5", 255, 0).read_bytes())
    plan: Plan = planned(stores, make_clip(frames=5), mask="white.mp4", start=0.08)
    score_all(plan, stores)
    write_report(plan, stores, Status(job="job", state="scoring", updated=0, started=0))
    html = (stores.output.root / "job/report.html").read_text()
    assert "mask: white.mp4" in html
    assert "0:00.08 to 0:00.2" in html
    assert "--mask white.mp4" in html
