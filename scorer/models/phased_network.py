"""The networks of networks.py laid out for GPUs: the same results from fewer and wider passes over memory.

Convolutions to or from few channels work on phases (phases.py), and those that read a doubled image read it undoubled. Each norm
is one scale and one shift of what was centred in place, written into the middle of an array that has room for what the next
convolution needs around it: only that border is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorer.models import ModelSettings
from scorer.models.flat import flat_colors
from scorer.models.networks import FixedStyle, StylisationNetwork, pad_for_contraction
from scorer.models.over_time import Keys, OverTime
from scorer.models.phases import NARROW, between_phases, doubled_to_phases, from_phases
from scorer.models.torch_runtime import TorchModel
from scorer.models.weights import INSTANCE_NORM_EPSILON, Array, Weights, layers


class PhasedNetwork(nn.Module):
    """Frames in, frames in one style, or in a style each, out."""

    def __init__(self, weights: Weights, styles: Tensor) -> None:
        """Take weights named as in weights.py; a style (S,), or one for each frame of a batch (N, S)."""
        super().__init__()
        names = layers(weights)
        self.narrow = len(weights["contract.0.weight"]) < NARROW
        relaid: dict[str, Callable[[Array], Array]] = {
            "expand.0": doubled_to_phases, "expand.1": doubled_to_phases, "expand.2": between_phases,
        }  # fmt: skip
        if self.narrow:
            relaid |= {"contract.0": between_phases, "contract.1": from_phases}
        self.residual_blocks = sum(name.startswith("residual") for name in names) // 2
        self.normed = [name for name in names if f"{name}.gamma.weight" in weights]
        self.widths = [len(weights[f"{name}.gamma.bias"]) for name in self.normed]
        style = styles.reshape(-1, styles.shape[-1])
        for name in names:
            kernel = weights[f"{name}.weight"]
            kernel = relaid[name](kernel) if name in relaid else kernel
            self._keep(name, "kernel", torch.from_numpy(kernel))
            for part in ("gamma", "beta") if name in self.normed else ():
                dense = (torch.from_numpy(weights[f"{name}.{part}.{kind}"]) for kind in ("weight", "bias"))
                self._keep(name, part, functional.linear(style, *dense)[:, None, None, :, None, None])
            if name not in self.normed:
                bias = torch.from_numpy(weights[f"{name}.bias"])
                self._keep(name, "bias", bias.repeat(len(kernel) // len(bias)))

    def _keep(self, name: str, part: str, values: Tensor) -> None:
        self.register_buffer(f"{name}.{part}".replace(".", "_"), values.detach().clone())

    def _of(self, name: str, part: str) -> Tensor:
        return self.get_buffer(f"{name}.{part}".replace(".", "_"))

    def forward(self, frames: Tensor, modulation: Tensor | None = None) -> Tensor:
        """Stylise (N, 3, H, W) in [0, 1] in its styles, or by (N, 2C), what `StylisationNetwork.modulation` says of others."""
        height, width = frames.shape[-2:]
        layer = partial(self._layer, self._norms(modulation))
        x = self._contract(layer, functional.pad(pad_for_contraction(frames), (4, 4, 4, 4), mode="reflect"))
        for block in range(self.residual_blocks):
            first, second = f"residual.{block}.0", f"residual.{block}.1"
            inner = reflected(layer(first, x, room=1))
            x[..., 1:-1, 1:-1] += layer(second, inner, relu=False)
            x = repeated(x) if block == self.residual_blocks - 1 else reflected(x)
        x = repeated(layer("expand.0", x, phases=2, room=1, joined=True))  # (N, C3, H/2 + 2, W/2 + 2)
        x = reflected_phases(layer("expand.1", x, phases=2, room=2))  # (N, 4 C4, H/2 + 4, W/2 + 4)
        x = layer("expand.2", x, phases=2, relu=False, joined=True)  # (N, 3, H, W)
        x = torch.sigmoid(x.float()) if "expand.2" in self.normed else x.float().clamp(0, 1)
        return x[..., :height, :width]

    def _norms(self, modulation: Tensor | None) -> dict[str, tuple[Tensor, Tensor]]:
        """Gamma and beta of each layer that has a norm, (N or 1, 1, 1, C, 1, 1)."""
        if modulation is None:
            return {name: (self._of(name, "gamma"), self._of(name, "beta")) for name in self.normed}
        gammas, betas = (torch.split(each, self.widths, dim=1) for each in modulation.chunk(2, dim=1))
        return {
            name: (gamma[:, None, None, :, None, None], beta[:, None, None, :, None, None])
            for name, gamma, beta in zip(self.normed, gammas, betas, strict=True)
        }

    def _contract(self, layer: Callable[..., Tensor], frames: Tensor) -> Tensor:
        """(N, 3, H + 8, W + 8) to (N, C2, H/4 + 2, W/4 + 2)."""
        if self.narrow:
            x = layer("contract.0", split(frames), phases=2, room=1)  # (N, 4 C0, H/2 + 2, W/2 + 2)
            # Of the row and column before the first, only the odd phases are read: reflected, they are the first's own.
            x = layer("contract.1", repeated(x)[..., :-1, :-1], room=1)  # (N, C1, H/2 + 2, W/2 + 2)
        else:
            x = reflected(layer("contract.0", frames, room=1))
            x = layer("contract.1", x, stride=2, room=1)
        return reflected(layer("contract.2", reflected(x), stride=2, room=1))

    def _layer(
        self, norms: Mapping[str, tuple[Tensor, Tensor]], name: str, x: Tensor, stride: int = 1, phases: int = 1, room: int = 0,
        *, relu: bool = True, joined: bool = False,
    ) -> Tensor:  # fmt: skip
        """A convolution, its norm or bias, and what cuts off below 0, in an array with `room` around, still to be filled.

        It makes phases x phases pixels at once, which are left as channels, or `joined` to pixels.
        """
        convolved = functional.conv2d(x, self._of(name, "kernel"), None, stride)
        count, wide, height, width = convolved.shape
        channels = wide // phases**2
        found = convolved.view(count, phases, phases, channels, height, width)
        high, across = (height * phases, width * phases) if joined else (height, width)
        shape = (count, channels if joined else wide, high + 2 * room, across + 2 * room)
        result = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=_layout(x))
        middle = result[..., room : room + high, room : room + across]
        if joined:
            into = middle.view(count, channels, height, phases, width, phases).permute(0, 3, 5, 1, 2, 4)
        else:
            into = middle.view(count, phases, phases, channels, height, width)
        if name in norms:
            normed(found, *norms[name], into)
        else:
            torch.add(found, self._of(name, "bias").view(phases, phases, channels, 1, 1), out=into)
        if relu:
            middle.relu_()
        return result


def load_network(weights: Weights, styles: Tensor, settings: ModelSettings, *, compiled: bool) -> TorchModel:
    """The network in a style (S,), or one for each frame of a batch (N, S).

    Compiled is the one of networks.py, which gives a compiler more to join; on a CPU it is no quicker than this one.
    """
    network = FixedStyle(StylisationNetwork(weights), styles) if compiled else PhasedNetwork(weights, styles)
    return TorchModel(network, settings, compiled=compiled, flat=flat_colors(weights, styles.numpy()), graphed=True)


def load_over_time(weights: Weights, keys: Keys, settings: ModelSettings, *, compiled: bool) -> OverTime:
    """The network, each frame in the style of its time; between keys its norms lie between theirs, which styles set linearly."""
    plain, styles = StylisationNetwork(weights), torch.from_numpy(keys.numbers)
    with torch.no_grad():
        modulation = plain.modulation(styles).numpy()  # (K, 2C)
    network = plain if compiled else PhasedNetwork(weights, styles[0])
    model = TorchModel(network, settings, compiled=compiled, graphed=True)
    return OverTime(model, Keys(keys.seconds, modulation), weights, keys)


def normed(x: Tensor, gamma: Tensor, beta: Tensor, into: Tensor) -> None:
    """Write the instance norm of (N, P, P, C, H, W) `into` an array of that shape; C's statistics are float32, and `x` is lost.

    `gamma` and `beta` are (N or 1, 1, 1, C, 1, 1). In two steps: the mean of squares alone says little where all are alike.
    """
    dims = (1, 2, 4, 5)
    x -= x.mean(dims, keepdim=True, dtype=torch.float32)
    rows = torch.linalg.vector_norm(x, 2, -1, keepdim=True, dtype=torch.float32)  # long sums of small numbers lose some
    length = torch.linalg.vector_norm(rows, 2, dims, keepdim=True)
    count = x[:, :, :, 0].numel() // len(x)
    scale = gamma.float() * torch.rsqrt(length.square() / count + INSTANCE_NORM_EPSILON)
    torch.addcmul(beta.float(), x, scale, out=into)


def split(x: Tensor) -> Tensor:
    """The phases (N, 4C, H/2, W/2) of (N, C, H, W)."""
    count, channels, height, width = x.shape
    pixels = x.view(count, channels, height // 2, 2, width // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return pixels.reshape(count, 4 * channels, height // 2, width // 2).contiguous(memory_format=_layout(x))


def reflected(x: Tensor) -> Tensor:
    """Fill the border of 1 around (N, C, H, W) by reflection."""
    for each in (x, x.transpose(2, 3)):
        each[:, :, 0], each[:, :, -1] = each[:, :, 2], each[:, :, -3]
    return x


def repeated(x: Tensor) -> Tensor:
    """Fill the border of 1 around (N, C, H, W) with what is beside it."""
    for each in (x, x.transpose(2, 3)):
        each[:, :, 0], each[:, :, -1] = each[:, :, 1], each[:, :, -2]
    return x


def reflected_phases(x: Tensor) -> Tensor:
    """Fill the border of 2 around phases (N, 4C, H, W) with what a reflection of their pixels by 4 gives."""
    count, wide, height, width = x.shape
    phases = x.view(count, 2, 2, wide // 4, height, width)
    for each in (phases, phases.transpose(1, 2).transpose(4, 5)):
        even, odd = each[:, 0], each[:, 1]  # rows 2i and 2i + 1; row -1 is row 1, row -2 is row 2
        even[..., :2, :], odd[..., :2, :] = even[..., 3:5, :].flip(-2), odd[..., 2:4, :].flip(-2)
        even[..., -2:, :], odd[..., -2:, :] = even[..., -4:-2, :].flip(-2), odd[..., -5:-3, :].flip(-2)
    return x


def _layout(x: Tensor) -> torch.memory_format:
    is_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if is_last else torch.contiguous_format
