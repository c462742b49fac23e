"""`scorer.run` as notebooks and scripts use it: the command line's options, errors and jobs, in whatever thread."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorer
from scorer import api
from scorer.cli.local_job import Done, LocalJob
from scorer.cli.options import ScoringOptions
from scorer.cli.run import run as command
from scorer.documents.request import Request
from scorer.errors import InputError, MissingError, ModelError, OutputError, RequestError, StyleError
from tests.conftest import MakeClip, frame_hashes, write_clip, write_images
from tests.scorer.cli.command_line import run as scorer_run


def test_it_takes_what_the_command_takes() -> None:
    """But for what is of terminals and machines; with the same defaults, and checked for its types where it is called."""
    own = inspect.signature(scorer.run).parameters
    typed = {name: each.default for name, each in inspect.signature(command).parameters.items()}
    assert set(own) - {"options", "progress"} == set(typed) - {"option", "dispatch_only", "quiet", "as_json"}
    for name in {field.name for field in dataclasses.fields(ScoringOptions)} - {"option"}:
        assert own[name].default == typed[name], name


def test_a_call_is_the_command_with_the_same_options(
    tmp_path: Path, make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = make_clip(frames=40)
    told: list[tuple[int, int]] = []
    size: Any = np.int64(64)
    done = scorer.run(
        clip, model="invert", options={"sleep_ms": 1}, size=size, strength=0.5, chunk_frames=15, out="out.mp4",
        progress=lambda *frames: told.append(frames),
    )  # fmt: skip
    assert done.path == tmp_path / "out.mp4"
    assert done.paths == (done.path,)
    assert len(frame_hashes(done.path)) == done.frames == 40
    assert (done.failed, done.reused, done.notes) == (0, 0, ())
    assert told[0] == (0, 40)
    assert told[-1] == (40, 40)
    assert [each.frame for each in done.records] == list(range(40))
    assert all(each.model_ms > 0 for each in done.records)
    assert done.seconds == sum(done.stage_seconds.values()) > 0
    assert "invert" in done.report.read_text()
    assert len(repr(done)) < 1000
    with pytest.raises(dataclasses.FrozenInstanceError):
        done.frames = 1  # type: ignore[misc]  # which is what is tried

    options = ["--option", "sleep_ms=1", "--size", "64", "--strength", "0.5", "--chunk-frames", "15", "--out", "out.mp4"]
    said = json.loads(scorer_run("run", clip, "--model", "invert", *options, "--json", folder=tmp_path).stdout)
    assert (said["job"], said["reused"]) == (done.job, 40)
    assert said["result"] == str(done.path)


def asked(monkeypatch: pytest.MonkeyPatch, source: Path, **given: Any) -> Request:
    """What a call asks for."""
    asked: list[Request] = []

    def note(job: LocalJob, *_: object) -> Done:
        asked.append(job.request)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalJob, "run", note)
        with pytest.raises(KeyboardInterrupt):
            scorer.run(source, **given)
    return asked[0]


def test_styles_are_paths_numbers_or_text_with_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path, ["a.png", "b@2.png"])
    image = write_images_in(tmp_path / "shots", "1.png")
    for number in (7, "7", np.int64(7), [7]):
        assert [each.source for each in asked(monkeypatch, image, model="painted", style=number).styles] == [7]
    assert [each.source for each in asked(monkeypatch, image, model="painted", style=("1", 2)).styles] == [1, 2]
    mixed = asked(monkeypatch, image, style=[Path("a.png"), "b@2.png@0.5"]).styles
    assert [(Path(str(each.source)).name, each.weight) for each in mixed] == [("a.png", 1.0), ("b@2.png", 0.5)]
    options = {"precision": "float32", "compiled": True, "runtime": "torch"}
    assert asked(monkeypatch, image, style="a.png", options=options).options == options


def test_a_folder_has_a_path_and_a_record_for_each_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_images_in(tmp_path / "shots", "1.png")
    folder = scorer.run("shots", model="invert", out="made")
    assert folder.paths == (tmp_path / "made/1.png",)
    assert folder.path == tmp_path / "made"
    assert folder.records[0].name == "1.png"


def write_images_in(folder: Path, name: str) -> Path:
    write_images(folder, [name])
    return folder / name


BAD: dict[str, tuple[dict[str, Any], type[scorer.ScorerError], str]] = {
    "no such file": ({"source": "no.mp4"}, MissingError, "There is no 'no.mp4'"),
    "no path": ({"source": 7}, RequestError, "7 is no path"),
    "an empty name": ({"source": ""}, RequestError, "'source' can't be taken: it is empty"),
    "a device": ({"source": "/dev/null"}, InputError, "a pipe or a device"),
    "no such style": ({"style": "no.png", "model": "adaptive"}, MissingError, "the style"),
    "style of no kind": ({"style": 1.5}, RequestError, "1.5 is no path"),
    "a style too many": ({"style": [1, None]}, RequestError, "None is no path"),
    "no style of this model": ({"style": 26, "model": "painted"}, StyleError, "has no style '26'"),
    "no such model": ({"model": "no"}, ModelError, "There is no model 'no'"),
    "model of no kind": ({"model": None}, ModelError, "There is no model 'None'"),
    "size": ({"size": "720p"}, RequestError, 'The request\'s size is "720p": write the pixels of the longer side'),
    "size of a kind": ({"size": object()}, RequestError, "not all in it is text"),
    "strength": ({"strength": 2}, RequestError, "The request's strength is 2: write a number from 0"),
    "no number": ({"strength": float("nan")}, RequestError, "The request's strength is NaN"),
    "steady": ({"steady": "very"}, RequestError, 'write "off", "light" or "full"'),
    "strict": ({"strict": "yes"}, RequestError, "write true or false"),
    "option": ({"options": {"no": 1}}, RequestError, "has no option 'no'"),
    "options": ({"options": ["no"]}, RequestError, "'options' is ['no']"),
    "out": ({"out": "clip.avi"}, RequestError, "call it 'clip.mp4'"),
    "out is the input": ({"out": "clip.mp4"}, OutputError, "is the input itself"),
    "out of no kind": ({"out": "s3://bucket/a.mp4"}, RequestError, "is no place on this machine"),
    "work": ({"work": "/proc/nothing"}, OutputError, "/proc/nothing"),
    "workers": ({"workers": 0}, RequestError, "'workers' can't be taken: 0 is out of range"),
    "device": ({"device": "tpu"}, RequestError, "Device 'tpu' is not known"),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 6, "32x32")


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_as_the_command_says_it(case: str, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    given, kind, words = BAD[case]
    with pytest.raises(scorer.ScorerError) as caught:
        scorer.run(**{"source": "clip.mp4", "model": "invert", **given})
    assert type(caught.value) is kind, caught.value
    assert words in str(caught.value)
    assert [path.name for path in clip.parent.iterdir() if path.suffix == ".mp4"] == ["clip.mp4"]


def test_in_an_event_loop_in_threads_and_twice(clip: Path, tmp_path: Path) -> None:
    def call(name: str) -> scorer.Result:
        return scorer.run(clip, model="invert", out=tmp_path / name, work=tmp_path / "work", workers=1)

    async def notebook() -> list[scorer.Result]:
        first = call("a.mp4")
        return [first, *await asyncio.gather(asyncio.to_thread(call, "b.mp4"), asyncio.to_thread(call, "a.mp4"))]

    first, other, again = asyncio.run(notebook())
    assert first.job == again.job
    assert again.reused == again.frames
    assert other.path.read_bytes() == first.path.read_bytes()


def stopped(clip: Path, folder: Path, progress: Callable[[int, int], None]) -> scorer.Result:
    how = {"sleep_ms": 20}
    return scorer.run(
        clip, model="invert", options=how, chunk_frames=2, workers=1, out=folder / "a.mp4", work=folder, progress=progress
    )


@pytest.fixture
def heard() -> Iterator[None]:
    """Interrupts are heard, also where a shell has these tests ignore them, in its background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_it_and_the_same_call_goes_on(clip: Path, tmp_path: Path) -> None:
    def interrupt(done: int, frames: int) -> None:
        if 2 <= done < frames:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        stopped(clip, tmp_path, interrupt)
    assert not (tmp_path / "a.mp4").exists()
    assert [each for each in multiprocessing.active_children() if each.name.startswith("scorer-")] == []
    assert stopped(clip, tmp_path, lambda *_: None).reused >= 2


