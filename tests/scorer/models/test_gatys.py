"""`gatys` on a VGG19 with seeded random weights: the machinery is the same, and random features have textures too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from scorer.errors import ModelError, RequestError, StyleError
from scorer.models import Frames, Model, ModelSettings, Style
from scorer.models.gatys import SPEC
from scorer.models.gatys_network import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    Target,
    Vgg19,
    content_loss,
    descend,
    gram,
    load_vgg19,
    read_content,
    read_style,
    smoothness_loss,
    style_loss,
    total_loss,
)

SIDE = 32  # pixels: the smallest that leaves more than one position of conv5_1


def picture(seed: int) -> NDArray[np.uint8]:
    """Smooth blobs: (SIDE, SIDE, 3)."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def stripes() -> NDArray[np.uint8]:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    waves = np.sin((x + y) / 2.5)
    return np.dstack([127 + 120 * waves, 90 + 60 * waves, 60 - 50 * waves]).round().astype(np.uint8)


def pixels(image: Frames) -> Tensor:
    """(H, W, 3) as (1, 3, H, W) in 0..1."""
    return torch.from_numpy(image.astype(np.float32) / np.iinfo(image.dtype).max).permute(2, 0, 1)[None].contiguous()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """He's initialisation, seeded, saved with a part of the classifier, which isn't read."""
    random = torch.Generator().manual_seed(11)
    state: dict[str, Tensor] = {"classifier.6.bias": torch.zeros(1000), "features.34.bias": torch.zeros(512)}
    for name, tensor in Vgg19().state_dict().items():
        scale = (2 / (tensor.shape[1] * 9)) ** 0.5 if tensor.ndim == 4 else 0.05
        state[name] = torch.randn(tensor.shape, generator=random) * scale
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def network(weights: Path) -> Vgg19:
    return load_vgg19(weights)


@pytest.fixture(scope="module")
def style_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("style") / "stripes.png"
    Image.fromarray(stripes()).save(path)
    return path


@pytest.fixture
def load(weights: Path, style_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Model]:
    monkeypatch.setenv("SCORER_VGG19", str(weights))

    def load_model(styles: tuple[Style, ...] | None = None, **options: Any) -> Model:
        options = {"iterations": 6, **options}
        return SPEC.load(ModelSettings(styles=styles or (Style(style_file),), device="cpu", options=options))

    return load_model


def target_of(network: Vgg19, frame: Frames, style_weight: float = 1000.0) -> Target:
    styles = [(1.0, read_style(network, pixels(stripes())))]
    return Target(read_content(network, pixels(frame)), styles, 1.0, style_weight, 0.0)


def loss_of(network: Vgg19, image: Frames, target: Target) -> float:
    with torch.no_grad():
        return float(total_loss(network, pixels(image), target))


def test_features_are_those_of_torchvision(network: Vgg19) -> None:
    from torchvision.models import vgg

    theirs = vgg.make_layers(vgg.cfgs["E"])[:30]
    theirs.load_state_dict({name.removeprefix("features."): tensor for name, tensor in network.features.state_dict().items()})
    x = (pixels(picture(1)) - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        3, 1, 1
    )
    found = network(pixels(picture(1)))
    assert set(found) == {0, 5, 10, 19, 21, 28}
    with torch.no_grad():
        for index, layer in enumerate(theirs):
            x = layer(x)
            if index - 1 in found:  # their ReLU after the convolution
                torch.testing.assert_close(found[index - 1], x)
    assert [tuple(found[layer].shape[1:]) for layer in STYLE_LAYERS] == [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
        (512, 2, 2),
    ]


