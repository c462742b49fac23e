"""Numbers as a page says them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """'0.4 s', '41.3 s', '3 min 20 s', '2 h 05 min'."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def milliseconds(ms: float) -> str:
    """'0.42 ms', '8.3 ms', '1,234 ms'."""
    return f"{ms:.2f} ms" if ms < 1 else f"{ms:.1f} ms" if ms < 100 else f"{ms:,.0f} ms"


def rate(number: float, seconds: float) -> str:
    """Say how many in a second: '0.43', '7.61', '132.4'; '0.00' where it took no time."""
    each = number / seconds if seconds > 0 else 0.0
    return f"{each:.2f}" if each < 10 else f"{each:,.1f}"


def size(count: int) -> str:
    """'812 bytes', '24.3 kB', '1.2 MB': of 10^3, 10^6 and 10^9 bytes."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:,.1f} {unit}"
    return counted(count, "byte")


def share(part: float, whole: float) -> str:
    """`part` of `whole` in percent; what is there but tiny never reads as nothing, nor what is missing as all."""
    per_cent = 100 * part / whole if whole else 0.0
    if 0 < per_cent < 0.1:
        return "under 0.1%"
    if 99.9 < per_cent < 100:
        return "over 99.9%"
    return f"{per_cent:.0f}%" if per_cent >= 10 or per_cent == 0 else f"{per_cent:.1f}%"


def percent(part: float, whole: float) -> str:
    """`part` of `whole` as CSS takes it."""
    return f"{100 * part / whole if whole else 0:.3f}".rstrip("0").rstrip(".") + "%"


def counted(number: int, word: str) -> str:
    """'1 frame', '1,200 frames'."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
