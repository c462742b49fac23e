"""Folders as people have them: what counts as an image, what is passed over and told, which names can be used."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.errors import InputError, ScorerError
from scorer.job.dispatch import dispatch
from scorer.job.merge import merge
from scorer.job.score import load_model, score_chunk
from scorer.media.image_names import notes_on
from scorer.media.limits import Limits
from tests.conftest import write_images
from tests.folders import FolderStores
from tests.scorer.cli.command_line import run

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def plan_of(stores: FolderStores, source: str = "shots/", limits: Limits | None = None, **changes: Any) -> Plan:
    request = make_request({"name": "job", "input": source, "model": "invert", "failure_threshold": 0, **changes})
    return dispatch("job", request, stores, limits=limits)


def scored(plan: Plan, stores: FolderStores) -> Path:
    """The folder of results."""
    model = load_model(plan, stores)
    for chunk in plan.chunks:
        part, _ = score_chunk(plan, chunk, stores, model)
        assert part.failed == 0
    merge(plan, stores)
    return stores.output.root / "job/result"


def picture(width: int = 24, height: int = 16) -> Image.Image:
    """Two colours, so that no coding blurs anything but their seam, and the turns of EXIF show."""
    pixels = np.full((height, width, 3), (200, 40, 90), np.uint8)
    pixels[: height // 2, : width // 2] = (10, 220, 30)
    return Image.fromarray(pixels)


def read(path: Path) -> NDArray[Any]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:  # OpenCV was built without AVIF
        return np.asarray(Image.open(path))
    return np.asarray(image if image.ndim == 2 else image[..., [2, 1, 0, 3][: image.shape[2]]])


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


FORMS: dict[str, tuple[str, str]] = {
    "photo.jpg": ("RGB", "photo.jpg"), "photo.JPEG": ("RGB", "photo.JPEG"), "photo.jfif": ("RGB", "photo.jfif"),
    "photo.jpe": ("RGB", "photo.jpe"), "drawing.png": ("RGBA", "drawing.png"), "photo.webp": ("RGBA", "photo.webp"),
    "photo.avif": ("RGBA", "photo.avif"), "scan.tif": ("RGBA", "scan.tif.png"), "grey.TIFF": ("L", "grey.TIFF.png"),
    "old.bmp": ("RGB", "old.bmp.png"), "still.gif": ("P", "still.gif.png"), "print.tiff": ("CMYK", "print.tiff.png"),
}  # fmt: skip


def test_each_format_comes_out_in_one_that_holds_it(stores: FolderStores) -> None:
    shots = stores.input.root / "shots"
    shots.mkdir()
    kinds = {".jfif": "JPEG", ".jpe": "JPEG"}
    for name, (mode, _) in FORMS.items():
        image = picture().convert("RGBA") if mode == "RGBA" else picture().convert(mode)
        if mode == "RGBA":
            image.putalpha(Image.linear_gradient("L").resize(image.size))
        how = {"quality": 100} if Path(name).suffix.lower() in (".avif", ".webp") else {}
        image.save(shots / name, kinds.get(Path(name).suffix), icc_profile=PROFILE if mode.startswith("RGB") else None, **how)
    plan = plan_of(stores)
    results = scored(plan, stores)
    assert {path.name for path in results.iterdir()} == {result for _, result in FORMS.values()}
    for name, (mode, result) in FORMS.items():
        after = Image.open(results / result)
        before = np.asarray(Image.open(shots / name).convert("RGB")).astype(int)
        found = np.asarray(after.convert("RGB")).astype(int)
        assert np.median(np.abs(found - (255 - before))) <= 3, name
        assert (after.mode == "RGBA") == (mode == "RGBA"), name
        if mode == "RGBA":
            wanted = np.asarray(Image.open(shots / name).convert("RGBA"))[..., 3].astype(int)
            assert np.abs(np.asarray(after)[..., 3].astype(int) - wanted).max() <= 2
        if mode == "RGB" and not name.endswith("bmp"):
            assert after.info["icc_profile"] == PROFILE
        assert (after.mode == "L") == (mode == "L"), name
    assert any(note.startswith("in another format: ") for note in plan.notes)
    assert "of a GIF or TIFF file the first picture is taken" in plan.notes
    assert "AVIF comes out with 8 bits" in plan.notes


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("coding", ["raw", "lzw", "deflate"])
def test_tiffs_of_16_bits_stay_what_they_are(stores: FolderStores, channels: int, coding: str) -> None:
    shots = stores.input.root / "shots"
    shots.mkdir()
    pixels = np.random.default_rng(3).integers(0, 65536, (16, 24, channels), np.uint16)
    code = {"raw": 1, "lzw": 5, "deflate": 8}[coding]
    cv2.imwrite(str(shots / "deep.tif"), pixels.squeeze(), [cv2.IMWRITE_TIFF_COMPRESSION, code])
    result = read(scored(plan_of(stores), stores) / "deep.tif.png")
    expected = read(shots / "deep.tif").copy()
    colours = expected if expected.ndim == 2 else expected[..., :3]
    colours[...] = 65535 - colours
    assert np.array_equal(result, expected)


def test_pages_and_turns_of_a_tiff_and_pictures_of_a_gif(stores: FolderStores) -> None:
    shots = stores.input.root / "shots"
    shots.mkdir()
    other = Image.new("RGB", (24, 16), "white")
    picture().save(shots / "pages.tif", save_all=True, append_images=[other, other])
    picture().save(shots / "turned.tif", exif=turned())
    picture().save(shots / "moving.gif", save_all=True, append_images=[other])
    results = scored(plan_of(stores), stores)
    upright = 255 - np.asarray(picture())
    assert np.array_equal(read(results / "pages.tif.png"), upright)
    assert np.array_equal(read(results / "turned.tif.png"), np.rot90(upright, -1))
    assert np.array_equal(read(results / "moving.gif.png"), upright)


def tiff_of(fields: list[tuple[int, int, int, int]], version: int = 42) -> bytes:
    body = b"".join(struct.pack("<HHII", *field) for field in fields)
    return struct.pack("<2sHIH", b"II", version, 8, len(fields)) + body + bytes(4)


GIF = (
    struct.pack("<6s2HBBB6x", b"GIF89a", 9000, 9000, 0x80, 0, 0) + struct.pack("<s4HB", b",", 0, 0, 9000, 9000, 0) + b"\2\1\4\0;"
)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (tiff_of([(256, 4, 1, 64), (257, 4, 1, 64), (273, 4, 50_000_000, 8)]), "50,000,000 values"),
        (tiff_of([], version=43), "BigTIFF"),
        (b"II*\0\xff\xff\xff\x7f", "cut short"),
        (tiff_of([(256, 4, 1, 9000), (257, 4, 1, 9000), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8)]), "9000x9000"),
        (GIF, "9000x9000"),
        (b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 9000, 9000, 1, 24, 0, 0, 0, 0, 0, 0), "9000x9000"),
        (b"BM" + struct.pack("<IHHIIiiHHIIiiII", 62, 0, 0, 62, 40, 9, 9, 1, 8, 1, 8, 0, 0, 2, 2) + bytes(16), "compressed BMP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "none of the images"),
    ],
)  # fmt: skip
def test_hostile_images_fail_in_a_sentence(stores: FolderStores, data: bytes, why: str) -> None:
    shots = stores.input.root / "shots"
    write_images(shots, ["a.png"])
    (shots / "b.tif").write_bytes(data)
    plan = plan_of(stores, failure_threshold=0.5)
    score_chunk(plan, plan.chunks[0], stores, load_model(plan, stores))
    assert why in stores.logs.get("job/000000.jsonl").decode()


def test_coded_as_nothing_but_what_programs_write(stores: FolderStores) -> None:
    shots = stores.input.root / "shots"
    shots.mkdir()
    picture().save(shots / "a.tif", compression="jpeg")
    Image.fromarray(np.ones((9, 9), np.float32)).save(shots / "b.tif")
    plan = plan_of(stores, failure_threshold=1)
    score_chunk(plan, plan.chunks[0], stores, load_model(plan, stores))
    said = stores.logs.get("job/000000.jsonl").decode()
    assert "a TIFF file coded as jpeg" in said
    assert "no whole numbers of 1 to 16 bits" in said
    assert "damaged" not in said


def test_a_note_says_what_changes_and_one_image_has_no_result_of_another_name() -> None:
    assert notes_on(["a.png"], "jpg", alone=True) == ["JPEG holds 8 bits and no transparency"]
    assert notes_on(["a.png"], "webp", alone=True) == []
    assert notes_on(["a.bmp"], None) == ["in another format: a.bmp.png"]


def test_names_that_differ_in_how_their_accents_are_written_are_told() -> None:
    twins = ["\u00fc.png", "u\u0308.png"]
    assert notes_on(twins, None) == [f"one file each on Windows and macOS: {twins[0]} and {twins[1]}"]


def test_what_systems_leave_is_no_image_and_the_rest_is_told(stores: FolderStores) -> None:
    shots = stores.input.root / "shots"
    write_images(shots, ["1.png", "2.jpg"])
    for name in ("._1.png", "._2.jpg", ".hidden.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (shots / name).write_bytes(bytes(100))
    plan = plan_of(stores)
    assert [file.name for file in plan.chunks[0].files] == ["1.png", "2.jpg"]
    assert plan.notes == ()
    (shots / "i.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (shots / "sub").mkdir()
    (shots / "dir.png").mkdir()
    (shots / "broken.png").symlink_to("nowhere.png")
    (shots / "itself.png").symlink_to("itself.png")
    (shots / "3.png").symlink_to("1.png")
    os.mkfifo(shots / "pipe.png")
    plan = plan_of(stores)
    assert [file.name for file in plan.chunks[0].files] == ["1.png", "2.jpg", "3.png"]
    assert plan.notes == ("passed over: broken.png, dir.png/, i.heic and 3 more",)


@pytest.mark.parametrize("names", [["i.heic"], ["sub/"], []])
def test_a_folder_without_images_says_what_it_has(stores: FolderStores, names: list[str]) -> None:
    shots = stores.input.root / "shots"
    shots.mkdir()
    for name in names:
        if name.endswith("/"):
            (shots / name).mkdir()
        else:
            (shots / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r"has no images in it.*: put .*\.tiff.* files there") as caught:
        plan_of(stores)
    assert all(f"passed over: {name}" in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (b"new\nline.png", "control or an invisible"), (b"caf\xe9.png", "bytes that are no text"),
        (b"back\\slash.png", "backslash"),
        (b"\xe2\x80\xae.png", "invisible"), (b"c:d.png", "another folder"), (b"z" * 250 + b".tif", "over 255 bytes"),
    ],
)  # fmt: skip
def test_a_name_that_can_not_be_used_is_told_before_the_work(stores: FolderStores, name: bytes, why: str) -> None:
    shots = stores.input.root / "shots"
    write_images(shots, ["ok.png"])
    (Path(os.fsdecode(os.fsencode(shots) + b"/" + name))).write_bytes((shots / "ok.png").read_bytes())
    with pytest.raises(InputError) as caught:
        plan_of(stores)
    assert why in str(caught.value)
    assert str(caught.value).lower().endswith("rename it.")
    assert str(caught.value).isprintable()


def test_other_files_may_be_called_as_they_like(stores: FolderStores) -> None:
    shots = stores.input.root / "shots"
    write_images(shots, ["ok.png"])
    for name in (b"new\nline.txt", b"caf\xe9.txt"):
        (Path(os.fsdecode(os.fsencode(shots) + b"/" + name))).write_bytes(b"x")
    plan = plan_of(stores)
    assert plan.frames == 1
    assert plan.notes[0].startswith("passed over: ")


def test_the_longest_names_work(tmp_path: Path) -> None:
    names = ["z" * 251 + ".png", "y" * 240 + ".jpg", "ä" * 125 + ".webp", "x" * 247 + ".gif"]
    shots = tmp_path / "shots"
    shots.mkdir()
    for name in names:
        picture().save(shots / name)
    run("run", "shots", "--model", "invert", "--out", "done", folder=tmp_path)
    assert {path.name for path in (tmp_path / "done").iterdir()} == {*names[:3], names[3] + ".png"}
    (again,) = [run("run", "shots", "--model", "invert", "--out", "done", folder=tmp_path)]
    assert "all done before" in again.stdout


def test_results_that_would_be_called_the_same_are_refused(stores: FolderStores) -> None:
    shots = stores.input.root / "shots"
    shots.mkdir()
    for name in ("a.tif", "a.png"):
        picture().save(shots / name)
    assert plan_of(stores).frames == 2
    picture().save(shots / "a.tif.png")
    with pytest.raises(InputError, match=r"'a.tif' and 'a.tif.png' would both come out as 'a.tif.png': rename one"):
        plan_of(stores)


def test_names_that_other_systems_take_otherwise_are_told(stores: FolderStores) -> None:
    write_images(stores.input.root / "shots", ["A.png", "a.png", "con.png", "who?.png", "control.png"])
    notes = plan_of(stores).notes
    assert "one file each on Windows and macOS: A.png and a.png" in notes
    assert "Windows takes no files of these names: con.png and who?.png" in notes


def test_an_image_of_gigabytes_is_refused_before_it_is_read(stores: FolderStores) -> None:
    write_images(stores.input.root / "shots", ["a.png"])
    with (stores.input.root / "shots/b.tif").open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(InputError, match=r"b.tif' has 3,221.2 MB, more than the 300 allowed"):
        plan_of(stores)
    with pytest.raises(InputError, match=r"b.tif' has 3,221.2 MB"):
        plan_of(stores, "shots/b.tif")


@pytest.mark.parametrize("image_format", ["jpg", "png", "webp", "avif"])
def test_a_request_may_choose_the_format(stores: FolderStores, image_format: str) -> None:
    shots = stores.input.root / "shots"
    shots.mkdir()
    for name in ("a.png", "b.jpg", "c.tif"):
        picture().save(shots / name)
    results = scored(plan_of(stores, image_format=image_format), stores)
    same = {"png": "a.png", "jpg": "b.jpg"}.get(image_format)
    assert {path.name for path in results.iterdir()} == {
        name if name == same else f"{name}.{image_format}" for name in ("a.png", "b.jpg", "c.tif")
    }
    for path in results.iterdir():
        assert Image.open(path).format == {"jpg": "JPEG"}.get(image_format, image_format.upper())
        assert np.median(np.abs(np.asarray(Image.open(path).convert("RGB")).astype(int) - (255 - np.asarray(picture())))) <= 4


@pytest.mark.parametrize("out", [None, "x.png", "y/x.jpg", "x.webp", "x.avif"])
@pytest.mark.parametrize("name", ["photo.jpg", "scan.tif"])
def test_one_image_becomes_one_image(tmp_path: Path, name: str, out: str | None) -> None:
    picture().save(tmp_path / name)
    done = run("run", name, "--model", "invert", *(["--out", out] if out else []), folder=tmp_path)
    result = tmp_path / done.stdout.split(" · ")[0]
    assert " · 1 frame · " in done.stdout
    assert result.suffix == (Path(out).suffix if out else {"photo.jpg": ".jpg", "scan.tif": ".png"}[name])
    image = Image.open(result)
    assert image.format == {".jpg": "JPEG"}.get(result.suffix, result.suffix[1:].upper())
    assert np.median(np.abs(np.asarray(image.convert("RGB")).astype(int) - (255 - np.asarray(picture())))) <= 4


def test_one_image_that_can_not_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    assert "none of the images" in run("run", "text.png", "--model", "invert", folder=tmp_path, code=10).stderr
    assert "There is no" in run("run", "no.png", "--model", "invert", folder=tmp_path, code=4).stderr
    picture().save(tmp_path / "a.png")
    refused = run("run", "a.png", "--model", "invert", "--out", "a.mp4", folder=tmp_path, code=2)
    assert "'a.mp4': it is an image; end its name with one of .jpg, .png, .webp, .avif" in refused.stderr


def test_a_plan_names_what_comes_out_once(stores: FolderStores) -> None:
    """As a hostile node might write it."""
    write_images(stores.input.root / "shots", ["a.png", "b.png"])
    plan = plan_of(stores)
    for wrong in ("a.tif", "a.exe", "x/a.png"):
        changed = plan.to_json().replace(b"shots/b.png", f"shots/{wrong}".encode()).replace(b"shots/a.png", b"shots/a.tif.png")
        with pytest.raises((ScorerError, ValueError)):
            Plan.model_validate_json(changed)
