"""`scorer run` stopped, killed, out of space, and run again: it goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import MakeClip, ffmpeg, frame_hashes
from tests.scorer.cli.command_line import SCORER, run, status


def _progress(folder: Path) -> int:
    """Parts and plans that are there: how far a run has come."""
    return len(list(folder.glob(".scorer/*/*/parts/*.json"))) + len(list(folder.glob(".scorer/*/*/plan.json")))


def _wait(process: subprocess.Popen[bytes] | subprocess.Popen[str], folder: Path, progress: int) -> None:
    """Until the run has come that far, or has ended."""
    deadline = time.monotonic() + 60
    while _progress(folder) < progress and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def _group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def _has_part(log: Path, parts: dict[Path, int]) -> bool:
    return any(part.name.startswith(log.stem) for part in parts)


def test_stopped_while_it_loads_it_shows_nothing_of_its_inside(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = subprocess.run([*SCORER, "run"], check=False, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped before anything began.\n")


def test_again_does_nothing_again(tmp_path: Path, make_clip: MakeClip) -> None:
    command: list[str | Path] = ["run", make_clip(), "--model", "invert", "--out", "out.mp4"]
    run(*command, folder=tmp_path)
    before = status(tmp_path)
    (tmp_path / "out.mp4").unlink()
    done = run(*command, folder=tmp_path)
    assert done.stdout.startswith("out.mp4 · 30 frames · all done before · report: ")
    assert status(tmp_path) == before
    assert (tmp_path / "out.mp4").exists()


def test_a_changed_input_is_scored_anew(tmp_path: Path, make_clip: MakeClip) -> None:
    command: list[str | Path] = ["run", tmp_path / "input/clip.mp4", "--model", "invert", "--out", "out.mp4"]
    make_clip(frames=30)
    run(*command, folder=tmp_path)
    make_clip(frames=18)
    done = run(*command, folder=tmp_path)
    assert "18 frames ·" in done.stdout
    assert len(frame_hashes(tmp_path / "out.mp4")) == 18


IN_SEVEN = ("--model", "invert", "--option", "sleep_ms=15", "--chunk-frames", "6", "--workers", "2")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A clip of 42 frames, and what a run that nobody stops makes of it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    made = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-f", "lavfi", "-i", "sine=frequency=440")
    ffmpeg(*made, "-frames:v", "42", "-t", "1.68", "-pix_fmt", "yuv420p", "-g", "12", folder / "clip.mp4")
    run("run", folder / "clip.mp4", *IN_SEVEN, "--out", "out.mp4", folder=folder)
    return folder / "clip.mp4", (folder / "out.mp4").read_bytes()


@pytest.mark.parametrize("instant", [0, 1, 2, 4, 6, 8])
def test_killed_at_any_instant_it_goes_on(tmp_path: Path, undisturbed: tuple[Path, bytes], instant: int) -> None:
    """Killed with -9 once so many files tell of progress; 8 is after the last part, in the merge or the report."""
    clip, expected = undisturbed
    command = ["run", str(clip), *IN_SEVEN]
    whole = [*SCORER, *command, "--out", "out.mp4"]
    first = subprocess.Popen(whole, cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE)
    _wait(first, tmp_path, instant)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    deadline = time.monotonic() + 60
    # Workers end by themselves when the process that started them is gone, however it went.
    while not _group_is_gone(first.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _group_is_gone(first.pid)

    parts = {path: path.stat().st_mtime_ns for path in tmp_path.glob(".scorer/work/*/parts/*.json")}
    logs = {path: path.stat().st_mtime_ns for path in tmp_path.glob(".scorer/logs/*/*.jsonl") if _has_part(path, parts)}
    done = run(*command, "--out", "out.mp4", folder=tmp_path)
    assert all(path.stat().st_mtime_ns == before for path, before in logs.items()), "a chunk that was done was scored again"
    if 0 < len(parts) < 7:
        assert f"{6 * len(parts)} of them from an earlier run" in done.stdout
    assert (tmp_path / "out.mp4").read_bytes() == expected


@pytest.mark.parametrize("parts", [0, 2])
def test_ctrl_c_says_how_to_go_on(tmp_path: Path, make_clip: MakeClip, parts: int) -> None:
    """The signal goes to all processes of the terminal: to workers that start, and to those at work."""
    command = ["run", str(make_clip()), "--model", "invert", "--option", "sleep_ms=50", "--chunk-frames", "3", "--workers", "2"]
    heard = ["env", "--default-signal=INT"]  # what runs in a shell's background hears no Ctrl-C, nor do its children
    running = subprocess.Popen(
        [*heard, *SCORER, *command, "--out", "out.mp4"], cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    _wait(running, tmp_path, 1 + parts)
    time.sleep(0 if parts else 0.3)  # workers load their modules now
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said.endswith("Stopped. The same command goes on from here.\n")
    assert "Traceback" not in said
    run(*command, "--out", "out.mp4", folder=tmp_path)


def _children(parent: int) -> list[tuple[int, str]]:
    """By their ids, with their command lines."""
    listing = ["ps", "-ww", "--ppid", str(parent), "-o", "pid=,args="]
    lines = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
    return [(int(child), command) for child, command in (line.split(maxsplit=1) for line in lines)]


def test_a_killed_worker_is_replaced(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=40)
    command = ["run", str(clip), "--model", "invert", "--option", "sleep_ms=20", "--workers", "1"]
    command += ["--chunk-frames", "8", "--out", "out.mp4"]
    running = subprocess.Popen([*SCORER, *command], cwd=tmp_path, stderr=subprocess.PIPE)
    _wait(running, tmp_path, 2)
    (server,) = [child for child, command in _children(running.pid) if "forkserver" in command]
    ((worker, _),) = _children(server)
    os.kill(worker, signal.SIGKILL)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    assert len(frame_hashes(tmp_path / "out.mp4")) == 40


def test_a_chunk_that_kills_its_process_ends_the_job(tmp_path: Path, make_clip: MakeClip) -> None:
    done = run("run", make_clip(), "--model", "invert", "--option", "deadly=true", folder=tmp_path, code=13)
    assert "ended its process 3 times, with code 77" in done.stderr


def test_a_full_disk_is_said_and_then_gone_on_from(tmp_path: Path, make_clip: MakeClip) -> None:
    """A limit on the size of files stands for the full disk: parts fit, the joined video doesn't."""
    clip = make_clip(frames=60, size="320x240")
    command = ["run", str(clip), "--model", "invert", "--chunk-frames", "10", "--out", "out.mp4"]
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
        f"sys.argv[1:] = {command!r}; from scorer.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", limited], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 9, done.stderr
    assert not (tmp_path / "out.mp4").exists()
    run(*command, folder=tmp_path)
    assert len(frame_hashes(tmp_path / "out.mp4")) == 60
