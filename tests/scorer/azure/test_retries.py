"""Tries: calls without an answer, and refusals, which a machine asks about again for two minutes, and a person not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential
from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError

from scorer.azure import identity, retries
from scorer.azure.retries import ON_MACHINES, SECONDS, Patience, patience
from scorer.engines.azure_batch.calls import Calls
from scorer.errors import BatchError, LoginError
from scorer.store.errors import is_refusal


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ON_MACHINES.items():
        monkeypatch.setenv(name, value)


class Waits:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def patience(self) -> Patience:
        return Patience(clock=lambda: self.now, sleep=self.sleep)


def refusing(times: int, error: Exception) -> Callable[[], str]:
    """Refused so many times, then granted."""
    errors = [error] * times

    def call() -> str:
        if errors:
            raise errors.pop()
        return "granted"

    return call


def http(status: int) -> HttpResponseError:
    return HttpResponseError("no", response=Mock(status_code=status, reason="", headers={}))


def test_a_call_without_an_answer_is_tried_again_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0)
    assert retries.retrying(is_away)(refusing(retries.TRIES - 1, ConnectionError("away"))) == "granted"
    with pytest.raises(ConnectionError, match="away"):
        retries.retrying(is_away)(refusing(retries.TRIES, ConnectionError("away")))
    with pytest.raises(ConnectionError, match="away"):
        retries.retrying(is_away, 1)(refusing(1, ConnectionError("away")))
    with pytest.raises(ValueError, match="no"):
        retries.retrying(is_away)(refusing(1, ValueError("no")))


def is_away(error: BaseException) -> bool:
    return isinstance(error, ConnectionError)


def test_pauses_grow_to_their_longest() -> None:
    state = Mock()
    longest = []
    for state.attempt_number in range(1, 9):
        pauses = [retries.retrying(is_away).wait(state) for _ in range(300)]
        longest.append(max(pauses))
    assert longest[0] <= 1 < longest[2] <= 4 < longest[4] <= 16 < longest[-1] <= 30


def test_no_other_module_makes_a_rule_of_its_own() -> None:
    root = Path(__file__).parents[3]
    rooms = [root / name for name in ("scorer", "stacks", "autoscale", "emulator")]
    users = {path.relative_to(root).as_posix() for room in rooms for path in room.rglob("*.py") if "tenacity" in path.read_text()}
    assert users == {"scorer/azure/retries.py", "scorer/engines/azure_batch/calls.py"}, "the second for a type alone"
    assert "from tenacity import Retrying\n" in (root / "scorer/engines/azure_batch/calls.py").read_text()


REFUSALS = [http(401), http(403), PermissionDeniedError("no"), UnauthenticatedError("no")]


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: f"{type(error).__name__} {getattr(error, 'status_code', '')}")
def test_a_machine_asks_again_and_then_no_more(error: Exception) -> None:
    waits = Waits()
    own = waits.patience()
    assert own.granted(refusing(4, error), is_refusal) == "granted"
    with pytest.raises(type(error)):
        own.granted(refusing(10_000, error), is_refusal)
    assert SECONDS / 2 < waits.now <= SECONDS
    # The time is the process's: whatever is refused later is refused.
    before = waits.now = SECONDS
    with pytest.raises(type(error)):
        own.granted(refusing(1, error), is_refusal)
    assert waits.now == before


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("error", [http(404), http(503), GenericError("no"), ValueError("no")])
def test_what_is_no_refusal_is_told_at_once(error: Exception) -> None:
    waits = Waits()
    with pytest.raises(type(error)):
        waits.patience().granted(refusing(1, error), is_refusal)
    assert waits.now == 0


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: f"{type(error).__name__} {getattr(error, 'status_code', '')}")
def test_a_person_is_told_at_once(error: Exception) -> None:
    waits = Waits()
    with pytest.raises(type(error)):
        waits.patience().granted(refusing(1, error), is_refusal)
    assert waits.now == 0


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waits]:
    """This process's own patience waits without waiting."""
    waits = Waits()
    for name, value in (("clock", lambda: waits.now), ("sleep", waits.sleep), ("_ends", None)):
        monkeypatch.setattr(patience, name, value)
    identity.credential.cache_clear()
    yield waits
    identity.credential.cache_clear()


@pytest.mark.usefixtures("machine")
def test_an_identity_may_come_after_its_machine(late: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = ClientAuthenticationError("Identity not found")
    answers: list[AccessToken | Exception] = [absent, absent, AccessToken("token", 1)]
    asked = Mock(side_effect=answers)
    monkeypatch.setattr(DefaultAzureCredential, "get_token", asked)
    assert identity.credential().get_token(identity.STORAGE).token == "token"
    asked.side_effect = absent
    with pytest.raises(LoginError, match="no token within two minutes: look in the portal"):
        identity.credential().get_token(identity.STORAGE)
    assert late.now <= SECONDS


@pytest.mark.usefixtures("machine")
def test_batch_that_refuses_a_machine_is_asked_again(late: Waits) -> None:
    calls = Calls("https://films.westeurope.batch.azure.com", interactive=False)
    assert calls(refusing(3, http(403))) == "granted"
    assert late.now > 0
    with pytest.raises(BatchError, match=r"refused \(403 .*needs the role Batch Job Submitter"):
        calls(refusing(10_000, http(403)))
