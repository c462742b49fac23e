"""The request: the JSON file that asks for one job, and everything a stranger may not ask for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError
from pydantic import model_validator as after_all

from scorer import models
from scorer.documents.request_fields import (
    ID_DIGITS,
    NAME,
    BlobPath,
    ModelName,
    Number,
    Option,
    OptionName,
    PackageName,
    Steady,
    StrengthKey,
    StyleRef,
    Whole,
    as_number,
)
from scorer.documents.request_fit import STYLE_SIZE, check_fields, check_model
from scorer.documents.request_words import sentence
from scorer.errors import RequestError
from scorer.media.coding import Codec, Coding, Quality
from scorer.media.image_names import is_photo
from scorer.media.limits import Limits
from scorer.media.times import Seconds
from scorer.media.wanted import ResultContainer, Sound, Wanted
from scorer.validation import faults


class Request(BaseModel):
    """What one job is to do. Paths are inside the input store."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: Annotated[Literal[1], BeforeValidator(as_number)] = 1
    """Of the format."""
    name: str = Field(pattern=f"^{NAME}$")
    """What people call the job; the job's id begins with it."""
    input: BlobPath
    """A video, a folder of images (its path ends with '/'), or one image."""
    styles: tuple[StyleRef, ...] = Field(default=(), max_length=32)
    """Mixed by their weights; where they have times, those of one time are."""
    model: ModelName = "adaptive"
    """By its name (`scorer models` lists them)."""
    package: PackageName | None = None
    """The published package that the model comes from, by the id that `scorer publish` printed."""
    options: dict[OptionName, Option] = Field(default_factory=dict, max_length=32)
    """The model's own options (`scorer models` lists them)."""
    image_format: Literal["jpg", "png", "webp", "avif"] | None = None
    """What images come out as; None: as they came, or as PNG where that can't be."""
    strength: Number = Field(default=1.0, ge=0, le=1)
    """The share of the model's result in what comes out, the original being the rest: 0 is the original, 1 the whole style."""
    strengths: tuple[StrengthKey, ...] = Field(default=(), max_length=100)
    """The same over time, in place of one strength: it changes evenly from one to the next."""
    keep_colors: Number = Field(default=0.0, ge=0, le=1)
    """The share of the original's colours in the model's result, whose light and dark stay: 0 is none, 1 is all."""
    style_size: Annotated[int, Field(ge=16, le=2048), BeforeValidator(as_number)] | None = None
    """Pixels of the painting's shorter side when its style is read (of `gatys` the longer one's); None: as the model likes."""
    stroke_size: Number = Field(default=1.0, ge=0.25, le=4)
    """How many times as large strokes are: the model works on frames whose sides are divided by it, and they are scaled back."""
    mask: BlobPath | None = None
    """An image or a video in the input store: where it is white frames are styled, where it is black they stay."""
    mask_feather: Annotated[int, Field(ge=0, le=1000), BeforeValidator(as_number)] = 4
    """Pixels on each side of the mask's edges over which both are mixed."""
    steady: Steady = "off"
    """How much a video's frames are averaged with their neighbours along its motion, so that strokes don't flicker."""
    start: Seconds | None = None
    """Seconds of the video's clock, or text such as "0:01:30.5", from which on it is scored, with its sound; None: all before."""
    end: Seconds | None = None
    """Up to which it is; None: to its end."""
    size: Annotated[int, Field(ge=16, le=8192), BeforeValidator(as_number)] | None = None
    """Pixels of the longer side of the frames that the model gets; None leaves them as they are."""
    batch_size: Annotated[int, Field(ge=1, le=256), BeforeValidator(as_number)] | None = None
    """Frames the model gets at once; None: 1 on a CPU, 8 on a GPU."""
    chunk_frames: Annotated[int, Field(ge=1, le=100_000), BeforeValidator(as_number)] | None = None
    """Frames of one task; None: by the length of the job."""
    container: ResultContainer | None = None
    """Of a video's result; None: an mp4 (of ProRes a mov), or an mkv where that keeps more of the input."""
    sound: Sound = "keep"
    """keep: as it is where the result can hold it, else encoded again; drop: the result has none."""
    strict: StrictBool = False
    """Whether a video that is cut off is refused; else what plays of it is scored, with a note."""
    codec: Codec | None = None
    """Of a video's result; None: h264, or hevc where the video has more than 8 bits a colour."""
    quality: Quality = "good"
    """Of a video's result: how much its codec keeps of the frames, and how large it becomes."""
    priority: Whole = Field(default=0, ge=-100, le=100)
    """Of jobs whose senders had equally many at work when they began, those with more come first, in steps of 10."""
    failure_threshold: Number = Field(default=0.05, ge=0, le=1)
    """The share of frames that may fail (the originals stand in) before the whole job does."""

    @after_all(mode="after")
    def _fits_model(self) -> Self:
        if self.package is None:  # a package is looked at where it can be read
            check_model(self, models.spec(self.model))
        check_fields(self)
        return self

    @property
    def is_mask_image(self) -> bool:
        """Whether the mask is an image, by its name; a GIF is taken for a video."""
        return self.mask is not None and is_photo(self.mask)

    @property
    def files(self) -> Iterator[tuple[str, str]]:
        """What each file is that it names, or folder, and its path."""
        yield "input", self.input
        yield from (("style", style.source) for style in self.styles if isinstance(style.source, str))
        if self.mask is not None:
            yield "mask", self.mask

    @property
    def has_timed_styles(self) -> bool:
        """Whether its styles have times."""
        return any(style.at is not None for style in self.styles)

    @property
    def is_over_time(self) -> bool:
        """Whether the style or how strong it is depends on a frame's time."""
        return bool(self.strengths) or self.has_timed_styles

    @property
    def is_part(self) -> bool:
        """Whether not all of the video is asked for."""
        return bool(self.start) or self.end is not None

    @property
    def model_options(self) -> dict[str, Option]:
        """What the model is told."""
        return self.options if self.style_size is None else {**self.options, STYLE_SIZE: self.style_size}

    @property
    def asked(self) -> Wanted:
        """What it says of a video's tracks."""
        return Wanted(
            container=self.container, sound=self.sound, strict=self.strict, codec=self.codec, cut_sound=self.is_part
        )  # fmt: skip

    @property
    def coding(self) -> Coding:
        """How a video's result is coded."""
        return Coding(codec=self.codec, quality=self.quality)

    @property
    def media(self) -> Literal["video", "frames"]:
        """Which of the two ways the frames come in."""
        return "frames" if self.input.endswith("/") or self.is_photo else "video"

    @property
    def is_photo(self) -> bool:
        """Whether the input is one image: a folder of one, whose result is a single file. A GIF is taken for a video."""
        return is_photo(self.input)

    @property
    def folder(self) -> str:
        """The folder that the images are in; its path ends with '/'."""
        return self.input[: self.input.rindex("/") + 1] if "/" in self.input else ""


