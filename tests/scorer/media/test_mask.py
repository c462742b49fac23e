"""Masks: white is styled, black isn't, to the last bit; what is between is mixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scorer.errors import InputError
from scorer.media.images import resize
from scorer.media.mask import fitted, load_mask, mask_of, masked

HALF = np.zeros((40, 60), np.uint8)
HALF[:, 30:] = 255


def frames(dtype: type[np.unsignedinteger[Any]], height: int = 40, width: int = 60) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(1)
    most = np.iinfo(dtype).max
    original, styled = (rng.integers(0, most, (height, width, 3), endpoint=True).astype(dtype) for _ in range(2))
    return original, styled


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_black_is_the_original_and_white_the_style_to_the_last_bit(dtype: type[np.unsignedinteger[Any]]) -> None:
    original, styled = frames(dtype)
    made = masked(original, styled, HALF)
    assert made.dtype == dtype
    assert np.array_equal(made[:, :30], original[:, :30])
    assert np.array_equal(made[:, 30:], styled[:, 30:])
    between = masked(original, styled, np.full((40, 60), 51, np.uint8))
    assert np.abs(between - (0.8 * original.astype(float) + 0.2 * styled)).max() <= 0.51


def test_a_frame_that_the_model_has_made_larger_gets_the_original_of_that_size() -> None:
    original, _ = frames(np.uint8, 20, 30)
    _, styled = frames(np.uint8)
    assert np.array_equal(masked(original, styled, np.zeros((40, 60), np.uint8)), resize(original, 60, 40))


@pytest.mark.parametrize("feather", [1, 4, 13])
def test_the_edge_is_soft_over_so_many_pixels_and_no_more(feather: int) -> None:
    soft = fitted(HALF, 60, 40, feather)
    assert np.array_equal(soft[:, : 30 - feather], HALF[:, : 30 - feather])
    assert np.array_equal(soft[:, 30 + feather :], HALF[:, 30 + feather :])
    edge = soft[20, 30 - feather : 30 + feather].astype(int)
    assert (np.diff(edge) >= 0).all()
    assert edge[feather - 1] < 128 <= edge[feather]
    assert edge[-1] > edge[0]


@pytest.mark.parametrize(("width", "height"), [(30, 20), (120, 80), (64, 36), (7, 300)])
def test_it_is_stretched_to_the_frame(width: int, height: int) -> None:
    made = fitted(HALF, width, height, 0)
    assert made.shape == (height, width)
    assert (made[:, : width // 2 - 1] == 0).all()
    assert (made[:, width // 2 + 1 :] == 255).all()


def pictures() -> dict[str, Image.Image]:
    """The same mask in every form that one may have."""
    rgb, clear = Image.fromarray(HALF).convert("RGB"), np.full((40, 60, 4), 255, np.uint8)
    clear[..., 3] = HALF
    turned = Image.fromarray(np.rot90(HALF, -1).copy())
    turned.getexif()[0x0112] = 8
    return {
        "grey.png": Image.fromarray(HALF), "colour.png": rgb, "photo.jpg": rgb, "clear.png": Image.fromarray(clear),
        "clear.webp": Image.fromarray(clear), "bits.png": Image.fromarray(HALF).convert("1"),
        "deep.png": Image.fromarray(HALF.astype(np.uint16) * 257), "turned.png": turned,
    }  # fmt: skip


@pytest.mark.parametrize("name", pictures())
def test_every_form_is_the_same_mask(tmp_path: Path, name: str) -> None:
    picture = pictures()[name]
    picture.save(tmp_path / name, exif=picture.getexif())
    found = load_mask(tmp_path / name)
    assert found.shape == HALF.shape
    columns = np.r_[0:24, 36:60] if name == "photo.jpg" else np.r_[0:60]  # its blocks ring at the edge
    assert np.array_equal(found[:, columns], HALF[:, columns])


def test_what_a_coder_makes_of_black_and_white_is_black_and_white() -> None:
    steps = np.repeat(np.array([[0, 3, 5, 6, 128, 249, 250, 255]], np.uint8)[..., None], 3, axis=2)
    assert mask_of(steps).tolist() == [[0, 0, 0, 6, 128, 249, 255, 255]]
    assert mask_of(steps.astype(np.uint16) * 257).tolist() == mask_of(steps).tolist()


def test_what_is_no_image_is_no_mask(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("no image")
    with pytest.raises(InputError, match=r"^The mask .*mask\.png is no image that can be used"):
        load_mask(tmp_path / "mask.png")
    data = cv2.imencode(".png", HALF)[1].tobytes()
    (tmp_path / "mask.png").write_bytes(data[:-40])
    with pytest.raises(InputError, match="can't be read"):
        load_mask(tmp_path / "mask.png")
