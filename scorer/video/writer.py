"""Writing a chunk's scored frames: H.264 that looks like what the model gave, tagged and timed as the source was."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from scorer.errors import OutputError
from scorer.models import Frames
from scorer.video.color import FULL, LIMITED, ToPicture
from scorer.video.files import whole_file, writing
from scorer.video.info import VideoInfo

# At crf 18 no difference is seen. 'superfast' takes 60% of the time of 'veryfast', gives 0.4 dB more, and files half as large
# again; measured at 640x360 and 1280x720. The number of threads is fixed since the bytes depend on it.
PRESET = "superfast"
CRF = "18"
THREADS = 2

PART_CONTAINER = "nut"
"""Keeps any time stamp as it is, whatever the file is called; mp4 rounds a late start."""


def pixel_format(info: VideoInfo, width: int, height: int) -> str:
    """The source's depth and chroma, but full chroma where an odd size has no half."""
    chroma = info.chroma
    if (chroma != "444" and width % 2) or (chroma == "420" and height % 2):
        chroma = "444"
    return f"yuv{chroma}p" + ("10le" if info.bits > 8 else "")


_LAST = 2
"""Pictures at a part's end, before which none is coded that is shown later: so the last to be shown is the last to be decoded."""

MOST_SIDE = 16_384
"""Pixels of a side that x264 encodes."""


class PartWriter:
    """Encodes one chunk's frames into the file `path`, which appears whole when the context ends without an error.

    Raises StorageFullError or OutputError where the file can't be written or the frames are too large for its codec, ValueError
    for a frame of another size.
    """

    def __init__(self, path: Path, info: VideoInfo, width: int, height: int) -> None:
        self._path, self._info, self._shape = path, info, (height, width, 3)
        self._to_picture = ToPicture(info, pixel_format(info, width, height))
        self._exit = ExitStack()
        self._held: list[av.VideoFrame] = []

    def __enter__(self) -> Self:
        height, width, _ = self._shape
        if max(width, height) > MOST_SIDE:
            raise OutputError(
                f"'{self._path}' can't be written with frames of {width}x{height} pixels, "
                f"since H.264 takes {MOST_SIDE:,} a side: choose a smaller size."
            )
        with ExitStack() as stack:
            temporary = stack.enter_context(whole_file(self._path))
            with writing(self._path):
                # The first frames' decoding times are before 0: nothing is to be moved because of that.
                options = {"avoid_negative_ts": "disabled"}
                self._container = av.open(str(temporary.absolute()), "w", format=PART_CONTAINER, container_options=options)
            self._stream = self._add_stream(self._container)
            self._exit = stack.pop_all()
        return self

    def _add_stream(self, container: OutputContainer) -> VideoStream:
        info = self._info
        height, width, _ = self._shape
        stream = container.add_stream("libx264", rate=info.rate, options={"preset": PRESET, "crf": CRF})
        stream.time_base = info.result_time_base
        context = stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = pixel_format(info, width, height)
        context.time_base = info.result_time_base
        context.thread_count = THREADS
        context.sample_aspect_ratio = info.sample_aspect
        context.colorspace, context.color_primaries, context.color_trc = info.matrix, info.primaries, info.transfer
        context.color_range = FULL if info.full_range else LIMITED
        return stream

    def write(self, pixels: Frames, pts: int) -> None:
        """Append (H, W, 3), uint8 or uint16, shown at `pts` of the source's clock; pts ascend."""
        if pixels.shape != self._shape:
            raise ValueError(f"A frame of this part has the shape {self._shape}, not {pixels.shape}.")
        picture = self._to_picture(pixels)
        picture.pts, picture.time_base = self._info.result_pts(pts), self._info.result_time_base
        self._held.append(picture)
        if len(self._held) > _LAST:
            self._encode(self._held.pop(0))

    def _encode(self, picture: av.VideoFrame | None) -> None:
        with writing(self._path):
            self._container.mux(self._stream.encode(picture))

    def _finish(self) -> None:
        for picture in self._held:
            picture.pict_type = PictureType.P
            self._encode(picture)
        self._encode(None)
        with writing(self._path):
            self._container.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._exit as stack:
            if error is None:
                self._finish()
            else:
                with suppress(OSError, av.FFmpegError):  # the first error is the one to tell
                    self._container.close()
                stack.__exit__(kind, error, trace)
