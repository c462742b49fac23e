"""Times within a video as people write them: seconds, or hours, minutes and seconds."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

MOST = 366 * 24 * 60 * 60
"""Seconds: no video lasts longer."""
_FORM = r"(([0-9]{1,4}:)?[0-5]?[0-9]:[0-5]?[0-9]|[0-9]{1,8})(\.[0-9]{1,9})?s?"
HOW = "write seconds, such as 90.5, or h:mm:ss, such as 0:01:30.5"


def as_seconds(value: Any) -> Any:
    """The number that a text such as '90.5' or '0:01:30.5' says; what is no text stays. Raises PydanticCustomError."""
    if isinstance(value, bool):
        raise PydanticCustomError("time", "is no time")
    if not isinstance(value, str):
        return value
    if not re.fullmatch(_FORM, value, re.ASCII):
        raise PydanticCustomError("time", "is no time")
    seconds = Fraction(0)
    for part in value.removesuffix("s").split(":"):
        seconds = 60 * seconds + Fraction(part)
    return float(seconds)


def is_time(text: str) -> bool:
    """Whether `text` is a time and no other number: it has a colon, or an 's' behind it."""
    return bool(re.fullmatch(_FORM, text, re.ASCII)) and (":" in text or text.endswith("s"))


_SCHEMA = {"anyOf": [{"type": "number", "minimum": 0, "maximum": MOST}, {"type": "string", "pattern": f"^{_FORM}$"}]}
Seconds = Annotated[
    float, BeforeValidator(as_seconds), Field(ge=0, le=MOST, allow_inf_nan=False), WithJsonSchema(_SCHEMA)
]  # fmt: skip
"""Of a video's clock; JSON may say it as text, too."""


def exact(seconds: float) -> Fraction:
    """The decimal fraction that was written for `seconds`: 0.1 is a tenth."""
    return Fraction(repr(seconds))


def as_clock(seconds: float) -> str:
    """'0:00', '1:30.5', '1:02:03': to the millisecond."""
    whole, millis = divmod(round(seconds * 1000), 1000)
    return _whole_clock(whole) + (f".{millis:03d}".rstrip("0") if millis else "")


def as_rounded_clock(seconds: float) -> str:
    """'0:07.4', '1:02:33.0': to a tenth of a second, which a picture's label has room for."""
    whole, tenths = divmod(round(seconds * 10), 10)
    return f"{_whole_clock(whole)}.{tenths}"


def _whole_clock(whole: int) -> str:
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
