"""Requests of strangers: each is refused with a reason that they can read, set aside, and costs nothing."""

import re

import pytest

from scorer.documents.request import job_id, make_request
from scorer.errors import RequestError, ScorerError, StyleError
from scorer.job.dispatch import dispatch
from scorer.store import Entry, FolderStore
from tests.conftest import MakeClip, write_images
from tests.scorer.submitter.intake_harness import ASKED, LIMITS, IntakeHarness, asked

NESTED = b"[" * 3000


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (asked(input="../output/secret.mp4"), "'..'"),
        (asked(input="/etc/passwd"), "empty part"),
        (asked(input="videos//clip.mp4"), "empty part"),
        (asked(input="videos\\..\\clip.mp4"), "backslash"),
        (asked(input="https://evil.example/clip.mp4"), "is a URL"),
        (asked(input="az://other/input/clip.mp4"), "is a URL"),
        (asked(input="file:///etc/passwd"), "is a URL"),
        (asked(input="videos/clip\u202e4pm.mp4"), "invisible character"),
        (asked(input="videos/clip\u0000.mp4"), "invisible character"),
        (asked(input="videos/" + "a" * 1000), "at most 900 characters"),
        (asked(input=["videos/clip.mp4"]), "write the path"),
        (asked(model="adaptive", styles=[{"source": "../x.png"}]), "'..'"),
        (asked(name="../../work"), "name"),
        (asked(name="clip\nclip"), "name"),
        (asked(name="\uff43\uff4c\uff49\uff50"), "name"),
        (asked(name="x" * 41), "name"),
        (asked(name=""), "name"),
        (asked(chunk_frames=0), "from 1 to 100000"),
        (asked(chunk_frames=10**12), "from 1 to 100000"),
        (asked(batch_size=-1), "from 1 to 256"),
        (asked(batch_size="many"), "whole number"),
        (asked(size=10**9), "from 16 to 8192"),
        (asked(strength=float("nan")), "NaN stands in it"),
        (asked(options={"x": float("inf")}), "Infinity stands in it"),
        (asked()[:-1] + b', "options": {"deadly": 1e999}}', "options"),
        (asked(model="\ud800"), "half a character"),
        (asked(options={"\ude00": 1}), "half a character"),
        (asked(package="\udfff"), "half a character"),
        (asked(**{"\ud83d": 1}), "half a character"),
        (asked(options={"": 1}), "options"),
        (asked(options={"x" * 101: 1}), "options"),
        (asked(priority=5000), "from -100 to 100"),
        (asked(styles=[{"source": 1}] * 33), "up to 32"),
        (asked(options={str(number): 1 for number in range(33)}), "up to 32"),
        (asked(model="no-such-model"), "There is no model 'no-such-model'"),
        (asked(model="gatys", styles=[{"source": "x.png"}]), "which the nodes of a deployment can't fetch"),
        (asked(package="../../input/requests"), "There is no package"),
        (asked(surprise=1), "surprise"),
        (asked(version=2), "version"),
        (b'{"name": "a", "name": "b", "input": "videos/clip.mp4"}', "twice"),
        (NESTED, "not JSON"),
        (b"[]", "can't be taken"),
        (b"null", "can't be taken"),
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"{" + b" " * 5000 + b"}", "5002 bytes"),
        (asked(), "There is no"),
    ],
)  # fmt: skip
def test_hostile_requests(harness: IntakeHarness, data: bytes, words: str) -> None:
    error, rejection = harness.refused(harness.put(data))
    assert words in str(error)
    assert rejection.error == str(error)
    assert (rejection.request, rejection.exit_code) == ("requests/video.json", error.exit_code)
    assert len(str(error)) < 600
    assert not harness.cluster.senders
    assert not list(harness.stores.work.root.glob("*/plan.json"))
    kept = list(harness.quarantine.root.glob("*/request.json"))
    assert [path.read_bytes() for path in kept] == ([data] if len(data) <= LIMITS["requestBytes"] else [])
    # Never tried again: the next look at what waits doesn't see it.
    assert harness.intake.poll(float("inf")) == 0
    assert not harness.told


