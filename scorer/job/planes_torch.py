"""Batches of planes on their way to the device of a torch model and back, several at a time.

Of each batch in flight its slot holds what goes up, in memory that the GPU reads by itself, and what comes down. On CUDA three
streams work at a time: one copies up, one computes, one copies down; on a processor all is done at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from scorer.media.video.planes import CodedPlanes, DecodedPlanes
from scorer.models.torch_planes import Conversion, steps_on_planes
from scorer.models.torch_runtime import Steps, TorchModel


class Slot:
    """Room for one batch, here and on the device."""

    def __init__(self, frames: int, conversion: Conversion, device: torch.device) -> None:
        is_cuda = device.type == "cuda"
        given, taken = (frames, conversion.source.nbytes), (frames, conversion.target.nbytes)
        self.given = torch.empty(given, dtype=torch.uint8, pin_memory=is_cuda)
        self.taken = torch.empty(taken, dtype=torch.uint8, pin_memory=is_cuda)
        self.up = torch.empty(given, dtype=torch.uint8, device=device) if is_cuda else self.given
        self.down = torch.empty(taken, dtype=torch.uint8, device=device) if is_cuda else self.taken
        self.frames = 0
        """Of the batch that is in it; 0 where there is none."""
        self.landed: Any = torch.cuda.Event() if is_cuda else None


class Flights:
    """The batches of one chunk on their way. Used by one thread."""

    def __init__(self, model: TorchModel, conversion: Conversion) -> None:
        self.conversion = conversion
        self.runs = ""
        """How the model's steps were computed last: eager, compiled, or as a graph."""
        self._model, self._device = model, model.place
        self._free: list[Slot] = []
        self._streams: Any = None
        if self._device.type == "cuda":
            self._streams = torch.cuda.Stream(), torch.cuda.Stream()

    def begin(self, pictures: Sequence[DecodedPlanes], size: int) -> Slot:
        """Send a batch off, filled up to `size` frames with the last one.

        Raises torch.OutOfMemoryError, and whatever the model does.
        """
        slot = self._slot(size)
        rows = slot.given.numpy()
        for number, picture in enumerate(pictures):
            picture.pack(rows[number])
        rows[len(pictures) :] = rows[len(pictures) - 1]
        slot.frames = len(pictures)
        steps = steps_on_planes(self._model, self.conversion)
        steps.meet(slot.up.shape)
        with torch.inference_mode():
            if self._streams is None:
                slot.down.copy_(steps(slot.up))
            else:
                self._fly(slot, steps)
        self.runs = steps.way
        return slot

    def _fly(self, slot: Slot, steps: Steps) -> None:
        computing, (upward, downward) = torch.cuda.current_stream(), self._streams
        with torch.cuda.stream(upward):
            slot.up.copy_(slot.given, non_blocking=True)
        computing.wait_stream(upward)
        slot.down.copy_(steps(slot.up))  # what the steps have made, the next batch's overwrite
        downward.wait_stream(computing)
        with torch.cuda.stream(downward):
            slot.taken.copy_(slot.down, non_blocking=True)
            slot.landed.record()
        # Where a chunk ends by an error, its slots are let go of while they are on their way.
        slot.up.record_stream(upward)
        slot.down.record_stream(downward)

    def land(self, slot: Slot) -> list[CodedPlanes]:
        """Wait for the batch. Its slot is free after that."""
        if slot.landed is not None:
            slot.landed.synchronize()
        rows = slot.taken.numpy()
        made = [CodedPlanes(np.array(row), self.conversion.target) for row in rows[: slot.frames]]
        self._free.append(slot)
        return made

    def end(self) -> None:
        """Give back what is held on the device, and what the model keeps for this way."""
        self._free.clear()
        self._model.kept.clear()

    def _slot(self, size: int) -> Slot:
        while self._free:
            if len((slot := self._free.pop()).given) == size:
                return slot
        slot = Slot(size, self.conversion, self._device)
        if self._streams is not None:  # its memory may be what steps that aren't done yet have left
            self._streams[0].wait_stream(torch.cuda.current_stream())
        return slot
