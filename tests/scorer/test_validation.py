"""One module reads pydantic's errors, and says them in words that people understand."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from scorer.documents.request import make_request
from scorer.errors import RequestError
from scorer.validation import faults

ROOT = Path(__file__).parents[2]


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("is odd; write an even number")
    return value


class Brush(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: Annotated[int, Field(gt=0), AfterValidator(_even)]
    hair: StrictInt | Annotated[str, Field(min_length=2)] = "sable"


class Box(BaseModel):
    model_config = ConfigDict(extra="forbid")

    medium: Literal["oil", "ink"] = "oil"
    brushes: tuple[Brush, ...] = ()
    labels: dict[Annotated[str, Field(max_length=5)], int] = {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"medium": "wax"}, ["medium: should be 'oil' or 'ink'"]),
        ({"brushes": [{"width": 4}, {"width": "wide"}]}, ["brushes[1].width: should be a valid integer"]),
        ({"brushes": [{"width": 3}]}, ["brushes[0].width: is odd; write an even number"]),
        ({"brushes": [{}], "mediun": "oil"}, ["mediun: extra inputs are not permitted", "brushes[0].width: field required"]),
        ({"labels": {"longer": 1}}, ["labels.longer: string should have at most 5 characters"]),
        ({"int": 1, "a[b]": 2}, ["int: extra inputs are not permitted", "a[b]: extra inputs are not permitted"]),
        ([], ["should be a valid dictionary or instance of Box"]),
    ],
)  # fmt: skip
def test_each_fault_says_where_and_what(content: Any, said: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Box.model_validate(content)
    assert list(map(str, faults(caught.value))) == said


def test_of_a_text_where_a_number_may_stand_what_is_wrong_as_a_text_comes_first() -> None:
    with pytest.raises(ValidationError) as caught:
        Brush.model_validate({"width": 2, "hair": "x"})
    first = faults(caught.value)[0]
    assert (first.where, first.quoted, first.as_json) == ("hair", "'x'", '"x"')
    assert first.reason == "string should have at least 2 characters"


def test_json_that_is_none_is_a_fault_of_the_whole() -> None:
    with pytest.raises(ValidationError) as caught:
        Box.model_validate_json("{")
    (only,) = faults(caught.value)
    assert only.path == ()
    assert str(only).startswith("invalid JSON: ")


@pytest.mark.parametrize("name", ["int", "a[b]", "[key]", "constrained-str"])
def test_a_request_may_call_a_field_as_pydantic_calls_a_step(name: str) -> None:
    with pytest.raises(RequestError, match=r"is 1, and no request has such a field"):
        make_request({"name": "film", "input": "a.mp4", "styles": [{"source": "a.png"}], name: 1})


def test_no_other_module_reads_pydantics_errors() -> None:
    places = [path for room in ("scorer", "stacks", "autoscale", "emulator") for path in (ROOT / room).rglob("*.py")]
    readers = [path.relative_to(ROOT).as_posix() for path in places if ".errors(" in path.read_text()]
    assert readers == ["scorer/validation.py"]
