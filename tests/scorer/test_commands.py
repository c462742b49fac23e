"""What a person's commands say and do before and after Azure is asked."""

import pytest

from scorer import cli, commands


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
