from __future__ import annotations

import io
import random
import string
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from scorer.errors import InputError, OutputError
from scorer.frames import SUFFIXES, Picture, Pixels, decode, encode, fit, fit_size, natural_order

LIMIT = 1_000_000
FORMS = ("rgb.jpg", "rgb.png", "rgb.webp")


def scene(width: int = 60, height: int = 40) -> NDArray[np.uint8]:
    """Smooth colours, all channels different, no symmetry: a swap of channels, sides or axes shows."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack((x * 255, y * 200, (1 - x) * y * 120), axis=2).astype(np.uint8)


def deep_scene() -> NDArray[np.uint16]:
    return (np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3) * 9 % 65536).astype(np.uint16)


def pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opencv(suffix: str, bgr: NDArray[Any], *options: int) -> bytes:
    return cv2.imencode(suffix, bgr, list(options))[1].tobytes()


def seen_by_opencv(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def ffmpeg(data: bytes, options: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *options.split(), "-"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *between: tuple[bytes, bytes]) -> bytes:
    """A PNG written from the specification, with chunks of one's own before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *between, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def near(one: Pixels, other: Pixels, *, mean: float) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(float) - other.astype(float)).mean()) <= mean


SAMPLES = {
    "rgb.jpg": opencv(".jpg", scene()[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 98),
    "rgb.png": opencv(".png", scene()[..., ::-1]),
    "rgb.webp": opencv(".webp", scene()[..., ::-1], cv2.IMWRITE_WEBP_QUALITY, 98),
    "lossless.webp": opencv(".webp", scene()[..., ::-1], cv2.IMWRITE_WEBP_QUALITY, 101),
    "progressive.jpg": opencv(".jpg", scene()[..., ::-1], cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 98),
    "interlaced.png": ffmpeg(scene().tobytes(), "-f rawvideo -pix_fmt rgb24 -s 60x40 -i - -f image2pipe -c png -flags +ildct"),
    "deep.png": opencv(".png", deep_scene()[..., ::-1]),
}


# --- decoding -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "deep.png"])
def test_colours_come_out_as_another_writer_put_them_in(name: str) -> None:
    picture = decode(SAMPLES[name], name, LIMIT)
    assert picture.pixels.dtype == np.uint8
    assert near(picture.pixels, scene(), mean=2.0 if name.endswith("jpg") or name == "rgb.webp" else 0)
    assert (picture.alpha, picture.grey, picture.lossless) == (
        None,
        False,
        name not in ("rgb.jpg", "progressive.jpg", "rgb.webp"),
    )


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_grey_is_known_and_comes_as_three_equal_channels(name: str) -> None:
    grey = scene()[..., 0]
    picture = decode(opencv(Path(name).suffix, grey), name, LIMIT)
    assert (picture.pixels == picture.pixels[..., :1]).all()
    assert near(picture.pixels[..., 0], grey, mean=1.5)
    assert picture.grey is (name != "a.webp")  # WebP has no grey


def test_grey_with_alpha() -> None:
    grey, alpha = scene()[..., 0], scene()[..., 1]
    picture = decode(pillow(Image.fromarray(np.dstack((grey, alpha))), "PNG"), "a.png", LIMIT)
    assert picture.alpha is not None
    assert picture.grey
    assert (picture.pixels[..., 2] == grey).all()
    assert (picture.alpha == alpha).all()


def test_one_bit_is_black_and_white() -> None:
    bits = scene()[..., 0] > 100
    picture = decode(pillow(Image.fromarray(bits), "PNG"), "a.png", LIMIT)
    assert picture.grey
    assert (picture.pixels[..., 0] == np.where(bits, 255, 0)).all()


def test_palette_with_transparency() -> None:
    palette = bytes((255, 0, 0, 0, 255, 0, 0, 0, 255))
    rows = b"\0\0\1\0\2\1"  # two rows of two pixels, each row behind its filter's number
    picture = decode(png(2, 2, 8, 3, rows, (b"PLTE", palette), (b"tRNS", bytes((255, 128)))), "a.png", LIMIT)
    assert picture.pixels.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 255, 0]]]
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 128], [255, 128]]


