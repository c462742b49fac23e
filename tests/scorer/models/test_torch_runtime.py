from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scorer.errors import GpuError, ModelError
from scorer.models import Device, Frames, ModelSettings, cuda_graph
from scorer.models import torch_runtime as runtime
from scorer.models.cuda_graph import Run
from scorer.models.devices import gpus
from scorer.models.malloc import keep_memory
from scorer.models.phased_network import PhasedNetwork, load_network
from scorer.models.torch_runtime import TorchModel, resolve_device
from scorer.models.weights import painted_weights

CPU = ModelSettings(device="cpu", threads=2)


def frames(shape: tuple[int, ...], dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> Frames:
    found: Frames = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    return found


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_round_trip(dtype: type[np.uint8] | type[np.uint16]) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    pixels: Frames = np.stack([levels] * 3, axis=-1).reshape(1, 16, -1, 3).astype(dtype)
    result = TorchModel(nn.Identity(), CPU, compiled=False).score(pixels)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, pixels)


class _Asymmetric(nn.Module):
    """Gives the planes back in another order, moved by a row, beyond both ends of the range."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(1).roll(1, dims=2) * 3 - 1


def test_planes_and_rows_arrive_where_they_belong_and_are_clamped() -> None:
    pixels = frames((2, 5, 7, 3))
    expected = np.roll(pixels[..., ::-1], 1, axis=1).astype(np.float64) * 3 - 255
    result = TorchModel(_Asymmetric(), CPU, compiled=False).score(pixels)
    np.testing.assert_array_equal(result, np.clip(expected, 0, 255).astype(np.uint8))
    assert result.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_module_sees_and_makes_fractions_of_white(dtype: type[np.uint8] | type[np.uint16]) -> None:
    class Negative(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1 - x

    pixels = frames((1, 4, 6, 3), dtype)
    np.testing.assert_array_equal(TorchModel(Negative(), CPU, compiled=False).score(pixels), np.iinfo(dtype).max - pixels)


def test_a_module_may_change_the_size() -> None:
    result = TorchModel(nn.Upsample(scale_factor=2), CPU, compiled=False).score(frames((1, 4, 6, 3)))
    assert result.shape == (1, 8, 12, 3)


def test_results_stay_and_inputs_are_left_alone() -> None:
    model = TorchModel(nn.Identity(), CPU, compiled=False)
    first, second = frames((1, 4, 4, 3)), np.zeros((1, 4, 4, 3), np.uint8)
    before = first.copy()
    result = model.score(first)
    model.score(second)
    np.testing.assert_array_equal(result, before)
    np.testing.assert_array_equal(first, before)


def test_read_only_and_strided_frames_are_taken_without_a_warning() -> None:
    pixels = frames((1, 8, 8, 3))
    pixels.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # pytest takes out the module's own
        np.testing.assert_array_equal(TorchModel(nn.Identity(), CPU, compiled=False).score(pixels[:, ::2]), pixels[:, ::2])


def test_cuda_without_a_device_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="no CUDA device"):
        resolve_device("cuda")
    assert resolve_device("auto").type == "cpu"


@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.parametrize(
    ("drivers", "told"),
    [
        (["/dev/null"], r"^This machine should have 1 GPU\(s\), but torch finds none: "),
        ([], r"^This container should have 1 GPU\(s\), but was given none, "),
    ],
)
def test_a_machine_that_should_have_gpus_does_not_compute_without(
    device: Device, drivers: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("scorer.models.devices._DRIVERS", drivers)
    monkeypatch.setenv("SCORER_GPUS", "1")
    with pytest.raises(ModelError, match=told):
        resolve_device(device)
    assert resolve_device("cpu").type == "cpu"


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_gpu_that_torch_is_not_built_for_is_one_sentence(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])
    with pytest.raises(
        GpuError, match=r"\(Tesla V100\) has the compute capability 7\.0, and .* is built for sm_75, sm_80: choose"
    ):
        resolve_device(device)
    assert resolve_device("cpu").type == "cpu"


def test_gpus_of_amd_are_not_measured_by_nvidias_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 4))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["gfx90a", "gfx942"])
    monkeypatch.setattr(torch.version, "cuda", None)
    assert resolve_device("auto").type == "cuda"


@pytest.mark.parametrize("promised", ["0", None])
def test_a_machine_without_gpus_computes_on_its_processor(promised: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("SCORER_GPUS", raising=False)
    if promised is not None:
        monkeypatch.setenv("SCORER_GPUS", promised)
    assert resolve_device("auto").type == "cpu"
    assert gpus() == 0


def test_full_memory_is_a_memory_error() -> None:
    class Greedy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.empty(2**60, dtype=torch.uint8).sum()

    with pytest.raises(MemoryError):
        TorchModel(Greedy(), CPU, compiled=False).score(frames((1, 4, 4, 3)))


def test_other_errors_stay_themselves() -> None:
    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ torch.zeros(99, 99)

    with pytest.raises(RuntimeError, match="shapes"):
        TorchModel(Wrong(), CPU, compiled=False).score(frames((1, 4, 4, 3)))


def test_compiled_only_for_the_first_shape_of_a_chunk() -> None:
    model = TorchModel(_Asymmetric(), CPU, compiled=True)
    eager = TorchModel(_Asymmetric(), CPU, compiled=False)
    assert model.runtime.endswith("compiled"), "a C++ compiler is needed"
    torch.compiler.reset()
    large, small = frames((2, 6, 8, 3)), frames((1, 6, 8, 3))
    np.testing.assert_array_equal(model.score(large), eager.score(large))
    assert _graphs() == 1
    np.testing.assert_array_equal(model.score(small), eager.score(small))
    assert _graphs() == 1, "a smaller batch isn't compiled for"
    model.reset()
    model.score(large)
    assert _graphs() == 1, "the next chunk uses what the last one compiled"


def _graphs() -> int:
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def test_eager_where_compiling_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_module: nn.Module, _inputs: list[Tensor]) -> None:
        raise OSError("no Python.h")

    real = torch.compile
    monkeypatch.setattr(runtime, "_can_compile", lambda _: True)
    monkeypatch.setattr(torch, "compile", lambda module, dynamic: real(module, dynamic=dynamic, backend=broken))
    model = TorchModel(nn.Identity(), CPU, compiled=True)
    assert model.runtime.endswith("cpu float32 compiled")
    pixels = frames((1, 4, 4, 3))
    np.testing.assert_array_equal(model.score(pixels), pixels)
    assert model.runtime.endswith("cpu float32 eager")


def test_eager_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert TorchModel(nn.Identity(), CPU, compiled=True).runtime.endswith("eager")


@pytest.mark.parametrize(
    ("compilers", "named", "triton", "compiles"),
    [
        (["gcc"], None, True, True),
        (["clang"], None, True, True),
        ([], None, True, False),
        (["g++"], None, True, False),
        (["gcc"], None, False, False),
        (["tcc"], "tcc", True, True),
        (["gcc"], "tcc", True, False),
    ],
)
def test_cuda_compiles_with_triton_and_a_c_compiler(
    compilers: list[str], named: str | None, triton: bool, compiles: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in compilers:
        (tmp_path / each).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    if named is not None:
        monkeypatch.setenv("CC", named)
    monkeypatch.setattr(runtime, "find_spec", lambda _: object() if triton else None)
    assert runtime._can_compile(torch.device("cuda")) is compiles


def test_threads_are_set() -> None:
    TorchModel(nn.Identity(), ModelSettings(device="cpu", threads=1), compiled=False)
    assert torch.get_num_threads() == 1
    TorchModel(nn.Identity(), CPU, compiled=False)
    assert torch.get_num_threads() == 2


def test_memory_is_kept_where_malloc_is_glibcs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(keep_memory(), bool)
    keep_memory.cache_clear()
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert not keep_memory()
    keep_memory.cache_clear()


def test_one_shape_becomes_a_graph(recorded: list[tuple[int, ...]]) -> None:
    model = TorchModel(_Asymmetric(), CPU, compiled=False, graphed=True)
    eager = TorchModel(_Asymmetric(), CPU, compiled=False)
    assert model.runtime.endswith("float32 graph")
    large, small = frames((2, 6, 8, 3)), frames((1, 6, 8, 3))
    for _ in range(2):  # chunks
        model.reset()
        for pixels in (large, small, large[::-1]):
            np.testing.assert_array_equal(model.score(pixels), eager.score(pixels))
    assert recorded == [large.shape]
    model.reset()
    np.testing.assert_array_equal(model.score(small), eager.score(small))
    assert recorded == [large.shape, small.shape]


def test_what_no_graph_can_do_is_done_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def record(_run: Run, pixels: Tensor) -> Run:
        tried.append(pixels.shape)
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    monkeypatch.setattr(runtime, "_has_graphs", lambda _: True)
    monkeypatch.setattr(cuda_graph, "record", record)
    model, pixels = TorchModel(nn.Identity(), CPU, compiled=False, graphed=True), frames((1, 4, 4, 3))
    for _ in range(2):
        np.testing.assert_array_equal(model.score(pixels), pixels)
    assert model.runtime.endswith("float32 eager")
    assert len(tried) == 1


def test_a_graph_without_memory_is_no_reason_to_stop(
    monkeypatch: pytest.MonkeyPatch, recorded: list[tuple[int, ...]]
) -> None:  # fmt: skip
    """Whoever scores tries a smaller batch then, which may become a graph."""
    with_memory = cuda_graph.record

    def record(run: Run, pixels: Tensor) -> Run:
        if len(pixels) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return with_memory(run, pixels)

    monkeypatch.setattr(cuda_graph, "record", record)
    model = TorchModel(nn.Identity(), CPU, compiled=False, graphed=True)
    with pytest.raises(torch.OutOfMemoryError):
        model.score(frames((2, 4, 4, 3)))
    model.reset()
    pixels = frames((1, 4, 4, 3))
    np.testing.assert_array_equal(model.score(pixels), pixels)
    assert recorded == [pixels.shape]
    assert model.runtime.endswith("graph")


@pytest.mark.cuda
def test_a_graph_makes_what_its_steps_make() -> None:
    settings = ModelSettings(device="cuda")
    model = load_network(painted_weights(), torch.eye(26)[7], settings, compiled=False)
    steps = TorchModel(PhasedNetwork(painted_weights(), torch.eye(26)[7]), settings, compiled=False)
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 255, (2, 96, 128, 3), np.uint8)
        np.testing.assert_array_equal(model.score(pixels), steps.score(pixels))
    assert model.runtime.endswith("cuda float16 graph")


@pytest.mark.cuda
def test_half_precision_on_cuda_stays_within_a_level() -> None:
    model = TorchModel(nn.Conv2d(3, 3, 1), ModelSettings(device="cuda"), compiled=False)
    assert "cuda float16" in model.runtime
    pixels = frames((2, 32, 48, 3))
    cpu = TorchModel(model._eager.module.float().cpu(), CPU, compiled=False).score(pixels)
    assert np.abs(model.score(pixels).astype(int) - cpu).max() <= 1


@pytest.mark.parametrize(("compiled", "way"), [(True, "compiled"), (False, "eager")])
def test_it_compiles_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, way: str, *, compiled: bool) -> None:
    monkeypatch.setattr(runtime, "_can_compile", lambda _: True)
    assert TorchModel(nn.Identity(), CPU, compiled=compiled).runtime.endswith(way)
