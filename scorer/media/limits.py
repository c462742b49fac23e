"""How much one request may ask of us: budgets that are checked before the cost arises."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Limits(BaseModel):
    """A deployment's settings set them; on a person's own machine the defaults hold.

    A film of three hours at 4K and 60 frames a second is within them.
    """

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True)

    request_bytes: int = 64 * 1024
    max_frames: int = 1_000_000
    """Frames of one job: eleven hours at 25 a second."""
    max_pixels: int = 8192 * 4320
    """Pixels of one frame, as it comes and as the model gets it."""
    max_gigapixels: int = 10_000
    """Frames times pixels of one job, in 10^9, as they come and as the model gets them."""
    max_counted_gigapixels: int = 500
    """The same of a video whose frames can only be counted by decoding all of it (AVI, Ogg, raw streams)."""
    max_packets: int = 20_000_000
    """Packets of one video, its sound and subtitles together, and boxes of its file."""
    max_batch_pixels: int = 2**27
    """Pixels of all frames that the model gets at once: 16 frames at 4K."""
    max_image_mb: int = 300
    """MB (10^6 bytes) of one image of a folder."""
    max_input_gb: int = 1000
    """GB (10^9 bytes) of one video, or of all images of a folder."""
    probe_seconds: int = 600
    """Of the clock and of a processor, to look at one video or style."""
    probe_memory_mb: int = 1600
    """Address space of the process that looks at one, in 2^20 bytes; some 400 of them are its code."""
    max_chunks: int = 10_000
    """Chunks of one job, each of which is a task."""