def test_what_the_callback_raises_comes_back_and_the_same_call_goes_on(clip: Path, tmp_path: Path) -> None:
    error = LookupError("mine")
    threads = set()

    def fail(done: int, frames: int) -> None:
        threads.add(threading.get_ident())
        if 2 <= done < frames:
            raise error

    with pytest.raises(LookupError) as caught:
        stopped(clip, tmp_path, fail)
    assert caught.value is error
    assert threads == {threading.get_ident()}
    assert stopped(clip, tmp_path, lambda *_: None).reused >= 2


def call_as_a_daemon(clip: Path, said: Any) -> None:
    try:
        scorer.run(clip, model="invert", out=clip.with_name("daemon.mp4"), work=clip.parent / "daemon")
    except scorer.ScorerError as error:
        said.send(str(error))


def test_a_process_that_may_start_no_others_is_told_so(clip: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=call_as_a_daemon, args=(clip, theirs), daemon=True)
    process.start()
    theirs.close()
    assert "a daemon of multiprocessing, which may start no processes" in ours.recv()
    process.join()


SCRIPT = """
import sys
import scorer
heavy = {"numpy", "av", "typer", "pydantic", "scorer.api"} & set(sys.modules)
print("began", sorted(heavy))
print(scorer.run("clip.mp4", model="invert", out=sys.argv[1], work=sys.argv[2], workers=1).frames)
"""


def test_a_script_needs_no_guard_and_to_import_costs_nothing(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path / "a.mp4", tmp_path / "work"], cwd=clip.parent, check=False,
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path()},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("began []\n6\n", "")


def path() -> str:
    """With what is tested first, wherever the script is."""
    return os.pathsep.join(filter(None, [str(Path(api.__file__).parents[1]), os.environ.get("PYTHONPATH")]))


def test_what_is_public_is_there() -> None:
    assert set(scorer.__all__) <= set(dir(scorer))
    assert scorer.run is api.run
    assert all(getattr(scorer, name) is not None for name in scorer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'preview_all'"):
        getattr(scorer, "preview_all")  # noqa: B009  # mypy knows, too, that it isn't there
