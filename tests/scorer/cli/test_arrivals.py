"""`scorer plan --arrivals`: files of arrivals, the command as a person types it, and its picture in a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from autoscale.arrivals import Request
from emulator.pulumi.engine import ROOT
from scorer.cli import main
from scorer.cli.arrivals import read_arrivals
from scorer.cli.console import screen
from scorer.errors import InputError, MissingError, RequestError, ScorerError
from scorer.media.limits import Limits
from tests.conftest import MakeClip
from tests.scorer.report.browser import Look, running

DEV = str(ROOT / "stacks/Pulumi.dev.yaml")
LIMITS = Limits(max_frames=5000, max_pixels=2_000_000)


def read(text: str, days: int | None = None) -> tuple[list[Request], int]:
    return read_arrivals(text, days, 300, 64 * 48, LIMITS)


def written(folder: Path, text: str | bytes, name: str = "arrivals.csv") -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.mark.parametrize(("text", "a_day"), [("40/day", 40), ("3/hour", 72), ("2.5 / day", 2.5)])
def test_a_rate(text: str, a_day: float) -> None:
    found, days = read(text)
    assert days == 28
    assert len(found) == pytest.approx(a_day * 28, abs=4 * (a_day * 28) ** 0.5)
    assert {(each.frames, each.pixels) for each in found} == {(300, 64 * 48)}
    assert found == read(text)[0]
    assert max(each.second for each in read(text, 365)[0]) > 300 * 86_400


def test_rates_by_the_hour_of_a_day_or_a_week(tmp_path: Path) -> None:
    day = ["0"] * 20 + ["4.5", "", "0", "9", "0"]  # an empty line is none
    found, days = read(written(tmp_path, "\n".join(day)), 10)
    assert days == 10
    assert {int(each.second // 3600) % 24 for each in found} == {20, 22}
    week = ["0"] * 144 + ["2"] * 24
    found, _ = read(written(tmp_path, "\n".join(week)), 14)
    assert {int(each.second // 86_400) for each in found} == {6, 13}


def test_a_trace_of_dates(tmp_path: Path) -> None:
    text = "time,frames,size\n2026-11-03T01:00:00+02:00,1000,640x360\n 2026-11-02T08:15:30Z ,,\n2026-11-04T00:00:01,20,\n"
    found, days = read(written(tmp_path, text))
    assert found == [
        Request(8 * 3600 + 930, 300, 64 * 48),
        Request(23 * 3600, 1000, 640 * 360),
        Request(2 * 86_400 + 1, 20, 64 * 48),
    ]
    assert days == 3


def test_a_trace_of_seconds(tmp_path: Path) -> None:
    found, days = read(written(tmp_path, "\ufefftime\n90000\n0.5\n"))
    assert [each.second for each in found] == [0.5, 90_000]
    assert days == 2
    lines = '{"time": 7, "frames": 12}\n\n{"time": "8.5", "size": "1280x720", "frames": null}\n'
    found, days = read(written(tmp_path, lines))
    assert found == [Request(7, 12, 64 * 48), Request(8.5, 300, 1280 * 720)]
    assert days == 1


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("40", RequestError, "'40' is neither a rate nor a file: write a rate as 40/day or 3/hour."),
        ("40/week", RequestError, "'40/week' is neither a rate nor a file"),
        ("-3/day", RequestError, "'-3/day' is neither a rate nor a file"),
        ("0/day", RequestError, "'0/day' is some 0 requests in 28 days: give a rate and --days that make 1 to 1,000,000."),
        ("900000/hour", RequestError, "'900000/hour' is some 6.05e+08 requests in 28 days"),
        ("arrivals.txt", MissingError, "There is no 'arrivals.txt'"),
        (".", InputError, "'.' is a folder: name a file of rates or of times."),
    ],
)
def test_what_is_neither_a_rate_nor_a_file(
    text: str, kind: type[ScorerError], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as raised:
        read(text)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "' is empty: write rates, or a request a line."),
        (b"\xff\xfe1\x00", "' is no text (UTF-8)"),
        ("1\n2\n3", "' has 3 lines: rates by the hour are 24 lines, or 168 from Monday on; a trace begins with the line 'time'."),
        ("1\n" * 23 + "-1", "', line 24, has '-1': write how many requests come in that hour, such as 2.5."),
        ("1\n" * 23 + "nan", "', line 24, has 'nan': write how many"),
        ("0\n" * 24, "is some 0 requests in 28 days"),
        ("when\n1", "', line 1, has 'when': write the columns' names: time, and frames and size if they are known."),
        ("time,time\n1,2", "', line 1, has 'time,time': write the columns' names"),
        ("time,frames\n1", "', line 2, has '1': write 2 cells: time, frames."),
        ("time", "' has no request in it: write one a line."),
        ("time\nyesterday", "', line 2, has 'yesterday': write a time such as 2026-11-02T08:15:00Z, or seconds."),
        ("\n\ntime\n\n1\n\nnoon\n", "', line 7, has 'noon': write a time such as"),
        ('\n{"time": 1}\n\n{"time": "noon"}', "', line 4, has 'noon': write a time such as"),
        ("\n" + "1\n" * 23 + "\nmany", "', line 26, has 'many': write how many"),
        ("\n\nwhen\n", "', line 3, has 'when': write the columns"),
        ("time\n-5", "', line 2, has '-5': write a time such as"),
        ("time\n1\n2026-11-02", "', line 3, has '2026-11-02': write its time as the lines before it do"),
        ("time,frames\n1,0", "', line 2, has '0': write a whole number of frames from 1 to 5000."),
        ("time,frames\n1,2.5", "', line 2, has '2.5': write a whole number of frames"),
        ("time,frames\n1,6000", "', line 2, has '6000': write a whole number of frames from 1 to 5000."),
        ("time,size\n1,720p", "', line 2, has '720p': write a size such as 1280x720, of at most 2,000,000 pixels."),
        ("time,size\n1,9999x9999", "', line 2, has '9999x9999': write a size"),
        ("time\n1\n99999999", "' has requests of 1,158 days: 366 at most are played."),
        ('{"time": 1}\n{"time": 1, "name": 2}', "', line 2, has '{\"time\": 1, \"name\": 2}': write an object such as"),
        ('{"time": 1}\n[1]', "', line 2, has '[1]': write an object"),
        ('{"time": true}', "', line 1, has 'True': write a time such as"),
        ('{"time": NaN}', "', line 1, has 'nan': write a time such as"),
        ('{"time": 1, "frames": true}', "', line 1, has 'True': write a whole number"),
        ('{"time": 1, "size": [1, 2]}', "', line 1, has '[1, 2]': write a size"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(content: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises((InputError, RequestError)) as raised:
        read(written(tmp_path, content))
    assert words in str(raised.value)


def test_days_are_for_rates(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="says itself how many days it has: leave out --days"):
        read(written(tmp_path, "time\n1\n"), 3)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(
        "sys.argv", ["scorer", "plan", "clip.mp4", "--model", "painted", "--style", "7", "--settings", DEV, *arguments]
    )
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


@pytest.fixture
def clip_here(tmp_path: Path, make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_clip(frames=100, size="64x48").rename(tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("autoscale.advice.ENOUGH", 60)
    monkeypatch.setattr("autoscale.advice.LADDER", (1, 2, 5, 20, 100))
    return tmp_path


def test_a_table_a_document_and_a_picture(
    clip_here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screen, "_width", 100)  # COLUMNS counts where the console is made, by whichever test comes first
    asked = ("--arrivals", "40/day", "--days", "3", "--picture", "plan.svg")
    assert command(monkeypatch, *asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("clip: 1")
    assert lines[0].endswith(" requests in 3 days, model painted")
    assert {line.split()[0] for line in lines[2:7]} == {"if", "as", "keepWarmMinutes", "nodesMin"}
    assert any("A warm node (nodesMin 1) pays" in line for line in lines)
    assert any(line.startswith("engine machine-learning ") for line in lines)
    assert "there both ends have Spot nodes at once" in " ".join(lines)
    picture = (clip_here / "plan.svg").read_text()
    assert command(monkeypatch, *asked, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["requests"] == int(lines[0].split()[1])
    assert facts["settings"][0]["if"] == "as set"
    row = next(line for line in lines if line.startswith("as set"))
    assert " to ".join(f"{each:.2f}" for each in facts["settings"][0]["dollars_a_month"]) in row
    assert facts["best"] in [each["if"] for each in facts["settings"]]
    assert [each["requests_a_day"] for each in facts["rates"]][:3] == [1, 2, 5]
    assert (clip_here / "plan.svg").read_text() == picture  # ours is replaced, by the same
    (clip_here / "plan.svg").write_text("another's")
    assert command(monkeypatch, *asked) == 8
    assert "'plan.svg' is there already" in capsys.readouterr().err
    look_at(picture, clip_here)


def look_at(picture: str, folder: Path) -> None:
    """Every text within the picture and none over another, readable on either ground, on wide pages and narrow ones."""
    with running() as browser:
        for scheme in ("light", "dark"):
            for width in (320, 1000):
                page(browser, picture, folder, width, scheme)


def page(browser: Browser, picture: str, folder: Path, width: int, scheme: str) -> None:
    look = Look(browser, folder, f"<!doctype html><body style='margin:0'>{picture}", width=width, color_scheme=scheme)
    boxes: list[dict[str, Any]] = look.page.evaluate(
        """() => [...document.querySelectorAll('text')].map(text => {
             const box = text.getBoundingClientRect();
             return {text: text.textContent, left: box.left, right: box.right, top: box.top, bottom: box.bottom,
                     ink: getComputedStyle(text).fill, height: box.height}})"""
    )
    paper = look.page.evaluate("getComputedStyle(document.querySelector('rect')).fill")
    assert look.page.evaluate("document.documentElement.scrollWidth") <= width
    assert len(boxes) > 20
    for number, box in enumerate(boxes):
        assert 0 <= box["left"] < box["right"] <= width, box
        assert box["height"] >= 9, box
        assert contrast(box["ink"], paper) >= 4.5, (box, paper)
        for other in boxes[:number]:
            apart = box["left"] >= other["right"] or other["left"] >= box["right"]
            assert apart or box["top"] >= other["bottom"] - 3 or other["top"] >= box["bottom"] - 3, (box, other)
    look.quiet()
    look.context.close()


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 has it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[4:-1].split(",")]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--picture", "plan.svg"), 2, "--picture belongs to --arrivals"),
        (("--days", "3"), 2, "--days belongs to --arrivals"),
        (("--arrivals", "40/day", "--picture", "plan.png"), 2, "call it 'plan.svg'"),
        (("--arrivals", "40/day", "--days", "0"), 64, "0 is out of range"),
        (("--arrivals", "40/day", "--hour-worth", "-1"), 64, "-1 is out of range"),
        (("--arrivals", "trace.csv"), 3, "'trace.csv', line 2, has 'noon'"),
        (("--arrivals", "trace.csv", "--picture", "clip.svg/plan.svg"), 8, "clip.svg"),
    ],
)
def test_options_that_are_wrong(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    clip_here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written(clip_here, "time\nnoon\n", "trace.csv")
    written(clip_here, "in the way", "clip.svg")
    assert command(monkeypatch, *arguments) == code
    assert words in " ".join(capsys.readouterr().err.split())
