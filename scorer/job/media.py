"""The two ways frames come in and go out: a range of a video into a part, images of a folder into images of the same names."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, Generic, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from scorer.boundary import words
from scorer.documents.paths import PARTS, part_file
from scorer.documents.plan import Chunk, Plan
from scorer.errors import InputError
from scorer.file_names import LONGEST
from scorer.media import images, video
from scorer.media.images import Picture
from scorer.media.video import FrameRange, VideoInfo
from scorer.media.video.planes import CodedPlanes, DecodedPlanes
from scorer.models import Frames
from scorer.store import Entry, Stores

Form = TypeVar("Form")

Lookup = Callable[[str], Entry | None]
"""Finds a file of one store."""


class Written(BaseModel):
    """What one try of a chunk's task wrote."""

    model_config = ConfigDict(frozen=True)

    file: Annotated[str, Field(max_length=LONGEST)] = ""
    """A video's part: its name in the folder of parts, which this try alone has. Name and size tell it from all others on
    any store: on a mounted one, each machine sees ETags of its own."""
    size: Annotated[int, Field(ge=0)] = 0
    etag: Annotated[str, Field(max_length=200)] = ""
    """A folder's images: a digest of their ETags in the output store, which is never a mounted one."""

    def is_there(self, plan: Plan, chunk: Chunk, parts: Lookup, output: Lookup) -> bool:
        """Whether all of it still is what it was."""
        if plan.video is None:
            return _images_etag(plan, chunk, output) == self.etag
        entry = parts(self.path(plan))
        return entry is not None and entry.size == self.size

    def is_named(self, plan: Plan, chunk: Chunk) -> bool:
        """Whether a try of the chunk's task may have written it: any task may say so of any file."""
        own, ending = re.escape(chunk.key), plan.request.coding.part_container
        return re.fullmatch(f"{own}-[0-9a-f]{{16}}\\.{ending}" if plan.video is not None else "", self.file) is not None

    def path(self, plan: Plan) -> str:
        """Where in the store of parts a video's part is."""
        return f"{plan.job}/{PARTS}/{self.file}"


def _images_etag(plan: Plan, chunk: Chunk, output: Lookup) -> str | None:
    """Of all images of the chunk; None where one isn't there."""
    entries = [output(plan.image_path(file)) for file in chunk.files]
    if not all(entries):
        return None
    return hashlib.sha256(" ".join(entry.etag for entry in entries if entry).encode()).hexdigest()


@dataclass(frozen=True)
class Frame(Generic[Form]):
    """One frame between decode and encode."""

    number: int
    """In the job, from 0."""
    form: Form
    """What is needed to write it back: a video frame's time stamp, an image's form."""
    pixels: Frames | None
    """(H, W, 3), already at the size the model gets; None where it couldn't be decoded, or is held in planes."""
    error: str | None
    decode_ms: float
    is_own: bool = True
    """Whether it is the chunk's own, and not one around it that it depends on."""
    seconds: float = 0.0
    """When a video shows it, by the clock of the whole."""
    planes: DecodedPlanes | None = None
    """What it has in place of pixels."""


class Media(ABC, Generic[Form]):
    """Reads one chunk's frames in order, and writes as many, in the same order."""

    def __init__(self, plan: Plan, chunk: Chunk, stores: Stores) -> None:
        self._plan, self._chunk, self._stores = plan, chunk, stores

    @abstractmethod
    def read(self) -> Iterator[Frame[Form]]:
        """Exactly chunk.frames frames of its own, and those around them that it depends on."""

    @abstractmethod
    def write(self, frame: Frame[Form], pixels: Frames | CodedPlanes | None) -> None:
        """Write `pixels` (H', W', 3) in the frame's place, or a video's planes; None repeats what is nearest."""

    @abstractmethod
    def written(self) -> Written:
        """What was written, once the context is left without an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Make what was written whole, or take it back where there is an error."""

    def name(self, number: int) -> str | None:
        """The file's name of the job's frame `number`, where frames are files."""
        return self._chunk.files[number - self._chunk.first].name if self._chunk.files else None


@dataclass(frozen=True)
class VideoForm:
    """What a frame of a video has beside its colours."""

    pts: int
    alpha: Frames | None = None
    """(H, W), at the size the model gets; None where there is none, or the result can't have it."""