def parse_request(data: bytes, limits: Limits) -> Request:
    """The request in `data` (JSON). Raises RequestError: one sentence that quotes the first invalid value."""
    if len(data) > limits.request_bytes:
        raise RequestError(f"The request has {len(data)} bytes: it may have {limits.request_bytes} at most.")
    try:
        content = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if isinstance(error, ValueError) else "it is nested too deeply"
        raise RequestError(f"The request is not JSON: {reason}.") from error
    return make_request(content)


def make_request(content: Any) -> Request:
    """The request that the parsed JSON `content` says. Raises RequestError like `parse_request`."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.end]
        raise RequestError(f"The request can't be taken: {half!a} in it is half a character: write it anew.") from error
    except RecursionError as error:
        raise RequestError("The request can't be taken: it is nested too deeply.") from error
    except (TypeError, ValueError) as error:  # from Python
        raise RequestError(f"The request can't be taken: not all in it is text, numbers, lists and objects ({error}).") from error
    try:
        return Request.model_validate(content)
    except ValidationError as error:
        raise RequestError(sentence(faults(error)[0], Request.model_fields)) from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in one object twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} stands in it, which is no number of JSON's")


def request_schema() -> dict[str, Any]:
    """The JSON Schema of requests, for editors and other programs; what only a deployment knows isn't in it."""
    schema = Request.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A request to the batch scorer"}


def job_id(name: str, address: str, content: bytes) -> str:
    """The id of the job that the request at `address`, of that name, asks for: the same request is the same job."""
    digest = hashlib.sha256(address.encode() + b"\0" + content).hexdigest()
    return f"{name}-{digest[:ID_DIGITS]}".lower()
