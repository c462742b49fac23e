"""What a request says of a video's result beside its pictures."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

ResultContainer = Literal["mp4", "mkv"]
Sound = Literal["keep", "drop"]


class Wanted(BaseModel):
    """What the result is to keep, and in which container."""

    model_config = ConfigDict(frozen=True)

    container: ResultContainer | None = None
    """None: the one that holds more."""
    sound: Sound = "keep"
    strict: bool = False
    """Whether an input that is cut off is refused."""
