"""When images are too old: the same for all who deploy in a period."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pulumi
import pytest

from stacks.image_age import CLOCK_VARIABLE, period


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setenv(CLOCK_VARIABLE, str(int(moment.timestamp())))


def test_time_makes_no_new_image_unless_told_to() -> None:
    assert period(0) is None


@pytest.mark.parametrize("days", [1, 7, 30, 365])
def test_each_day_belongs_to_one_period_of_so_many_days(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: dict[date, int] = {}
    first = datetime(2026, 11, 1, 12, tzinfo=UTC)
    for number in range(3 * 365):
        at(monkeypatch, first + timedelta(number))
        since = period(days)
        assert since is not None
        assert timedelta(0) <= (first + timedelta(number)).date() - since < timedelta(days)
        begun[since] = begun.get(since, 0) + 1
    assert set(list(begun.values())[1:-1]) == {days}


def test_a_day_is_the_same_from_its_first_second_to_its_last(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, datetime(2026, 11, 30, tzinfo=UTC))
    first = period(1)
    at(monkeypatch, datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    assert first == period(1) == date(2026, 11, 30)


def test_weeks_begin_on_mondays(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, datetime(2026, 11, 29, tzinfo=UTC))
    assert period(7) == date(2026, 11, 23)


def test_without_a_given_time_it_is_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLOCK_VARIABLE, raising=False)
    before = datetime.now(UTC).date()
    assert before <= (period(1) or date.min) <= datetime.now(UTC).date()


@pytest.mark.parametrize("said", ["today", "1e9", "9" * 30])
def test_a_time_that_is_none_is_quoted(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLOCK_VARIABLE, said)
    with pytest.raises(pulumi.RunError, match=f"SOURCE_DATE_EPOCH '{said}' is no time"):
        period(7)
