"""The published schema of requests says what the scorer takes."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scorer.documents.request import make_request, request_schema
from scorer.errors import RequestError

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "logicapp/request.schema.json").read_text())
ASKED = {"name": "clip", "input": "videos/clip.mp4", "model": "invert"}


def test_it_is_the_models_own() -> None:
    assert request_schema() == SCHEMA, "'make schema' writes it anew"
    Draft202012Validator.check_schema(SCHEMA)
    assert all("description" in each for each in SCHEMA["properties"].values())


@pytest.mark.parametrize("path", sorted((ROOT / "examples/requests").glob("*.json")), ids=lambda path: path.name)
def test_examples_fit(path: Path) -> None:
    Draft202012Validator(SCHEMA).validate(json.loads(path.read_text()))


VALUES: list[dict[str, Any]] = [
    {}, {"name": ""}, {"name": "a/b"}, {"name": "x" * 40}, {"name": "x" * 41}, {"name": 3}, {"input": ""},
    {"input": "a" * 901},
    {"strength": 0}, {"strength": 1}, {"strength": 1.1}, {"strength": "much"}, {"keep_colors": 1}, {"keep_colors": 1.1},
    {"keep_colors": True}, {"stroke_size": 4}, {"stroke_size": 0.2}, {"style_size": 15},
    {"style_size": 1.5}, {"steady": "full"}, {"steady": "very"}, {"steady": True}, {"start": 1.5}, {"mask": "masks/a.png"},
    {"mask": ""}, {"mask": "a.png", "mask_feather": 0}, {"mask": "a.png", "mask_feather": 1.5},
    {"mask": "a.png", "mask_feather": 1001}, {"start": "0:01:30.5"},
    {"end": "1:75"}, {"start": -1}, {"end": True}, {"end": "soon"}, {"end": "90"}, {"start": None},
    {"size": 15}, {"size": 16}, {"size": None},
    {"size": 8193}, {"batch_size": 0}, {"batch_size": 256}, {"batch_size": 257}, {"chunk_frames": 0}, {"chunk_frames": 100_000},
    {"priority": 101},    {"priority": -100}, {"failure_threshold": -0.1}, {"failure_threshold": 1},
    {"version": 2}, {"version": 1}, {"more": 1},
    {"options": {"scale": 2}}, {"options": {"scale": None}},
    {"model": "painted", "styles": [{"source": 7, "at": "0:10"}]}, {"strengths": [{"strength": 0.5, "at": 1}]},
    {"strengths": [{"strength": 0.5}]},
    {"strengths": [{"strength": 2, "at": 1}]}, {"options": []}, {"styles": {}}, {"styles": [{}]}, {"package": 3},
]  # fmt: skip


@pytest.mark.parametrize("change", VALUES, ids=json.dumps)
def test_what_fits_is_taken_and_what_doesnt_isnt(change: dict[str, Any]) -> None:
    content = {**ASKED, **change}
    taken = True
    try:
        make_request(content)
    except RequestError:
        taken = False
    assert Draft202012Validator(SCHEMA).is_valid(content) == taken
