"""What tests of models share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from scorer.models import cuda_graph, torch_runtime
from scorer.models.cuda_graph import Run


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Stands in for a GPU's capture: computes at each replay, and tells of which shapes there is a graph."""
    made: list[tuple[int, ...]] = []

    def record(run: Run, like: Tensor) -> Run:
        made.append(tuple(like.shape))
        given = like.clone()
        return lambda new: run(given.copy_(new))

    monkeypatch.setattr(torch_runtime, "_has_graphs", lambda _: True)
    monkeypatch.setattr(cuda_graph, "record", record)
    return made


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes seconds for each size, and is tested with torch_runtime."""
    monkeypatch.setattr(torch_runtime, "_can_compile", lambda _device: False)


@pytest.fixture(scope="session")
def random_vgg19_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: features of their own kind, of the shapes that VGG19 has."""
    from scorer.models.gatys_network import Vgg19

    random, path = torch.Generator().manual_seed(11), tmp_path_factory.mktemp("vgg19") / "vgg19.pth"
    torch.save({name: torch.randn(each.shape, generator=random) * 0.05 for name, each in Vgg19().state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def random_vgg19(random_vgg19_file: Path) -> Iterator[None]:
    """`gatys` has random weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCORER_VGG19", str(random_vgg19_file))
        yield
