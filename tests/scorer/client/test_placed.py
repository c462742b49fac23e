"""Names of results, and that nothing is replaced which the job didn't make."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scorer.client.placed import Placed
from scorer.client.placing import place
from scorer.errors import MissingError, OutputError
from scorer.store import FolderStore
from tests.conftest import MakeClip, write_images
from tests.scorer.cli.command_line import run

NO = "is there already, and this job didn't make it"


def said(folder: Path, *arguments: str | Path) -> Path:
    return folder / run("run", *arguments, folder=folder).stdout.split(" · ")[0]


def test_default_names_differ_where_anything_does(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_images(tmp_path / folder, ["photo.png", "photo.jpg"], shape=(16, 16))
    asked = [
        ["a/photo.png"], ["a/photo.jpg"], ["b/photo.png"], ["a/photo.png", "--strength", "0.5"], ["a/photo.png", "--size", "32"],
    ]  # fmt: skip
    names = [said(tmp_path, *each, "--model", "invert") for each in asked]
    assert len({name.stem for name in names}) == len(asked)
    assert all(name.stem.startswith("photo-invert-") and name.is_file() for name in names)
    assert said(tmp_path, *asked[0], "--model", "invert") == names[0], "the same command is the same name"


def test_long_names_of_inputs_make_names_that_a_disk_holds(tmp_path: Path) -> None:
    name = "ä" * 124 + ".png"
    write_images(tmp_path, [name], shape=(16, 16))
    result = said(tmp_path, name, "--model", "invert")
    assert result.is_file()
    assert result.name.startswith("ä" * 50)


def test_what_is_there_is_replaced_by_the_same_job_alone(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=3, size="32x32")
    out = tmp_path / "out.mp4"
    out.write_text("mine")
    command: list[str | Path] = ["run", clip, "--model", "invert", "--out", "out.mp4"]
    refused = run(*command, folder=tmp_path, code=8)
    assert f"error: 'out.mp4' {NO}: give the result another name with --out, or write --overwrite" in refused.stderr
    assert out.read_text() == "mine"
    assert not list((tmp_path / ".scorer/work").glob("*/parts")), "refused before the work"
    run(*command, "--overwrite", folder=tmp_path)
    made = out.read_bytes()
    run(*command, folder=tmp_path)
    out.unlink()
    run(*command, folder=tmp_path)
    assert out.read_bytes() == made
    other = run(*command, "--strength", "0.5", folder=tmp_path, code=8)
    assert NO in other.stderr
    assert out.read_bytes() == made
    out.unlink()
    out.write_bytes(made + b"x")
    assert NO in run(*command, folder=tmp_path, code=8).stderr, "somebody has changed it"


def test_nothing_foreign_in_a_folder_is_replaced(tmp_path: Path) -> None:
    write_images(tmp_path / "shots", ["a.png", "b.png"], shape=(16, 16))
    done = tmp_path / "done"
    done.mkdir()
    (done / "b.png").write_text("mine")
    (done / "notes.txt").write_text("mine")
    command = ["run", "shots", "--model", "invert", "--out", "done"]
    assert f"'done/b.png' {NO}" in run(*command, folder=tmp_path, code=8).stderr
    assert sorted(path.name for path in done.iterdir()) == ["b.png", "notes.txt"]
    (done / "b.png").unlink()
    run(*command, folder=tmp_path)
    write_images(tmp_path / "shots", ["a.png", "c.png"], shape=(8, 8))  # the input has changed: the job's own are made anew
    run(*command, folder=tmp_path)
    assert sorted(path.name for path in done.iterdir()) == ["a.png", "b.png", "c.png", "notes.txt"]
    assert (done / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["photo.png", "style.png"])
def test_what_it_is_made_of_is_never_replaced(tmp_path: Path, name: str) -> None:
    write_images(tmp_path, ["photo.png", "style.png"], shape=(16, 16))
    before = (tmp_path / name).read_bytes()
    (tmp_path / "link.png").symlink_to(name)
    for out in (name, f"../{tmp_path.name}/{name}", "link.png"):
        done = run("run", "photo.png", "--style", "style.png", "--out", out, "--overwrite", folder=tmp_path, code=8)
        assert "give the result another name" in done.stderr
    assert (tmp_path / name).read_bytes() == before


def test_the_same_command_run_twice_at_once_ends_well_twice(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "output")
    target = tmp_path / "out.mp4"
    first, second = (Placed(tmp_path / ".scorer", "job-1") for _ in range(2))
    for result, placed in ((b"result", first), (b"the same, made once more", second)):
        store.put("result.mp4", result)
        place(store, "result.mp4", target, placed)
        assert target.read_bytes() == result
    with pytest.raises(OutputError, match=NO):
        Placed(tmp_path / ".scorer", "job-2").check(target)


def test_a_record_survives_being_cut_off(tmp_path: Path) -> None:
    """Killed between the record's line and the file, between two files, or in a line: the same command goes on."""
    store = FolderStore(tmp_path / "output")
    for name in ("a", "b"):
        store.put(f"job/{name}", name.encode())
    place(store, "job/a", tmp_path / "a", Placed(tmp_path, "job"))
    record = tmp_path / "work/job/placed.jsonl"
    with record.open("a") as file:
        file.write('["/half')
    place(store, "job/a", tmp_path / "a", Placed(tmp_path, "job"))
    place(store, "job/b", tmp_path / "b", Placed(tmp_path, "job"))
    place(store, "job/b", tmp_path / "b", Placed(tmp_path, "job"))
    assert (tmp_path / "b").read_bytes() == b"b"
    with pytest.raises(OutputError, match=NO):
        place(store, "job/a", tmp_path / "b", Placed(tmp_path, "other"))
    os.utime(tmp_path / "a", (1, 1))
    with pytest.raises(OutputError, match=NO):
        place(store, "job/a", tmp_path / "a", Placed(tmp_path, "job"))


def test_a_broken_link_is_something_too(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "output")
    store.put("job/a", b"a")
    (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(OutputError, match=NO):
        place(store, "job/a", tmp_path / "a", Placed(tmp_path, "job"))
    place(store, "job/a", tmp_path / "a", Placed(tmp_path, "job", overwrite=True))
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "a").read_bytes() == b"a"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["pipe.png"], 3, "'pipe.png' is a pipe or a device: name a file."),
        (["pipe.mp4"], 3, "'pipe.mp4' is a pipe or a device: name a file."),
        (["/dev/zero"], 3, "'/dev/zero' is a pipe or a device: name a file."),
        (["loop.png"], 3, "'loop.png' is a link that leads nowhere: name the file itself."),
        (["photo.png", "--style", "pipe.png"], 6, "The style 'pipe.png' is a pipe or a device: name a file."),
        (["photo.png", "--style", "loop.png"], 6, "The style 'loop.png' is a link that leads nowhere"),
        ([""], 64, "it is empty: name a file, or '.' for this folder"),
        (["photo.png", "--out", ""], 64, "it is empty"),
        (["photo.png", "--work", " "], 64, "it is empty"),
    ],
)
def test_what_is_no_file_is_told_at_once(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    write_images(tmp_path, ["photo.png"], shape=(16, 16))
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.png").symlink_to("loop.png")
    model = [] if "--style" in arguments else ["--model", "invert"]
    assert words in run("run", *arguments, *model, folder=tmp_path, code=code).stderr


def test_a_store_opens_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(MissingError):
        FolderStore(tmp_path).head("pipe.png")
