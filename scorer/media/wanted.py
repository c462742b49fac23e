"""What a request says of a video's result: what is beside its pictures in it, and in which container all that is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from scorer.media.coding import Codec

ResultContainer = Literal["mp4", "mkv", "mov"]
Sound = Literal["keep", "drop"]


class Wanted(BaseModel):
    """What the result is to keep, and in which container."""

    model_config = ConfigDict(frozen=True)

    container: ResultContainer | None = None
    """None: the one that holds more."""
    sound: Sound = "keep"
    strict: bool = False
    """Whether an input that is cut off is refused."""
    cut_sound: bool = False
    """Whether a part of it is wanted, to the sample: packets hold many."""
    codec: Codec | None = None
    """Of the pictures: an mp4 can't hold ProRes."""
