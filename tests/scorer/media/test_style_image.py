from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scorer.errors import StyleError
from scorer.media.style_image import check_style_image, load_style_image

RNG = np.random.default_rng(5)
COLOURS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_rgb_comes_out_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    found = load_style_image(tmp_path / "a.png", None)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, COLOURS)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the picture must be turned by 90 degrees clockwise
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(load_style_image(tmp_path / "a.png", None), np.rot90(COLOURS, k=-1))


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    alpha = np.tile(np.array([0, 255, 128], np.uint8), (20, 10))
    Image.fromarray(np.dstack([COLOURS, alpha])).save(tmp_path / "a.png")
    share = alpha[..., None] / 255
    expected = COLOURS * share + 255 * (1 - share)
    np.testing.assert_allclose(load_style_image(tmp_path / "a.png", None), expected, atol=1)


def test_a_transparent_palette_or_grey_lies_over_white(tmp_path: Path) -> None:
    Image.new("P", (6, 4), 0).save(tmp_path / "palette.png", transparency=0)
    Image.new("LA", (6, 4), (0, 0)).save(tmp_path / "grey.png")
    assert (load_style_image(tmp_path / "palette.png", None) == 255).all()
    assert (load_style_image(tmp_path / "grey.png", None) == 255).all()


def test_grey_has_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_style_image(tmp_path / "a.png", None), np.dstack([COLOURS[..., 0]] * 3))


def test_sixteen_bit_grey_and_colour_are_scaled_not_clipped(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (8, 9, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "grey.png"), deep[..., 0])
    cv2.imwrite(str(tmp_path / "colour.png"), deep[..., ::-1])
    np.testing.assert_allclose(load_style_image(tmp_path / "grey.png", None)[..., 0], deep[..., 0] / 257, atol=1)
    np.testing.assert_allclose(load_style_image(tmp_path / "colour.png", None), deep / 257, atol=1)


@pytest.mark.parametrize(("max_side", "shape"), [(15, (10, 15, 3)), (30, (20, 30, 3)), (100, (20, 30, 3)), (1, (1, 1, 3))])
def test_max_side_only_makes_smaller(tmp_path: Path, max_side: int, shape: tuple[int, ...]) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    assert load_style_image(tmp_path / "a.png", max_side).shape == shape


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing, text, cut, bomb, folder, real = (tmp_path / name for name in ("no.png", "t.png", "c.png", "b.png", "d", "f.tiff"))
    text.write_text("not an image")
    Image.fromarray(np.tile(COLOURS, (20, 20, 1))).save(cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    Image.fromarray(np.zeros((100, 101, 3), np.uint8)).save(bomb)
    folder.mkdir()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(real)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400 * 600)
    for path, reason in [
        (missing, "There is no style image"),
        (text, "is no image that can be used"),
        (cut, "undamaged"),
        (folder, "directory"),
        (real, "no known range"),
    ]:
        with pytest.raises(StyleError, match=reason) as caught:
            load_style_image(path, None)
        assert str(path) in str(caught.value)
        with pytest.raises(StyleError, match=reason):
            check_style_image(path)
    for limit in (10_000, 1_000):  # Pillow only warns up to twice its limit; both must be refused
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(StyleError, match="million pixels"):
            load_style_image(bomb, None)
        with pytest.raises(StyleError, match="million pixels"):
            check_style_image(bomb)


def test_a_style_of_too_many_bytes_isnt_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path)
    with path.open("ab") as file:
        file.truncate(64 * 2**20)
    assert load_style_image(path).shape == COLOURS.shape
    with path.open("ab") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(StyleError, match=r"a\.png has 65\.0 MB: give one of 64 MB at most"):
        load_style_image(path)
