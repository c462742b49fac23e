"""What the values of a request may be, each by itself."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

from scorer.media.times import Seconds
from scorer.text import is_clean


def _blob_path(path: str) -> str:
    """A path inside the input container: nothing that could lead out of it."""
    segments = path.removesuffix("/").split("/")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", path):
        raise ValueError("is a URL; name a file of the input store by its path")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ValueError("has an empty part, '.' or '..' in it; name a file of the input store by its plain path")
    if "\\" in path or not is_clean(path):
        raise ValueError("has a backslash or an invisible character in it; rename the file")
    return path


def _plain_text(text: str) -> str:
    if not is_clean(text):
        raise ValueError("has a control or an invisible character in it; leave it out")
    return text


def as_number(value: Any) -> Any:
    """Neither true nor "64", which pydantic would take for numbers."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("number", "is no number")
    return value


# Hexadecimal digits of a job's id: 80 bits, which nobody guesses or hits twice. With a name of 40 characters an id has 61 of the
# 64 that Azure Batch takes.
ID_DIGITS = 20
NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
Whole = Annotated[int, BeforeValidator(as_number)]
Number = Annotated[float, BeforeValidator(as_number)]
BlobPath = Annotated[str, Field(min_length=1, max_length=900), AfterValidator(_blob_path)]
ModelName = Annotated[str, Field(max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
OptionName = Annotated[str, Field(max_length=100, pattern="^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
OptionText = Annotated[StrictStr, Field(max_length=1000), AfterValidator(_plain_text)]
Option = StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | OptionText
PackageName = Annotated[str, Field(max_length=100), AfterValidator(_plain_text)]
Steady = Literal["off", "light", "full"]


class StyleRef(BaseModel):
    """One style and its share where several are mixed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: StrictInt | BlobPath
    """An image's or a trained network's path in the input store, or a trained style's number; the model says which."""
    weight: Number = Field(default=1.0, gt=0, le=1000, allow_inf_nan=False)
    at: Seconds | None = None
    """When a video is wholly in it, in seconds of its clock, or text such as "0:01:30"; in between, styles pass into one another.
    None: always."""


class StrengthKey(BaseModel):
    """How strong the style is at one time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    strength: Number = Field(ge=0, le=1)
    at: Seconds
    """In seconds of the video's clock, or text such as "0:01:30"."""
