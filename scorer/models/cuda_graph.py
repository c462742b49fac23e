"""One CUDA graph for the shape that nearly all batches have: a GPU then waits for no processor between small steps.

https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Run = Callable[..., Tensor]


class CaptureError(Exception):
    """That shape can't be captured here: it is computed step by step."""


class Graphed:
    """Computes what `run` does, for tensors of the same shapes, by a graph that is captured when these are first met.

    What comes out is overwritten by the next call.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kind: list[tuple[torch.Size, torch.dtype]] | None = None
        self._replay: Run = run

    def __call__(self, *given: Tensor) -> Tensor:
        """Raises CaptureError, and torch.OutOfMemoryError where the graph's own memory isn't there."""
        kind = [(each.shape, each.dtype) for each in given]
        if kind != self._kind:
            self._kind, self._replay = None, self._run  # the last one's memory is free before more is asked for
            try:
                self._replay = record(self._run, *given)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise CaptureError(str(error)) from error
            self._kind = kind
        return self._replay(*given)


def record(run: Run, *like: Tensor) -> Run:
    """Capture `run` for such tensors. Raises RuntimeError where it does what no graph can."""
    given = [each.clone() for each in like]
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # libraries set themselves up at the first calls
        for _ in range(2):
            run(*given)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # another thread may steady frames meanwhile
        made = run(*given)

    def replay(*new: Tensor) -> Tensor:
        for held, each in zip(given, new, strict=True):
            held.copy_(each)
        graph.replay()
        return made

    return replay
