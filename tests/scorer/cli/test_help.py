"""Pages of help that say what to type, and what the shell offers."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from scorer.cli import main
from scorer.cli.commands import COMMANDS


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setattr("sys.argv", ["scorer", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert not ended.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_page_shows_types_or_braces(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    page = said(monkeypatch, capsys, *filter(None, [command]), "--help")
    assert f"scorer {command}".strip() in page
    for nonsense in ("<", ">", "{", "}", "[[", "..."):
        assert nonsense not in page.replace("[ARGS]...", "").replace("WHEEL...", "").replace("[x>=0]", "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ru", ["run"]),
        ("run clip.mp4 --model p", ["painted"]),
        ("run clip.mp4 --model painted --style 2", ["2", *map(str, range(20, 26))]),
        ("run clip.mp4 --style ", []),  # files are the shell's own
        ("run clip.mp4 --option pre", ["precision="]),
        ("run clip.mp4 --model gatys --option it", ["iterations="]),
        ("run clip.mp4 --device c", ["cpu", "cuda"]),
        ("run clip.mp4 --container m", ["mp4", "mkv", "mov"]),
        ("submit clip.mp4 --stack ", ["dev", "prod"]),
        ("run clip.mp4 --codec ", ["h264", "hevc", "av1", "prores"]),
        ("run clip.mp4 --quality l", ["lossless"]),
        ("run --stre", ["--strength"]),
    ],
)
def test_the_shell_offers_values(
    typed: str, offered: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked as bash does."""
    (tmp_path / "stacks").mkdir()
    for name in ("dev", "prod"):
        (tmp_path / f"stacks/Pulumi.{name}.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMP_WORDS", f"scorer {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(f"scorer {typed}.".split()) - 1))
    monkeypatch.setenv("_SCORER_COMPLETE", "complete_bash")
    assert said(monkeypatch, capsys).split() == offered


@pytest.mark.parametrize("command", COMMANDS)
def test_lists_say_of_a_command_what_its_own_page_does(command: str) -> None:
    said = inspect.getdoc(COMMANDS[command].load()) or ""
    assert COMMANDS[command].summary == " ".join(said.split("\n\n")[0].split())


def test_the_list_of_commands_loads_none_of_them() -> None:
    heavy = {"numpy", "cv2", "av", "PIL", "pydantic", "azure", "torch", "openvino"}
    code = f"""
import sys
from scorer.cli import main
sys.argv[1:] = ["--help"]
try:
    main.main()
finally:
    print(*({heavy} & set(sys.modules)), file=sys.stderr)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bench" in shown.stdout
    assert shown.stderr.split() == []
