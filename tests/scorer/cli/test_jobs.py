"""What a person's commands say and do before and after Azure is asked."""

import json
from pathlib import Path

import pytest

from scorer.cli import jobs, main
from scorer.client.client import Standing
from scorer.documents.deployment import read_deployment
from scorer.documents.status import Status
from tests.conftest import write_images
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT


class Closed:
    """A client of a deployment that nothing may be asked of yet."""

    target = read_deployment(json.dumps(DOCUMENT))


class Stopped:
    """A client whose person presses Ctrl-C once the job is followed."""

    def known(self, job: str) -> Standing:
        return Standing(job, None, None, None)

    def restart(self, _: str) -> None:
        pass

    def follow(self, *_: object) -> None:
        raise KeyboardInterrupt


def call(monkeypatch: pytest.MonkeyPatch, client: object, *arguments: str) -> int | str | None:
    """The command line with this client of a deployment; its exit code."""
    monkeypatch.setattr(jobs, "_client", lambda *_: client)
    monkeypatch.setattr("sys.argv", ["scorer", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return ended.value.code


def test_ctrl_c_while_following_says_that_the_job_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, Stopped(), "restart", "film-0123456789ab", "--wait") == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "No longer followed: job film-0123456789ab goes on in Azure. 'scorer status film-0123456789ab' shows it, "
        "'scorer cancel film-0123456789ab' ends it."
    )


def test_what_nodes_cant_run_is_refused_before_anything_is_uploaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_images(tmp_path, ["a.png"])
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, Closed(), "submit", str(tmp_path), "--model", "gatys", "--style", str(tmp_path / "a.png")) == 7
    assert capsys.readouterr().err == (
        "error: Model 'gatys' needs VGG19's weights, which the nodes of a deployment can't fetch: use it with 'scorer run'.\n"
    )


class Done:
    """A client with one job that is done, and no more."""

    stores: FolderStores
    target = Closed.target

    def __init__(self, stores: FolderStores, media: str, result: str) -> None:
        self.stores = stores
        request = {"name": "film", "input": media, "model": "invert"}
        stores.input.put("requests/film.json", json.dumps(request).encode())
        self.status = Status(
            job="film-0", state="done", frames=5, request="requests/film.json", result=result, started=0, updated=1
        )

    def known(self, job: str) -> Standing:
        return Standing(job, self.status, None, None)


@pytest.mark.parametrize(
    ("out", "code", "words"),
    [
        ("film.avi", 2, "The result can't be named 'film.avi': it is an .mp4 or an .mkv or an .mov file; call it 'film.mp4'."),
        ("folder.mp4", 8, "'folder.mp4' is in the way: it is a folder; give the result another name."),
        ("/proc/nothing/film.mp4", 8, "'/proc/nothing/film.mp4' can't be written"),
        ("clip.mp4", 8, "'clip.mp4' is the input itself: give the result another name."),
    ],
)
def test_where_the_result_cant_go_is_said_before_anything_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stores: FolderStores, out: str, code: int, words: str
) -> None:
    monkeypatch.chdir(stores.output.root.parent)
    Path("folder.mp4").mkdir()
    Path("clip.mp4").touch()
    before = sorted(Path().rglob("*"))
    assert call(monkeypatch, Closed(), "submit", "clip.mp4", "--model", "invert", "--out", out) == code
    assert words in capsys.readouterr().err
    assert sorted(Path().rglob("*")) == before
    if out != "clip.mp4":
        # Closed and Done can do neither of what would follow: fetch, restart.
        done = Done(stores, "videos/film.mp4", "result.mkv")
        assert call(monkeypatch, done, "restart", "film-0", "--wait", "--out", out) == code
        assert words in capsys.readouterr().err
        assert call(monkeypatch, done, "fetch", "film-0", "--out", out) == code
        assert words.partition(": it is an")[0] in capsys.readouterr().err


def test_fetch_and_restart_know_what_the_result_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stores: FolderStores
) -> None:
    monkeypatch.chdir(stores.output.root.parent)
    assert call(monkeypatch, Done(stores, "videos/film.mp4", "result.mkv"), "fetch", "film-0", "--out", "film.mp4") == 2
    assert "it is an .mkv file; call it 'film.mkv'" in capsys.readouterr().err
    Path("film").touch()
    shots = Done(stores, "shots/", "result/")
    for command in (["fetch", "film-0"], ["restart", "film-0", "--wait"]):
        assert call(monkeypatch, shots, *command, "--out", "film") == 8
        assert "'film' is in the way: it is a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["film.mp4", "--style", "a/x.png", "--style", "b/x.png"], "'b/x.png' can't be shared under that name"),
        (["x.png", "--style", "b/x.png"], "'b/x.png' can't be shared under that name"),
        (["film.mp4", "--style", "request.json"], "'request.json' can't be shared under that name"),
        (["result.mp4", "--style", "a/x.png"], "'result.mp4' can't be shared under that name"),
        (["film.mp4", "--style", "a/x.png", "--out", "earlier"], "'earlier' holds the links of an earlier share"),
    ],
)
def test_no_share_takes_another_files_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCORER_DEPLOYMENT", json.dumps(DOCUMENT))
    Path("earlier").mkdir()
    Path("earlier/README.md").touch()
    assert call(monkeypatch, None, "share", *arguments, "--sender", "acme") == 2
    assert words in capsys.readouterr().err
    assert not Path("share").exists()
