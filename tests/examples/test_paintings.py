from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "examples" / "paintings.py"
KINDS = ("swirls", "dabs", "waves", "knife", "ink")


def paint(folder: Path, *options: str) -> dict[str, NDArray[np.uint8]]:
    subprocess.run([sys.executable, str(SCRIPT), str(folder), *options], check=True, capture_output=True)
    return {path.stem: np.asarray(Image.open(path)) for path in folder.iterdir()}


@pytest.fixture(scope="module")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[np.uint8]]:
    return paint(tmp_path_factory.mktemp("made") / "new" / "folder", "--size", "256")


def test_one_painting_of_each_kind(paintings: dict[str, NDArray[np.uint8]]) -> None:
    assert set(paintings) == set(KINDS)
    assert {(painting.shape, str(painting.dtype)) for painting in paintings.values()} == {((256, 256, 3), "uint8")}


def test_the_same_seed_is_the_same_painting(tmp_path: Path, paintings: dict[str, NDArray[np.uint8]]) -> None:
    again = paint(tmp_path / "same", "--size", "256", "--seed", "1")
    other = paint(tmp_path / "other", "--size", "256", "--seed", "2")
    for kind in KINDS:
        assert (again[kind] == paintings[kind]).all()
        assert (other[kind] != paintings[kind]).mean() > 0.05


def test_each_has_contrast_and_texture(paintings: dict[str, NDArray[np.uint8]]) -> None:
    for kind, painting in paintings.items():
        grey = painting.mean(axis=2)
        assert np.ptp(np.percentile(grey, (2, 98))) > 90, kind
        assert np.abs(np.diff(grey, axis=1)).mean() > 2.5, kind


def test_kinds_have_palettes_of_their_own(paintings: dict[str, NDArray[np.uint8]]) -> None:
    def histogram(painting: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.histogramdd(painting.reshape(-1, 3), bins=6, range=((0, 256),) * 3)[0].ravel() / (256 * 256)

    palettes = [histogram(painting) for painting in paintings.values()]
    for index, one in enumerate(palettes):
        for other in palettes[:index]:
            assert np.minimum(one, other).sum() < 0.6  # 1: the same colours in the same amounts


@pytest.mark.parametrize("size", ["64", "101"])
def test_any_size(tmp_path: Path, size: str) -> None:
    assert all(painting.shape == (int(size), int(size), 3) for painting in paint(tmp_path, "--size", size).values())