def test_palette_without_transparency_has_no_alpha() -> None:
    image = Image.fromarray(scene()).quantize(16)
    assert decode(pillow(image, "PNG"), "a.png", LIMIT).alpha is None


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_colour_with_alpha(suffix: str) -> None:
    alpha = scene()[..., 1]
    bgra = np.dstack((scene()[..., ::-1], alpha))
    picture = decode(opencv(suffix, bgra, cv2.IMWRITE_WEBP_QUALITY, 101), "a" + suffix, LIMIT)
    assert picture.alpha is not None
    assert (picture.alpha == alpha).all()
    assert (picture.pixels[alpha > 0] == scene()[alpha > 0]).all()


def test_one_transparent_colour() -> None:
    picture = decode(png(2, 1, 8, 2, b"\0\1\2\3\4\5\6", (b"tRNS", bytes((0, 4, 0, 5, 0, 6)))), "a.png", LIMIT)
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[255, 0]]


def test_cmyk_jpeg_looks_as_another_reader_sees_it() -> None:
    data = pillow(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=98)
    picture = decode(data, "a.jpg", LIMIT)
    assert near(picture.pixels, scene(), mean=3)
    assert near(picture.pixels, seen_by_opencv(data), mean=3)


# PNG's colour types (W3C PNG, table 9): 0 grey, 2 RGB, 4 grey with alpha, 6 RGB with alpha.
@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_stay_sixteen_bits(colour: int, channels: int) -> None:
    values = np.random.default_rng(colour).integers(0, 65536, (4, 5, channels), dtype=np.uint16)
    data = png(5, 4, 16, colour, b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    picture = decode(data, "a.png", LIMIT)
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.shape == (4, 5, 3)
    assert (picture.pixels == values[..., : 3 if channels > 2 else 1]).all()
    assert picture.grey is (channels <= 2)
    if channels % 2:
        assert picture.alpha is None
    else:
        assert picture.alpha is not None
        assert (picture.alpha == values[..., -1]).all()
    again = decode(encode(picture.pixels, picture, "a.png"), "a.png", LIMIT)
    assert (again.pixels == picture.pixels).all()
    assert (again.alpha is None) == (picture.alpha is None)
    if again.alpha is not None:
        assert (again.alpha == picture.alpha).all()


@pytest.mark.parametrize(("colour", "key"), [(0, 1), (2, 3)])
def test_one_transparent_colour_of_sixteen_bits(colour: int, key: int) -> None:
    values = np.arange(2 * key, dtype=">u2") + 1000
    picture = decode(png(2, 1, 16, colour, b"\0" + values.tobytes(), (b"tRNS", values[key:].tobytes())), "a.png", LIMIT)
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[65535, 0]]


def test_sixteen_bits_as_ffmpeg_writes_and_reads_them() -> None:
    raw = deep_scene().astype("<u2").tobytes()
    data = ffmpeg(raw, "-f rawvideo -pix_fmt rgb48le -s 60x40 -i - -f image2pipe -c png -pix_fmt rgb48be")
    picture = decode(data, "a.png", LIMIT)
    assert (picture.pixels == deep_scene()).all()
    back = ffmpeg(encode(picture.pixels, picture, "a.png"), "-f png_pipe -i - -f rawvideo -pix_fmt rgb48le")
    assert back == raw


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied_and_gone(orientation: int, kind: str) -> None:
    # What each value does to an upright image, in Pillow's words: the inverse of what `decode` must do.
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(np.dstack((scene(), scene()[..., 1])) if kind == "PNG" else scene())
    turned = image.transpose(turns[orientation]) if orientation in turns else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    name = "a." + kind.lower()
    picture = decode(pillow(turned, kind, exif=exif, **({} if kind == "PNG" else {"quality": 98})), name, LIMIT)
    assert near(picture.pixels, scene(), mean=2)
    assert picture.alpha is None or (picture.alpha == scene()[..., 1]).all()
    assert 0x0112 not in Image.open(io.BytesIO(encode(picture.pixels, picture, name))).getexif()


def test_a_camera_turned_sixteen_bit_image_is_turned_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = opencv(".png", np.rot90(deep_scene())[..., ::-1])
    body = b"eXIf" + exif.tobytes()[6:]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    assert (decode(plain[:-12] + chunk + plain[-12:], "a.png", LIMIT).pixels == deep_scene()).all()


