"""What machines run: the steps one by one, each a process."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.conftest import MakeClip, write_images
from tests.scorer.cli.command_line import run


def addresses(folder: Path) -> dict[str, str]:
    """Where the steps find their stores."""
    return {f"SCORER_{name.upper()}": (folder / name).as_uri() for name in ("input", "output", "work", "logs")}


def test_the_steps_one_by_one(tmp_path: Path, make_clip: MakeClip) -> None:
    """A request file, dispatch, a task each chunk in any order, merge; the same result as `run`."""
    clip = make_clip(frames=30)
    (tmp_path / "input/requests").mkdir()
    (tmp_path / "input/requests/a.json").write_text(
        json.dumps({"name": "job", "input": clip.name, "model": "invert", "chunk_frames": 12})
    )
    urls = addresses(tmp_path)
    job = run("dispatch", "requests/a.json", folder=tmp_path, environment=urls).stdout.strip()
    assert job == run("dispatch", "requests/a.json", folder=tmp_path, environment=urls).stdout.strip()
    run("merge", job, folder=tmp_path, code=13, environment=urls)
    # From here on by machines that mount a share, on which another job left something.
    left = tmp_path / "share/other/parts/0.nut"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"part")
    os.utime(left, (0, 0))
    urls |= {"SCORER_PARTS": (tmp_path / "share").as_uri(), "SCORER_PARTS_DAYS": "7"}
    run("prepare", job, folder=tmp_path, environment=urls)
    assert not left.exists()
    for chunk in ("2", "0", "1", "1"):
        run("score", job, "--chunk", chunk, folder=tmp_path, environment=urls)
    run("score", job, "--chunk", "3", folder=tmp_path, code=2, environment=urls)
    assert len(list(tmp_path.glob("share/job-*/parts/*.nut"))) == 3
    path = run("merge", job, folder=tmp_path, environment=urls).stdout.strip()
    run("run", clip, "--model", "invert", "--chunk-frames", "12", "--out", "out.mp4", folder=tmp_path)
    assert Path(path).read_bytes() == (tmp_path / "out.mp4").read_bytes()


def test_all_chunks_in_turn_whatever_becomes_of_one(tmp_path: Path) -> None:
    write_images(tmp_path / "input/shots", [f"{number}.png" for number in range(6)])
    (tmp_path / "input/shots/0.png").write_bytes(b"not an image")
    request = {"name": "job", "input": "shots/", "model": "invert", "chunk_frames": 2, "failure_threshold": 0}
    (tmp_path / "input/a.json").write_text(json.dumps(request))
    urls = addresses(tmp_path)
    job = run("dispatch", "a.json", folder=tmp_path, environment=urls).stdout.strip()
    for _ in range(2):
        done = run("score", job, folder=tmp_path, code=10, environment=urls)
        assert "chunk 0: 1 frame failed" in done.stderr
        assert len(list((tmp_path / "work" / job / "parts").glob("*.json"))) == 2
    assert "chunk 1: 2 frames, scored before" in done.stderr
