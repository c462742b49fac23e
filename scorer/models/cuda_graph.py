"""One CUDA graph for the shape that nearly all batches have: a GPU then waits for no processor between small steps.

https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Run = Callable[[Tensor], Tensor]


class CaptureError(Exception):
    """That shape can't be captured here: it is computed step by step."""


class Graphed:
    """Computes what `run` does, for one shape at a time, by a graph that is captured when that shape is first met.

    What comes out is overwritten by the next call.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kind: tuple[torch.Size, torch.dtype] | None = None
        self._replay: Run = run

    def __call__(self, pixels: Tensor) -> Tensor:
        """Raises CaptureError, and torch.OutOfMemoryError where the graph's own memory isn't there."""
        kind = (pixels.shape, pixels.dtype)
        if kind != self._kind:
            self._kind, self._replay = None, self._run  # the last one's memory is free before more is asked for
            try:
                self._replay = record(self._run, pixels)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise CaptureError(str(error)) from error
            self._kind = kind
        return self._replay(pixels)


def record(run: Run, pixels: Tensor) -> Run:
    """Capture `run` for tensors like `pixels`. Raises RuntimeError where it does what no graph can."""
    given = pixels.clone()
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch gives it no types
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # libraries set themselves up at the first calls
        for _ in range(2):
            run(given)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # another thread may steady frames meanwhile
        made = run(given)

    def replay(pixels: Tensor) -> Tensor:
        given.copy_(pixels)
        graph.replay()
        return made

    return replay
