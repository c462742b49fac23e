"""Every model that ships, on every runtime, on every kind of media, read from disk as a job reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.job.dispatch import dispatch
from scorer.job.merge import merge
from scorer.job.score import load_model, score_chunk
from scorer.models import Model
from scorer.store import FolderStore
from tests.folders import FolderStores
from tests.scorer.cli.command_line import run
from tests.scorer.media.video.samples import decode, ffmpeg, psnr
from tests.scorer.models.published_network import published_state

WIDTH, HEIGHT = 40, 32  # the least that VGG19 bears, and a size that isn't square

RUNTIMES: dict[str, dict[str, Any]] = {
    "openvino-float32": {"runtime": "openvino", "precision": "float32"},
    "openvino-int8": {"runtime": "openvino", "precision": "int8"},
    "torch": {"runtime": "torch", "compiled": False},
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"{model} {name}": (model, RUNTIMES[name]) for model in ("adaptive", "painted", "feedforward") for name in RUNTIMES},
    "gatys torch": ("gatys", {"iterations": 1, "optimizer": "adam", "learning_rate": 0.1}),
}

STYLES: dict[str, Any] = {"adaptive": "style.png", "painted": 7, "feedforward": "net.safetensors", "gatys": "style.png"}


def scene(seed: int, depth: int = 8) -> NDArray[Any]:
    """(HEIGHT, WIDTH, 3), soft blobs: another one each, of 8 or 16 bits."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
    return image if depth == 8 else image.astype(np.uint16) * 257


def write_folder(folder: Path) -> None:
    """Two of each kind, so that a batch of two is full."""
    folder.mkdir()
    for seed in (1, 2):
        plain = Image.fromarray(scene(seed))
        alpha = plain.copy()
        alpha.putalpha(Image.linear_gradient("L").resize(plain.size))
        plain.save(folder / f"colour{seed}.jpg", quality=95)
        plain.save(folder / f"colour{seed}.png")
        plain.save(folder / f"colour{seed}.webp", lossless=True)
        plain.convert("L").save(folder / f"grey{seed}.jpg", quality=95)
        plain.convert("L").save(folder / f"grey{seed}.png")
        plain.convert("CMYK").save(folder / f"print{seed}.jpg")
        plain.quantize(32).save(folder / f"palette{seed}.png")
        alpha.save(folder / f"alpha{seed}.png")
        alpha.save(folder / f"alpha{seed}.webp", lossless=True)
        deep = scene(seed, 16)
        cv2.imwrite(str(folder / f"deep{seed}.png"), deep)
        cv2.imwrite(str(folder / f"deep-grey{seed}.png"), deep[..., 0])
        cv2.imwrite(str(folder / f"deep-alpha{seed}.png"), np.dstack([deep, deep[..., 0]]))


def write_videos(folder: Path) -> None:
    moving = ("-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={WIDTH}x{HEIGHT}:r=25:d=0.12")
    ffmpeg(*moving, "-pix_fmt", "yuv420p", folder / "eight.mp4")
    ffmpeg(*moving, "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", folder / "ten.mkv")


@dataclass
class Media:
    """An input store that is only read, and one loaded model."""

    root: Path
    _loaded: tuple[str, Model] | None = None

    def model(self, name: str, plan: Plan, stores: FolderStores) -> Model:
        """The model of that name, loaded once for all its media."""
        if self._loaded is None or self._loaded[0] != name:
            self._loaded = name, load_model(plan, stores)
        return self._loaded[1]

    def stores(self, folder: Path) -> FolderStores:
        return FolderStores(FolderStore(self.root), *(FolderStore(folder / name) for name in ("output", "work", "logs")))


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    root = tmp_path_factory.mktemp("media")
    write_folder(root / "photos")
    write_videos(root)
    Image.fromarray(scene(9)).resize((64, 64)).save(root / "style.png")
    save_file(published_state(), root / "net.safetensors")
    return Media(root)


# Any two of a source, a size and a batch size meet; all three of them add nothing.
WAYS: list[tuple[str, int | None, int]] = [
    ("photos/", None, 1), ("photos/", 36, 2), ("eight.mp4", None, 2), ("eight.mp4", 36, 1),
    ("ten.mkv", None, 1), ("ten.mkv", 36, 2),
]  # fmt: skip


# `gatys` takes half a second a frame, one by one whatever the batch: it has the photographs once.
CASES = [(name, *way) for name in MODELS for way in (WAYS[1:] if name.startswith("gatys") else WAYS)]


@pytest.mark.usefixtures("random_vgg19")
@pytest.mark.parametrize(("name", "source", "size", "batch_size"), CASES)
def test_it_scores(tmp_path: Path, media: Media, name: str, source: str, size: int | None, batch_size: int) -> None:
    model, options = MODELS[name]
    request = make_request(
        {
            "name": "job", "input": source, "model": model, "options": options, "styles": [{"source": STYLES[model]}],
            "size": size, "batch_size": batch_size, "failure_threshold": 0,
        }
    )  # fmt: skip
    stores = media.stores(tmp_path)
    plan = dispatch("job", request, stores, "cpu")
    loaded = media.model(name, plan, stores)
    for chunk in plan.chunks:
        part, _ = score_chunk(plan, chunk, stores, loaded)
        assert part.failed == 0
    merge(plan, stores)
    width, height = (WIDTH, HEIGHT) if size is None else (36, 28 if plan.video else 29)
    for path in results(plan, stores):
        check(path, media.root / source / (path.name if plan.video is None else ""), width, height)


def results(plan: Plan, stores: FolderStores) -> list[Path]:
    """The result's files, as many as there should be."""
    path = stores.output.root / "job" / plan.result
    if plan.video is not None:
        return [path]
    found = sorted(path.iterdir())
    assert len(found) == plan.frames == 24
    return found


def check(path: Path, source: Path, width: int, height: int) -> None:
    """As other readers than ours see it: the size, the depth, and pixels that aren't the original's."""
    if path.suffix in (".mp4", ".mkv"):
        frames = decode(path, "yuv420p", width, height)
        assert len(frames) == 3
        before = decode(source, "yuv420p", width, height, "-vf", f"scale={width}:{height}")
        assert psnr(frames, before, 255) < 40
        return
    after, before = (np.asarray(cv2.imread(str(each), cv2.IMREAD_UNCHANGED)) for each in (path, source))
    assert after.shape[:2] == (height, width)
    assert after.dtype == before.dtype
    seen, shown = (np.asarray(cv2.imread(str(each), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)) for each in (path, source))
    smaller = np.asarray(cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA))
    assert psnr(seen.astype(np.float64), smaller.astype(np.float64), 255 if after.dtype == np.uint8 else 65535) < 40


def test_photographs_by_the_command_line(tmp_path: Path, media: Media) -> None:
    """With nothing but a style, as a person begins."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in (1, 2):
        Image.fromarray(scene(seed)).save(photos / f"IMG_{seed}.jpg", quality=95)
    done = run("run", "photos", "--style", media.root / "style.png", "--out", "painted", folder=tmp_path)
    assert done.stdout.startswith("painted · 2 frames · ")
    for path in (tmp_path / "painted").iterdir():
        check(path, photos / path.name, WIDTH, HEIGHT)
