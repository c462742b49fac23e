"""Any torch module from frames to frames, run as a model: on CUDA in half precision, compiled where that is asked for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scorer.errors import ModelError
from scorer.models import Device, Frames, ModelSettings
from scorer.models.cuda_graph import CaptureError, Graphed
from scorer.models.devices import demand_gpus, demand_kernels
from scorer.models.flat import fill_flat
from scorer.models.malloc import keep_memory
from scorer.models.weights import Array


class TorchModel:
    """The Model protocol around a module that maps (N, 3, H, W) in [0, 1] to (N, 3, H', W')."""

    device: str

    def __init__(
        self, module: nn.Module, settings: ModelSettings, *, compiled: bool = False, half: bool = True,
        flat: Array | None = None, graphed: bool = False,
    ) -> None:  # fmt: skip
        """Move `module` to the device that `settings` ask for.

        compiled: use torch.compile where it can work. The shape of a chunk's first batch is compiled for; another shape (a
        smaller batch, a tile) runs uncompiled, because each costs seconds to compile.
        half: on CUDA, weights and activations are float16; a module that needs more in a place casts there.
        flat: what frames of one colour become, where that is known (flat.py).
        graphed: on CUDA, the shape that would be compiled for becomes a CUDA graph; for modules that always take the same steps.
        Raises ModelError where the device isn't there.
        """
        self._device = resolve_device(settings.device)
        self.device = self._device.type
        cuda = self.device == "cuda"
        self._dtype = torch.float16 if cuda and half else torch.float32
        if cuda:
            torch.backends.cudnn.deterministic = True
        else:
            keep_memory()
            if settings.threads is not None:
                torch.set_num_threads(settings.threads)
        layout = torch.channels_last if cuda else torch.contiguous_format  # on CPUs channels_last loses in eager mode
        self._eager = OnPixels(module, self._dtype, layout).to(self._device, self._dtype).to(memory_format=layout).eval()
        self._compiled, self._graphed = compiled, graphed
        self._steps = self.steps_of(self._eager)
        self.flat = flat
        """What frames of one colour become, (1 or N, 3) in [0, 1], where that is known."""
        self.kept: dict[object, Steps] = {}
        """Steps that others have made of it, and use from chunk to chunk."""

    def score(self, frames: Frames) -> Frames:
        """Map (N, H, W, 3) to (N, H', W', 3) of the same dtype.

        The first call compiles, which takes seconds. Raises torch.OutOfMemoryError, or MemoryError on a CPU.
        """
        self._steps.meet(frames.shape)
        made = self._scored(frames)
        return made if self.flat is None else fill_flat(frames, made, self.flat)

    def score_styled(self, frames: Frames, numbers: Array) -> Frames:
        """The same of a module that takes (N, S), the style of each frame, as well.

        On a processor frames are scored one by one: a batch of another size may differ in the last bit.
        """
        size = 1 if self.device == "cpu" else len(frames)
        self._steps.meet((size, *frames.shape[1:]))
        parts = [slice(at, at + size) for at in range(0, len(frames), size)]
        return np.concatenate([self._scored(frames[part], np.ascontiguousarray(numbers[part])) for part in parts])

    def _scored(self, frames: Frames, *styles: Array) -> Frames:
        try:
            with torch.inference_mode():
                numbers = [torch.from_numpy(each).to(self._device, self._dtype) for each in styles]
                return self._download(self._steps(self._upload(frames), *numbers), frames.dtype)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if "DefaultCPUAllocator" in str(error):  # how torch says on a CPU that memory is full
                raise MemoryError(str(error).splitlines()[0]) from None
            raise

    def reset(self) -> None:
        """Forget the last chunk's shape: what is compiled must depend on the chunk alone, as its result does in the last bit."""
        for steps in (self._steps, *self.kept.values()):
            steps.forget()

    @property
    def runtime(self) -> str:
        """What computes; what can't be compiled, or be a graph, is known once frames were scored."""
        version = ".".join(torch.__version__.split("+")[0].split(".")[:2])
        return f"torch {version} {self.device} {str(self._dtype).removeprefix('torch.')} {self._steps.way}"

    @property
    def place(self) -> torch.device:
        """Where it computes."""
        return self._device

    @property
    def on_pixels(self) -> OnPixels:
        """The module, as it computes on pixels."""
        return self._eager

    def steps_of(self, eager: nn.Module) -> Steps:
        """The steps of a module that is on the device, computed as those of this model are."""
        if self._compiled and _can_compile(self._device):
            return Steps(eager, torch.compile(eager, dynamic=False), "compiled")
        if self._graphed and _has_graphs(self._device):
            return Steps(eager, Graphed(eager), "graph")
        return Steps(eager)

    def _upload(self, frames: Frames) -> Tensor:
        pixels = torch.from_numpy(np.require(frames, requirements=["C", "W"]))  # torch takes no memory that is read-only
        if self._device.type == "cuda":
            return pixels.pin_memory().to(self._device, non_blocking=True)
        if self._device.type == "mps" and pixels.dtype == torch.uint16:  # which it doesn't have
            pixels = pixels.to(torch.int32)
        return pixels.to(self._device)

    def _download(self, pixels: Tensor, dtype: np.dtype[Any]) -> Frames:
        if self._device.type == "cuda":
            pinned = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
            pinned.copy_(pixels, non_blocking=True)
            torch.cuda.current_stream().synchronize()
            pixels = pinned
        result: Frames = pixels.cpu().numpy().astype(dtype, copy=False)
        return result