class VideoMedia(Media[VideoForm]):
    """A range of the one video, and the frames around it where it depends on those, too."""

    def __init__(
        self, plan: Plan, chunk: Chunk, stores: Stores, info: VideoInfo, own: FrameRange, *, planes: bool = False
    ) -> None:  # fmt: skip
        """`planes` says whether frames are read in planes, of which no other size is asked for, and which aren't transparent."""
        super().__init__(plan, chunk, stores)
        self._in_planes = planes
        self._info, self._read = info, chunk.around or own
        self._own = range(own.first, own.first + own.frames)
        # No other try ever writes this name: two tries of one chunk at a time, on machines that know nothing of each other, take
        # nothing away from one another.
        name = part_file(chunk.key, secrets.token_hex(8), plan.request.coding.part_container)
        self._path = f"{plan.job}/{PARTS}/{name}"
        self._writer: video.PartWriter | None = None
        self._alpha = video.encoding_of(info, plan.request.coding, info.width, info.height).alpha
        self._last: tuple[Frames | CodedPlanes, Frames | None] | None = None
        self._waiting: list[int] = []
        self._exit = ExitStack()

    def read(self) -> Iterator[Frame[VideoForm]]:
        info = self._info
        path = self._stores.input.fetch(self._plan.request.input, self._plan.input_etag)
        started = time.perf_counter()
        for number, found in enumerate(self._found(path), self._read.first):
            is_own, at = number in self._own, info.shown_at(found.pts)
            if isinstance(found, video.MissingFrame):
                yield Frame(number, VideoForm(found.pts), None, found.why, ms_since(started), is_own, at)
            elif isinstance(found, video.PlanesFrame):
                yield Frame(number, VideoForm(found.pts), None, None, ms_since(started), is_own, at, found.planes)
            else:
                yield Frame(number, VideoForm(found.pts, found.alpha), found.pixels, None, ms_since(started), is_own, at)
            started = time.perf_counter()

    def _found(self, path: Path) -> Iterator[video.PlanesFrame | video.VideoFrame | video.MissingFrame]:
        info = self._info
        if self._in_planes:
            return video.read_planes(path, info, self._read)
        size = images.fit_size(info.width, info.height, self._plan.request.size, even=True)
        return video.read_frames(path, info, self._read, size, alpha=self._alpha)

    def write(self, frame: Frame[VideoForm], pixels: Frames | CodedPlanes | None) -> None:
        if pixels is not None:
            height, width = pixels.shape[:2]
            self._last = pixels, None if frame.form.alpha is None else images.resize(frame.form.alpha, width, height)
        if self._last is None:  # nothing came before it in this chunk: what comes next stands in
            self._waiting.append(frame.form.pts)
            return
        shown, alpha = self._last
        if self._writer is None:
            self._writer = self._open(shown)
        for pts in (*self._waiting, frame.form.pts):
            self._writer.write(shown, pts, alpha)
        self._waiting.clear()

    def _open(self, pixels: Frames | CodedPlanes) -> video.PartWriter:
        path = self._exit.enter_context(self._stores.parts.writing(self._path))
        height, width = pixels.shape[:2]
        return self._exit.enter_context(video.PartWriter(path, self._info, width, height, self._plan.request.coding))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None and self._waiting:  # no frame of the chunk could be decoded: black stands in
                info = self._info
                width, height = images.fit_size(info.width, info.height, self._plan.request.size, even=True)
                last = self._waiting.pop()
                black = np.zeros((height, width, 3), np.uint8 if info.bits == 8 else np.uint16)
                self.write(Frame(self._chunk.first, VideoForm(last), None, None, 0.0), black)
        finally:
            self._exit.__exit__(kind, error, trace)

    def written(self) -> Written:
        return Written(file=self._path.rpartition("/")[2], size=self._stores.parts.head(self._path).size)


class FolderMedia(Media[Picture | None]):
    """Images of a folder."""

    def read(self) -> Iterator[Frame[Picture | None]]:
        size = self._plan.request.size
        for number, file in enumerate(self._chunk.files, self._chunk.first):
            started = time.perf_counter()
            data = self._stores.input.get(file.path, file.etag)
            try:
                picture = images.decode(data, file.name, self._plan.max_pixels, size)
            except InputError as error:
                yield Frame(number, None, None, str(error), ms_since(started))
            except Exception as error:  # whatever a stranger's image makes a decoder raise
                yield Frame(number, None, None, f"'{file.name}' can't be decoded: {words(error)}", ms_since(started))
            else:
                yield Frame(number, picture, images.fit(picture.pixels, size), None, ms_since(started))

    def write(self, frame: Frame[Picture | None], pixels: Frames | CodedPlanes | None) -> None:
        file = self._chunk.files[frame.number - self._chunk.first]
        path = self._plan.image_path(file)
        if frame.form is not None and isinstance(pixels, np.ndarray):
            self._stores.output.put(path, images.encode(pixels, frame.form, path))
        else:  # what can't be decoded is handed on as it came: nothing is lost
            self._stores.output.put(path, self._stores.input.get(file.path, file.etag))

    def written(self) -> Written:
        return Written(etag=_images_etag(self._plan, self._chunk, self._stores.output.head) or "")


def open_media(plan: Plan, chunk: Chunk, stores: Stores, *, planes: bool = False) -> Media[VideoForm] | Media[Picture | None]:
    """The chunk's media, to be used as a context; a video's frames are held in `planes` where that is asked for."""
    if plan.video is not None and chunk.range is not None:
        return VideoMedia(plan, chunk, stores, plan.video, chunk.range, planes=planes)
    return FolderMedia(plan, chunk, stores)


def ms_since(started: float) -> float:
    """Milliseconds since `started`, a reading of time.perf_counter()."""
    return (time.perf_counter() - started) * 1000
