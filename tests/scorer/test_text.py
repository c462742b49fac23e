"""Strangers' words on their way out: one line each, and nothing that a terminal obeys."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.table import Table

from scorer.cli import console
from scorer.documents.request import make_request
from scorer.errors import InputError, ScorerError
from scorer.text import clean, is_clean
from tests.scorer.submitter.intake_harness import ASKED

HOSTILE = "a\x1b[31mred\x1b]0;title\x07 \x9b2J\x90q\x9c\u202egpj.\u2066x\u2069\nforged\r\u2028line\x08\x00\x7f\ud800"
"""A colour, a title, a cleared screen, a device's string, turned letters, ends of lines, halves."""
SAID = "ared \ufffdgpj.\ufffdx\ufffd forged  line\ufffd\ufffd\ufffd\ufffd"


def is_plain(text: str) -> bool:
    """By the categories of Unicode alone."""
    return not {unicodedata.category(char) for char in text.replace("\u200d", "").replace("\u200c", "")} & {
        "Cc", "Cf", "Cs", "Zl", "Zp",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SAID),
        ("plain 'names', ünïcödé, 日本.png", "plain 'names', ünïcödé, 日本.png"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\x1b", "\ufffd"),
        ("\x1b[", "\ufffd["),
        ("\x1b]0;no end", "\ufffd]0;no end"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b[\x1b[2J2J", "\ufffd[2J"),
        ("\U000e0041", "\ufffd"),
        ("x" * 3000, "x" * 2000 + "…"),
    ],
)
def test_what_is_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert is_clean(shown[:2000])


@given(st.text() | st.text(st.sampled_from("\x1b[]0;mJ\x07\\\x9b\x9d\x9c\u202e\n a")))
def test_nothing_that_is_obeyed_comes_through(text: str) -> None:
    assert is_plain(clean(text))
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize("start", ["\x90", "\x9d", "\x1b]", "\x9b0", "\x1bP\x1b"])
def test_a_million_that_never_end_are_taken_out_as_well(start: str) -> None:
    """In one go: looking for each one's end up to the text's would take days."""
    assert is_plain(clean(start * 1_000_000))


def test_errors_and_what_is_printed_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert str(InputError(HOSTILE)) == SAID
    console.errors.print(HOSTILE, soft_wrap=True)
    table = Table("job")
    table.add_row(HOSTILE)
    console.screen.print(table)
    with Live(console=console.errors) as live:
        live.update(HOSTILE)
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 2, printed.err
    assert all(is_plain(line) for line in (printed.out + printed.err).split("\n"))


def test_nothing_that_is_printed_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A sender's folder may be called so, before anybody has looked at its name."""
    said = "[link=file:x]here[/link] [bold] [/] :warning:"
    table = Table("sender")
    table.add_row(said)
    for console_ in (console.errors, console.screen):
        console_.print(said)
        console_.print(table)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert [line.strip() for line in text.splitlines() if "here" in line] == [said, f"│ {said} │"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": HOSTILE}, {"input": HOSTILE}, {"model": HOSTILE}, {"package": HOSTILE}, {"options": {HOSTILE: 1}},
        {"options": {"scale": HOSTILE}}, {"styles": [{"source": HOSTILE}]}, {"styles": [{"source": 1, HOSTILE: 1}]},
        {"strength": HOSTILE}, {"size": HOSTILE}, {"batch_size": HOSTILE}, {"chunk_frames": HOSTILE}, {"priority": HOSTILE},
        {"failure_threshold": HOSTILE}, {"version": HOSTILE}, {HOSTILE: 1}, {"model": "a\n"}, {"options": {"scale": "\u200b"}},
    ],
    ids=lambda change: str(next(iter(change)))[:20].encode("unicode_escape").decode(),
)  # fmt: skip
def test_every_field_of_a_request_is_quoted_clean(change: dict[str, object]) -> None:
    text = json.dumps({**ASKED, **change})
    for content in (json.loads(text), json.loads(text.replace("\\ud800", ""))):  # the half of a character alone is refused, too
        with pytest.raises(ScorerError) as refused:
            make_request(content)
        assert is_plain(str(refused.value))