def test_losses_agree_with_numpy(network: Vgg19) -> None:
    frame, other = pixels(picture(1)), pixels(picture(2))
    styles = [(0.25, read_style(network, pixels(stripes()))), (0.75, read_style(network, other))]
    with torch.no_grad():
        features, wanted = network(frame), network(other)
        found_content = float(content_loss(features, wanted[CONTENT_LAYER]))
        found_style = float(style_loss(features, styles))
        found_smoothness = float(smoothness_loss(frame))

    def matrix(layer: Tensor) -> NDArray[np.float64]:
        rows = layer[0].double().numpy()
        sums: NDArray[np.float64] = np.einsum("ihw,jhw->ij", rows, rows) / (rows.shape[1] * rows.shape[2])
        return sums

    content = np.mean((features[CONTENT_LAYER].double().numpy() - wanted[CONTENT_LAYER].double().numpy()) ** 2)
    style = 0.0
    with torch.no_grad():
        for share, image in ((0.25, pixels(stripes())), (0.75, other)):
            theirs = network(image)
            for layer in STYLE_LAYERS:
                difference = matrix(features[layer]) - matrix(theirs[layer])
                style += share * float(np.mean(difference**2)) / len(difference) ** 2
    rows = frame[0].double().numpy()
    smoothness = np.mean(np.diff(rows, axis=2) ** 2) + np.mean(np.diff(rows, axis=1) ** 2)
    np.testing.assert_allclose(gram(features[0]).numpy(), matrix(features[0]), rtol=1e-4)
    assert found_content == pytest.approx(content, rel=1e-4)
    assert found_style == pytest.approx(style, rel=1e-4)
    assert found_smoothness == pytest.approx(smoothness, rel=1e-4)


def test_weights_of_the_losses_multiply_them(network: Vgg19) -> None:
    frame = pixels(picture(3))
    base = target_of(network, picture(1))
    with torch.no_grad():
        features = network(frame)
        found = total_loss(network, frame, Target(base.content, base.styles, 2.0, 300.0, 7.0))
        wanted = 2 * content_loss(features, base.content) + 300 * style_loss(features, base.styles) + 7 * smoothness_loss(frame)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    "options", [{"optimizer": "lbfgs", "iterations": 8}, {"optimizer": "adam", "iterations": 8}], ids=["lbfgs", "adam"]
)
def test_the_frame_comes_nearer_to_the_style(network: Vgg19, load: Callable[..., Model], options: dict[str, Any]) -> None:
    frame = picture(1)
    target = target_of(network, frame)
    styled = load(**options).score(frame[None])[0]

    def distance(image: Frames) -> float:
        with torch.no_grad():
            return float(style_loss(network(pixels(image)), target.styles))

    assert loss_of(network, styled, target) < 0.75 * loss_of(network, frame, target)
    assert distance(styled) < 0.75 * distance(frame)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_more_iterations_lessen_the_loss_further(network: Vgg19, optimizer: Any) -> None:
    target, start = target_of(network, picture(1)), pixels(picture(1))
    losses = []
    for iterations in (1, 3, 8):
        result = descend(network, start, target, optimizer, iterations, 0.02)
        losses.append(float(total_loss(network, result, target)))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_the_second_frame_starts_from_the_first_result(network: Vgg19, load: Callable[..., Model]) -> None:
    first, second = picture(1), np.roll(picture(1), 1, axis=1)
    target = target_of(network, second)
    model = load(iterations=8)
    model.score(first[None])
    warm = loss_of(network, model.score(second[None])[0], target)
    model.reset()
    cold = model.score(second[None])
    assert warm < loss_of(network, cold[0], target)
    assert warm < loss_of(network, load(iterations=12).score(second[None])[0], target), "8 steps on top must beat 12 from scratch"
    np.testing.assert_array_equal(cold, load(iterations=8).score(second[None]))


def test_a_frame_of_another_size_starts_from_itself(load: Callable[..., Model]) -> None:
    model = load(iterations=2)
    model.score(picture(1)[None])
    smaller = picture(1)[None, :16, :24]
    np.testing.assert_array_equal(model.score(smaller), load(iterations=2).score(smaller))


def test_the_same_frames_give_the_same_result_in_any_batches(load: Callable[..., Model]) -> None:
    frames = np.stack([picture(seed) for seed in (1, 2, 3)])
    together = load(iterations=3).score(frames)
    model = load(iterations=3)
    np.testing.assert_array_equal(np.concatenate([model.score(frames[:2]), model.score(frames[2:])]), together)
    assert not np.array_equal(together[0], together[1])


