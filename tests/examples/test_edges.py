"""The example package is installed as a user would, into a folder of its own, and used through `scorer.models`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
RUN = """
import sys
import numpy as np
from scorer.models import ModelSettings, names, spec
name, options, given, wanted = sys.argv[1], dict(each.split("=") for each in sys.argv[2].split()), sys.argv[3], sys.argv[4]
assert {"edges", "double"} <= set(names())
assert spec(name).style == "none"
model = spec(name).load(ModelSettings(options=options))
model.reset()
np.save(wanted, model.score(np.load(given)))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the example, installed by pip without a network."""
    source = tmp_path_factory.mktemp("source") / "edges"
    shutil.copytree(REPOSITORY / "examples" / "edges", source)  # pip builds where the source is
    target = tmp_path_factory.mktemp("target")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, timeout=120)
    return target


def score(installed: Path, name: str, frames: NDArray[np.generic], options: str = "") -> subprocess.CompletedProcess[str]:
    np.save(installed / "given.npy", frames)
    (installed / "wanted.npy").unlink(missing_ok=True)
    return subprocess.run(
        [sys.executable, "-c", RUN, name, options, str(installed / "given.npy"), str(installed / "wanted.npy")],
        env={**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def scored(installed: Path, name: str, frames: NDArray[np.generic], options: str = "") -> NDArray[np.generic]:
    done = score(installed, name, frames, options)
    assert done.returncode == 0, done.stderr
    result: NDArray[np.generic] = np.load(installed / "wanted.npy")
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_edges_draws_the_outline_of_a_square(installed: Path, dtype: type[np.unsignedinteger]) -> None:
    full = np.iinfo(dtype).max
    frames = np.zeros((2, 40, 60, 3), dtype)
    frames[0, 10:30, 20:40] = full
    expected = np.zeros((40, 60), dtype)
    expected[9:31, 19:41] = full  # Sobel sees an edge from both of its sides
    expected[11:29, 21:39] = 0
    found = scored(installed, "edges", frames)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[0], np.dstack([expected] * 3))
    assert not found[1].any()


def test_the_threshold_decides_what_is_an_edge(installed: Path) -> None:
    frames = np.zeros((1, 20, 20, 3), np.uint8)
    frames[0, :, 10:] = 128  # a step of half the range
    assert scored(installed, "edges", frames, "threshold=0.45").any()
    assert not scored(installed, "edges", frames, "threshold=0.55").any()


@pytest.mark.parametrize(("options", "quoted"), [("threshold=2", "'2'"), ("thresh=0.5", "'thresh'")])
def test_a_bad_option_is_refused(installed: Path, options: str, quoted: str) -> None:
    done = score(installed, "edges", np.zeros((1, 4, 4, 3), np.uint8), options)
    assert done.returncode != 0
    assert "RequestError" in done.stderr
    assert quoted in done.stderr


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_double_is_lanczos_at_twice_the_size(installed: Path, dtype: type[np.unsignedinteger]) -> None:
    full = np.iinfo(dtype).max
    noise = np.random.default_rng(3).integers(0, full, (2, 7, 11, 3), endpoint=True, dtype=np.uint16).astype(dtype)
    found = scored(installed, "double", noise)
    assert found.shape == (2, 14, 22, 3)
    assert found.dtype == dtype
    for frame, result in zip(noise, found, strict=True):
        np.testing.assert_array_equal(result, cv2.resize(frame, (22, 14), interpolation=cv2.INTER_LANCZOS4))


def test_double_agrees_with_pillow_on_a_smooth_picture(installed: Path) -> None:
    y, x = np.mgrid[0:40, 0:60]
    smooth = (
        np.dstack([128 + 100 * np.sin(x / 9), 128 + 100 * np.cos(y / 7), 128 + 60 * np.sin((x + y) / 11)])
        .round()
        .astype(np.uint8)
    )
    found = scored(installed, "double", smooth[None])[0]
    # Pillow's filter has 6 taps a side's direction, OpenCV's 8: on a smooth picture both are the true curve
    pillow = np.asarray(Image.fromarray(smooth).resize((120, 80), Image.Resampling.LANCZOS))
    np.testing.assert_allclose(found.astype(int)[8:-8, 8:-8], pillow.astype(int)[8:-8, 8:-8], atol=2)
