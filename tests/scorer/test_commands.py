"""What a person's commands say and do before and after Azure is asked."""

import json
from pathlib import Path

import pytest

from scorer import cli, commands
from scorer.deployment import read_deployment
from tests.conftest import write_images
from tests.scorer.test_deployment import DOCUMENT


class Closed:
    """A client of a deployment that nothing may be asked of yet."""

    target = read_deployment(json.dumps(DOCUMENT))


class Stopped:
    """A client whose person presses Ctrl-C once the job is followed."""

    def restart(self, _: str) -> None:
        pass

    def follow(self, *_: object) -> None:
        raise KeyboardInterrupt


def call(monkeypatch: pytest.MonkeyPatch, client: object, *arguments: str) -> int | str | None:
    """The command line with this client of a deployment; its exit code."""
    monkeypatch.setattr(commands, "_client", lambda *_: client)
    monkeypatch.setattr("sys.argv", ["scorer", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
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
    assert call(monkeypatch, Closed(), "submit", str(tmp_path), "--model", "gatys", "--style", str(tmp_path / "a.png")) == 7
    assert capsys.readouterr().err == (
        "error: Model 'gatys' needs VGG19's weights, which the nodes of a deployment can't fetch: use it with 'scorer run'.\n"
    )
