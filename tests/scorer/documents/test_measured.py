"""Files of measurements: what is read back is what was written, and what is none is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scorer.documents import to_json
from scorer.documents.measured import KIND, STAGES, Machine, Measured, Stages, Took, read_measured
from scorer.errors import InputError, MissingError, RequestError, ScorerError


def stages(model: str = "painted", width: int = 640, height: int = 360, **changes: Any) -> Stages:
    took = {stage: Took(ms=2.0, core_ms=1.0) for stage in STAGES}
    rest = {"runtime": "torch 2.15 cuda float16 eager", "batch": 8, "frames": 48, "clip": "drawn", "start_seconds": 4.0}
    return Stages.model_validate(
        {
            "model": model, "width": width, "height": height, "stages": took, "frames_per_second": 100.0, "busy": 0.5,
            "start_core_seconds": 3.0, **rest, **changes,
        }
    )  # fmt: skip


def measured(*rows: Stages, **machine: Any) -> Measured:
    known = {"processor": "AMD EPYC", "cores": 8, "device": "cuda", "name": "Tesla T4", **machine}
    return Measured(kind=KIND, version=1, made=1_795_000_000.0, machine=Machine.model_validate(known), stages=rows or (stages(),))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(to_json(measured()))
    assert read_measured(path) == measured()
    schema = Measured.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(path.read_bytes()), schema)


def test_the_size_that_is_nearest_counts() -> None:
    found = measured(stages(width=640), stages(width=1280, height=720), stages("adaptive"))
    nearest = found.nearest("painted", 1920 * 1080)
    assert nearest is not None
    assert (nearest.width, nearest.coding_core_ms) == (1280, 5.0)
    assert found.nearest("gatys", 100) is None


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (None, MissingError, "There is no '"),
        ("", RequestError, "holds no measurements: `scorer bench --stages --json FILE` makes one."),
        ("[{}]", RequestError, "holds no measurements"),
        ("{}", RequestError, "holds no measurements"),
        ({"kind": "another's"}, RequestError, "holds no measurements"),
        ({"version": 2}, RequestError, "has measurements of version 2, not 1: `scorer bench --stages"),
        ({"version": 2, "stages": 3, "more": 1}, RequestError, "has measurements of version 2, not 1"),
        ({"version": "1.5"}, RequestError, "has measurements of version '1.5', not 1"),
        ({"machine": {"cores": 0}}, RequestError, "can't be used (machine.cores: should be greater than or equal to 1)"),
        ({"stages": [{"model": "painted"}]}, RequestError, "can't be used (stages[0]."),
        ({"more": 1}, RequestError, "can't be used (more: extra inputs are not permitted)"),
        ("x" * (2**20 + 1), InputError, "has more than 1,048,576 bytes, so it is no file of measurements."),
    ],
)
def test_what_is_none(content: str | dict[str, Any] | None, kind: type[ScorerError], words: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    if isinstance(content, dict):
        content = json.dumps({**json.loads(to_json(measured())), **content})
    if content is not None:
        path.write_text(content)
    with pytest.raises(kind) as raised:
        read_measured(path)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_rates_that_none_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    text = to_json(measured()).decode()
    for wrong in ("NaN", "-1", "1e400"):
        path.write_text(text.replace('"frames_per_second": 100.0', f'"frames_per_second": {wrong}'))
        with pytest.raises(RequestError, match=r"can't be used|holds no measurements"):
            read_measured(path)
    path.write_text(text.replace('"decode": {', '"decoded": {'))
    with pytest.raises(RequestError, match="can't be used"):
        read_measured(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read_measured(tmp_path)
