"""Budgets of what a request asks for: a value within each passes, and one beyond it is refused in a sentence before the work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.errors import InputError, ModelError, RequestError, ScorerError
from scorer.job.dispatch import dispatch
from scorer.job.score import load_model, score_chunk
from scorer.media.limits import Limits
from tests.folders import FolderStores
from tests.scorer.hostile.media import mp4, stills
from tests.scorer.media.video.samples import make


def video_plan(stores: FolderStores, limits: Limits, default: int | None = None, **asked: Any) -> Plan:
    """Of a clip of 8 frames of 128x96 pixels."""
    path = stores.input.root / "clip.mp4"
    if not path.exists():
        make(path, "-c:v", "libx264", rate="8", seconds=1)
    request = make_request({"name": "job", "input": "clip.mp4", "model": "invert", **asked})
    return dispatch("job", request, stores, "cpu", limits, batch_size=default)


def folder_plan(stores: FolderStores, limits: Limits, **asked: Any) -> Plan:
    return dispatch("job", make_request({"name": "job", "input": "shots/", "model": "invert", **asked}), stores, "cpu", limits)


def add_image(stores: FolderStores, name: str, width: int = 64, height: int = 48) -> Path:
    path = stores.input.root / "shots" / name
    path.parent.mkdir(exist_ok=True)
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


@pytest.mark.parametrize(
    ("asked", "within", "beyond", "error", "said"),
    [
        ({"size": 256}, {"max_pixels": 256 * 192}, {"max_pixels": 256 * 192 - 1}, RequestError,
         "size is 256: it makes frames of 256x192 pixels, more than the 49,151 allowed; ask for 254 or less, or leave it out."),
        ({"stroke_size": 0.5}, {"max_pixels": 256 * 192}, {"max_pixels": 256 * 192 - 1}, RequestError,
         "stroke_size is 0.5: the model would work on frames of 256x192 pixels, more than the 49,151 allowed; "
         "ask for 0.51 or more, or for a smaller size."),
        ({"stroke_size": 0.5, "batch_size": 10}, {"max_batch_pixels": 491_520}, {"max_batch_pixels": 491_519}, RequestError,
         "batch_size is 10: of frames of 256x192 pixels that is more than the 491,519 pixels allowed at once; ask for 9 or less"),
        ({"size": 8192}, {"max_pixels": 8192 * 6144}, {}, RequestError,
         "size is 8192: it makes frames of 8192x6144 pixels, more than the 35,389,440 allowed; ask for 6868 or less"),
        ({}, {"max_gigapixels": 1}, {"max_gigapixels": 0}, InputError, "0 gigapixels, more than the 0 allowed: scale it down"),
        ({}, {"max_pixels": 128 * 96}, {"max_pixels": 128 * 96 - 1}, InputError, "128x96 pixels, more than the 12,287 allowed"),
        ({"batch_size": 10}, {"max_batch_pixels": 122_880}, {"max_batch_pixels": 122_879}, RequestError,
         "batch_size is 10: of frames of 128x96 pixels that is more than the 122,879 pixels allowed at once; ask for 9 or less"),
        ({"batch_size": 256}, {}, {"max_batch_pixels": 100}, RequestError, "ask for 1 or less"),
        ({}, {"max_frames": 8}, {"max_frames": 7}, InputError, "more than the 7 frames allowed"),
        ({}, {"max_packets": 8}, {"max_packets": 7}, InputError, "more than the 7 packets of video, sound and subtitles allowed"),
        ({}, {"max_input_gb": 1}, {"max_input_gb": 0}, InputError, "0.0 GB, more than the 0 allowed: cut it into several"),
    ],
)  # fmt: skip
def test_a_video_within_each_budget_passes_and_one_beyond_is_refused(
    stores: FolderStores,
    asked: dict[str, Any],
    within: dict[str, int],
    beyond: dict[str, int],
    error: type[ScorerError],
    said: str,
) -> None:
    assert video_plan(stores, Limits(**within), **asked).frames == 8
    with pytest.raises(error) as caught:
        video_plan(stores, Limits(**beyond), **asked)
    assert said in str(caught.value)
    assert str(caught.value).endswith(".")


def test_what_the_size_makes_of_all_frames_is_within_the_budget(stores: FolderStores) -> None:
    mp4(stores.input.root / "long.mov", stills("JPEG", 1000))
    asked = {"name": "job", "input": "long.mov", "model": "invert"}
    assert dispatch("job", make_request(asked | {"size": 1024}), stores, "cpu", Limits(max_gigapixels=1)).frames == 1000
    with pytest.raises(
        RequestError, match=r"1,000 frames of 2048x1536 pixels, 3 gigapixels, .* the 1 allowed; ask for 11.. or less"
    ):
        dispatch("job", make_request(asked | {"size": 2048}), stores, "cpu", Limits(max_gigapixels=1))


def test_a_video_too_wide_for_the_result_asks_for_a_size(stores: FolderStores) -> None:
    mp4(stores.input.root / "wide.mov", stills("PNG", 2, 20_000, 2))
    asked = {"name": "job", "input": "wide.mov", "model": "invert"}
    with pytest.raises(
        InputError, match=r"wide\.mov' makes frames of 20000x2 pixels, and H\.264 takes 1 to 16,384 pixels a side"
    ):
        dispatch("job", make_request(asked), stores, "cpu")
    assert dispatch("job", make_request(asked | {"size": 8192}), stores, "cpu").frames == 2


@pytest.mark.parametrize(("most", "expected"), [(2**27, 16), (128 * 96 * 16, 16), (128 * 96 * 5, 5), (1, 1)])
def test_the_stack_s_batch_is_made_smaller_to_fit(stores: FolderStores, most: int, expected: int) -> None:
    assert video_plan(stores, Limits(max_batch_pixels=most), default=16).request.batch_size == expected


def test_without_a_stack_the_model_says_how_many(stores: FolderStores) -> None:
    assert video_plan(stores, Limits()).request.batch_size is None


def test_images_of_too_many_bytes_are_refused_by_the_listing(stores: FolderStores) -> None:
    """Nothing of them is read."""
    add_image(stores, "a.png")
    assert folder_plan(stores, Limits()).frames == 1
    sparse = add_image(stores, "b.png")
    os.truncate(sparse, 3 * 2**30)
    with pytest.raises(InputError, match=r"The image 'shots/b\.png' has 3,221\.2 MB, more than the 300 allowed: make it smaller"):
        folder_plan(stores, Limits())
    with pytest.raises(InputError, match=r"has 3\.2 GB, more than the 3 allowed: cut it into several inputs\."):
        folder_plan(stores, Limits(max_input_gb=3, max_image_mb=10_000))


def score(plan: Plan, stores: FolderStores) -> list[int]:
    """How many frames the model got at each call."""
    model = load_model(plan, stores)
    counts: list[int] = []
    whole = model.score

    def counted(frames: Any) -> Any:
        counts.append(len(frames))
        return whole(frames)

    model.score = counted  # type: ignore[method-assign]  # the trial model is a plain class
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model)
    return counts


def test_images_of_any_size_come_in_batches_that_fit(stores: FolderStores) -> None:
    for number in range(6):
        add_image(stores, f"{number}.png")
    for number in range(6, 10):
        add_image(stores, f"{number}.png", 640, 480)
    plan = folder_plan(stores, Limits(max_batch_pixels=2 * 640 * 480), batch_size=4)
    assert score(plan, stores) == [4, 4, 2, 2]


@pytest.mark.parametrize("batch_size", [None, 3])
def test_an_image_that_becomes_too_large_is_a_failed_frame(stores: FolderStores, batch_size: int | None) -> None:
    add_image(stores, "a.png", 64, 48)
    add_image(stores, "b.png", 48, 1)
    plan = folder_plan(stores, Limits(max_pixels=10_000), size=128, failure_threshold=1, batch_size=batch_size)
    part, _ = score_chunk(plan, plan.chunks[0], stores, load_model(plan, stores))
    assert part.failed == 1
    log = next(stores.logs.root.rglob("*.jsonl")).read_text()
    assert "'a.png' would have 128x96 pixels, more than the 10,000 allowed: ask for a smaller size." in log


def test_a_model_that_makes_frames_beyond_the_budget_ends_the_job(stores: FolderStores) -> None:
    plan = video_plan(stores, Limits(max_pixels=128 * 96), options={"scale": 2})
    with pytest.raises(ModelError, match="makes frames of 256x192 pixels, more than the 12,288 allowed: choose a smaller size"):
        score_chunk(plan, plan.chunks[0], stores, load_model(plan, stores))
