"""Senders: requests in a folder of their own name their own files alone, and a bound name takes one request alone."""

import hashlib
import json
import re

import pytest

from scorer.documents.paths import share
from scorer.documents.request import job_id, make_request
from scorer.errors import DocumentError, RequestError, ScorerError
from scorer.submitter.senders import bound_path, check_digest, check_media, check_path, read_given
from tests.conftest import write_images
from tests.folders import FolderStores
from tests.scorer.submitter.intake_harness import IntakeHarness

OWN = ["videos/acme/film.mp4", "films/acme/2026/film.mp4", "frames/acme/", "frames/acme/shots/", "shared/film.mp4", "shared/"]
OTHERS = [
    "videos/bolt/film.mp4", "videos/film.mp4", "frames/", "acme/film.mp4", "videos/acme", "acme/", "videos/ACME/film.mp4",
    "videos/acme2/film.mp4", "videos/bolt/acme/film.mp4", "shared", "Shared/film.mp4",
    "sharedfilms/film.mp4", "acme/shared/film.mp4",
]  # fmt: skip


@pytest.mark.parametrize("path", OWN)
def test_a_sender_names_its_own(path: str) -> None:
    check_media(make_request({"name": "a", "input": path, "model": "painted", "styles": [{"source": 7}]}), "acme")


@pytest.mark.parametrize("path", OTHERS)
def test_a_sender_names_nobody_elses(path: str) -> None:
    request = make_request({"name": "a", "input": path, "model": "invert"})
    check_media(request, "")  # an operator may
    with pytest.raises(RequestError, match=rf"^The request's input is '{re.escape(path)}', .*videos/acme/.*upload it there\.$"):
        check_media(request, "acme")


@pytest.mark.parametrize("path", [path for path in OTHERS if not path.endswith("/")])
def test_nor_as_one_of_many_styles(path: str) -> None:
    styles = [{"source": "styles/acme/own.png"}, {"source": path}]
    request = make_request({"name": "a", "input": "videos/acme/a.mp4", "styles": styles})
    with pytest.raises(RequestError, match=f"^The request's style is '{re.escape(path)}'"):
        check_media(request, "acme")


@pytest.mark.parametrize("path", [path for path in OTHERS if not path.endswith("/")])
def test_nor_as_a_mask(path: str) -> None:
    request = make_request({"name": "a", "input": "videos/acme/a.mp4", "model": "invert", "mask": path})
    with pytest.raises(RequestError, match=f"^The request's mask is '{re.escape(path)}'"):
        check_media(request, "acme")


@pytest.mark.parametrize(
    "folder", ["a b", "\u00fc", "-acme", "_", "a" * 41, "acme.", "%2e", "parts", "failed", "\uff41cme", "\u0430cme", "acme\n"]
)
def test_a_folder_that_is_no_senders_name(folder: str) -> None:
    with pytest.raises(RequestError, match="no sender's name"):
        check_path(f"requests/{folder}/a.json", folder)


@pytest.mark.parametrize(
    "path", ["a.json", "styles/a.json", "Requests/a.json", "videos/acme/1/a.json", "requestsX/a.json", "requests"]
)
def test_what_lies_elsewhere_is_no_request(harness: IntakeHarness, path: str) -> None:
    """Whose it would be can't be told by its folder."""
    write_images(harness.stores.input.root / "frames/acme", ["a.png"])
    error, _ = harness.refused(harness.put({"name": "a", "input": "frames/acme/", "model": "invert"}, path))
    assert str(error) == f"Request '{path}' isn't in requests/: put it there, or into requests/<sender>/."
    assert not harness.cluster.senders