def test_styles_mix_by_weight(network: Vgg19, load: Callable[..., Model], style_file: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(9)).save(tmp_path / "other.png")
    both = (Style(style_file, 3.0), Style(tmp_path / "other.png", 1.0))
    frame = picture(1)
    styles = [(0.75, read_style(network, pixels(stripes()))), (0.25, read_style(network, pixels(picture(9))))]
    base = target_of(network, frame)
    wanted = descend(network, pixels(frame), Target(base.content, styles, 1.0, 1000.0, 0.0), "lbfgs", 3, 0.02)
    found = load(styles=both, iterations=3).score(frame[None])[0]
    np.testing.assert_allclose(found / 255, wanted[0].permute(1, 2, 0).numpy(), atol=0.51 / 255)


def test_sixteen_bits_stay_sixteen(load: Callable[..., Model]) -> None:
    deep = load(iterations=2).score(picture(1)[None].astype(np.uint16) * np.uint16(257))
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 257, load(iterations=2).score(picture(1)[None]), atol=0.51)


def test_a_caller_without_gradients_gets_the_same(load: Callable[..., Model]) -> None:
    model = load(iterations=2)
    with torch.inference_mode():
        found = model.score(picture(1)[None])
    np.testing.assert_array_equal(found, load(iterations=2).score(picture(1)[None]))


def test_weights_may_be_safetensors(network: Vgg19, tmp_path: Path) -> None:
    save_file(network.state_dict(), tmp_path / "vgg19.safetensors")
    torch.testing.assert_close(load_vgg19(tmp_path / "vgg19.safetensors").state_dict(), network.state_dict())


def test_weights_of_another_network_are_refused(
    network: Vgg19, load: Callable[..., Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = network.state_dict()
    monkeypatch.setenv("SCORER_VGG19", str(tmp_path / "no.pth"))
    with pytest.raises(ModelError, match="There is no file of weights"):
        load()
    torch.save({name: tensor for name, tensor in state.items() if name != "features.28.bias"}, tmp_path / "short.pth")
    monkeypatch.setenv("SCORER_VGG19", str(tmp_path / "short.pth"))
    with pytest.raises(ModelError, match=r"short\.pth are of another network: 'features.28.bias' is missing"):
        load()
    torch.save({"conv1.conv2d.weight": torch.zeros(1)}, tmp_path / "other.pth")
    monkeypatch.setenv("SCORER_VGG19", str(tmp_path / "other.pth"))
    with pytest.raises(ModelError, match=r"other\.pth are of another network: 'conv1.conv2d.weight' has no place"):
        load()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"iterations": 0}, "'iterations' of the model 'gatys' is 0"),
        ({"iterations": "-3"}, "is '-3': it should be greater than 0"),
        ({"iterations": "lots"}, "is 'lots'"),
        ({"optimizer": "sgd"}, "is 'sgd': it should be 'lbfgs' or 'adam'"),
        ({"style_weight": "nan"}, "is 'nan'"),
        ({"content_weight": -1}, "is -1"),
        ({"learningrate": 1}, "no option 'learningrate'"),
        ({"weights": "/etc/passwd"}, "no option 'weights'"),  # a path on this machine is nothing for a request
    ],
)
def test_bad_options_are_quoted(load: Callable[..., Model], options: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        load(**options)
    assert reason in str(caught.value)


def test_frames_may_be_as_small_as_vgg_bears_and_styles_no_smaller(load: Callable[..., Model], tmp_path: Path) -> None:
    assert load(iterations=1).score(picture(1)[None, :16, :16]).shape == (1, 16, 16, 3)
    Image.fromarray(stripes()[:, :10]).save(tmp_path / "narrow.png")
    with pytest.raises(StyleError, match=r"narrow\.png is 10x32"):
        load(styles=(Style(tmp_path / "narrow.png"),))
