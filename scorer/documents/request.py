"""The request: the JSON file that asks for one job, and everything a stranger may not ask for."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NoReturn, Protocol, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)
from pydantic import model_validator as after_all
from pydantic_core import PydanticCustomError

from scorer import models
from scorer.errors import RequestError
from scorer.media.coding import Codec, Coding, Quality, check_coding
from scorer.media.image_names import is_photo
from scorer.media.limits import Limits
from scorer.media.times import HOW, Seconds, as_clock
from scorer.media.wanted import ResultContainer, Sound, Wanted
from scorer.text import closest, is_clean
from scorer.validation import Fault, faults


def _blob_path(path: str) -> str:
    """A path inside the input container: nothing that could lead out of it."""
    segments = path.removesuffix("/").split("/")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", path):
        raise ValueError("is a URL; name a file of the input store by its path")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ValueError("has an empty part, '.' or '..' in it; name a file of the input store by its plain path")
    if "\\" in path or any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in path):
        raise ValueError("has a backslash or an invisible character in it; rename the file")
    return path


def _plain_text(text: str) -> str:
    if not is_clean(text):
        raise ValueError("has a control or an invisible character in it; leave it out")
    return text


def _as_number(value: Any) -> Any:
    """Neither true nor "64", which pydantic would take for numbers."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("number", "is no number")
    return value


