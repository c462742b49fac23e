"""Files of a network's weights: which are taken, and how the others are refused."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scorer.errors import StyleError
from scorer.models.checkpoint import read_weights
from scorer.models.feedforward_network import load_network
from tests.scorer.models.published_network import State, published_state, save, score, some_frames

pytestmark = pytest.mark.usefixtures("eager")


def test_old_checkpoints_carry_statistics_that_are_dropped(tmp_path: Path) -> None:
    state = published_state()
    old = state | {f"{name}.running_{what}": torch.ones(32) for name in ("in1", "res2.in1") for what in ("mean", "var")}
    frames = some_frames(16, 16)
    np.testing.assert_array_equal(
        score(save(old, tmp_path / "old.pth"), frames), score(save(state, tmp_path / "new.pth"), frames)
    )


@pytest.mark.parametrize(("around", "before"), [
    ("", "module."), ("state_dict", ""), ("model_state_dict", "module."), ("model", "_orig_mod."), ("", "module._orig_mod."),
    ("ema_model", "transformer."), ("model.state_dict", "module."), ("state_dict", "model.net."),
])  # fmt: skip
def test_checkpoints_of_training_programs_are_taken(tmp_path: Path, around: str, before: str) -> None:
    """As DataParallel, torch.compile and a wrapper's attribute name what is in them, beside an optimizer's state, in any key."""
    state = published_state()
    old = state | {f"in1.{name}": torch.zeros(32) for name in ("running_mean", "running_var")}
    old["in1.num_batches_tracked"] = torch.tensor(3)
    named: dict[str, Any] = {f"{before}{name}": tensor for name, tensor in old.items()}
    path = tmp_path / "net.pth"
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.1).state_dict()
    for key in reversed(around.split(".") if around else []):
        named = {"optimizer": optimizer, "epoch": 3, "loss": torch.tensor(1.5), key: named}
    torch.save(named, path)
    found = load_network(path).state_dict()
    wanted = load_network(save(state, tmp_path / "plain.pth")).state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_half_precision_checkpoints_are_taken(tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in published_state().items()}
    assert load_network(save(half, tmp_path / "half.safetensors")).conv1.conv2d.weight.dtype == torch.float32


class Malice:
    """Unpickled, it would make a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, form: str) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "evil.pth"
    content = published_state() | {"conv1.conv2d.weight": Malice(trace)}
    if form == "plain":
        path.write_bytes(pickle.dumps(content["conv1.conv2d.weight"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(StyleError, match="without running code") as caught:
        load_network(path)
    assert str(path) in str(caught.value)
    assert not trace.exists()
    # the payload is real: without the protection it runs
    with contextlib.suppress(Exception):
        torch.load(path, weights_only=False)
    assert trace.exists()


def test_a_checkpoint_of_another_network_names_the_first_key(tmp_path: Path) -> None:
    state = published_state()
    missing = {name: tensor for name, tensor in state.items() if name != "deconv3.conv2d.bias"}
    cases: list[tuple[State, str]] = [
        (missing, "'deconv3.conv2d.bias' is missing"),
        ({"features.0.weight": torch.zeros(64, 3, 3, 3)}, "'features.0.weight' has no place"),
        (
            state | {"conv2.conv2d.weight": torch.zeros(64, 32, 5, 5)},
            r"'conv2.conv2d.weight' is \(64, 32, 5, 5\), not \(64, 32, 3, 3\)",
        ),
        (state | {"in3.bias": torch.full((128,), torch.nan)}, "'in3.bias' isn't made of finite numbers"),
        (state | {"in3.bias": torch.ones(128, dtype=torch.int64)}, "'in3.bias' isn't made of finite numbers"),
        (state | {"in3.bias": torch.ones(128).to_sparse()}, "'in3.bias' is sparse, quantized or without its values"),
        (state | {"in3.bias": torch.ones(128, device="meta")}, "'in3.bias' is sparse, quantized or without its values"),
    ]
    for number, (wrong, reason) in enumerate(cases):
        path = save(wrong, tmp_path / f"{number}.pth")
        with pytest.raises(StyleError, match=reason) as caught:
            score(path, some_frames(8, 8))
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut short", b"\xff" * 100])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(StyleError, match=f"net{suffix}"):
        load_network(path)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = save(published_state(), tmp_path / name)
    path.write_bytes(path.read_bytes()[:1_000_000])
    with pytest.raises(StyleError, match="damaged"):
        load_network(path)


def test_what_is_missing_or_no_state_dict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="There is no file of weights"):
        load_network(tmp_path / "no.pth")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    with pytest.raises(StyleError, match="something else than a state dict"):
        load_network(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "mapping.pth")
    with pytest.raises(StyleError, match="something else than a state dict"):
        load_network(tmp_path / "mapping.pth")


def test_a_file_is_not_read_past_its_limit(tmp_path: Path) -> None:
    path = save(published_state(), tmp_path / "net.pth")
    with pytest.raises(StyleError, match="more than the 1,000,000"):
        read_weights(path, 1_000_000, StyleError)


def test_a_zip_bomb_is_refused_by_its_unpacked_size(tmp_path: Path) -> None:
    plain = io.BytesIO()
    torch.save({"conv1.conv2d.weight": torch.zeros(20 * 2**20)}, plain)  # 80 MB of zeros
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in source.namelist():
            bomb.writestr(entry, source.read(entry))
    assert (tmp_path / "bomb.pth").stat().st_size < 2**20
    with pytest.raises(StyleError, match="more than the"):
        load_network(tmp_path / "bomb.pth")