def test_what_a_file_is_counts_and_not_its_name() -> None:
    assert (decode(SAMPLES["rgb.png"], "photo.jpg", LIMIT).pixels == scene()).all()


def test_a_jpeg_with_a_second_picture_is_its_first() -> None:
    first, second = Image.fromarray(scene()), Image.fromarray(scene()[::-1].copy())
    data = pillow(first, "MPO", save_all=True, append_images=[second], quality=98)
    assert near(decode(data, "phone.jpg", LIMIT).pixels, scene(), mean=2)


# --- what can't be decoded ----------------------------------------------------------------------------------------------------


def refused(data: bytes, name: str, words: str, limit: int = LIMIT) -> None:
    with pytest.raises(InputError, match=words) as caught:
        decode(data, name, limit)
    message = str(caught.value)
    assert message.startswith(f"'{name}' ")
    assert message.count(name) == 1
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 250


@pytest.mark.parametrize("data", [b"", b"hello", b"GIF89a" + bytes(100), pillow(Image.fromarray(scene()), "TIFF"), bytes(1000)])
def test_other_things_are_not_images(data: bytes) -> None:
    refused(data, "folder/frame 1.png", "is not a JPEG, PNG or WebP image")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind: str) -> None:
    first, second = Image.fromarray(scene()), Image.fromarray(scene()[::-1].copy())
    refused(pillow(first, kind, save_all=True, append_images=[second, first]), "a.png", "animation of 3 frames")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_too_many_pixels_are_refused_by_the_header_alone(kind: str) -> None:
    data = pillow(Image.fromarray(scene(120, 80)), kind)
    refused(data, "a." + kind, "has 120x80 pixels, more than the 9,599 allowed", 120 * 80 - 1)
    assert decode(data, "a." + kind, 120 * 80).pixels.shape == (80, 120, 3)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 100_000])
def test_a_bomb_is_refused_before_it_goes_off(side: int) -> None:
    # The pixels are missing: a decoder that looked for them would call it damaged.
    refused(png(side, side, 8, 2, b""), "bomb.png", "pixels")


@pytest.mark.parametrize("name", SAMPLES)
def test_an_image_cut_anywhere_is_refused(name: str) -> None:
    data = SAMPLES[name]
    whole = decode(data, name, LIMIT).pixels
    for length in [*range(0, len(data), 50), *range(len(data) - 40, len(data))]:
        try:
            picture = decode(data[:length], name, LIMIT)
        except InputError:
            continue
        assert length > len(data) - 25, "only an end mark and a checksum may be missing"
        assert (picture.pixels == whole).all()
    refused(data[: len(data) // 2], name, "damaged or cut short")


@pytest.mark.parametrize("name", SAMPLES)
def test_damage_never_raises_anything_but_an_input_error(name: str) -> None:
    chance = random.Random(name)
    for _ in range(150):
        data = bytearray(SAMPLES[name])
        for _ in range(chance.choice((1, 3, 30))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            picture = decode(bytes(data), name, LIMIT)
        except InputError:
            continue
        assert picture.pixels.ndim == 3


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"RIFF\x40\0\0\0WEBPVP8 "]
    ),
    st.binary(max_size=300),
)
def test_random_bytes_are_never_more_than_an_input_error(start: bytes, rest: bytes) -> None:
    with pytest.raises(InputError):
        decode(start + rest, "noise.png", LIMIT)


def test_sixteen_bit_pixels_that_end_early_are_damage() -> None:
    refused(png(60, 40, 16, 2, bytes(1000)), "a.png", "damaged or cut short")


# --- encoding -----------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_png_gives_back_every_bit(data: st.DataObject) -> None:
    dtype: Any = data.draw(st.sampled_from([np.uint8, np.uint16]))
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    noise = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    both = noise.integers(0, np.iinfo(dtype).max, (height, width, 4), dtype=dtype, endpoint=True)
    grey, clear = data.draw(st.booleans()), data.draw(st.booleans())
    pixels = np.repeat(both[..., :1], 3, axis=2) if grey else both[..., :3]
    like = Picture(pixels, both[..., 3] if clear else None, grey=grey)
    picture = decode(encode(pixels, like, "a.PNG"), "a.PNG", LIMIT)
    assert picture.pixels.dtype == dtype
    assert (picture.pixels == pixels).all()
    assert (picture.alpha is not None) == clear
    assert picture.alpha is None or (picture.alpha == both[..., 3]).all()
    assert picture.grey == (grey and not clear)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.png", "a.webp"])
