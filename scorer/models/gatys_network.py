"""VGG19's features, the losses of Gatys, Ecker, Bethge (CVPR 2016) over them, and the descent on a frame's pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorer.errors import ModelError
from scorer.models.checkpoint import check_weights, read_weights, without_prefix

MAX_BYTES = 700 * 2**20  # torchvision's file, classifier and all, is 575 MB
HISTORY = 10  # L-BFGS keeps two frames in float32 for each: 220 MB at 1280x720

# Layers as torchvision counts them in `features`, read after their ReLU.
STYLE_LAYERS = (0, 5, 10, 19, 28)  # conv1_1, conv2_1, conv3_1, conv4_1, conv5_1
CONTENT_LAYER = 21  # conv4_2
_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))  # filters, convolutions; a pooling between two blocks
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as torchvision's weights were trained with


class Vgg19(nn.Module):
    """VGG19 up to conv5_1, with torchvision's names and its max pooling: the weights were trained with that one.

    The paper pools by the mean (section 2) in a VGG whose weights its authors had rescaled for it.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for filters, convolutions in _BLOCKS:
            if layers:
                layers.append(nn.MaxPool2d(2))
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
                channels = filters
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1), persistent=False)

    def forward(self, frame: Tensor) -> dict[int, Tensor]:
        """Map RGB (1, 3, H, W) in 0..1 to the features (1, C, H', W') of the content layer and the style layers."""
        found = {}
        x = (frame - self.mean) / self.deviation
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index - 1 in (*STYLE_LAYERS, CONTENT_LAYER):  # after the ReLU that follows the convolution
                found[index - 1] = x
        return found


@dataclass(frozen=True)
class Target:
    """What a frame is drawn to, and how strongly."""

    content: Tensor
    """(1, 512, H/8, W/8)"""
    styles: Sequence[tuple[float, dict[int, Tensor]]]
    """Each style's share, and its Gram matrix (C, C) by layer."""
    content_weight: float
    style_weight: float
    smoothness_weight: float


def gram(features: Tensor) -> Tensor:
    """Correlate the filters' answers over all positions: (1, C, H, W) to (C, C), divided by H·W so that sizes can differ."""
    rows = features.flatten(2)[0]  # (C, H·W)
    return rows @ rows.T / rows.shape[1]


def read_content(network: Vgg19, frame: Tensor) -> Tensor:
    """Take a frame's content features, (1, 512, H/8, W/8), from RGB (1, 3, H, W) in 0..1."""
    with torch.no_grad():
        features: dict[int, Tensor] = network(frame)
        return features[CONTENT_LAYER]


def read_style(network: Vgg19, image: Tensor) -> dict[int, Tensor]:
    """Take a style's Gram matrices, by layer, from RGB (1, 3, H, W) in 0..1."""
    with torch.no_grad():
        features = network(image)
        return {layer: gram(features[layer]) for layer in STYLE_LAYERS}


def content_loss(features: dict[int, Tensor], content: Tensor) -> Tensor:
    """Equation 1, as a mean over features instead of half the sum: a weight then means the same at every frame size."""
    return functional.mse_loss(features[CONTENT_LAYER], content)


def style_loss(features: dict[int, Tensor], styles: Sequence[tuple[float, dict[int, Tensor]]]) -> Tensor:
    """Equations 3 to 5: the mean squared difference of Gram matrices, summed over layers and styles.

    A layer of C filters counts 1/C², as in the settings that the authors published with their own PyTorch code.
    """
    loss = torch.zeros((), device=features[CONTENT_LAYER].device)
    for layer in STYLE_LAYERS:
        found = gram(features[layer])
        for share, target in styles:
            loss = loss + share * functional.mse_loss(found, target[layer]) / found.shape[0] ** 2
    return loss


def smoothness_loss(frame: Tensor) -> Tensor:
    """Total variation: the mean squared difference of neighbours, to the right and below."""
    return (frame[..., 1:] - frame[..., :-1]).square().mean() + (frame[..., 1:, :] - frame[..., :-1, :]).square().mean()


def total_loss(network: Vgg19, frame: Tensor, target: Target) -> Tensor:
    """Equation 7, and the total variation."""
    features = network(frame)
    loss = target.content_weight * content_loss(features, target.content)
    loss = loss + target.style_weight * style_loss(features, target.styles)
    if target.smoothness_weight:
        loss = loss + target.smoothness_weight * smoothness_loss(frame)
    return loss


def descend(
    network: Vgg19, start: Tensor, target: Target, optimizer: Literal["lbfgs", "adam"], iterations: int, learning_rate: float
) -> Tensor:
    """Change the pixels of `start`, RGB (1, 3, H, W) in 0..1, to lessen the loss; the result is clamped to 0..1."""
    pixels = start.clone().requires_grad_()

    def evaluate() -> Tensor:
        loss = total_loss(network, pixels, target)
        (pixels.grad,) = torch.autograd.grad(loss, pixels)
        return loss

    if optimizer == "lbfgs":
        # Without tolerances: gradients of a mean over many pixels are small long before the descent is done.
        lbfgs = torch.optim.LBFGS(
            [pixels],
            max_iter=iterations,
            max_eval=2 * iterations,  # the line search may look twice
            history_size=HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )
        lbfgs.step(evaluate)
    else:
        adam = torch.optim.Adam([pixels], lr=learning_rate)
        for _ in range(iterations):
            evaluate()
            adam.step()
            pixels.data.clamp_(0, 1)  # L-BFGS would lose its idea of the curvature by this, and is clamped at the end alone
    return pixels.detach().clamp(0, 1)


def load_vgg19(path: Path) -> Vgg19:
    """Load torchvision's VGG19 from a state dict, `.pth` or `.safetensors`; what lies above conv5_1 may be missing.

    Raises ModelError, naming the file and the first key that doesn't fit.
    """
    network = Vgg19()
    shapes = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    weights = {
        name: tensor
        for name, tensor in without_prefix(read_weights(path, MAX_BYTES, ModelError), "features.0.weight").items()
        if name in shapes or not name.startswith(("features.", "classifier."))
    }
    check_weights(weights, shapes, path, ModelError)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
