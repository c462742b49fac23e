"""Where links work from, and what the sender is told to take out."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from scorer.cli import share
from scorer.cli.share import link_addresses, make_share, page
from scorer.documents.request import make_request
from scorer.errors import RequestError


@pytest.mark.parametrize(
    ("ip", "senders", "bound"),
    [
        ("", [], None), ("203.0.113.7", [], "203.0.113.7"), ("203.0.113.0/24", [], "203.0.113.0-203.0.113.255"),
        ("", ["203.0.113.7"], "203.0.113.7"), ("", ["203.0.113.8/30"], "203.0.113.8-203.0.113.11"),
        ("203.0.113.7", ["198.51.100.1", "203.0.113.7"], "203.0.113.7"), ("203.0.113.9", ["203.0.113.0/24"], "203.0.113.9"),
    ],
)  # fmt: skip
def test_links_are_bound_to_one_place(ip: str, senders: list[str], bound: str | None) -> None:
    assert link_addresses(ip, senders) == bound


@pytest.mark.parametrize(
    ("ip", "senders", "said"),
    [
        ("", ["203.0.113.7", "198.51.100.0/24"], "say with --ip which it is of 203.0.113.7, 198.51.100.0/24"),
        ("203.0.113.9", ["203.0.113.7"], "'203.0.113.9' isn't where the deployment lets senders in from: name one of 203.0.113"),
        ("203.0.113.0/24", ["203.0.113.0/25"], "isn't where the deployment lets senders in from"), ("2001:db8::1", [], "no IPv4"),
        ("203.0.113.9/24", [], "is no address or range"), ("office", [], "--ip 'office' is no address or range"),
    ],
)  # fmt: skip
def test_a_place_that_links_cant_be_bound_to(ip: str, senders: list[str], said: str) -> None:
    with pytest.raises(RequestError) as caught:
        link_addresses(ip, senders)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("source", "results"),
    [
        ("film.mp4", {"result.mp4": "result.mp4", "result.mkv": "result.mkv", "result.mov": "result.mov"}),
        ("photo.jpg", {"result.jpg": "result/photo.jpg"}),
        ("scan.tif", {"result.png": "result/scan.tif.png"}),
    ],
)
def test_a_sender_takes_out_what_there_will_be(monkeypatch: pytest.MonkeyPatch, source: str, results: dict[str, str]) -> None:
    signer = SimpleNamespace(link=lambda url, blob, permission: f"{permission}:{url}/{blob}")
    monkeypatch.setattr(share._Signer, "of", lambda *_: signer)
    request = make_request({"name": "a", "input": f"videos/acme/{source}", "model": "invert"})
    target = SimpleNamespace(input="az://data/input", output="az://data/output")
    made = make_share(target, request, "acme", {source: request.input}, timedelta(hours=1))  # type: ignore[arg-type]  # these two alone
    for name, blob in results.items():
        assert made.downloads[name] == f"r:az://data/output/{made.job}/{blob}"
        assert f"azcopy copy '{made.downloads[name]}' {name}\n" in page(made)
    assert page(made).count("azcopy copy 'r:") == len(results) + 3
    assert made.until > datetime.now(UTC)
