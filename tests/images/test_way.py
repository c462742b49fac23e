"""The way of a request through both images: the submitter plans, a node scores and merges, on folders that are mounted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.conftest import MakeClip, frame_hashes
from tests.images.builder import Builder

UID = 10001


def stores(folder: Path) -> list[str]:
    names = {"input-url": "input", "output": "output", "work": "work", "logs": "logs"}
    return [f"--{option}=file://{folder / name}" for option, name in names.items()]


def request(folder: Path) -> dict[str, object]:
    """A clip's request; eager torch, which computes the same on every machine's processor."""
    style = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    (folder / "input/requests").mkdir(parents=True)
    cv2.imwrite(str(folder / "input/painting.png"), cv2.resize(style, (256, 256), interpolation=cv2.INTER_CUBIC))
    content: dict[str, object] = {
        "version": 1,
        "name": "trial",
        "input": "clip.mp4",
        "styles": [{"source": "painting.png"}],
        "options": {"runtime": "torch", "compiled": False},
    }
    (folder / "input/requests/trial.json").write_text(json.dumps(content))
    return content


def pictures(video: Path) -> NDArray[np.int16]:
    with av.open(str(video)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(np.int16)


def on_this_machine(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "scorer", *arguments, *stores(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def hand_over(folder: Path) -> None:
    """Let the containers' user read the inputs and own the rest, as stores that are mounted do."""
    for path in (folder, *(folder / "input").rglob("*"), folder / "input"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for name in ("output", "work", "logs"):
        (folder / name).mkdir()
        os.chown(folder / name, UID, UID)


def test_the_images_make_what_this_machine_makes(images: Builder, tmp_path: Path, make_clip: MakeClip) -> None:
    here, there = tmp_path, tmp_path / "there"
    request(here)
    clip = make_clip(frames=6)
    there.mkdir()
    subprocess.run(["cp", "--recursive", "--preserve", here / "input", there], check=True)
    hand_over(there)
    # under the same address: a job's name is made of it, among others
    mounts = {there: str(here)}
    dispatch = ("dispatch", "requests/trial.json", "--device", "cpu")
    job = images.enter(images.image("submitter"), *dispatch, *stores(here), mounts=mounts).strip()
    images.enter(images.image("scorer"), "score", job, "--chunk", "0", *stores(here), mounts=mounts)
    images.enter(images.image("scorer"), "merge", job, *stores(here), mounts=mounts)
    assert on_this_machine(here, *dispatch).strip() == job
    on_this_machine(here, "score", job, "--chunk", "0")
    on_this_machine(here, "merge", job)

    (result,) = there.glob(f"output/{job}/*.mp4")
    (expected,) = here.glob(f"output/{job}/*.mp4")
    assert len(frame_hashes(result)) == 6
    assert np.abs(pictures(result) - pictures(expected)).max() <= 2
    assert np.abs(pictures(result) - pictures(clip)).mean() > 10
    assert result.stat().st_uid == UID


def test_a_bad_request_is_refused_with_one_sentence(images: Builder, tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input/bad.json").write_text('{"version": 1, "input": "../secret.mp4"}')
    hand_over(tmp_path)
    said = images.refuse(
        images.image("submitter"), "dispatch", "bad.json", *stores(tmp_path), mounts={tmp_path: str(tmp_path)}, code=2
    )
    assert "../secret.mp4" in said
    assert "Traceback" not in said


def test_the_scorer_s_torch_is_built_for_cuda(images: Builder) -> None:
    code = "import torch; print(torch.version.cuda, torch.cuda.is_available())"
    version, available = images.run(images.image("scorer"), "python", "-c", code).split()
    assert int(version.split(".")[0]) >= 12
    assert available == "False"  # no GPU here; so it was really torch that was asked
