"""Images of folders, written: other readers see what was put in."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from scorer.errors import OutputError
from scorer.media.images import Picture, decode, encode
from tests.scorer.media.image_samples import FORMS, LIMIT, ffmpeg, near, opencv, pillow, scene, seen_by_opencv


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


@pytest.mark.parametrize(("name", "width"), [("a.webp", 16_384), ("a.jpg", 65_536)])
def test_more_than_the_format_holds_is_an_output_error(name: str, width: int) -> None:
    wide = np.zeros((1, width, 3), np.uint8)
    with pytest.raises(OutputError, match=f"'{name}' can't be written with {width}x1 pixels"):
        encode(wide, Picture(wide), name)
