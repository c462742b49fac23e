"""What the guide shows from Python runs as it stands, block after block."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scorer.api import Result
from tests.conftest import write_clip, write_images
from tests.docs.commands import ROOT

TEXT = (ROOT / "docs/from-python.md").read_text(encoding="utf-8")


def test_its_blocks_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "clip.mp4", 4)
    write_images(tmp_path, ["painting.png"])
    (tmp_path / "painting.png").rename(tmp_path / "painting.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for block in blocks:
        exec(block, names)  # noqa: S102  # the guide's own
    said = capsys.readouterr().out
    assert f"{tmp_path / 'painted.mp4'} 4 " in said
    assert "0 of 4\n" in said
    assert "4 of 4\n" in said
    assert "MissingError: There is no 'no-such-painting.jpg', the style: " in said
    assert said.endswith("three.mp4 five.mp4\n")
    assert len(blocks) == 5


def test_it_tells_of_all_that_comes_back() -> None:
    table = TEXT.split("## What comes back")[1].split("##")[0]
    told = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))))
    public = {name for name in {*Result.__dataclass_fields__, *vars(Result)} if not name.startswith("_")}
    assert told == public
