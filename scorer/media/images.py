"""Still images as frames: bytes in, pixels out, and back again in the form they came in.

Pillow reads and writes what has 8 bits: it is as fast as OpenCV within 2 ms at 1280x720 and, unlike OpenCV, notices that a JPEG
is cut short. OpenCV reads what has
16 bits, which Pillow reduces to 8, and writes all PNG, which it does in half of Pillow's time.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from scorer.errors import InputError, OutputError
from scorer.media import tiff
from scorer.media.image_names import KINDS, kind_of
from scorer.media.pixels import Pixels
from scorer.media.scans import too_many_scans

JPEG_QUALITY = 95
"""With colour at full resolution (4:4:4): painted frames are full of hard edges between strong colours."""
WEBP_QUALITY = 92
WEBP_METHOD = 0
"""libwebp's fastest: a quarter of the default's time for a tenth more bytes."""
AVIF_QUALITY = 90
AVIF_SPEED = 9
"""Of 10; slower ones give files a few per cent smaller in many times the time."""

# `decode` has a limit of its own, and says so in a sentence.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

_ORIENTATION = 0x0112
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_END = len(_PNG_SIGNATURE) + 25  # IHDR: length 4, type 4, data 13, CRC 4


@dataclass(frozen=True)
class Picture:
    """A still image, upright, and what is needed to write it back in the same form."""

    pixels: Pixels
    """(H, W, 3), RGB."""
    alpha: Pixels | None = None
    """(H, W), of the same dtype; 0 is transparent."""
    grey: bool = False
    """The file had one colour channel."""
    profile: bytes | None = None
    """The ICC profile that says what the colours mean."""
    lossless: bool = True


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names as a person would count them: 2 before 10, folder by folder, upper and lower case alike.

    Names that count the same (`01.png`, `1.png`) are ordered by their characters, so the order never depends on the order given.
    """
    return sorted(names, key=lambda name: (_natural_key(name), name))


def _natural_key(name: str) -> tuple[tuple[str | int, ...], ...]:
    path = PurePosixPath(name.casefold())
    # \d is any script's decimal digit, all of which int() reads; text and number alternate, so like meets like in a comparison.
    return tuple(
        tuple(int(piece) if index % 2 else piece for index, piece in enumerate(re.split(r"(\d+)", part)))
        for part in (*path.parts[:-1], path.stem, path.suffix)
    )


def decode(data: bytes, name: str, max_pixels: int, size: int | None = None) -> Picture:
    """Decode an image of one of KINDS, of any form: grey, palette, CMYK, 16 bit, turned by EXIF, with transparency, and so on.

    What the data are decides, not what the name ends with. Of a JPEG with several pictures (a phone's depth or gain map), of a
    TIFF's pages and of a GIF's pictures the first is taken. CMYK is converted plainly, without its profile.

    Raises InputError, naming `name`: not such an image, damaged or cut short, animated, or (before any pixel is decoded) of more
    than `max_pixels` pixels, as it is or scaled to `size`, with more scans than any JPEG has, or coded as nobody codes it.
    """
    try:
        if why := tiff.unfit(data):
            raise InputError(f"'{name}' can't be decoded, since {why}: save it again.")
        with Image.open(BytesIO(data), formats=sorted(KINDS)) as image:
            _refuse(image, name, max_pixels, size)
            if image.format in ("JPEG", "MPO") and (why := too_many_scans(data)):
                raise InputError(f"'{name}' can't be decoded, since {why}: save it again.")
            try:
                deep = _is_deep(data, image)
            except ValueError as error:
                raise InputError(f"'{name}' can't be decoded, since it is {error}: save it again, as a PNG.") from None
            pixels, alpha = _deep(data, image) if deep else _plain(image)
            turn = image.getexif().get(_ORIENTATION, 1)
            return Picture(
                _upright(pixels, turn),
                None if alpha is None else _upright(alpha, turn),
                grey=image.mode in ("1", "L", "LA", "I;16", "I;16B") or (_is_deep_png(data) and data[25] in (0, 4)),
                profile=image.info.get("icc_profile"),
                lossless=image.format in ("PNG", "TIFF", "BMP", "GIF") or b"VP8L" in _webp_chunks(data),
            )
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        kinds = ", ".join(sorted(KINDS))
        raise InputError(f"'{name}' is none of the images that are scored ({kinds}): replace it, or take it out.") from None
    except Image.DecompressionBombError:
        raise InputError(f"'{name}' has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels: make it smaller.") from None
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them stumble over
        raise InputError(f"'{name}' is damaged or cut short ({error}): copy it again, or take it out of the folder.") from error