def test_only_the_request_of_a_bound_name_is_taken(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "frames/acme", ["a.png"])
    data = json.dumps({"name": "own", "input": "frames/acme/", "model": "invert"}).encode()
    path = bound_path("acme", "own", data)
    assert path == f"requests/acme/own.sha256-{hashlib.sha256(data).hexdigest()}.json"
    for other in (data + b" ", data.replace(b"}", b', "priority": 100}'), b"", b"{"):
        with pytest.raises(RequestError, match="isn't the one that its link was made for"):
            harness.intake.take(harness.put(other, path))
    assert not harness.cluster.senders
    job = harness.intake.take(harness.put(data, path))
    assert harness.cluster.senders == {job: "acme"}
    # What only looks like it is a name like any other.
    for name in ("own.sha256-12.json", f"own.sha256-{'0' * 64}.json.json", f"own-sha256-{'0' * 64}.json"):
        check_digest(f"requests/acme/{name}", data)


@pytest.mark.parametrize(
    ("path", "media"),
    [("requests/acme/a.json", "frames/bolt/"), ("requests/acme/2026/a.json", "frames/bolt/"), ("requests/a b/a.json", "shared/")],
)
def test_what_isnt_a_senders_own_is_refused_in_writing(harness: IntakeHarness, path: str, media: str) -> None:
    write_images(harness.stores.input.root / media, ["a.png"])
    error, rejection = harness.refused(harness.put({"name": "a", "input": media, "model": "invert"}, path))
    assert error.exit_code == 2
    assert rejection.error == str(error)
    assert not harness.cluster.senders
    harness.intake.take(harness.put({"name": "b", "input": media, "model": "invert"}))  # an operator's
    assert len(harness.cluster.senders) == 1


def test_another_senders_files_are_no_oracle(harness: IntakeHarness) -> None:
    """Whether there is such a file makes no difference to the answer."""
    write_images(harness.stores.input.root / "frames/bolt", ["a.png"])
    answers = set()
    for media in ("frames/bolt/", "frames/none/"):
        with pytest.raises(ScorerError) as caught:
            harness.intake.take(harness.put({"name": "a", "input": media, "model": "invert"}, "requests/acme/a.json"))
        answers.add(str(caught.value).replace(media, ""))
    assert len(answers) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"job": "b-0"}, {"sender": "../x"}, {"sender": "bolt"}, {"until": 1e400}, {"revoked": 1e300}, {"revoked": -1},
        {"uploads": ["videos/bolt/film.mp4"]}, {"uploads": ["videos/film.mp4"]}, {"uploads": ["videos/acme/../bolt/film.mp4"]},
        {"uploads": ["videos/acme/x"] * 101}, {"more": "x" * 2**20},
    ],
    ids=lambda change: repr(change)[:40],
)  # fmt: skip
def test_what_was_given_out_is_looked_at(stores: FolderStores, harness: IntakeHarness, change: dict[str, object]) -> None:
    """Whoever takes a share back deletes what it names."""
    uploads = ["videos/acme/1/film.mp4", "requests/acme/film.json"]
    whole = {"version": 1, "job": "a-0", "sender": "acme", "uploads": uploads, "until": 2e9, "revoked": None}
    stores.input.put(share("a-0"), json.dumps(whole).encode())
    assert read_given("a-0", stores.input).uploads == tuple(uploads)
    stores.input.put(share("a-0"), json.dumps({**whole, **change}).encode())
    with pytest.raises(DocumentError):
        read_given("a-0", stores.input)
    data = json.dumps({"name": "own", "input": "frames/acme/", "model": "invert"}).encode()
    path = harness.put(data, bound_path("acme", "own", data))
    job = job_id("own", f"{harness.stores.input.url}/{path}", data)
    stores.input.put(share(job), json.dumps({**whole, "job": job, "revoked": 5e9, **change}).encode())
    harness.refused(path)


def test_a_jobs_id_has_80_bits_and_fits_azure_batch() -> None:
    job = job_id("A" * 40, "az://films/input/requests/a.json", b"{}")
    assert re.fullmatch(r"a{40}-[0-9a-f]{20}", job)
    assert len(job) == 61
