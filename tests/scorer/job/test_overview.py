"""The page of all jobs of a folder: what it shows, in a real browser, and what it doesn't believe."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from scorer.documents.paths import SUMMARY
from scorer.job.overview import INDEX, MOST_JOBS, write_index
from tests.conftest import MakeClip, ffmpeg
from tests.scorer.cli.command_line import run
from tests.scorer.report.browser import Look, running
from tests.scorer.report.samples import GREEN, NASTY, picture

KEY, OTHER_KEY = "0" * 16, "1" * 16


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as found:
        yield found


def put_job(work: Path, number: int, *, status: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A job's documents, as its run leaves them."""
    job = f"clip-{number:020x}"
    folder = work / "output" / job
    folder.mkdir(parents=True)
    said = {
        "job": job, "state": "done", "frames": 10 + number, "started": 1_763_900_000 + number, "updated": 1_763_900_100,
        "stage_seconds": {"score": 100.0 - number}, "result": "result.mp4", **(status or {}),
    }  # fmt: skip
    summary = {
        "job": job, "input": "clip.mp4", "input_key": KEY, "media": "video", "model": "adaptive", "styles": [f"style {number}"],
        "settings": {}, "width": 320, "height": 180, "rate": 25.0, **changes,
    }  # fmt: skip
    (folder / "status.json").write_text(json.dumps(said))
    (folder / SUMMARY).write_text(json.dumps(summary))
    (folder / "report.html").write_text("a report")
    return folder


def grey_film(folder: Path, luma: str) -> None:
    drawn = f"color=c=black:s=320x180:r=25:d=1,format=yuv420p,geq=lum='{luma}':cb=128:cr=128"
    ffmpeg("-f", "lavfi", "-i", drawn, "-c:v", "libx264", folder / "result.mp4")


def opened(browser: Browser, work: Path, **options: Any) -> Look:
    index = write_index(work)
    assert index is not None
    return Look(browser, work, index.read_text(encoding="utf-8"), name=INDEX, **options)


def names(look: Look) -> list[str]:
    return [text.removeprefix("style ") for text in look.page.locator("tbody td[data-label=style]").all_inner_texts()]


def test_jobs_are_sorted_by_what_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    for number in (9, 10, 2):
        put_job(tmp_path, number, model="painted" if number == 10 else "adaptive")
    look = opened(browser, tmp_path)
    for head, up in (("frames", ["2", "9", "10"]), ("time", ["10", "9", "2"]), ("style", ["2", "9", "10"])):
        look.page.get_by_role("button", name=head, exact=True).click()
        assert names(look) == up
        assert look.page.locator(f"th:has-text('{head}')").get_attribute("aria-sort") == "ascending"
        look.page.keyboard.press("Enter")
        assert names(look) == up[::-1]
    look.page.get_by_role("button", name="model", exact=True).click()
    assert names(look)[-1] == "10"
    assert look.page.locator("[aria-sort]").count() == 1
    look.quiet()
    look.context.close()


def test_two_results_of_one_input_play_in_step(browser: Browser, tmp_path: Path) -> None:
    grey_film(put_job(tmp_path, 1), "40+2*N")
    grey_film(put_job(tmp_path, 2), "120+2*N")
    grey_film(put_job(tmp_path, 3, input_key=OTHER_KEY), "200")
    put_job(tmp_path, 4, status={"state": "failed", "error": "no reason"})
    look = opened(browser, tmp_path)
    boxes = {name: look.page.get_by_label(f"Compare clip-{name:020x}") for name in (1, 2, 3)}
    assert look.page.get_by_role("checkbox").count() == 3  # a job that failed has nothing to compare
    boxes[1].check()
    assert boxes[3].is_disabled()
    boxes[2].check()
    look.page.wait_for_selector("section[data-ready]")
    first, second = ("2", "1") if names(look)[0] == "2" or names(look).index("2") < names(look).index("1") else ("1", "2")
    assert look.page.locator(".film b").all_inner_texts() == [f"style {first}", f"style {second}"]
    for _ in range(5):
        look.page.get_by_role("button", name="A frame on").click()
    look.until("[...document.querySelectorAll('.film video')].every(each => !each.seeking && each.readyState >= 2)")
    times = look.page.locator(".film video").evaluate_all("all => all.map(each => each.currentTime)")
    assert times[0] == times[1] == pytest.approx(5.5 / 25)
    look.page.wait_for_timeout(60)  # until the frame is painted
    left, right = look.pixel(0.25)[0], look.pixel(0.75)[0]
    assert abs(left - right) == pytest.approx(80 * 255 / 219, abs=4)
    boxes[2].uncheck()
    assert look.page.locator(".film").count() == 0
    assert all(url.startswith(("data:", tmp_path.as_uri())) for url in look.asked)
    look.context.close()


