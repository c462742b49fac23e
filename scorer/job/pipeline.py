"""Work that overlaps: reading ahead of the model, and writing behind it, each in a thread of its own.

Queues are short, so that memory stays bounded whatever the length of a video.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class _End:
    """The last thing in a queue: the end of the work, or the error that ended it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Waiting(Generic[Item]):
    """What waits between two threads: at most `depth` things that weigh `most` together, though any one alone may weigh more."""

    def __init__(self, depth: int, most: float, weigh: Callable[[Item], int]) -> None:
        self._depth, self._most, self._weigh = depth, most, weigh
        self._things: deque[tuple[Item | _End, int]] = deque()
        self._weight = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, thing: Item | _End) -> bool:
        """Hand it over, once there is room; whether there is somebody left to take it."""
        weight = 0 if isinstance(thing, _End) else self._weigh(thing)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(weight))
            if not self._closed:
                self._things.append((thing, weight))
                self._weight += weight
                self._changed.notify_all()
            return not self._closed

    def _has_room(self, weight: int) -> bool:
        return not self._things or (len(self._things) < self._depth and self._weight + weight <= self._most)

    def take(self) -> Item | _End:
        """The next thing, once there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._things)
            thing, weight = self._things.popleft()
            self._weight -= weight
            self._changed.notify_all()
            return thing

    def close(self) -> None:
        """Nobody takes anything any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _nothing(_: object) -> int:
    return 0


def read_ahead(
    items: Iterable[Item], depth: int, most: float = math.inf, weigh: Callable[[Item], int] = _nothing
) -> Iterator[Item]:
    """The items, made by another thread that is at most `depth` of them ahead, which weigh `most`; its errors are raised here."""
    waiting = _Waiting(depth, most, weigh)

    def work() -> None:
        try:
            if all(waiting.put(item) for item in items):
                waiting.put(_End())
        except BaseException as error:  # whatever it is, the reader must hear of it
            waiting.put(_End(error))

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.take(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        waiting.close()
        thread.join()


class WriteBehind(Generic[Item]):
    """Calls `write` for each item in another thread that is at most `depth` items behind, which weigh `most`.

    Its errors are raised here.
    """

    def __init__(
        self, write: Callable[[Item], None], depth: int, most: float = math.inf, weigh: Callable[[Item], int] = _nothing
    ) -> None:
        self._write = write
        self._waiting = _Waiting(depth, most, weigh)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="write-behind", daemon=True)

    def _work(self) -> None:
        while not isinstance(item := self._waiting.take(), _End):
            if self._error is None:
                try:
                    self._write(item)
                except BaseException as error:  # raised at the next put, in the thread that can act on it
                    self._error = error

    def put(self, item: Item) -> None:
        """Hand over one item; waits while as many wait already as may."""
        if self._error is not None:
            raise self._error
        self._waiting.put(item)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._waiting.put(_End())
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error
