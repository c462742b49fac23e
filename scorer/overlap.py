"""Work that overlaps: reading ahead of the model, and writing behind it, each in a thread of its own.

Queues are short, so that memory stays bounded whatever the length of a video.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class _End:
    """The last thing in a queue: the end of the work, or the error that ended it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Reader(Generic[Item]):
    """Fills a short queue from an iterable, in a thread of its own."""

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        self.ready: queue.Queue[Item | _End] = queue.Queue(depth)
        self._items = items
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="read-ahead", daemon=True)
        self._thread.start()

    def _put(self, item: Item | _End) -> bool:
        """Whether there is somebody left to read it."""
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self.ready.put(item, timeout=0.1)
                return True
        return False

    def _work(self) -> None:
        try:
            if all(self._put(item) for item in self._items):
                self._put(_End())
        except BaseException as error:  # whatever it is, the reader must hear of it
            self._put(_End(error))

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


def read_ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The items, made by another thread that is at most `depth` of them ahead; its errors are raised here."""
    reader = _Reader(items, depth)
    try:
        while not isinstance(item := reader.ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        reader.stop()


class WriteBehind(Generic[Item]):
    """Calls `write` for each item in another thread that is at most `depth` items behind; its errors are raised here."""

    def __init__(self, write: Callable[[Item], None], depth: int) -> None:
        self._write = write
        self._waiting: queue.Queue[Item | _End] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="write-behind", daemon=True)

    def _work(self) -> None:
        while not isinstance(item := self._waiting.get(), _End):
            if self._error is None:
                try:
                    self._write(item)
                except BaseException as error:  # raised at the next put, in the thread that can act on it
                    self._error = error

    def put(self, item: Item) -> None:
        """Hand over one item; waits while `depth` of them wait already."""
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
