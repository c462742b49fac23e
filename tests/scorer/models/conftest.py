"""What tests of models share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


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
