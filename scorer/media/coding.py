"""How a request wants the pictures of a video's result coded."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Codec = Literal["h264", "hevc", "av1", "prores"]
Quality = Literal["small", "good", "high", "lossless"]
"""Steps rather than a number: those of one name look alike in every codec, while a CRF means another thing in each."""


class Coding(BaseModel):
    """A codec, and how much of the pictures it is to keep."""

    model_config = ConfigDict(frozen=True)

    codec: Codec | None = None
    """None: H.264, or HEVC where the source has more than 8 bits, since few players show H.264 of 10."""
    quality: Quality = "good"

    @property
    def part_container(self) -> Literal["nut", "mov"]:
        """What parts are kept in: NUT keeps any time stamp as it is, whatever the file is called, but has no ProRes."""
        return "mov" if self.codec == "prores" else "nut"


def check_coding(codec: Codec | None, quality: Quality, container: str | None) -> None:
    """Raise ValueError where the codec has no such quality, or doesn't go into the container."""
    if quality == "lossless" and codec in ("av1", "prores"):
        raise ValueError(f"codec '{codec}' has no quality 'lossless': ask for 'high', or for codec 'h264' or 'hevc'")
    if (codec, container) in (("prores", "mp4"), ("av1", "mov")):
        held = "mov" if codec == "prores" else "mp4"
        raise ValueError(f"codec '{codec}' can't be put into a container '{container}': ask for '{held}' or 'mkv'")