def test_other_readers_see_what_was_written(name: str) -> None:
    like = Picture(scene(), lossless=False)
    data = encode(scene(), like, name)
    assert data == encode(scene().copy(), like, name)
    assert near(np.asarray(Image.open(io.BytesIO(data))), scene(), mean=2.5)
    assert near(seen_by_opencv(data), scene(), mean=2.5)
    pipe = {"jpg": "jpeg_pipe", "jpeg": "jpeg_pipe", "png": "png_pipe", "webp": "webp_pipe"}[name.split(".")[1].lower()]
    raw = ffmpeg(data, f"-f {pipe} -i - -f rawvideo -pix_fmt rgb24")
    assert near(np.frombuffer(raw, np.uint8).reshape(40, 60, 3), scene(), mean=4)


def test_jpeg_keeps_colour_at_full_resolution() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0], stripes[:, 1::2, 2] = 255, 255
    assert near(decode(encode(stripes, Picture(stripes), "a.jpg"), "a.jpg", LIMIT).pixels, stripes, mean=8)


def test_webp_is_lossless_if_the_source_was() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (30, 30, 4), dtype=np.uint8)
    like = Picture(noise[..., :3], noise[..., 3])
    exact = decode(encode(noise[..., :3], like, "a.webp"), "a.webp", LIMIT)
    assert exact.alpha is not None
    assert exact.lossless
    assert (exact.pixels == like.pixels).all()
    assert (exact.alpha == like.alpha).all()
    lossy = decode(encode(noise[..., :3], Picture(noise[..., :3], lossless=False), "a.webp"), "a.webp", LIMIT)
    assert not lossy.lossless
    assert not (lossy.pixels == like.pixels).all()


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_grey_photograph_stays_grey_until_it_is_painted(name: str) -> None:
    like = decode(opencv(Path(name).suffix, scene()[..., 0]), name, LIMIT)
    assert decode(encode(like.pixels, like, name), name, LIMIT).grey
    painted = decode(encode(scene(), like, name), name, LIMIT)
    assert not painted.grey
    assert near(painted.pixels, scene(), mean=2)


def test_transparency_follows_a_change_of_size_and_is_dropped_by_jpeg() -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[:, 30:] = 255
    like, larger = Picture(scene(), alpha), scene(120, 80)
    again = decode(encode(larger, like, "a.png"), "a.png", LIMIT)
    assert again.alpha is not None
    assert again.alpha.shape == (80, 120)
    assert (again.alpha[:, :55] == 0).all()
    assert (again.alpha[:, 65:] == 255).all()
    assert near(decode(encode(larger, like, "a.jpg"), "a.jpg", LIMIT).pixels, larger, mean=2)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_sixteen_bits_are_rounded_where_the_format_has_eight(name: str) -> None:
    deep = scene().astype(np.uint16) * 257 + 100
    assert near(decode(encode(deep, Picture(deep, deep[..., 0]), name), name, LIMIT).pixels, scene(), mean=2)


@pytest.mark.parametrize("name", FORMS)
def test_a_colour_profile_is_kept(name: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    like = decode(pillow(Image.fromarray(scene()), {"jpg": "JPEG"}.get(name[4:], name[4:]), icc_profile=profile), name, LIMIT)
    assert like.profile == profile
    written = encode(like.pixels, like, name)
    assert Image.open(io.BytesIO(written)).info["icc_profile"] == profile
    assert near(seen_by_opencv(written), scene(), mean=2.5)


@pytest.mark.parametrize("name", FORMS)
def test_a_profile_for_other_channels_is_not_kept(name: str) -> None:
    grey_profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    grey_profile[16:20] = b"GRAY"
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    like = Picture(grey, grey=True, profile=bytes(grey_profile))
    assert "icc_profile" not in Image.open(io.BytesIO(encode(scene(), like, name))).info
    kept = Image.open(io.BytesIO(encode(grey, like, name))).info.get("icc_profile")
    assert kept == (None if name == "rgb.webp" else bytes(grey_profile))


@pytest.mark.parametrize("name", ["a.gif", "a", "a.jpg.txt"])
def test_an_unknown_suffix_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}'"):
        encode(scene(), Picture(scene()), name)


