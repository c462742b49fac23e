"""What one sender may ask for, as the deployment says it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from scorer.documents.request import Request
from scorer.errors import RequestError


class SenderLimits(BaseModel):
    """What one sender may ask for on one day; 0 is no limit."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True)

    frames: int = 0
    gigapixels: int = 0
    """Frames times pixels, in 10^9, as they come or as the model gets them, whichever is more."""
    gpu_minutes: int = 0
    """By arithmetic: at the lower end of what the stack's GPU is reckoned to do."""
    gigabytes: int = 0
    """GB (10^9 bytes) of videos and images."""
    priority: int = 100
    """The most that a sender's request may ask for."""

    def check_priority(self, request: Request, sender: str) -> None:
        """Raise RequestError where a sender's request asks to come before others'."""
        if sender and request.priority > self.priority:
            raise RequestError(
                f"The request's priority is {request.priority}, and a sender's may be {self.priority} at most: ask for no more."
            )
