"""Frames that stay in planes make the film that pixels make: by a processor, which does what a GPU does in the same order."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from scorer.documents.records import FrameRecord
from scorer.job.merge import merge
from scorer.job.samples import samples
from scorer.models import ModelSettings
from scorer.models.torch_runtime import TorchModel
from tests.folders import FolderStores
from tests.scorer.job.planes_jobs import Negative, film, scored_both_ways, tasks
from tests.scorer.job.scoring import task_records
from tests.scorer.media.video.samples import ffmpeg, stamps

STRENGTHS = {"H.264, 4:2:2": 0.0, "VP9": 0.3, "10 bits": 0.75}
"""Of films that aren't scored at full strength."""

FILMS = {
    "H.264": ("film.mp4", ("-pix_fmt", "yuv420p")),
    "H.264, 4:2:2": ("film.mp4", ("-pix_fmt", "yuv422p", "-c:v", "libx264")),
    "H.264, 4:4:4 of full range": ("film.mp4", ("-pix_fmt", "yuv444p", "-c:v", "libx264", "-color_range", "pc")),
    "VP9": ("film.webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8")),
    "10 bits": ("film.mkv", ("-c:v", "ffv1", "-pix_fmt", "yuv420p10le")),
}


@pytest.mark.parametrize("kind", FILMS)
def test_a_job_makes_what_it_makes_of_pixels(
    kind: str, stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, arguments = FILMS[kind]
    film(stores.input.root / name, *arguments)
    plan, other = scored_both_ways(stores, tmp_path, monkeypatch, name, strength=STRENGTHS.get(kind, 1.0))
    assert all(task.runtime.endswith("eager, planes eager") and not task.notes for task in tasks(plan, other))
    for each in (stores, other):
        merge(plan, each)
    assert stamps(other.output.root / "job" / plan.result) == stamps(stores.output.root / "job" / plan.result)


def damaged(path: Path) -> None:
    film(path, "-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "4")
    with av.open(str(path)) as container:
        packets = [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in packets[4:6]:
        data[position : position + size] = np.random.default_rng(1).bytes(size)
    path.write_bytes(data)


def turned(path: Path) -> None:
    lying = path.with_name(f"lying-{path.name}")
    film(lying)
    ffmpeg("-v", "error", "-display_rotation", "90", "-i", lying, "-c", "copy", path)


def interlaced(path: Path) -> None:
    film(path, "-vf", "interlace=scan=tff", "-flags", "+ilme+ildct", "-c:v", "libx264", "-pix_fmt", "yuv420p")


def of_two_kinds(path: Path) -> None:
    """The second half says another matrix and range, as recordings that are joined do."""
    halves = [path.with_name(f"{number}.ts") for number in range(2)]
    colors = (("bt709", "tv"), ("smpte170m", "pc"))
    for half, (matrix, range_) in zip(halves, colors, strict=True):
        film(half, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-colorspace", matrix, "-color_range", range_)
    path.write_bytes(b"".join(half.read_bytes() for half in halves))


ODD: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "damaged": ("film.mp4", damaged, "planes eager"),
    "turned": ("film.mp4", turned, "planes eager"),
    "interlaced": ("film.mp4", interlaced, "RGB (pictures)"),
    "of two kinds": ("film.ts", of_two_kinds, "planes eager"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_films_become_what_they_become_of_pixels(
    kind: str, stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, write, runtime = ODD[kind]
    write(stores.input.root / name)
    plan, other = scored_both_ways(stores, tmp_path, monkeypatch, name)
    assert all(task.runtime.endswith(f", {runtime}") and not task.notes for task in tasks(plan, other))
    failed, expected_failed = (
        {record.frame: record.error for record in task_records(plan, each) if isinstance(record, FrameRecord) and record.error}
        for each in (other, stores)
    )
    assert failed == expected_failed
    assert bool(failed) == (kind == "damaged")


def test_samples_are_kept_as_of_pixels(stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film(stores.input.root / "film.mp4")
    plan, other = scored_both_ways(stores, tmp_path, monkeypatch)
    found, usual = list(samples(plan, other)), list(samples(plan, stores))
    assert [pair.frame for pair in found] == [pair.frame for pair in usual]
    assert all(pair.before == before.before for pair, before in zip(found, usual, strict=True))
    for pair, expected in zip(found, usual, strict=True):
        # Of a picture in planes chroma is halved, which that of pixels would be by the next step.
        one, another = (np.asarray(Image.open(BytesIO(each.after)).convert("L"), int) for each in (pair, expected))
        assert np.abs(one - another).mean() < 3


@pytest.mark.cuda
@pytest.mark.parametrize("kind", ["H.264", "10 bits"])
def test_a_gpu_makes_what_a_processor_makes_of_pixels(
    kind: str, stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, arguments = FILMS[kind]
    film(stores.input.root / name, *arguments, size="640x360")
    on_gpu = TorchModel(Negative(), ModelSettings(device="cuda"), half=False, graphed=True)
    plan, other = scored_both_ways(stores, tmp_path, monkeypatch, name, on_gpu, "cuda")
    assert all(task.runtime.endswith("graph, planes graph") and not task.notes for task in tasks(plan, other))
