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

    runtime: str
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
        self._eager = _OnPixels(module, self._dtype, layout).to(self._device, self._dtype).to(memory_format=layout).eval()
        self._quick: Callable[..., Tensor] | None = None
        if compiled and _can_compile(self._device):
            self._quick = torch.compile(self._eager, dynamic=False)
        elif graphed and _has_graphs(self._device):
            self._quick = Graphed(self._eager)
        self._first_shape: tuple[int, ...] | None = None
        self._flat = flat
        self._name_runtime()

    def score(self, frames: Frames) -> Frames:
        """Map (N, H, W, 3) to (N, H', W', 3) of the same dtype.

        The first call compiles, which takes seconds. Raises torch.OutOfMemoryError, or MemoryError on a CPU.
        """
        if self._first_shape is None:
            self._first_shape = frames.shape
        made = self._scored(frames)
        return made if self._flat is None else fill_flat(frames, made, self._flat)

    def score_styled(self, frames: Frames, numbers: Array) -> Frames:
        """The same of a module that takes (N, S), the style of each frame, as well.

        On a processor frames are scored one by one: a batch of another size may differ in the last bit.
        """
        size = 1 if self.device == "cpu" else len(frames)
        if self._first_shape is None:
            self._first_shape = (size, *frames.shape[1:])
        parts = [slice(at, at + size) for at in range(0, len(frames), size)]
        return np.concatenate([self._scored(frames[part], np.ascontiguousarray(numbers[part])) for part in parts])

    def _scored(self, frames: Frames, *styles: Array) -> Frames:
        try:
            with torch.inference_mode():
                numbers = [torch.from_numpy(each).to(self._device, self._dtype) for each in styles]
                return self._download(self._run(self._upload(frames), *numbers), frames.dtype)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if "DefaultCPUAllocator" in str(error):  # how torch says on a CPU that memory is full
                raise MemoryError(str(error).splitlines()[0]) from None
            raise

    def reset(self) -> None:
        """Forget the last chunk's shape: what is compiled must depend on the chunk alone, as its result does in the last bit."""
        self._first_shape = None

    def _run(self, pixels: Tensor, *styles: Tensor) -> Tensor:
        if self._quick is not None and tuple(pixels.shape) == self._first_shape:
            try:
                return self._quick(pixels, *styles)
            except (torch.OutOfMemoryError, MemoryError):
                raise
            except Exception as error:
                if not isinstance(error, CaptureError) and not _is_from_compiler(error):
                    raise
                self._quick = None
                self._name_runtime()
        made: Tensor = self._eager(pixels, *styles)
        return made

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

    def _name_runtime(self) -> None:
        way = "eager" if self._quick is None else "graph" if isinstance(self._quick, Graphed) else "compiled"
        version = ".".join(torch.__version__.split("+")[0].split(".")[:2])
        self.runtime = f"torch {version} {self._device.type} {str(self._dtype).removeprefix('torch.')} {way}"


class _OnPixels(nn.Module):
    """The module between its conversions, so that they run on the device, and are compiled together with it."""

    def __init__(self, module: nn.Module, dtype: torch.dtype, layout: torch.memory_format) -> None:
        super().__init__()
        self.module = module
        self.dtype = dtype
        self.layout = layout

    def forward(self, pixels: Tensor, *styles: Tensor) -> Tensor:
        white = 255.0 if pixels.dtype == torch.uint8 else 65535.0
        frames = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.layout)  # (N, 3, H, W)
        result: Tensor = self.module((frames / white).to(self.dtype), *styles)  # (N, 3, H', W')
        levels = (result.float().clamp(0, 1) * white).round().permute(0, 2, 3, 1)  # (N, H', W', 3)
        return levels.to(pixels.dtype, memory_format=torch.contiguous_format)


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