class Steps:
    """What a module computes: for the shape of a chunk's first batch in a quick way, where there is one."""

    def __init__(self, eager: nn.Module, quick: Callable[..., Tensor] | None = None, way: str = "eager") -> None:
        self._eager, self._quick = eager, quick
        self.way = way
        self._first_shape: tuple[int, ...] | None = None

    def meet(self, shape: tuple[int, ...]) -> None:
        """Take it for the one of all batches, if it is the first."""
        if self._first_shape is None:
            self._first_shape = tuple(shape)

    def forget(self) -> None:
        """The next shape is the first."""
        self._first_shape = None

    def __call__(self, pixels: Tensor, *styles: Tensor) -> Tensor:
        """What is made of them; another call may overwrite it. Where the quick way can't be gone, it isn't tried again."""
        if self._quick is not None and tuple(pixels.shape) == self._first_shape:
            try:
                return self._quick(pixels, *styles)
            except (torch.OutOfMemoryError, MemoryError):
                raise
            except Exception as error:
                if not isinstance(error, CaptureError) and not _is_from_compiler(error):
                    raise
                self._quick, self.way = None, "eager"
        made: Tensor = self._eager(pixels, *styles)
        return made


class OnPixels(nn.Module):
    """The module between its conversions, so that they run on the device, and are compiled together with it."""

    def __init__(self, module: nn.Module, dtype: torch.dtype, layout: torch.memory_format) -> None:
        super().__init__()
        self.module = module
        self.dtype = dtype
        self.layout = layout

    def forward(self, pixels: Tensor, *styles: Tensor) -> Tensor:
        """From (N, H, W, 3) to (N, H', W', 3) of the same dtype."""
        white = 255.0 if pixels.dtype == torch.uint8 else 65535.0
        frames = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.layout)  # (N, 3, H, W)
        levels = self.levels(frames, white, *styles).permute(0, 2, 3, 1)  # (N, H', W', 3)
        return levels.to(pixels.dtype, memory_format=torch.contiguous_format)

    def levels(self, frames: Tensor, white: float, *styles: Tensor) -> Tensor:
        """From (N, 3, H, W) to (N, 3, H', W'): whole numbers of 0 to `white`, in float32."""
        given = (frames / white).to(self.dtype, memory_format=self.layout)
        made: Tensor = self.module(given, *styles)
        return (made.float().clamp(0, 1) * white).round()


def resolve_device(name: Device) -> torch.device:
    """'auto' is CUDA where there is a device, else the CPU; 'mps' is Apple's GPU, on which nothing here was tried.

    Raises ModelError for 'cuda' or 'mps' without one, for 'auto' where there should be one, and for one that this torch isn't
    built for.
    """
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise ModelError("There is no GPU of Apple's here that torch can use: choose the device 'cpu' or 'auto'.")
        return torch.device("mps")
    available = torch.cuda.is_available()
    if name != "cpu" and not available:
        demand_gpus()
    if name == "cuda" and not available:
        raise ModelError("There is no CUDA device here that torch can use: choose the device 'cpu' or 'auto'.")
    if name == "cpu" or not available:
        return torch.device("cpu")
    demand_kernels()
    return torch.device("cuda")


def _has_graphs(device: torch.device) -> bool:
    return device.type == "cuda"


def _can_compile(device: torch.device) -> bool:
    """Tell whether torch.compile has what it needs: on a CPU a C++ compiler, on CUDA Triton, and the C compiler that it calls.

    Which one that is: https://github.com/triton-lang/triton/blob/main/python/triton/runtime/build.py
    """
    if device.type == "mps":
        return False
    if device.type == "cuda":
        named = os.environ.get("CC")
        compilers = ("gcc", "clang") if named is None else (named,)
        return find_spec("triton") is not None and any(shutil.which(each) for each in compilers)
    if sys.platform == "win32":
        return shutil.which(os.environ.get("CXX", "cl")) is not None
    return shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")) is not None


def _is_from_compiler(error: Exception) -> bool:
    """Tell a failed compilation (headers missing, an operation not supported) from an error of the module itself."""
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
