"""Claims on a folder, by a clock that a test sets: one worker has each chunk, and what nobody renews is free again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scorer.errors import StoreError
from scorer.job.claims import FREE_SECONDS, RENEW_SECONDS, Claims, clear_claims
from scorer.store import Entry, FolderStore

Worker = Callable[[], Claims]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def watch(claims: Claims, clock: Clock, seconds: float, *others: Claims) -> None:
    """Poll as a worker does that has nothing to do, while others renew what they have."""
    end = clock.now + seconds
    while clock.now < end:
        for each in others:
            each.renew()
        claims.poll()
        clock.now += min(10.0, end - clock.now)
    for each in others:
        each.renew()
    claims.poll()


def test_one_of_two_has_it_until_it_lets_go(store: FolderStore, clock: Clock) -> None:
    one, two = (Claims("job", store, name, clock) for name in ("one", "two"))
    assert one.take("a") is not None
    assert one.take("a") is None  # it has it
    assert two.take("a") is None
    two.poll()
    assert two.take("a") is None
    one.release("a")
    assert two.take("a") is None  # by what it saw
    two.poll()
    assert two.take("a") is not None
    one.poll()
    assert one.take("a") is None


def test_who_has_let_go_may_have_it_again(store: FolderStore, clock: Clock) -> None:
    one = Claims("job", store, "one", clock)
    for poll in (one.poll, lambda: None, lambda: None):
        assert one.take("a") is not None
        one.release("a")
        poll()
    assert len(list(store.list("job/claims"))) == 1


def test_what_is_renewed_stays_and_what_isn_t_is_free(store: FolderStore, clock: Clock) -> None:
    one, two = (Claims("job", store, name, clock) for name in ("one", "two"))
    assert one.take("a") is not None
    watch(two, clock, 10 * FREE_SECONDS, one)
    assert two.take("a") is None
    watch(two, clock, FREE_SECONDS - 1)
    assert two.take("a") is None
    watch(two, clock, 1)
    taken = two.take("a")
    assert taken is not None
    assert (taken.worker, taken.lost) == ("two", 1)
    clock.now += RENEW_SECONDS
    assert one.renew() == ["a"]  # who wakes up hears that it is gone
    assert one.renew() == []
    one.release("a")
    assert two.renew() == []


def test_of_many_who_find_it_free_one_has_it(store: FolderStore, clock: Clock) -> None:
    assert Claims("job", store, "lost", clock).take("a") is not None
    workers = [Claims("job", store, str(number), clock) for number in range(5)]
    for _ in range(14):
        for each in workers:
            each.poll()
        clock.now += 10
    assert sum(each.take("a") is not None for each in workers) == 1


def test_time_in_which_nobody_polled_hardly_counts(store: FolderStore, clock: Clock) -> None:
    """A laptop that was closed, a store that was away: then the owner may have renewed, or have been unable to."""
    one, two = (Claims("job", store, name, clock) for name in ("one", "two"))
    assert one.take("a") is not None
    for _ in range(2):
        two.poll()
        clock.now += 100 * FREE_SECONDS
    two.poll()
    assert two.take("a") is None
    assert one.renew() == []
    two.poll()
    assert two.take("a") is None


def test_clocks_of_machines_are_not_compared(store: FolderStore) -> None:
    """They differ by years here; each goes as fast as it should."""
    clocks = Clock(), Clock()
    clocks[1].now = 10**9
    one, two = (Claims("job", store, str(number), clock) for number, clock in enumerate(clocks))
    assert one.take("a") is not None
    for _ in range(100):
        two.poll()
        assert two.take("a") is None
        for clock in clocks:
            clock.now += 10
        one.renew()


def test_how_often_it_was_lost_is_counted(store: FolderStore, clock: Clock) -> None:
    for number in range(3):
        claims = Claims("job", store, str(number), clock)
        watch(claims, clock, FREE_SECONDS)
        taken = claims.take("a")
        assert taken is not None
        assert taken.lost == number
    claims.release("a")
    other = Claims("job", store, "other", clock)
    other.poll()
    taken = other.take("a")
    assert taken is not None
    assert taken.lost == 2


@pytest.mark.parametrize("content", [b"", b"{", b'{"worker":1}', b"\xff" * 2_000_000])
def test_a_claim_that_doesn_t_hold_is_somebodys_for_two_minutes(store: FolderStore, clock: Clock, content: bytes) -> None:
    store.put("job/claims/a.json", content)
    claims = Claims("job", store, "one", clock)
    claims.poll()
    assert claims.take("a") is None
    watch(claims, clock, FREE_SECONDS)
    assert claims.take("a") is not None


def test_an_answer_that_got_lost_is_no_loss(tmp_path: Path, clock: Clock) -> None:
    """The store has written it; asked again, it says that somebody was quicker."""

    class Forgets(FolderStore):
        def create(self, path: str, data: bytes) -> Entry | None:
            super().create(path, data)
            return None

        def replace(self, path: str, data: bytes, etag: str) -> Entry | None:
            super().replace(path, data, etag)
            return None

    one, two = Claims("job", Forgets(tmp_path), "one", clock), Claims("job", Forgets(tmp_path), "two", clock)
    assert one.take("a") is not None
    assert two.take("a") is None
    for _ in range(3):
        clock.now += RENEW_SECONDS
        assert one.renew() == []
    one.release("a")
    two.poll()
    assert two.take("a") is not None


def test_what_can_t_be_renewed_is_kept_until_others_have_it(tmp_path: Path, clock: Clock) -> None:
    class Away(FolderStore):
        away = False

        def replace(self, path: str, data: bytes, etag: str) -> Entry | None:
            if self.away:
                raise StoreError("away")
            return super().replace(path, data, etag)

    store = Away(tmp_path)
    claims = Claims("job", store, "one", clock)
    assert claims.take("a") is not None
    clock.now += RENEW_SECONDS
    store.away = True
    with pytest.raises(StoreError):
        claims.renew()
    store.away = False
    assert claims.renew() == []
    other = Claims("job", store, "two", clock)
    other.poll()
    assert other.take("a") is None


def test_claims_go_with_the_job(store: FolderStore, clock: Clock) -> None:
    claims = Claims("job", store, "one", clock)
    assert claims.take("a") is not None
    assert claims.take("merge-0") is not None
    clear_claims("job", store)
    assert list(store.list("job/claims")) == []
    claims.release_all()
    assert claims.renew() == []
    assert list(store.list("job/claims")) == []


def test_they_are_kept_while_a_block_runs(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorer.job.claims.RENEW_SECONDS", 0.02)
    claims = Claims("job", store, "one")
    assert claims.take("merge") is not None
    etags = {store.head("job/claims/merge.json").etag}
    with claims.kept():
        while len(etags) < 3:
            etags.add(store.head("job/claims/merge.json").etag)
    last = store.head("job/claims/merge.json").etag
    claims.release("merge")
    assert store.head("job/claims/merge.json").etag != last


def test_a_tasks_next_try_has_at_once_what_its_lost_one_had(store: FolderStore, clock: Clock) -> None:
    first, other = Claims("job", store, "one", clock, task="3"), Claims("job", store, "other", clock, task="4")
    assert first.take("a") is not None
    assert first.take("b") is not None
    assert other.take("c") is not None
    first.release("b")
    again = Claims("job", store, "two", clock, task="3")
    again.poll()
    assert again.take_back(["a", "b", "c", "d"]) == ["a"]
    other.poll()
    assert other.take("b") is not None
    found = other.take("a")
    assert found is not None
    assert found.lost == 1, "with its worker, which may have died of it"


def test_who_is_no_engines_task_waits_for_what_a_lost_worker_had(store: FolderStore, clock: Clock) -> None:
    lost, person = Claims("job", store, "one", clock, task="3"), Claims("job", store, "two", clock)
    assert lost.take("a") is not None
    person.poll()
    assert person.take_back(["a"]) == []
    assert person.take("a") is None
    watch(person, clock, FREE_SECONDS)
    assert person.take("a") is not None


def test_a_task_knows_which_chunks_an_engine_begins_again(store: FolderStore, clock: Clock) -> None:
    task, other, person = (Claims("job", store, name, clock, task=name[:-3]) for name in ("1-ab", "2-cd", "-ef"))
    assert task.take("a") is not None
    assert other.take("b") is not None
    assert other.take("c") is not None
    other.release("c")
    assert person.take("d") is not None
    task.poll()
    assert [task.is_tasks(key) for key in "bcde"] == [True, False, False, False]
    watch(task, clock, FREE_SECONDS)
    assert not task.is_tasks("b"), "it may take that itself"
