from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from scorer.models import openvino_kept
from scorer.models.openvino_kept import Calibration, calibration
from scorer.models.openvino_runtime import load_painted
from scorer.models.weights import Array, Weights

WEIGHTS: Weights = {"one.weight": np.ones((2, 3), np.float32)}
STYLE: Array = np.ones((1, 4), np.float32)


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "node"
    monkeypatch.setenv("SCORER_NODE_DIR", str(folder))
    return folder


class Measured:
    """Counts how often it was done, and finds something else each time."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Calibration:
        self.times += 1
        return Calibration(ranges={"one": (-0.1 - self.times, 1 / 3)}, psnr=float("inf"))


def test_a_networks_calibration_is_measured_once() -> None:
    measured = Measured()
    first = calibration(WEIGHTS, STYLE, measured)
    assert calibration(WEIGHTS, STYLE, measured) == first
    assert measured.times == 1


def test_another_style_other_weights_or_another_code_is_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Measured()
    found = [calibration(WEIGHTS, STYLE, measured), calibration(WEIGHTS, STYLE * 2, measured)]
    found.append(calibration({"one.weight": WEIGHTS["one.weight"] + 1}, STYLE, measured))
    found.append(calibration({"one.weight": WEIGHTS["one.weight"].reshape(3, 2)}, STYLE, measured))
    monkeypatch.setattr(openvino_kept, "_machine", lambda: "another version")
    found.append(calibration(WEIGHTS, STYLE, measured))
    assert measured.times == len(found)
    assert len({each.model_dump_json() for each in found}) == len(found)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"ranges": {"one": [1]}, "psnr": 3}', b"\xff\xfe", b'{"psnr": "high"}'])
def test_a_file_that_is_none_is_measured_anew(content: bytes, node: Path) -> None:
    measured = Measured()
    calibration(WEIGHTS, STYLE, measured)
    (file,) = (node / "calibrations").iterdir()
    file.write_bytes(content)
    again = calibration(WEIGHTS, STYLE, measured)
    assert measured.times == 2
    assert Calibration.model_validate_json(file.read_bytes()) == again


def test_a_link_in_the_files_place_is_not_followed(node: Path, tmp_path: Path) -> None:
    measured = Measured()
    calibration(WEIGHTS, STYLE, measured)
    (file,) = (node / "calibrations").iterdir()
    planted = tmp_path / "planted.json"
    file.rename(planted)
    before = planted.read_bytes()
    file.symlink_to(planted)
    calibration(WEIGHTS, STYLE, measured)
    assert measured.times == 2
    assert not file.is_symlink()
    assert planted.read_bytes() == before


def test_without_a_folder_nothing_is_kept_and_all_is_well(node: Path) -> None:
    node.write_text("a file where the folder would be")
    measured = Measured()
    calibration(WEIGHTS, STYLE, measured)
    calibration(WEIGHTS, STYLE, measured)
    assert measured.times == 2


def test_what_is_not_used_goes_first(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_kept, "_MOST_KEPT", 2)
    measured = Measured()
    for age, number in enumerate((1, 2, 3)):
        calibration(WEIGHTS, STYLE * number, measured)
        for file in (node / "calibrations").iterdir():
            os.utime(file, (file.stat().st_mtime - 100,) * 2)
        if age == 1:
            calibration(WEIGHTS, STYLE, measured)  # used again: the second is the oldest
    assert measured.times == 3
    assert len(list((node / "calibrations").iterdir())) == 2
    calibration(WEIGHTS, STYLE, measured)
    assert measured.times == 3
    calibration(WEIGHTS, STYLE * 2, measured)
    assert measured.times == 4


@pytest.mark.skipif(os.name != "posix", reason="folders of all users are posix's")
def test_in_a_folder_of_all_users_it_is_everybodys(node: Path) -> None:
    node.mkdir()
    node.chmod(0o777)
    calibration(WEIGHTS, STYLE, Measured())
    (file,) = (node / "calibrations").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) & 0o666 == 0o666


def test_a_model_with_a_kept_calibration_makes_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    style, frames = np.eye(26, dtype=np.float32)[7], np.random.default_rng(1).integers(0, 256, (1, 40, 56, 3), np.uint8)
    first = load_painted(style, 1, "int8")
    monkeypatch.setattr("scorer.models.openvino_runtime.calibration_frames", lambda: pytest.fail("calibrated again"))
    second = load_painted(style, 1, "int8")
    assert (second.psnr, second.runtime) == (first.psnr, first.runtime)
    assert np.array_equal(second.score(frames), first.score(frames))