def test_fifty_megabytes_are_not_even_read(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    path = harness.put(b'{"name": "' + b"x" * 50_000_000)
    monkeypatch.setattr(FolderStore, "get", lambda *_: pytest.fail("it was read"))
    error, _ = harness.refused(path)
    assert "50000010 bytes" in str(error)


def test_media_are_refused_too(harness: IntakeHarness, make_clip: MakeClip) -> None:
    clip = make_clip(frames=201, size="64x48")
    harness.stores.input.put("videos/clip.mp4", clip.read_bytes())
    error, _ = harness.refused(harness.put(ASKED))
    assert error.exit_code == 3
    assert "200" in str(error)


def test_a_video_that_no_disk_here_holds_isnt_even_fetched(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.stores.input.put("videos/clip.mp4", b"x" * 1001)
    monkeypatch.setattr(FolderStore, "capacity", lambda _: 1000)
    monkeypatch.setattr(FolderStore, "fetch", lambda *_: pytest.fail("it was fetched"))
    error, _ = harness.refused(harness.put(ASKED))
    assert error.exit_code == 3
    assert "has 0.0 GB, and the disk that it is copied to 0.0 GB in all" in str(error)


def test_a_style_that_is_no_image_is_refused_before_there_are_tasks(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    style = harness.stores.input.root / "style.jpg"
    style.write_text("no image")
    path = harness.put({"name": "job", "input": "shots/", "model": "adaptive", "styles": [{"source": "style.jpg"}]})
    error, _ = harness.refused(path)
    assert str(error) == f"The style {style} is no image that can be used: give a JPEG, PNG, WebP or TIFF file."
    assert error.exit_code == 6


def test_an_image_whose_name_cant_be_read_is_named(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Entry("shots/a.png", 1, "1"), Entry("shots/b\x07.png", 1, "2")]  # as Azure lists it; no folder's store does
    monkeypatch.setattr(FolderStore, "list", lambda *_: iter(found))
    error, _ = harness.refused(harness.put({"name": "job", "input": "shots/", "model": "invert"}))
    assert error.exit_code == 3
    assert r"The image 'b\x07.png' can't be used" in str(error)


def test_a_refused_request_is_answered_where_its_sender_looks(harness: IntakeHarness) -> None:
    data = asked(model="no-such-model")
    path = harness.put(data)
    harness.refused(path)
    (written,) = harness.stores.output.root.glob("*/rejected.json")
    assert written.parent.name == job_id("clip", f"{harness.stores.input.url}/{path}", data)


def test_more_chunks_than_may_be_are_refused(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", [f"{number}.png" for number in range(3)])
    limits = harness.intake.target.limits
    assert limits.max_chunks == 10_000
    request = make_request({"name": "job", "input": "shots/", "model": "invert", "chunk_frames": 1})
    with pytest.raises(RequestError, match=r"chunk_frames is 1: of 3 frames that makes more than 2 chunks; ask for 2 or more"):
        dispatch("job", request, harness.stores, "auto", type(limits)(max_chunks=2))


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"model": "painted", "styles": [{"source": 99999}]}, StyleError, "no style '99999': give a number from 0 to 25"),
        ({"model": "painted", "styles": [{"source": 3}, {"source": -1}]}, StyleError, "no style '-1'"),
        (
            {"model": "painted", "styles": [{"source": 3}], "options": {"precision": "int3"}},
            RequestError,
            "'precision' .* 'int3'",
        ),
    ],
)
def test_what_the_model_itself_would_refuse_is_refused_at_once(
    harness: IntakeHarness, more: dict[str, object], error: type[ScorerError], said: str
) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    path = harness.put({"name": "job", "input": "shots/", **more})
    refused, written = harness.refused(path)
    assert type(refused) is error
    assert re.search(said, written.error)
    assert not harness.cluster.senders
