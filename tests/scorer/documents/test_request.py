"""Requests: what is taken, and one sentence that quotes the value for all that isn't."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.documents.request import Request, job_id, make_request, parse_request
from scorer.errors import ModelError, RequestError
from scorer.media.limits import Limits

GOOD: dict[str, Any] = {"name": "clip", "input": "videos/clip.mp4", "styles": [{"source": "styles/a.png"}]}


def test_a_good_request() -> None:
    request = parse_request(json.dumps(GOOD).encode(), Limits())
    assert request.media == "video"
    assert make_request({**GOOD, "input": "shots/"}).media == "frames"


@pytest.mark.parametrize("name", ["می\u200cشود/film.mp4", "\U0001f469\u200d\U0001f3a8.mp4", "क्\u200dष.mp4"])
def test_names_are_in_any_script_with_the_joiners_that_belong_to_it(name: str) -> None:
    """Persian and Hindi are written with them, and so are many emoji."""
    assert make_request({**GOOD, "input": name}).input == name


def test_a_refused_value_is_quoted_in_the_script_that_it_was_written_in() -> None:
    with pytest.raises(RequestError, match=r'input is "日本/\.\./日本\\u202e\.mp4": has an empty part'):
        make_request({**GOOD, "input": "日本/../日本\u202e.mp4"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": "../secret.mp4"}, ["input", "../secret.mp4", "plain path"]),
        ({"input": "/etc/passwd"}, ["input", "/etc/passwd", "plain path"]),
        ({"input": "https://example.org/a.mp4"}, ["input", "URL"]),
        ({"input": "a\\b.mp4"}, ["input", "backslash"]),
        ({"input": "a\u202eb.mp4"}, ["input", "invisible"]),
        ({"input": ""}, ["input", '""', "path of a video"]),
        ({"name": "a/b"}, ["name", "a/b"]),
        ({"name": "x" * 41}, ["name"]),
        ({"strength": 1.5}, ["strength", "1.5", "from 0, the original, to 1"]),
        ({"strength": float("nan")}, ["strength"]),
        ({"size": 0}, ["size", "0", "16"]),
        ({"size": 10**9}, ["size", "8192"]),
        ({"batch_size": -1}, ["batch_size", "-1"]),
        ({"chunk_frames": 0}, ["chunk_frames", "0"]),
        ({"failure_threshold": 2}, ["failure_threshold", "2"]),
        ({"styles": []}, ["adaptive", "needs an image"]),
        ({"styles": [{"source": 7}]}, ["7", "image"]),
        ({"styles": [{"source": "a.png", "weight": 0}]}, ["weight", "0", "over 0"]),
        ({"styles": [{"source": "../a.png"}]}, ["styles", "../a.png"]),
        ({"model": "painted"}, ["styles/a.png", "number"]),
        ({"model": "invert"}, ["takes no style"]),
        ({"options": {"colour": 1}}, ["adaptive", "colour"]),
        ({"unknown": 1}, ["unknown", "1"]),
        ({"version": 2}, ["version", "2"]),
        ({"version": True}, ["version is true: write 1"]),
        ({"strength": True}, ["strength is true: write a number"]),
        ({"keep_colors": "all"}, ["keep_colors", "all", "write a number from 0, the style's colours, to 1"]),
        ({"stroke_size": 5}, ["stroke_size is 5: write a number from 0.25, fine strokes, to 4"]),
        ({"stroke_size": "big"}, ['stroke_size is "big": write a number']),
        ({"style_size": 8}, ["style_size is 8: write", "from 16 to 2048"]),
        ({"style_size": "large"}, ['style_size is "large": write']),
        ({"model": "painted", "styles": [{"source": 7}], "style_size": 128}, ["model 'painted' has no style_size"]),
        ({"options": {"style_size": 128}, "style_size": 128}, ["style_size stands in its options, too"]),
        ({"steady": True}, ["steady is true", 'write "off", "light" or "full"']),
        ({"size": "64"}, ['size is "64": write the pixels', "a whole number"]),
        ({"size": 64.5}, ["size is 64.5: write the pixels"]),
        ({"name": 5}, ["name is 5: write up to 40 letters"]),
        ({"model": "a b"}, ['model is "a b": write the name of one']),
        ({"styles": "styles/a.png"}, ['styles is "styles/a.png": write a list']),
        ({"styles": ["styles/a.png"]}, ['styles[0] is "styles/a.png": write a list']),
        ({"styles": [{"source": "styles/a.png", "wieght": 2}]}, ["styles[0].wieght is 2", "did you mean 'weight'?"]),
        ({"styles": [{"weight": 2}]}, ["has no 'styles[0].source'"]),
        ({"styles": [{"source": "7"}], "model": "painted"}, ["a trained style's number without quotes"]),
        ({"sytles": []}, ["did you mean 'styles'?"]),
        ({"options": {"precison": "int8"}}, ["no option 'precison'", "did you mean 'precision'?"]),
        ({"model": "adaptiv"}, ["did you mean 'adaptive'?"]),
    ],
)
def test_bad_values_are_quoted(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises((RequestError, ModelError)) as caught:
        make_request({**GOOD, **change})
    sentence = str(caught.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not json", "not JSON"),
        (b"[1, 2]", "can't be taken"),
        (b'{"name": "a", "name": "b"}', "twice"),
        (b"[" * 60_000, "nested too deeply"),
        (b" " * 70_000, "bytes"),
        (b"\xff\xfe", "not JSON"),
        (b'{"strength": 1e999999}', "strength"),
        (b'{"size": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_bad_json(data: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        parse_request(data, Limits())


@pytest.mark.parametrize("field", Request.model_fields)
def test_every_field_says_what_to_write(field: str) -> None:
    with pytest.raises(RequestError, match=rf"^The request's {field} is \[\[3\]\]: write .*\.$|(styles|strengths)\[0\] is"):
        make_request({**GOOD, field: [[3]]})


def test_what_is_no_request_is_told_how_one_looks() -> None:
    contents: list[Any] = [[], 5, "film.mp4", None]
    for content in contents:
        with pytest.raises(RequestError, match=r'no JSON object, such as {"name"'):
            make_request(content)


def test_an_unknown_model_names_the_known() -> None:
    with pytest.raises(ModelError, match="no model 'nothing': choose one of adaptive"):
        make_request({**GOOD, "model": "nothing"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*GOOD, "size", "options", "x"]), inner, max_size=6)
    ),
)


@given(content=JSON)
def test_whatever_comes_is_taken_or_refused(content: Any) -> None:
    for value in (content, {**GOOD, **content} if isinstance(content, dict) else content):
        with suppress(RequestError):  # any other error fails the test
            make_request(value)


def test_the_same_request_is_the_same_job() -> None:
    request = make_request(GOOD)
    first = job_id(request.name, "requests/a.json", b"1")
    assert first == job_id(request.name, "requests/a.json", b"1")
    assert len({first, job_id(request.name, "requests/b.json", b"1"), job_id(request.name, "requests/a.json", b"2")}) == 3
    assert first.startswith("clip-")


def test_as_many_styles_are_mixed_as_a_model_says() -> None:
    def painted(count: int) -> dict[str, Any]:
        return {"name": "x", "input": "a.mp4", "model": "painted", "styles": [{"source": number % 26} for number in range(count)]}

    assert len(make_request(painted(26)).styles) == 26
    with pytest.raises(RequestError, match="mixes at most 26 styles, not 27"):
        make_request(painted(27))
