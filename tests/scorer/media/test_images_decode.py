"""Images of folders, read: what other writers put in comes out; what isn't whole is refused."""

import io
import random
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scorer.errors import InputError
from scorer.media.images import decode, encode
from tests.scorer.media.image_samples import LIMIT, SAMPLES, deep_scene, ffmpeg, near, opencv, pillow, png, scene, seen_by_opencv


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


def refused(data: bytes, name: str, words: str, limit: int = LIMIT) -> None:
    with pytest.raises(InputError, match=words) as caught:
        decode(data, name, limit)
    message = str(caught.value)
    assert message.startswith(f"'{name}' ")
    assert message.count(name) == 1
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 250


@pytest.mark.parametrize("data", [b"", b"hello", b"GIF80a" + bytes(100), pillow(Image.fromarray(scene()), "TGA"), bytes(1000)])
def test_other_things_are_not_images(data: bytes) -> None:
    refused(data, "folder/frame 1.png", "is none of the images that are scored")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
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