def _refuse(image: Image.Image, name: str, max_pixels: int, size: int | None) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise InputError(f"'{name}' has {width}x{height} pixels, more than the {max_pixels:,} allowed: make it smaller.")
    width, height = fit_size(width, height, size)
    if width * height > max_pixels:
        raise InputError(
            f"'{name}' would have {width}x{height} pixels, more than the {max_pixels:,} allowed: ask for a smaller size."
        )
    if image.format in ("PNG", "WEBP", "AVIF") and (count := getattr(image, "n_frames", 1)) > 1:
        raise InputError(f"'{name}' is an animation of {count} frames: make a video of it, or keep one frame.")


def _plain(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    if image.has_transparency_data:
        both = np.asarray(image.convert("RGBA"))
        return np.ascontiguousarray(both[..., :3]), np.ascontiguousarray(both[..., 3])
    return np.asarray(image.convert("RGB")), None


def _is_deep(data: bytes, image: Image.Image) -> bool:
    """Whether it has 16 bits. Raises ValueError for a file that is of one of KINDS, but is coded as few are."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return tiff.depth(str(image.info.get("compression")), image.tag_v2) == 16
    if image.format == "BMP" and image.info.get("compression") not in (0, 3):  # Pillow's own decoder takes a step a pixel
        raise ValueError("a compressed BMP file")
    return _is_deep_png(data)


def _is_deep_png(data: bytes) -> bool:
    return data.startswith(_PNG_SIGNATURE) and data[24] == 16


def _deep(data: bytes, image: Image.Image) -> tuple[Pixels, Pixels | None]:
    image.load()  # raises on damage, about which OpenCV would print
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16:
        raise OSError("its 16-bit pixels can't be decoded")
    channels = 1 if decoded.ndim == 2 else decoded.shape[2]
    to_rgb = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}[channels]
    pixels = np.asarray(cv2.cvtColor(decoded, to_rgb), np.uint16)
    if channels == 4:
        return pixels, np.ascontiguousarray(decoded[..., 3], np.uint16)
    key = image.info.get("transparency") if channels == 1 else None  # of colours, OpenCV has already made this an alpha channel
    return pixels, None if key is None else np.where(decoded == key, 0, 0xFFFF).astype(np.uint16)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (CIPA DC-008, tag 0x0112)."""
    if orientation not in range(2, 9):
        return pixels
    turned = pixels.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else pixels
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return turned[::down, ::across].copy()


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    """List the types of a WebP file's chunks (RFC 9649, section 2); none in another file."""
    position = 12 if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else len(data)
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind
        position += 8 + length + length % 2


def encode(pixels: Pixels, like: Picture, name: str) -> bytes:
    """Write pixels as the image that the name's suffix says, in the form `like` had; the same pixels give the same bytes.

    `pixels` is (H, W, 3) RGB of the dtype of `like`; H and W may differ, the transparency is then resized. Kept: 16 bits and
    lossless coding where the format has them, transparency (not in JPEG), the ICC profile, and a single grey channel (not in
    WebP and AVIF, nor with transparency) as long as the pixels still are grey. Not kept: EXIF,
    whose orientation has been applied and whose place and camera are private.

    `name` is one that `result_name` gives. Raises OutputError where the format can't hold the image.
    """
    kind = kind_of(name)
    image = _channels(pixels, like, kind)
    try:
        if kind == "PNG":
            return _encode_png(image, _fitting_profile(like, image))
        return _encode_plain(_to_8_bits(image), kind, like)
    except (OSError, ValueError, cv2.error) as error:
        height, width = pixels.shape[:2]
        raise OutputError(f"'{name}' can't be written with {width}x{height} pixels ({error}): choose a smaller size.") from error


def _channels(pixels: Pixels, like: Picture, kind: str | None) -> Pixels:
    """(H, W, 1): grey; (H, W, 3): RGB; (H, W, 4): RGB and alpha."""
    if like.alpha is None or kind == "JPEG":
        still_grey = like.grey and kind not in ("WEBP", "AVIF") and bool((pixels == pixels[..., :1]).all())
        return pixels[..., :1] if still_grey else pixels
    height, width = pixels.shape[:2]
    return np.concatenate((pixels, resize(like.alpha, width, height)[..., None]), axis=2)


def _fitting_profile(like: Picture, image: Pixels) -> bytes | None:
    """Give the profile if it is for the channels that are written; its colour space stands at byte 16 (ICC.1:2022, table 17)."""
    space = b"GRAY" if image.shape[2] == 1 else b"RGB "
    return like.profile if like.profile and like.profile[16:20] == space else None


def _to_8_bits(image: Pixels) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 255 * 257


def _encode_plain(image: NDArray[np.uint8], kind: str | None, like: Picture) -> bytes:
    out = BytesIO()
    form = Image.fromarray(np.ascontiguousarray(image.squeeze(2) if image.shape[2] == 1 else image))
    profile = _fitting_profile(like, image)
    if kind == "JPEG":
        form.save(out, kind, quality=JPEG_QUALITY, subsampling="4:4:4", icc_profile=profile)
    elif kind == "AVIF":
        how = {"quality": AVIF_QUALITY, "speed": AVIF_SPEED, "subsampling": "4:4:4", "max_threads": 1}
        form.save(out, kind, icc_profile=profile, **how)
    else:
        # `exact` keeps the colours below transparent pixels; in lossless coding `quality` is effort, of which none takes a third.
        quality = 0 if like.lossless else WEBP_QUALITY
        form.save(out, kind, lossless=like.lossless, exact=True, quality=quality, method=WEBP_METHOD, icc_profile=profile)
    return out.getvalue()


def _encode_png(image: Pixels, profile: bytes | None) -> bytes:
    order = [2, 1, 0, 3][: image.shape[2]] if image.shape[2] > 1 else [0]  # OpenCV's: blue first
    data = cv2.imencode(".png", image[..., order])[1].tobytes()
    if profile is None:
        return data
    return data[:_PNG_HEADER_END] + _png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)) + data[_PNG_HEADER_END:]


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def fit(pixels: Pixels, size: int | None) -> Pixels:
    """Scale (H, W, 3) or (H, W) so that the longer side has `size` pixels; None leaves it as it is."""
    height, width = pixels.shape[:2]
    return resize(pixels, *fit_size(width, height, size))


def fit_size(width: int, height: int, size: int | None, *, even: bool = False) -> tuple[int, int]:
    """Width and height after scaling the longer side to `size` pixels, the aspect kept to the nearest pixel, at least 1.

    `even` keeps both sides even if both are, as video with halved colour resolution wants them.
    """
    if size is None:
        return width, height
    longer = max(width, height)
    step = 2 if even and width % 2 == height % 2 == 0 else 1
    new_width, new_height = (
        max(step, (2 * side * size + step * longer) // (2 * step * longer) * step) for side in (width, height)
    )
    return new_width, new_height


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Scale (H, W, 3) or (H, W) to (height, width): by area where it gets smaller, cubically where it gets larger."""
    old_height, old_width = pixels.shape[:2]
    if (width, height) == (old_width, old_height):
        return pixels
    smaller = width * height < old_width * old_height
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cast("Pixels", cv2.resize(pixels, (width, height), interpolation=how))