@pytest.mark.parametrize(("name", "width"), [("a.webp", 16_384), ("a.jpg", 65_536)])
def test_more_than_the_format_holds_is_an_output_error(name: str, width: int) -> None:
    wide = np.zeros((1, width, 3), np.uint8)
    with pytest.raises(OutputError, match=f"'{name}' can't be written with {width}x1 pixels"):
        encode(wide, Picture(wide), name)


# --- sizes --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1280, 720, 640), (640, 360)),
        ((720, 1280, 640), (360, 640)),
        ((640, 360, 1280), (1280, 720)),
        ((100, 1, 10), (10, 1)),
        ((33, 33, 7), (7, 7)),
        ((1280, 720, 854), (854, 480)),
        ((1280, 720, None), (1280, 720)),
    ],
)
def test_the_longer_side_gets_the_size(size: tuple[int, int, int | None], expected: tuple[int, int]) -> None:
    assert fit_size(*size) == expected


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 9000), st.booleans())
def test_sizes_keep_the_aspect_and_evenness(width: int, height: int, size: int, even: bool) -> None:
    new = fit_size(width, height, size, even=even)
    both_even = even and width % 2 == height % 2 == 0
    if both_even:
        assert new[0] % 2 == new[1] % 2 == 0
    else:
        assert max(new) == size
    step = 2 if both_even else 1
    for side, new_side in zip((width, height), new, strict=True):
        assert new_side == step or abs(new_side - side * size / max(width, height)) <= step / 2
    assert fit_size(width, height, max(width, height), even=even) == (width, height)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fit_scales_down_by_area_and_up_smoothly(dtype: type[np.uint8] | type[np.uint16]) -> None:
    image: Any = np.repeat(np.indices((40, 60)).sum(axis=0)[..., None] % 2 * 200, 3, axis=2).astype(dtype)
    half = fit(image, 30)
    assert half.shape == (20, 30, 3)
    assert half.dtype == dtype
    assert (half == 100).all()
    smooth: Any = scene().astype(dtype)
    double = fit(smooth, 120)
    assert double.dtype == dtype
    assert near(double, scene(120, 80), mean=2)
    assert fit(image, None) is image


# --- names --------------------------------------------------------------------------------------------------------------------


def test_names_are_counted_not_spelled() -> None:
    names = [
        "a.png", "a1.png", "A2.png", "a10.png", "a10b.png", "b/2.png", "b/10.png", "b2/1.png", "b10/1.png",
        "shot1_frame9.jpg", "shot1_frame10.jpg", "shot02_frame1.jpg", "Ż\u0662.png", "ż\u0661\u0660.png",
    ]  # fmt: skip
    assert natural_order(reversed(names)) == names


def test_names_that_count_the_same_have_one_order() -> None:
    assert (
        natural_order(["1.png", "01.png", "001.png"])
        == natural_order(["001.png", "1.png", "01.png"])
        == ["001.png", "01.png", "1.png"]
    )


@given(st.lists(st.text(alphabet=string.ascii_letters + "0123456789/._- ²٣५é", max_size=12)))
def test_order_depends_on_the_names_alone(names: list[str]) -> None:
    ordered = natural_order(names)
    assert sorted(ordered) == sorted(names)
    assert natural_order(reversed(names)) == ordered == natural_order(ordered)


@given(st.lists(st.text(), max_size=20))
def test_any_text_can_be_ordered(names: list[str]) -> None:
    assert len(natural_order(names)) == len(names)


@given(st.lists(st.integers(0, 10**30), unique=True), st.sampled_from(["", "f", "7/"]), st.sampled_from(["", "x"]))
def test_numbers_are_in_the_order_of_numbers(numbers: list[int], before: str, after: str) -> None:
    assert natural_order(f"{before}{number}{after}.png" for number in numbers) == [
        f"{before}{number}{after}.png" for number in sorted(numbers)
    ]


def test_suffixes_are_lower_case() -> None:
    assert {".jpg", ".jpeg", ".png", ".webp"} == SUFFIXES
