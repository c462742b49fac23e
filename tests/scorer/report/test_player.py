"""The report's player, in a real browser: both videos in step, wherever the page and its video were put."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser

from scorer.report import render
from tests.conftest import ffmpeg
from tests.scorer.report.browser import Look, running
from tests.scorer.report.samples import REPORT, some_records

FRAMES, RATE = 50, 25
FILM = replace(
    REPORT, result="result.mp4", names=["holiday-3f9a1c.mp4"], original_names=["original.mp4", "holiday.mp4"],
    seconds=FRAMES / RATE, rate=float(RATE),
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video each of whose frames has a grey of its own, 4 steps from the next."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    drawn = f"color=c=black:s=320x180:r={RATE}:d={FRAMES / RATE},format=yuv420p,geq=lum='20+4*N':cb=128:cr=128"
    ffmpeg("-f", "lavfi", "-i", drawn, "-c:v", "libx264", "-g", "12", path)
    return path


def put(film: Path, *targets: Path) -> None:
    for target in targets:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(film.read_bytes())


def opened(browser: Browser, folder: Path, name: str = "report.html", **changes: object) -> Look:
    look = Look(browser, folder, render(replace(FILM, **changes), some_records(FRAMES)), name=name)  # type: ignore[arg-type]  # fields of Report
    look.page.wait_for_selector("[data-ready]")
    return look


def apart(look: Look) -> float:
    """How far one video is from the other, in frames."""
    times = look.page.locator(".film video").evaluate_all("all => all.map(each => each.currentTime)")
    return float(abs(times[0] - times[1]) * RATE)


def settled(look: Look) -> None:
    look.until("[...document.querySelectorAll('.film video')].every(each => !each.seeking && each.readyState >= 2)")


def same_frame(look: Look) -> bool:
    """Whether what the eye sees left and right of the handle is one frame of the film."""
    for _ in range(40):  # until both are painted
        left, right = look.pixel(0.25), look.pixel(0.75)
        if abs(left[0] - right[0]) <= 2:
            return True
        look.page.wait_for_timeout(50)
    return False


def test_both_videos_play_in_step(browser: Browser, tmp_path: Path, film: Path) -> None:
    put(film, tmp_path / "result.mp4", tmp_path / "original.mp4")
    look = opened(browser, tmp_path)
    assert not look.page.locator(".ask").is_visible()
    look.page.get_by_role("button", name="Play", exact=True).click()
    both = "const [a, b] = document.querySelectorAll('.film video'); "
    look.until(
        f"(() => {{ {both} return b.currentTime > 0.4 && !a.paused && Math.abs(a.currentTime - b.currentTime) < {1 / RATE}; }})()"
    )
    look.page.get_by_role("button", name="Pause").click()
    look.until(f"(() => {{ {both} return a.paused && b.paused; }})()")
    settled(look)
    assert apart(look) < 0.01
    assert same_frame(look)
    muted = look.page.locator(".film video").evaluate_all("all => all.map(each => each.muted)")
    assert muted == [True, False]  # the sound is the result's
    look.context.close()


def test_seeking_and_stepping_keep_them_in_step(browser: Browser, tmp_path: Path, film: Path) -> None:
    put(film, tmp_path / "result.mp4", tmp_path / "original.mp4")
    look = opened(browser, tmp_path)
    look.page.get_by_role("slider", name="Time").evaluate("each => { each.value = 1.3; each.dispatchEvent(new Event('input')); }")
    settled(look)
    assert apart(look) < 0.01
    assert same_frame(look)
    grey = look.pixel(0.75)[0]
    look.page.keyboard.press("Tab")
    look.page.get_by_role("slider", name="Time").focus()
    for key, frames in ((".", 1), (".", 2), (",", 1), (",", 0), (",", -1)):
        look.page.keyboard.press(key)
        settled(look)
        look.page.wait_for_timeout(60)  # until the frame is painted
        assert apart(look) < 0.01
        assert same_frame(look)
        assert look.pixel(0.75)[0] - grey == pytest.approx(frames * 4 * 255 / 219, abs=2.4)
    look.page.locator(".strip button").nth(1).click()
    settled(look)
    assert look.page.locator(".after video").evaluate("each => each.currentTime") == pytest.approx(2.0, abs=0.05)
    look.context.close()


def test_the_handle_wipes_between_the_videos(browser: Browser, tmp_path: Path, film: Path) -> None:
    put(film, tmp_path / "result.mp4")
    ffmpeg("-i", film, "-vf", "lutyuv=y=255-val", tmp_path / "original.mp4")
    look = opened(browser, tmp_path)
    settled(look)
    before, after = look.pixel(0.25)[0], look.pixel(0.75)[0]
    assert before > 200 > 50 > after
    left, y, width = look.box()
    look.page.mouse.move(left + 0.5 * width, y)
    look.page.mouse.down()
    look.page.mouse.move(left + 0.9 * width, y, steps=4)
    look.page.mouse.up()
    assert look.pixel(0.75)[0] == before
    look.page.keyboard.press("Home")
    assert look.pixel(0.25)[0] == after
    look.context.close()


def test_on_paper_are_its_samples_and_no_video(browser: Browser, tmp_path: Path, film: Path) -> None:
    put(film, tmp_path / "result.mp4", tmp_path / "original.mp4")
    look = opened(browser, tmp_path)
    assert look.page.locator(".film video").first.is_visible()
    look.page.emulate_media(media="print")
    assert not look.page.locator("video, .controls, .strip").filter(visible=True).count()
    boxes = [image.bounding_box() for image in look.page.locator(".pair img").all()]
    assert all(box and box["width"] > 100 for box in boxes)
    look.context.close()


@pytest.mark.parametrize(
    ("page", "video"),
    [
        ("report.html", "result.mp4"),
        ("holiday-3f9a1c-report.html", "holiday-3f9a1c.mp4"),
        ("it's #1 100%-report.html", "it's #1 100%.mp4"),
        ("renamed.html", "holiday-3f9a1c.mp4"),
    ],
)
def test_it_plays_where_it_was_fetched_to(browser: Browser, tmp_path: Path, film: Path, page: str, video: str) -> None:
    put(film, tmp_path / "there" / video)
    look = opened(browser, tmp_path / "there", page)
    look.until("document.querySelector('.result video').readyState >= 1")
    assert look.page.locator(".result video").evaluate("each => each.videoWidth") == 320
    assert look.page.locator(".result a").inner_text() == video
    assert "The original isn't beside this page" in look.page.inner_text(".ask")
    assert look.page.locator(".lost").is_hidden()
    assert all(url.startswith(("data:", (tmp_path / "there").as_uri())) for url in look.asked)
    look.context.close()


def test_without_a_script_it_plays_where_it_is_fetched_to_by_default(browser: Browser, tmp_path: Path, film: Path) -> None:
    put(film, tmp_path / "holiday-3f9a1c.mp4")
    html = render(FILM, some_records(FRAMES))
    look = Look(browser, tmp_path, html, java_script_enabled=False)
    look.page.wait_for_timeout(500)
    assert look.pixel_of(".result video")[2] < 60  # its first frame is dark
    assert all(image.is_visible() for image in look.page.locator(".pair img").all())
    look.context.close()


def test_the_original_is_found_by_its_own_name_but_not_one_of_another_length(
    browser: Browser, tmp_path: Path, film: Path
) -> None:
    put(film, tmp_path / "holiday-3f9a1c.mp4", tmp_path / "holiday.mp4")
    look = opened(browser, tmp_path, "holiday-3f9a1c-report.html")
    assert look.page.locator(".film video").count() == 2
    look.context.close()
    ffmpeg("-y", "-i", film, "-frames:v", "10", tmp_path / "holiday.mp4")
    look = opened(browser, tmp_path, "holiday-3f9a1c-report.html")
    assert look.page.locator(".film video").count() == 0
    assert look.page.locator(".ask").is_visible()
    look.context.close()


def test_sound_may_be_longer_than_the_pictures(browser: Browser, tmp_path: Path, film: Path) -> None:
    result, original = tmp_path / "holiday-3f9a1c.mp4", tmp_path / "holiday.mp4"
    ffmpeg("-i", film, "-f", "lavfi", "-i", "sine=duration=4", "-c:v", "copy", result)
    put(result, original)
    look = opened(browser, tmp_path, "holiday-3f9a1c-report.html")
    assert look.page.locator(".film video").count() == 2
    look.context.close()


def test_files_that_are_chosen_play(browser: Browser, tmp_path: Path, film: Path) -> None:
    look = opened(browser, tmp_path)
    assert "isn't beside this page" in look.page.inner_text(".lost")
    assert look.page.locator(".ask").is_hidden()
    look.page.get_by_label("Choose it").set_input_files(film)
    look.page.wait_for_selector(".ask", state="visible")
    look.page.get_by_label("Choose the original").set_input_files(film)
    look.page.wait_for_selector(".film video")
    settled(look)
    assert same_frame(look)
    assert look.page.locator(".ask").is_hidden()
    look.context.close()


def test_a_file_of_another_length_is_said_to_be_one(browser: Browser, tmp_path: Path, film: Path) -> None:
    put(film, tmp_path / "result.mp4")
    ffmpeg("-i", film, "-frames:v", "10", tmp_path / "short.mp4")
    look = opened(browser, tmp_path)
    look.page.get_by_label("Choose the original").set_input_files(tmp_path / "short.mp4")
    look.page.wait_for_selector(".film video")
    look.until("document.querySelector('.ask').innerText.includes('This video lasts 0:00.4, the original 0:02.0.')")
    look.page.get_by_label("Choose the original").set_input_files(film)  # another one
    look.until("document.querySelector('.ask').hidden")
    look.page.keyboard.press(".")
    settled(look)
    assert same_frame(look)
    look.context.close()


def test_a_file_that_is_no_video_is_said_so(browser: Browser, tmp_path: Path, film: Path) -> None:
    put(film, tmp_path / "result.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    look = opened(browser, tmp_path)
    look.page.get_by_label("Choose the original").set_input_files(tmp_path / "text.mp4")
    look.until("document.querySelector('.ask').innerText.includes('can\\'t play that file')")
    look.context.close()


def test_samples_of_a_folder_lead_to_its_images(browser: Browser, tmp_path: Path) -> None:
    name = "it's #1?.png"
    images = replace(REPORT, result="result/", samples=[replace(REPORT.samples[0], name=name)])
    for page, folder in (("report.html", "result"), ("out.v2-report.html", "out.v2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"")
        look = Look(browser, tmp_path, render(images, []), name=page)
        link = look.page.locator(".named a").evaluate("each => each.href")
        assert unquote(link) == f"file://{tmp_path}/{folder}/{name}"
        look.context.close()


def test_one_image_is_linked_where_it_was_fetched_to(browser: Browser, tmp_path: Path) -> None:
    photo = replace(REPORT, result="result/", photo="dunes.png", samples=[replace(REPORT.samples[0], name="dunes.png")])
    for page, path in (("report.html", "result/dunes.png"), ("mine #1-report.html", "mine #1.png")):
        look = Look(browser, tmp_path, render(photo, []), name=page)
        assert unquote(look.page.locator(".result a").evaluate("each => each.href")) == f"file://{tmp_path}/{path}"
        look.context.close()


def test_a_part_plays_beside_its_place_in_the_original(browser: Browser, tmp_path: Path, film: Path) -> None:
    put(film, tmp_path / "holiday.mp4")
    ffmpeg("-ss", "0.8", "-i", film, "-t", "0.8", "-c:v", "libx264", tmp_path / "result.mp4")
    look = opened(browser, tmp_path, seconds=0.8, late=0.8)
    look.page.get_by_role("slider", name="Time").evaluate("each => { each.value = 0.5; each.dispatchEvent(new Event('input')); }")
    settled(look)
    times = look.page.locator(".film video").evaluate_all("all => all.map(each => each.currentTime)")
    assert times[0] - times[1] == pytest.approx(0.8, abs=1e-3)
    assert same_frame(look)
    look.context.close()
