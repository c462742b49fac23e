"""What every model gets around it: narrow frames are padded, and the result is blended with the original."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import save_file

from scorer.documents.request import make_request
from scorer.job.dispatch import dispatch
from scorer.job.merge import merge
from scorer.job.score import load_model, score_chunk
from scorer.media.images import decode as decode_image
from scorer.media.images import resize
from scorer.models import Frames
from scorer.models.around import at_stroke_size, blended, cropped, padded, recolored
from tests.folders import FolderStores
from tests.scorer.job.scoring import plan_folder, score_all
from tests.scorer.media.video.samples import decode, ffmpeg
from tests.scorer.models.published_network import published_state
from tests.scorer.models.test_on_media import MODELS, STYLES, scene

# Width and height of an image, and its type.
NARROW: list[tuple[int, int, type[np.uint8 | np.uint16]]] = [
    (1, 1, np.uint8),
    (2, 2, np.uint16),
    (1, 40, np.uint8),
    (320, 1, np.uint16),
]


def noise(height: int, width: int, dtype: type[np.uint8 | np.uint16], seed: int = 1) -> Frames:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, 3), dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("strength", [0.1, 0.3, 0.5, 0.75, 1 / 3])
def test_the_blend_is_the_nearest_value(dtype: type[np.uint8 | np.uint16], strength: float) -> None:
    original, styled = noise(70, 9, dtype), noise(70, 9, dtype, 2)
    found = blended(original, styled, strength)
    assert found.dtype == dtype
    share = Fraction(strength)
    for before, after, mixed in zip(original.ravel().tolist(), styled.ravel().tolist(), found.ravel().tolist(), strict=True):
        exact = before * (1 - share) + after * share
        assert abs(exact - mixed) <= Fraction(1, 2) + Fraction(1, 10**9), (before, after, floor(exact))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_ends_are_exact(dtype: type[np.uint8 | np.uint16]) -> None:
    original, styled = noise(5, 7, dtype), noise(5, 7, dtype, 2)
    assert np.array_equal(blended(original, styled, 0), original)
    assert np.array_equal(blended(original, styled, 1), styled)
    assert np.array_equal(blended(original, original, 0.3), original)


# ITU-R BT.709, 3.2, as ffmpeg's lutyuv and Pillow's own have it to fewer places.
LUMA = (Fraction("0.2126"), Fraction("0.7152"), Fraction("0.0722"))


def luma(pixel: list[int]) -> Fraction:
    return sum((share * value for share, value in zip(LUMA, pixel, strict=True)), Fraction())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("share", [0.25, 2 / 3, 1.0])
def test_colours_are_the_nearest_values(dtype: type[np.uint8 | np.uint16], share: float) -> None:
    """Against the formula in exact fractions: the original's differences from its luma, as far as the styled luma has room."""
    original, styled = noise(70, 5, dtype), noise(70, 5, dtype, 2)
    most, found = int(np.iinfo(dtype).max), recolored(original, styled, share)
    assert found.dtype == dtype
    pixels = [each.reshape(-1, 3).tolist() for each in (original, styled, found)]
    shortened = 0
    for old, new, mixed in zip(*pixels, strict=True):
        light = luma(new)
        differences = [value - luma(old) for value in old]
        room = min([Fraction(1), *((most - light) / each for each in differences if each > 0),
                    *(light / -each for each in differences if each < 0)])  # fmt: skip
        shortened += room < 1
        exact = [value + Fraction(share) * (light + room * each - value) for value, each in zip(new, differences, strict=True)]
        assert max(abs(one - other) for one, other in zip(exact, mixed, strict=True)) < Fraction(51, 100), (old, new, mixed)
    assert 0 < shortened < len(pixels[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_kept_leave_light_and_dark_to_the_style(dtype: type[np.uint8 | np.uint16]) -> None:
    original, styled = noise(40, 60, dtype), noise(40, 60, dtype, 2)
    kept = recolored(original, styled, 1.0)
    assert np.abs(kept.astype(float) @ [0.2126, 0.7152, 0.0722] - styled.astype(float) @ [0.2126, 0.7152, 0.0722]).max() < 0.51
    assert np.array_equal(recolored(original, original, 1.0), original)
    assert np.array_equal(recolored(original, styled, 0.0), styled)
    grey = np.broadcast_to(original[:, :, :1], original.shape)
    assert np.ptp(recolored(grey, styled, 1.0), axis=2).max() == 0, "a film without colours gets none"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_have_no_room_in_black_and_white(dtype: type[np.uint8 | np.uint16]) -> None:
    original, most = noise(9, 9, dtype), np.iinfo(dtype).max
    for value in (0, most):
        flat = np.full_like(original, value)
        assert np.array_equal(recolored(original, flat, 1.0), flat)


def test_colours_of_the_original_are_scaled_where_the_model_changes_sizes() -> None:
    original = noise(6, 8, np.uint8)
    larger = noise(12, 16, np.uint8, 2)
    assert np.array_equal(recolored(original, larger, 1.0), recolored(resize(original, 16, 12), larger, 1.0))


def test_the_original_is_scaled_where_the_model_changes_sizes() -> None:
    original = noise(6, 8, np.uint8)
    larger = original.repeat(2, axis=0).repeat(2, axis=1)
    assert blended(original, larger, 0).shape == larger.shape
    assert np.abs(blended(original, larger, 0.5).astype(int) - larger).mean() < 40


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (9, 3), (8, 8)])
def test_padding_mirrors_and_cropping_takes_it_away(height: int, width: int) -> None:
    images = noise(height, width, np.uint8)[None]
    wide = padded(images, 8)
    assert min(wide.shape[1:3]) >= 8
    expected = cv2.copyMakeBorder(
        images[0], 0, wide.shape[1] - height, 0, wide.shape[2] - width, cv2.BORDER_REFLECT_101
    )  # fmt: skip
    assert np.array_equal(wide[0], expected)
    assert np.array_equal(cropped(wide, wide, height, width), images)
    larger = wide.repeat(2, axis=1).repeat(2, axis=2)
    assert np.array_equal(cropped(larger, wide, height, width), images.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize(("stroke_size", "expected"), [(1.0, (40, 30)), (2.0, (20, 15)), (0.25, (160, 120)), (3.0, (13, 10))])
def test_strokes_grow_as_the_model_sees_less(stroke_size: float, expected: tuple[int, int]) -> None:
    assert at_stroke_size(40, 30, stroke_size) == expected
    assert at_stroke_size(1, 2, 4) == (1, 1)


def before_and_after(stores: FolderStores) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The one image of a job and its result, as OpenCV reads them."""
    both = [cv2.imread(str(path)) for path in (stores.input.root / "shots/a.png", stores.output.root / "job/result/a.png")]
    source, result = (np.asarray(each, np.uint8) for each in both)
    return source, result


@pytest.mark.parametrize("stroke_size", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("options", [{}, {"scale": 2}])
def test_a_users_own_model_has_a_stroke_size(stores: FolderStores, options: dict[str, int], stroke_size: float) -> None:
    """What comes out has the size that it has without, and is what the model makes of the frame scaled, scaled back."""
    plan = plan_folder(stores, ["a.png"], stroke_size=stroke_size, options=options)
    (record,) = score_all(plan, stores)
    assert record.error is None
    source, result = before_and_after(stores)
    scale = options.get("scale", 1)
    assert result.shape == (source.shape[0] * scale, source.shape[1] * scale, 3)
    there, back = (cv2.INTER_AREA, cv2.INTER_CUBIC)[:: 1 if stroke_size > 1 else -1]
    sides = [round(side / stroke_size) for side in source.shape[1::-1]]
    made = (255 - cv2.resize(source, sides, interpolation=there)).repeat(scale, 0).repeat(scale, 1)
    assert np.array_equal(result, cv2.resize(made, result.shape[1::-1], interpolation=back))


def test_finer_strokes_go_into_batches_and_tiles_by_what_the_model_sees(stores: FolderStores) -> None:
    """At half the stroke size a frame has four times the pixels: a model that takes no more gets it in tiles."""
    plan = plan_folder(stores, ["a.png"], stroke_size=0.5, options={"most_pixels": 900})
    (record,) = score_all(plan, stores)
    assert record.error is None
    whole = plan_folder(stores, ["a.png"], stroke_size=0.5)
    in_tiles = cv2.imread(str(stores.output.root / "job/result/a.png"))
    score_all(whole, stores)
    at_once = cv2.imread(str(stores.output.root / "job/result/a.png"))
    assert in_tiles is not None
    assert at_once is not None
    assert np.abs(in_tiles.astype(int) - at_once).max() <= 24, "borders of tiles are cubic's alone"


@pytest.mark.parametrize("options", [{}, {"scale": 2}, {"most_pixels": 900}])
def test_a_users_own_model_keeps_colours(stores: FolderStores, options: dict[str, int]) -> None:
    plan = plan_folder(stores, ["a.png"], keep_colors=1, options=options)
    (record,) = score_all(plan, stores)
    assert record.error is None
    source, result = (
        decode_image(path.read_bytes(), path.name, 10**6).pixels
        for path in (stores.input.root / "shots/a.png", stores.output.root / "job/result/a.png")
    )
    scale = options.get("scale", 1)
    inverted = np.uint8(255) - source.repeat(scale, 0).repeat(scale, 1)
    assert np.array_equal(result, recolored(source, inverted, 1.0))


@pytest.mark.parametrize("options", [{}, {"scale": 2}, {"most_pixels": 900}])
def test_a_users_own_model_has_a_strength(stores: FolderStores, options: dict[str, int]) -> None:
    """Also where it changes sizes, and where its memory suffices for tiles alone."""
    plan = plan_folder(stores, ["a.png"], strength=0.25, options=options)
    (record,) = score_all(plan, stores)
    assert record.error is None
    source, result = before_and_after(stores)
    scale = options.get("scale", 1)
    own = cv2.resize(source, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(float)
    wanted = 0.75 * own + 0.25 * (255 - source.repeat(scale, 0).repeat(scale, 1).astype(float))
    assert np.abs(result - wanted).max() <= 0.5


@pytest.mark.usefixtures("random_vgg19")
@pytest.mark.parametrize("name", MODELS)
def test_every_model_scores_the_narrowest_frames_and_leaves_the_original_at_strength_0(stores: FolderStores, name: str) -> None:
    model, options = MODELS[name]
    shots = stores.input.root / "shots"
    shots.mkdir()
    for width, height, dtype in NARROW:
        cv2.imwrite(str(shots / f"{width}x{height}.png"), noise(height, width, dtype))
    cv2.imwrite(str(stores.input.root / "style.png"), cv2.resize(scene(9), (64, 64)))
    save_file(published_state(), stores.input.root / "net.safetensors")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x4:r=25:d=0.08", "-pix_fmt", "yuv420p", stores.input.root / "flat.mp4")
    asked = {"model": model, "options": options, "styles": [{"source": STYLES[model]}], "failure_threshold": 0}
    loaded = None
    for source, strength in (("shots/", 1.0), ("flat.mp4", 1.0), ("shots/", 0.0)):
        request = make_request({"name": "job", "input": source, "strength": strength, **asked})
        plan = dispatch("job", request, stores, "cpu")
        loaded = loaded or load_model(plan, stores)
        for chunk in plan.chunks:
            score_chunk(plan, chunk, stores, loaded)
        merge(plan, stores)
    assert len(decode(stores.output.root / "job/result.mp4", "yuv420p", 320, 4)) == 2
    results = stores.output.root / "job/result"
    assert len(list(results.iterdir())) == len(NARROW)
    for path in results.iterdir():
        after, before = (cv2.imread(str(each), cv2.IMREAD_UNCHANGED) for each in (path, shots / path.name))
        assert after is not None
        assert before is not None
        assert np.array_equal(after, before)