def test_nothing_that_a_job_left_is_believed(browser: Browser, tmp_path: Path) -> None:
    put_job(
        tmp_path, 1, input=NASTY, model=NASTY, styles=[NASTY], settings={NASTY: NASTY}, status={"error": NASTY, "notes": [NASTY]}
    )
    lies: dict[int, dict[str, Any]] = {
        2: {"job": "clip-" + "f" * 20},  # another's
        3: {"picture": "A" * 60_000},
        4: {"settings": {"x" * 90_000: "y"}},
        5: {"input_key": "../../etc"},
        6: {"width": 10**30},
        7: {"aspect": "NaN"},
    }
    for number, lie in lies.items():
        put_job(tmp_path, number, **lie)
    put_job(tmp_path, 8, status={"result": "../../x.mp4"})
    put_job(tmp_path, 9, status={"started": 1e300})
    (tmp_path / "output/not a job").mkdir()
    (tmp_path / "output/clip-00000000000000000099").symlink_to(tmp_path / "output/clip-00000000000000000001")
    look = opened(browser, tmp_path)
    assert look.page.locator("tbody tr").count() == 7
    assert look.page.locator("td.name a:text('clip.mp4')").count() == 0
    shown = look.page.locator("td.name b").all_inner_texts()
    assert NASTY in shown
    assert sorted(set(shown) - {NASTY}) == [f"clip-{number:020x}" for number in sorted(lies)]
    assert look.page.locator("script").count() == 1
    assert look.page.evaluate("window.owned") is None
    look.quiet()
    look.context.close()


def test_it_is_small_and_shows_the_newest(tmp_path: Path) -> None:
    small = base64.b64encode(picture(GREEN) + b"\0" * 9000).decode()
    for number in range(MOST_JOBS + 3):
        put_job(tmp_path, number, picture=small)
    index = write_index(tmp_path)
    assert index is not None
    html = index.read_text()
    assert html.count("data-film=") == 0  # no result is there
    assert html.count("<tr>") == MOST_JOBS + 1
    assert "And 3 older jobs" in html
    assert len(html) < 7_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX, "output"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 390), ("light", 1280)])
def test_nothing_sticks_out(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    put_job(tmp_path, 1, input="x" * 200, model="m" * 90, styles=["s" * 200], settings={"k" * 100: "v" * 200})
    put_job(tmp_path, 2, status={"state": "failed", "error": "e" * 900})
    look = opened(browser, tmp_path, width=width, color_scheme=scheme)
    assert look.page.evaluate("document.documentElement.scrollWidth") <= width
    look.quiet()
    look.context.close()


def test_every_run_writes_it_however_it_ends(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=3)
    work = tmp_path / "kept"
    run("run", clip, "--model", "invert", "--work", "kept", folder=tmp_path)
    first = (work / INDEX).read_text()
    assert first.count("<tr>") == 2
    assert clip.name in first
    assert str(tmp_path) not in first
    (tmp_path / "no.mp4").write_text("no video")
    run("run", "no.mp4", "--model", "invert", "--work", "kept", folder=tmp_path, code=3)
    second = (work / INDEX).read_text()
    assert second.count("<tr>") == 3
    assert "failed" in second
    (work / INDEX).unlink()
    assert run("report", "--work", "kept", folder=tmp_path).stdout == "kept/index.html\n"
    assert (work / INDEX).read_text() == second


def test_a_folder_without_jobs_has_none(tmp_path: Path) -> None:
    said = run("report", "--work", "empty", folder=tmp_path, code=4).stderr
    assert "There is no job in 'empty'" in said
    assert not (tmp_path / "empty").exists()
