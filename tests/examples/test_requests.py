"""The request files among the examples are taken as they are, and the way that their README shows works."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from scorer.documents.request import parse_request
from scorer.media.limits import Limits
from tests.conftest import ffmpeg, frame_hashes

REPOSITORY = Path(__file__).parents[2]
REQUESTS = sorted((REPOSITORY / "examples/requests").glob("*.json"))


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.name)
def test_requests_are_taken(path: Path) -> None:
    assert parse_request(path.read_bytes(), Limits()).name


def test_the_readmes_way(tmp_path: Path, bunny: Path) -> None:
    data = tmp_path / "data"
    for folder in ("videos", "styles", "requests"):
        (data / folder).mkdir(parents=True)
    ffmpeg("-i", bunny, "-frames:v", "6", "-vf", "scale=160:-2", data / "videos/bunny.mp4")
    for seed, name in enumerate(("swirls", "waves")):
        cv2.imwrite(str(data / f"styles/{name}.png"), np.random.default_rng(seed).integers(0, 256, (64, 64, 3)).astype(np.uint8))
    request = (REPOSITORY / "examples/requests/video.json").read_text().replace('"size": 640', '"size": 96')
    (data / "requests/video.json").write_text(request)
    text = (REPOSITORY / "examples/README.md").read_text()
    commands = "".join(line for line in text.splitlines(keepends=True) if line.startswith("    "))
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = Path(done.stdout.strip())
    assert result.name == "result.mp4"
    assert len(frame_hashes(result)) == 6
