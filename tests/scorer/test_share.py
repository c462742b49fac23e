"""Where links work from."""

import pytest

from scorer.errors import RequestError
from scorer.share import link_addresses


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
