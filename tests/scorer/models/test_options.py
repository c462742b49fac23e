from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from scorer.errors import RequestError
from scorer.models.options import Options, describe_options, parse_options


class Painter(Options):
    strokes: int = Field(default=100, gt=0, description="brush strokes a frame")
    pressure: float = Field(default=1.5, description="how hard the brush is pressed")
    medium: Literal["oil", "ink"] = Field(default="oil", description="what is painted with")
    canvas: Path | None = Field(default=None, description="a file that gives the ground")


def test_text_and_json_values_become_the_same_options() -> None:
    text = parse_options(Painter, {"strokes": "7", "pressure": "2", "medium": "ink", "canvas": "a/b.png"}, "painter")
    json = parse_options(Painter, {"strokes": 7, "pressure": 2.0, "medium": "ink", "canvas": "a/b.png"}, "painter")
    assert text == json == Painter(strokes=7, pressure=2.0, medium="ink", canvas=Path("a/b.png"))
    assert parse_options(Painter, {}, "painter") == Painter()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stroke": 5}, "The model 'painter' has no option 'stroke': choose one of strokes, pressure, medium, canvas."),
        ({"strokes": 0}, "The option 'strokes' of the model 'painter' is 0: it should be greater than 0."),
        ({"strokes": "many"}, "The option 'strokes' of the model 'painter' is 'many': it should be a valid integer."),
        ({"pressure": "nan"}, "The option 'pressure' of the model 'painter' is 'nan': it should be a finite number."),
        ({"medium": "wax"}, "The option 'medium' of the model 'painter' is 'wax': it should be 'oil' or 'ink'."),
        ({"canvas": 3}, "The option 'canvas' of the model 'painter' is 3: it is not a valid path."),
    ],
)
def test_a_bad_option_is_one_sentence_that_quotes_it(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_options(Painter, options, "painter")
    assert str(caught.value) == sentence


def test_a_model_without_options_says_so() -> None:
    with pytest.raises(RequestError, match="has no option 'x': it has none"):
        parse_options(Options, {"x": 1}, "plain")


def test_a_very_long_value_is_quoted_short() -> None:
    with pytest.raises(RequestError) as caught:
        parse_options(Painter, {"strokes": "9x" * 5000}, "painter")
    assert len(str(caught.value)) < 200


def test_help_states_each_default() -> None:
    assert describe_options(Painter)["strokes"] == "brush strokes a frame (default: 100)"
    assert describe_options(Painter)["canvas"] == "a file that gives the ground (default: none)"
