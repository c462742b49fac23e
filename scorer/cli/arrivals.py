"""When requests come, as `scorer plan --arrivals` takes it: a rate, a file of rates by the hour, or a trace."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorer.cli.arguments import check_input
from scorer.errors import InputError, RequestError
from scorer.media.limits import Limits
from scorer.store import storage_errors
from scorer.text import clean

if TYPE_CHECKING:  # an image of the scorer has no simulation
    from autoscale.arrivals import Request

DAYS, MOST_DAYS = 28, 366
MOST_REQUESTS = 1_000_000
MOST_BYTES = 200_000_000
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?/ ?(hour|day)")
_COLUMNS = ("time", "frames", "size")
_HOUR, _DAY = 3600, 86_400


def read_arrivals(text: str, days: int | None, frames: int, pixels: int, limits: Limits) -> tuple[list[Request], int]:
    """All requests, and the days that they come in; those of which nothing is known are of `frames` and `pixels`.

    Raises RequestError, MissingError; InputError for what stands in a file.
    """
    from autoscale.arrivals import Request, at_random

    rates = _rate(text) or []
    if not rates:
        path = Path(text)
        _check_path(text, path)
        lines = _lines(path)
        rates = _hourly(path, lines)
        if not rates:
            if days is not None:
                raise RequestError(f"'{path}' says itself how many days it has: leave out --days, which is for rates.")
            return _trace(path, lines, lambda second, own: Request(second, own[0] or frames, own[1] or pixels), limits)
    days = days or DAYS
    expected = sum(rates) / len(rates) * 24 * days
    if not 1 <= expected <= MOST_REQUESTS:
        raise RequestError(
            f"'{text}' is some {expected:,.3g} requests in {days} {'day' if days == 1 else 'days'}: give a rate and --days "
            f"that make 1 to {MOST_REQUESTS:,}."
        )
    return at_random(rates, days, frames, pixels) or [Request(0.0, frames, pixels)], days


def _rate(text: str) -> list[float] | None:
    found = _RATE.fullmatch(text.strip())
    return [float(found[1]) / (24 if found[2] == "day" else 1)] if found else None


def _check_path(text: str, path: Path) -> None:
    if not path.exists() and re.match(r"[+-]?[0-9.,]+($|[ /])", text):
        raise RequestError(f"'{text}' is neither a rate nor a file: write a rate as 40/day or 3/hour.")
    check_input(path)
    if path.is_dir():
        raise InputError(f"'{path}' is a folder: name a file of rates or of times.")


def _lines(path: Path) -> list[str]:
    with storage_errors(str(path)):
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"'{path}' has {size:,} bytes: {MOST_BYTES:,} at most are read.")
        data = path.read_bytes()
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"'{path}' is no text (UTF-8): name a file of rates, CSV or JSON lines.") from None
    if not any(line.strip() for line in lines):
        raise InputError(f"'{path}' is empty: write rates, or a request a line.")
    return lines


def _hourly(path: Path, lines: Sequence[str]) -> list[float]:
    """Requests an hour, of each hour of a day or of a week; empty where the file isn't one of rates."""
    rates = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not re.fullmatch(r"[+-]?[0-9.]+", rates[0][1]):
        return []
    if len(rates) not in (24, 168):
        raise InputError(
            f"'{path}' has {len(rates)} lines: rates by the hour are 24 lines, or 168 from Monday on; a trace begins with the "
            "line 'time'."
        )
    found = []
    for number, line in rates:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", line):
            raise _wrong(path, number, line, "how many requests come in that hour, such as 2.5")
        found.append(float(line))
    return found


def _trace(
    path: Path, lines: Sequence[str], make: Callable[[float, tuple[int, int]], Request], limits: Limits
) -> tuple[list[Request], int]:
    """The requests of a trace, in order, from the midnight before the first one on."""
    found: list[tuple[float, bool, tuple[int, int]]] = []
    for number, row in _rows(path, lines):
        if len(found) == MOST_REQUESTS:
            raise InputError(f"'{path}' has more than {MOST_REQUESTS:,} requests: give fewer.")
        second, dated = _second(path, number, row["time"])
        if found and dated != found[0][1]:
            raise _wrong(path, number, row["time"], "its time as the lines before it do, all dates or all seconds")
        found.append(
            (second, dated, (_frames(path, number, row.get("frames"), limits), _size(path, number, row.get("size"), limits)))
        )
    if not found:
        raise InputError(f"'{path}' has no request in it: write one a line.")
    found.sort(key=lambda each: each[0])
    begin = found[0][0] // _DAY * _DAY if found[0][1] else 0.0
    days = int((found[-1][0] - begin) // _DAY) + 1
    if days > MOST_DAYS:
        raise InputError(f"'{path}' has requests of {days:,} days: {MOST_DAYS} at most are played.")
    return [make(second - begin, own) for second, _, own in found], days


def _rows(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each line's number and fields, from CSV with names in its first line or from JSON; empty lines are none."""
    first = next(number for number, line in enumerate(lines) if line.strip())
    return _objects(path, lines) if lines[first].lstrip().startswith("{") else _cells(path, first, lines[first:])


def _objects(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    example = '{"time": "2026-11-02T08:15:00Z", "frames": 3000, "size": "1280x720"}'
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or "time" not in row or not row.keys() <= set(_COLUMNS):
            raise _wrong(path, number, line, f"an object such as {example}")
        yield number, row


def _cells(path: Path, before: int, lines: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = csv.reader(lines)
    try:
        names = [name.strip() for name in next(rows)]
        if "time" not in names or not set(names) <= set(_COLUMNS) or len(set(names)) < len(names):
            raise _wrong(path, before + 1, lines[0], "the columns' names: time, and frames and size if they are known")
        for cells in filter(None, rows):
            if len(cells) != len(names):
                raise _wrong(path, before + rows.line_num, ",".join(cells), f"{len(names)} cells: {', '.join(names)}")
            yield before + rows.line_num, {name: cell.strip() or None for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise InputError(f"'{path}' can't be read as CSV: {error}.") from None


def _second(path: Path, number: int, value: object) -> tuple[float, bool]:
    """The time in seconds, and whether it is a date. Dates without a zone are taken as UTC."""
    what = "a time such as 2026-11-02T08:15:00Z, or seconds"
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str):
        raise _wrong(path, number, value, what)
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value):
        return float(value), False
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), True
    except (ValueError, OverflowError):
        raise _wrong(path, number, value, what) from None


def _frames(path: Path, number: int, value: object, limits: Limits) -> int:
    if value is None:
        return 0
    found = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= limits.max_frames:
        raise _wrong(path, number, value, f"a whole number of frames from 1 to {limits.max_frames}")
    return found


def _size(path: Path, number: int, value: object, limits: Limits) -> int:
    if value is None:
        return 0
    sides = re.fullmatch("([0-9]{1,5})x([0-9]{1,5})", value) if isinstance(value, str) else None
    found = math.prod(map(int, sides.groups())) if sides else 0
    if not 1 <= found <= limits.max_pixels:
        raise _wrong(path, number, value, f"a size such as 1280x720, of at most {limits.max_pixels:,} pixels")
    return found


def _wrong(path: Path, number: int, value: object, right: str) -> InputError:
    return InputError(f"'{path}', line {number}, has {clean(str(value), 80)!r}: write {right}.")