# Hexadecimal digits of a job's id: 80 bits, which nobody guesses or hits twice. With a name of 40 characters an id has 61 of the
# 64 that Azure Batch takes.
ID_DIGITS = 20
NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
Whole = Annotated[int, BeforeValidator(_as_number)]
Number = Annotated[float, BeforeValidator(_as_number)]
BlobPath = Annotated[str, Field(min_length=1, max_length=900), AfterValidator(_blob_path)]
ModelName = Annotated[str, Field(max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
OptionName = Annotated[str, Field(max_length=100, pattern="^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
OptionText = Annotated[StrictStr, Field(max_length=1000), AfterValidator(_plain_text)]
Option = StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | OptionText
PackageName = Annotated[str, Field(max_length=100), AfterValidator(_plain_text)]


Steady = Literal["off", "light", "full"]


_STYLE_SIZE = "style_size"
"""The option of a model that a request's field of that name is."""


class StyleRef(BaseModel):
    """One style and its share where several are mixed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: StrictInt | BlobPath
    """An image's or a trained network's path in the input store, or a trained style's number; the model says which."""
    weight: Number = Field(default=1.0, gt=0, le=1000, allow_inf_nan=False)
    at: Seconds | None = None
    """When a video is wholly in it, in seconds of its clock, or text such as "0:01:30"; in between, styles pass into one another.
    None: always."""


class StrengthKey(BaseModel):
    """How strong the style is at one time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    strength: Number = Field(ge=0, le=1)
    at: Seconds
    """In seconds of the video's clock, or text such as "0:01:30"."""


class Request(BaseModel):
    """What one job is to do. Paths are inside the input store."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: Annotated[Literal[1], BeforeValidator(_as_number)] = 1
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
    style_size: Annotated[int, Field(ge=16, le=2048), BeforeValidator(_as_number)] | None = None
    """Pixels of the painting's shorter side when its style is read (of `gatys` the longer one's); None: as the model likes."""
    stroke_size: Number = Field(default=1.0, ge=0.25, le=4)
    """How many times as large strokes are: the model works on frames whose sides are divided by it, and they are scaled back."""
    mask: BlobPath | None = None
    """An image or a video in the input store: where it is white frames are styled, where it is black they stay."""
    mask_feather: Annotated[int, Field(ge=0, le=1000), BeforeValidator(_as_number)] = 4
    """Pixels on each side of the mask's edges over which both are mixed."""
    steady: Steady = "off"
    """How much a video's frames are averaged with their neighbours along its motion, so that strokes don't flicker."""
    start: Seconds | None = None
    """Seconds of the video's clock, or text such as "0:01:30.5", from which on it is scored, with its sound; None: all before."""
    end: Seconds | None = None
    """Up to which it is; None: to its end."""
    size: Annotated[int, Field(ge=16, le=8192), BeforeValidator(_as_number)] | None = None
    """Pixels of the longer side of the frames that the model gets; None leaves them as they are."""
    batch_size: Annotated[int, Field(ge=1, le=256), BeforeValidator(_as_number)] | None = None
    """Frames the model gets at once; None: 1 on a CPU, 8 on a GPU."""
    chunk_frames: Annotated[int, Field(ge=1, le=100_000), BeforeValidator(_as_number)] | None = None
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
        check_coding(self.codec, self.quality, self.container)
        self._check_mask()
        self._check_over_time()
        if self.media == "frames" and (self.coding != Coding() or self.asked != Wanted()):
            raise ValueError(f"container, sound, strict, codec and quality are of videos, not of '{self.input}': leave them out")
        if self.media == "frames" and self.steady != "off":
            raise ValueError(f"steady is of videos, not of '{self.input}': leave it out")
        return self

    def _check_mask(self) -> None:
        if self.mask is None:
            if self.mask_feather != type(self).model_fields["mask_feather"].default:
                raise ValueError("mask_feather is of a mask, and there is none: leave it out")
        elif self.mask.endswith("/"):
            raise ValueError(f"the mask '{self.mask}' is a folder: name an image or a video")
        elif self.media == "frames" and not self.is_mask_image:
            raise ValueError(f"the mask '{self.mask}' is no image, and a video masks videos alone, not '{self.input}'")

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

    def _check_over_time(self) -> None:
        """Raise ValueError for times in what has none, and for a part without length."""
        if self.media == "frames" and (self.start is not None or self.end is not None):
            raise ValueError(f"start and end are of videos, not of '{self.input}': leave them out")
        if self.media == "frames" and self.is_over_time:
            raise ValueError(f"styles and strengths have times in videos, not in '{self.input}': leave the times out")
        if len({style.at is None for style in self.styles}) > 1:
            raise ValueError("some of its styles have a time and some have none: give each of them one, or none")
        if self.strengths and self.strength != 1:
            raise ValueError("it has a strength and strengths: write one of them")
        times = [key.at for key in self.strengths]
        if twice := [time for time in times if times.count(time) > 1]:
            raise ValueError(f"two of its strengths are at {as_clock(twice[0])}: write one of them")
        if self.end is not None and (self.start or 0) >= self.end:
            raise ValueError(f"its start, {as_clock(self.start or 0)}, isn't before its end, {as_clock(self.end)}: exchange them")

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
        return self.options if self.style_size is None else {**self.options, _STYLE_SIZE: self.style_size}

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


class Takes(Protocol):
    """What a model says of the requests that it takes."""

    @property
    def style(self) -> models.StyleKind: ...

    @property
    def max_styles(self) -> int: ...

    @property
    def over_time(self) -> bool: ...

    @property
    def options(self) -> Mapping[str, str]: ...


def check_model(request: Request, model: Takes) -> None:
    """Raise ValueError where the request's styles or options aren't what its model takes."""
    if model.style == "none" and request.styles:
        raise ValueError(f"model '{request.model}' takes no style; leave it out")
    what = models.STYLE_KINDS[model.style]
    if model.style != "none" and not request.styles:
        raise ValueError(f"model '{request.model}' needs {what} as its style; name one with {_STYLED_BY}")
    if len(request.styles) > max(1, model.max_styles):
        raise ValueError(f"model '{request.model}' mixes at most {model.max_styles} styles, not {len(request.styles)}")
    if request.has_timed_styles and not model.over_time:
        raise ValueError(f"model '{request.model}' can't change its style over time: leave the times out, or choose {_OVER_TIME}")
    for style in request.styles:
        if isinstance(style.source, int) != (model.style == "number"):
            quotes = " without quotes" if model.style == "number" else ""
            raise ValueError(f"style '{style.source}' is not what model '{request.model}' takes, which is: {what}{quotes}")
    if request.style_size is not None and _STYLE_SIZE not in model.options:
        raise ValueError(f"model '{request.model}' has no style_size, which is of models that read a painting; leave it out")
    if request.style_size is not None and _STYLE_SIZE in request.options:
        raise ValueError("style_size stands in its options, too; write it once")
    if unknown := sorted(set(request.options) - set(model.options)):
        known = ", ".join(model.options) or "none"
        near = closest(unknown[0], model.options)
        meant = f"; did you mean '{near}'?" if near else ""
        raise ValueError(f"model '{request.model}' has no option '{unknown[0]}'; it has: {known}{meant}")


_OVER_TIME = "'adaptive' or 'painted'"
_STYLED_BY = "--style, or 'styles' in a request"


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
        raise RequestError(_sentence(faults(error)[0])) from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in one object twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} stands in it, which is no number of JSON's")


RIGHT = {
    "version": "write 1, or leave it out",
    "name": "write up to 40 letters, digits, '-' and '_', the first of them a letter or digit",
    "input": "write the path of a video, an image, or a folder with '/' at its end in the input store, of at most 900 characters",
    "styles": 'write a list of up to 32 styles, such as [{"source": "styles/night.jpg"}]',
    "source": "write an image's or a network's path in the input store, or a trained style's number without quotes",
    "weight": "write a number over 0, at most 1000",
    "at": HOW,
    "strengths": 'write a list such as [{"strength": 0.2, "at": 0}, {"strength": 1, "at": "0:10"}]',
    "model": "write the name of one that 'scorer models' lists",
    "package": "write the id that 'scorer publish' printed",
    "options": 'write up to 32 of the model\'s own, such as {"precision": "float32"}',
    "strength": "write a number from 0, the original, to 1, all style",
    "keep_colors": "write a number from 0, the style's colours, to 1, the original's",
    "style_size": "write the pixels of the painting's side, a whole number from 16 to 2048",
    "stroke_size": "write a number from 0.25, fine strokes, to 4, large ones",
    "mask": "write the path of an image or a video in the input store",
    "mask_feather": "write a whole number of pixels from 0 to 1000",
    "steady": 'write "off", "light" or "full"',
    "start": HOW,
    "end": HOW,
    "size": "write the pixels of the longer side, a whole number from 16 to 8192",
    "batch_size": "write a whole number from 1 to 256",
    "chunk_frames": "write a whole number from 1 to 100000",
    "container": 'write "mp4", "mkv" or "mov"',
    "image_format": 'write "jpg", "png", "webp" or "avif"',
    "sound": 'write "keep" or "drop"',
    "strict": "write true or false",
    "codec": 'write "h264", "hevc", "av1" or "prores", or leave it out',
    "quality": 'write "small", "good", "high" or "lossless"',
    "priority": "write a whole number from -100 to 100",
    "failure_threshold": "write a number from 0 to 1, such as 0.05",
}
"""What each field should be, for whoever wrote something else."""


def _sentence(found: Fault) -> str:
    field = next((str(part) for part in reversed(found.path) if part in RIGHT), "")
    value = found.as_json[:80]
    if found.kind == "missing":
        return f"The request has no '{found.where}': {RIGHT[field]}."
    if found.kind == "extra_forbidden":
        near = closest(str(found.path[-1]), RIGHT)
        meant = f"did you mean '{near}'?" if near else f"the fields are {', '.join(Request.model_fields)}."
        return f"The request's {found.where} is {value}, and no request has such a field: {meant}"
    if not field:
        what = found.reason if isinstance(found.value, dict) else f"it is no JSON object, such as {json.dumps(_SMALLEST)}"
        return f"The request can't be taken: {what}.".replace("?.", "?")
    right = found.reason if found.kind == "value_error" else RIGHT[field]
    return f"The request's {found.where} is {value}: {right}."


_SMALLEST = {"name": "film", "input": "videos/film.mp4", "styles": [{"source": "styles/night.jpg"}]}


def request_schema() -> dict[str, Any]:
    """The JSON Schema of requests, for editors and other programs; what only a deployment knows isn't in it."""
    schema = Request.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A request to the batch scorer"}


def job_id(name: str, address: str, content: bytes) -> str:
    """The id of the job that the request at `address`, of that name, asks for: the same request is the same job."""
    digest = hashlib.sha256(address.encode() + b"\0" + content).hexdigest()
    return f"{name}-{digest[:ID_DIGITS]}".lower()
