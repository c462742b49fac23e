"""The report, looked at with a real browser: what it shows, what can be done with it, and what it must never do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from scorer.report import render
from tests.scorer.report.browser import Look, running
from tests.scorer.report.samples import BLUE, GREEN, GREY, NASTY, RED, REPORT, frame, some_records, task


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as found:
        yield found


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Iterator[Look]:
    shown = Look(browser, tmp_path, render(REPORT, some_records()))
    yield shown
    shown.context.close()


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))


def test_the_page_says_what_the_job_was(look: Look) -> None:
    text = look.page.inner_text("body")
    for words in (
        "holiday.mp4",
        "holiday-3f9a1c",
        "adaptive",
        "swirls.png",
        "10.0 s",
        "320 \u00d7 180",
        "12:13 UTC",
        "Apache-2.0",
    ):
        assert words in text
    assert re.search(r"frames\s+100\s", text)
    assert re.search(r"overall\s+10\.0 frames/s", text)
    assert re.search(r"a worker\s+11\.1 frames/s", text)  # 10 tasks of 10 frames took 0.9 s each
    assert re.search(r"failed\s+1 1\.0%", text)
    assert re.search(r"score\s+8\.0 s\s+80%", text)
    assert re.search(r"model\s+40\.0 ms\s+80%", text)
    assert "1 frame of 100 failed" in text
    assert "no picture" in text
    assert "in tiles" in text
    look.quiet()


def test_the_slider_follows_the_mouse(look: Look) -> None:
    assert near(look.pixel(0.25), RED)
    assert near(look.pixel(0.75), BLUE)
    left, y, width = look.box()
    look.page.mouse.move(left + 0.5 * width, y)
    look.page.mouse.down()
    look.page.mouse.move(left + 0.3 * width, y, steps=4)
    look.page.mouse.move(left + 0.1 * width, y, steps=4)
    look.page.mouse.up()
    look.page.mouse.move(left + 0.9 * width, y)  # no longer held
    assert near(look.pixel(0.05), RED)
    assert near(look.pixel(0.25), BLUE)
    assert look.page.get_by_role("slider").input_value() == "10"
    look.quiet()


def test_the_slider_follows_the_keyboard(look: Look) -> None:
    slider = look.page.get_by_role("slider", name="How much of the frame is shown as it was before")
    slider.focus()
    for _ in range(3):
        look.page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "47"
    look.page.keyboard.press("Home")
    assert near(look.pixel(0.02), BLUE)
    look.page.keyboard.press("End")
    assert near(look.pixel(0.97), RED)
    look.quiet()


def test_the_slider_follows_a_finger(browser: Browser, tmp_path: Path) -> None:
    look = Look(browser, tmp_path, render(REPORT, some_records()), width=390, has_touch=True, is_mobile=True)
    look.page.locator(".stage").scroll_into_view_if_needed()
    left, y, width = look.box()
    touch = look.context.new_cdp_session(look.page)
    for kind, at in (("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.75), ("touchMove", 0.9), ("touchEnd", None)):
        points = [] if at is None else [{"x": left + at * width, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert near(look.pixel(0.8), RED)
    look.quiet()
    look.context.close()


def test_a_thumbnail_shows_its_frame(look: Look) -> None:
    thumbs = look.page.locator(".strip button")
    assert thumbs.all_inner_texts() == ["0:00.0", "0:02.0"]
    assert thumbs.locator("img").evaluate_all("all => all.length === 4 && all.every(each => each.naturalWidth === 320)")
    thumbs.nth(1).click()
    assert near(look.pixel(0.25), GREEN)
    assert near(look.pixel(0.75), GREY)
    assert thumbs.nth(1).get_attribute("aria-pressed") == "true"
    look.page.keyboard.press("Shift+Tab")
    look.page.keyboard.press("Enter")
    assert near(look.pixel(0.25), RED)
    look.quiet()


def test_pointing_at_the_plots_tells_the_figures(look: Look) -> None:
    tip = look.page.locator(".tip")
    plot = look.page.locator(".plot .area > svg").first
    box = plot.bounding_box()
    assert box
    plot.hover(position={"x": 0.505 * box["width"], "y": 20})
    assert tip.inner_text() == "frame 50: 50 ms"
    look.page.locator(".task.noted").hover()
    assert tip.inner_text() == "chunk 2 · 10 frames · 0.9 s · batch of 4 · in tiles"
    look.quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(browser: Browser, tmp_path: Path, scheme: str) -> None:
    report = replace(REPORT, title="x" * 250, job="j" * 90, frames=100_000, settings={"k" * 60: "v" * 300})
    records = [frame(number, 123456.7, error="e" * 350, name="n" * 200) for number in range(0, 100_000, 400)]
    html = render(report, [*records, *some_records(), *(task(each, f"{'host' * 30}:{each}") for each in range(40))])
    look = Look(browser, tmp_path, html, width=360, color_scheme=scheme)
    assert look.page.evaluate("document.documentElement.scrollWidth") <= 360
    paper = look.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) > 600) == (scheme == "light")
    look.quiet()
    look.context.close()


def test_what_strangers_wrote_stays_text(browser: Browser, tmp_path: Path) -> None:
    report = replace(
        REPORT, title=NASTY, job=NASTY, state=NASTY, model=NASTY, model_source=NASTY, runtime=NASTY, styles=[(NASTY, None)],
        settings={NASTY: NASTY}, versions={NASTY: NASTY}, stage_seconds={NASTY: 1.0},
        samples=[replace(REPORT.samples[0], label=NASTY)], result=f"javascript:window.owned=3//{NASTY}", command=NASTY,
        facts=[(NASTY, NASTY, NASTY)], notes=[NASTY], files=[(NASTY, NASTY, None)],
    )  # fmt: skip
    look = Look(browser, tmp_path, render(report, [frame(1, error=NASTY, name=NASTY), task(0, NASTY, 1, (NASTY,))]))
    assert look.page.title() == f"{NASTY} · {NASTY}"
    assert look.page.inner_text("h1") == NASTY
    assert look.page.locator(".failures td").all_inner_texts() == ["1", NASTY, NASTY]
    assert look.page.locator(".facts tbody tr").inner_text() == f"{NASTY}\t{NASTY}\t{NASTY}"
    assert look.page.inner_text(".command") == look.page.inner_text(".kept li") == NASTY
    assert look.page.locator(".strip button").inner_text() == NASTY
    look.page.locator(".task").hover()
    assert look.page.inner_text(".tip").endswith(NASTY)
    assert look.page.locator("script").count() == 1
    link = look.page.locator(".result a, section a").first.evaluate("each => each.href")
    assert link.startswith(f"{tmp_path.as_uri()}/javascript%3A")
    assert look.page.evaluate("window.owned") is None
    look.quiet()
    look.context.close()


def test_a_script_that_got_in_would_not_run(browser: Browser, tmp_path: Path) -> None:
    html = render(REPORT, some_records()).replace(
        "</h1>", "</h1><script>window.owned=1</script><img src=https://example.com/x.png>"
    )
    look = Look(browser, tmp_path, html)
    assert look.page.evaluate("window.owned") is None
    assert look.page.locator(".live").count() == 1  # the page's own script did run
    assert len(look.complaints) == 2
    assert all("Content Security Policy" in each for each in look.complaints)
    assert not [url for url in look.asked if "example.com" in url]
    look.context.close()


def test_on_paper_every_sample_stands_side_by_side(look: Look) -> None:
    look.page.emulate_media(media="print")
    boxes = [image.bounding_box() for image in look.page.locator(".pair img").all()]
    assert all(box and box["width"] > 100 for box in boxes)
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert not look.page.locator(".handle").is_visible()


def test_a_job_without_anything_has_a_page(browser: Browser, tmp_path: Path) -> None:
    empty = replace(REPORT, state="failed", frames=0, width=0, height=0, samples=[], styles=[], stage_seconds={})
    look = Look(browser, tmp_path, render(empty, []))
    text = look.page.inner_text("body")
    for words in ("no sample frames", "no record of a frame", "no record of a task", "unknown"):
        assert words in text
    assert look.page.locator(".failures").count() == 0
    look.quiet()
    look.context.close()


def test_a_job_that_failed_promises_no_result(browser: Browser, tmp_path: Path) -> None:
    facts = [("frames", "100", "")]
    failed = replace(REPORT, state="failed", error="it broke", runtime="", facts=facts, samples=[])
    look = Look(browser, tmp_path, render(failed, [frame(3, error="no picture")]))
    text = look.page.inner_text("body")
    for words in ("Output", "stands in", " on \n", "Result"):
        assert words not in text
    for words in ("it broke", "Input", "1 frame of 100 failed (1.0%).", "no picture"):
        assert words in text
    assert look.page.locator(".plot").count() == 0
    look.quiet()
    look.context.close()
