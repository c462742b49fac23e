"""What the documents on security and on the emulator name is there: each test, each file; and who looks for them finds them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THREATS = (ROOT / "docs" / "threats.md").read_text()
UNKIND = (ROOT / "docs" / "emulator.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", THREATS + UNKIND)))


@cache
def named_in(path: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_that_is_named_is_there(path: str, name: str) -> None:
    assert name in named_in(path)


def test_each_defence_has_a_test() -> None:
    rows = [line.strip("|").split("|") for line in THREATS.splitlines() if line.startswith("| ") and not line.startswith("| may")]
    assert len(rows) > 25
    for threat, defence, shown in rows:
        assert shown.strip() or defence.strip().startswith("nothing"), threat


def test_each_unkindness_has_its_place_and_a_test() -> None:
    rows = [line.strip("|").split("|") for line in UNKIND.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 20
    for unkindness, where, shown in rows:
        assert "::test_" in shown, unkindness
        for path, name in re.findall(r"`(emulator/[\w/]+\.py)`(?:: `(\w+)`)?", where):
            assert re.search(rf"\b{name}\b", (ROOT / path).read_text()), where


@pytest.mark.parametrize("document", ["SECURITY.md", "docs/threats.md", "docs/emulator.md"])
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target


@pytest.mark.parametrize("guide", ["README.md", "CONTRIBUTING.md"])
def test_guides_lead_to_them(guide: str) -> None:
    text = (ROOT / guide).read_text()
    assert "(SECURITY.md)" in text
    assert "(docs/threats.md)" in text
