"""Samples for the report: kept while scoring, spread over the job, before beside after."""

import cv2
import numpy as np

from scorer.job.samples import SAMPLES, jpeg, sample_numbers, samples
from tests.folders import FolderStores
from tests.scorer.job.scoring import NAMES, plan_folder, score_all


def test_samples_show_frames_before_and_after(stores: FolderStores) -> None:
    plan = plan_folder(stores, chunk_frames=4)
    assert list(samples(plan, stores)) == []
    score_all(plan, stores)
    pairs = list(samples(plan, stores))
    assert [pair.frame for pair in pairs] == sample_numbers(plan) == list(range(10))
    for pair in pairs:
        before, after = (cv2.imdecode(np.frombuffer(side, np.uint8), cv2.IMREAD_COLOR) for side in (pair.before, pair.after))
        source = cv2.imread(str(stores.input.root / "shots" / NAMES[pair.frame]))
        assert before is not None
        assert after is not None
        assert source is not None
        # JPEG blurs the colours of noise, but doesn't turn them round.
        assert np.corrcoef(before.ravel(), source.ravel())[0, 1] > 0.4
        assert np.corrcoef(after.ravel(), source.ravel())[0, 1] < -0.4


def test_frames_that_failed_are_no_samples(stores: FolderStores) -> None:
    plan = plan_folder(stores, options={"poison": 127})
    score_all(plan, stores)
    assert len(list(samples(plan, stores))) < SAMPLES


def test_a_jpeg_is_small_and_8_bit() -> None:
    deep = np.full((1200, 1600, 3), 0x8000, np.uint16)
    image = cv2.imdecode(np.frombuffer(jpeg(deep, 960, 10**6), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (720, 960, 3)
    assert abs(int(image.mean()) - 128) <= 1
