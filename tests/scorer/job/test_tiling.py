"""When memory runs out: tiles with soft seams."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.errors import OutOfMemoryError
from scorer.job.tiling import is_gpu_failure, is_out_of_memory, score_in_tiles, starts
from scorer.models import Frames


class Scripted:
    """A model that is `function`, and has memory for `most` pixels."""

    runtime, device = "scripted", "cpu"

    def __init__(self, most: int, scale: int = 1) -> None:
        self.most, self.scale, self.calls = most, scale, 0

    def score(self, frames: Frames) -> Frames:
        self.calls += 1
        if frames.shape[1] * frames.shape[2] > self.most:
            raise MemoryError
        return (np.iinfo(frames.dtype).max - frames).repeat(self.scale, 1).repeat(self.scale, 2)

    def reset(self) -> None:
        pass


@given(length=st.integers(1, 500), tiles=st.integers(1, 8), overlap=st.integers(0, 60))
def test_tiles_cover_everything_and_share_the_overlap(length: int, tiles: int, overlap: int) -> None:
    overlap = min(overlap, length // tiles)
    tile, found = starts(length, tiles, overlap)
    assert found[0] == 0
    assert found[-1] + tile == length
    assert all(after <= before + tile - overlap for before, after in pairwise(found))


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_pointwise_model_shows_no_seams(dtype: type[np.uint8 | np.uint16], scale: int) -> None:
    frame: Frames = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (97, 131, 3)).astype(dtype)
    model = Scripted(most=60 * 60, scale=scale)
    scored, tiles = score_in_tiles(model.score, frame, overlap=8)
    assert tiles == 3
    expected = (np.iinfo(dtype).max - frame).repeat(scale, 0).repeat(scale, 1)
    assert np.array_equal(scored, expected)


def test_seams_are_soft() -> None:
    """Each tile comes out one grey lighter or darker as a whole: neighbouring pixels must still differ little."""

    class Moody(Scripted):
        def score(self, frames: Frames) -> Frames:
            super().score(frames)
            return np.full_like(frames, 100 + 40 * (self.calls % 2))

    scored, _ = score_in_tiles(Moody(most=70 * 70).score, np.zeros((128, 128, 3), np.uint8), overlap=16)
    steps = np.abs(np.diff(scored.astype(int), axis=1)).max()
    assert 0 < steps <= 4


def test_a_frame_that_never_fits_is_said_so() -> None:
    with pytest.raises(OutOfMemoryError, match="128x64 pixels"):
        score_in_tiles(Scripted(most=1).score, np.zeros((64, 128, 3), np.uint8), overlap=4)


def test_a_model_without_tiles_is_not_tried_on_them() -> None:
    model = Scripted(most=60 * 60)
    with pytest.raises(OutOfMemoryError, match="128x64 pixels doesn't fit into memory, and this model can't work on tiles"):
        score_in_tiles(model.score, np.zeros((64, 128, 3), np.uint8), overlap=None)
    assert model.calls == 0


def test_what_counts_as_out_of_memory() -> None:
    import torch

    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("wrong shape"))
    with pytest.raises(Exception, match=r".") as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    with pytest.raises(cv2.error) as refused:
        cv2.copyMakeBorder(np.zeros((2, 2), np.uint8), 2**24, 2**24, 2**24, 2**24, cv2.BORDER_REFLECT)
    assert is_out_of_memory(refused.value), refused.value


def test_what_counts_as_a_failure_of_the_gpu() -> None:
    import torch

    class AcceleratorError(RuntimeError):
        """As torch's own, which only a GPU raises."""

    assert is_gpu_failure(AcceleratorError("an illegal memory access was encountered"))
    for words in (
        "CUDA error: device-side assert",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "CUBLAS_STATUS_EXECUTION_FAILED",
    ):
        assert is_gpu_failure(RuntimeError(words))
    for memory in (AcceleratorError("CUDA error: out of memory"), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")):
        assert is_out_of_memory(memory)
        assert not is_gpu_failure(memory)
    assert not is_gpu_failure(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_gpu_failure(RuntimeError("wrong shape"))
    assert not is_gpu_failure(ValueError("this frame shows a CUDA error"))
