"""Sizes and the order of names."""

import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.media.images import fit, fit_size, natural_order
from tests.scorer.media.image_samples import near, scene


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1280, 720, 640), (640, 360)),
        ((720, 1280, 640), (360, 640)),
        ((640, 360, 1280), (1280, 720)),
        ((100, 1, 10), (10, 1)),
        ((33, 33, 7), (7, 7)),
        ((1280, 720, 854), (854, 480)),
        ((1280, 720, None), (1280, 720)),
    ],
)
def test_the_longer_side_gets_the_size(size: tuple[int, int, int | None], expected: tuple[int, int]) -> None:
    assert fit_size(*size) == expected


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 9000), st.booleans())
def test_sizes_keep_the_aspect_and_evenness(width: int, height: int, size: int, even: bool) -> None:
    new = fit_size(width, height, size, even=even)
    both_even = even and width % 2 == height % 2 == 0
    if both_even:
        assert new[0] % 2 == new[1] % 2 == 0
    else:
        assert max(new) == size
    step = 2 if both_even else 1
    for side, new_side in zip((width, height), new, strict=True):
        assert new_side == step or abs(new_side - side * size / max(width, height)) <= step / 2
    assert fit_size(width, height, max(width, height), even=even) == (width, height)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fit_scales_down_by_area_and_up_smoothly(dtype: type[np.uint8] | type[np.uint16]) -> None:
    image: Any = np.repeat(np.indices((40, 60)).sum(axis=0)[..., None] % 2 * 200, 3, axis=2).astype(dtype)
    half = fit(image, 30)
    assert half.shape == (20, 30, 3)
    assert half.dtype == dtype
    assert (half == 100).all()
    smooth: Any = scene().astype(dtype)
    double = fit(smooth, 120)
    assert double.dtype == dtype
    assert near(double, scene(120, 80), mean=2)
    assert fit(image, None) is image


def test_names_are_counted_not_spelled() -> None:
    names = [
        "a.png", "a1.png", "A2.png", "a10.png", "a10b.png", "b/2.png", "b/10.png", "b2/1.png", "b10/1.png",
        "shot1_frame9.jpg", "shot1_frame10.jpg", "shot02_frame1.jpg", "Ż\u0662.png", "ż\u0661\u0660.png",
    ]  # fmt: skip
    assert natural_order(reversed(names)) == names


def test_names_that_count_the_same_have_one_order() -> None:
    assert (
        natural_order(["1.png", "01.png", "001.png"])
        == natural_order(["001.png", "1.png", "01.png"])
        == ["001.png", "01.png", "1.png"]
    )


@given(st.lists(st.text(alphabet=string.ascii_letters + "0123456789/._- ²٣५é", max_size=12)))
def test_order_depends_on_the_names_alone(names: list[str]) -> None:
    ordered = natural_order(names)
    assert sorted(ordered) == sorted(names)
    assert natural_order(reversed(names)) == ordered == natural_order(ordered)


@given(st.lists(st.text(), max_size=20))
def test_any_text_can_be_ordered(names: list[str]) -> None:
    assert len(natural_order(names)) == len(names)


@given(st.lists(st.integers(0, 10**30), unique=True), st.sampled_from(["", "f", "7/"]), st.sampled_from(["", "x"]))
def test_numbers_are_in_the_order_of_numbers(numbers: list[int], before: str, after: str) -> None:
    assert natural_order(f"{before}{number}{after}.png" for number in numbers) == [
        f"{before}{number}{after}.png" for number in sorted(numbers)
    ]
