"""Reading ahead and writing behind: order, bounds, and errors from the other thread."""

import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from scorer.job.pipeline import WriteBehind, read_ahead


def test_read_ahead_keeps_order_and_is_bounded() -> None:
    made = 0

    def numbers() -> Iterator[int]:
        nonlocal made
        for number in range(50):
            made += 1
            yield number

    taken: list[int] = []
    for item in read_ahead(numbers(), depth=3):
        time.sleep(0.002)
        # One is taken, three wait, and one more is in the thread's hands.
        assert made <= len(taken) + 5
        taken.append(item)
    assert taken == list(range(50))


def test_read_ahead_raises_what_the_thread_raised() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    items = read_ahead(numbers(), depth=2)
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_read_ahead_stops_its_thread_when_nobody_reads_on() -> None:
    items = read_ahead(iter(range(1000)), depth=2)
    next(items)
    items.close()  # type: ignore[attr-defined]  # a generator has close(), an iterator need not
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_write_behind_writes_all_in_order() -> None:
    written: list[int] = []
    with WriteBehind(written.append, depth=2) as behind:
        for number in range(100):
            behind.put(number)
    assert written == list(range(100))


def test_write_behind_raises_at_the_end_or_before() -> None:
    def write(number: int) -> None:
        if number == 3:
            raise OSError("full")

    def write_numbers(numbers: Iterable[int], depth: int) -> None:
        with WriteBehind(write, depth) as behind:
            for number in numbers:
                behind.put(number)

    with pytest.raises(OSError, match="full"):
        write_numbers(range(1000), depth=1)
    with pytest.raises(OSError, match="full"):
        write_numbers([3], depth=9)


@pytest.mark.parametrize(("most", "ahead"), [(100, 4), (30, 2), (1, 1)])
def test_what_is_read_ahead_weighs_no_more_than_allowed(most: int, ahead: int) -> None:
    """Though a single item always may."""
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(30):
            made.append(number)
            yield number

    for taken in read_ahead(items(), 4, most, lambda _: 15):
        time.sleep(0.002)
        assert len(made) <= taken + 1 + ahead + 1  # one more is in the thread's hands
    assert len(made) == 30


@pytest.mark.parametrize(("most", "behind_by"), [(100, 4), (30, 2), (1, 1)])
def test_what_is_written_behind_weighs_no_more_than_allowed(most: int, behind_by: int) -> None:
    written: list[int] = []

    def write(number: int) -> None:
        time.sleep(0.002)
        written.append(number)

    with WriteBehind(write, 4, most, lambda _: 15) as behind:
        for number in range(30):
            behind.put(number)
            assert number + 1 - len(written) <= behind_by + 1  # one more is in the thread's hands
    assert written == list(range(30))
