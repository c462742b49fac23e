"""Writing a chunk's scored frames: coded as the request wants it, tagged and timed as the source was."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from heapq import heappushpop
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from scorer.errors import OutputError
from scorer.media.coding import Coding
from scorer.media.pixels import Frames
from scorer.media.video.color import FULL, LIMITED, ToPicture
from scorer.media.video.encoders import THREADS, encoding_of
from scorer.media.video.files import whole_file, writing
from scorer.media.video.info import VideoInfo
from scorer.media.video.planes import CodedPlanes
from scorer.media.video.priority import priority_kept

_LAST = 2
"""Pictures at a part's end, before which none is coded that is shown later: so the last to be shown is the last to be decoded."""


class PartWriter:
    """Encodes one chunk's frames into the file `path`, which appears whole when the context ends without an error.

    Raises StorageFullError or OutputError where the file can't be written or the frames are too large for its codec, ValueError
    for a frame of another size.
    """

    def __init__(self, path: Path, info: VideoInfo, width: int, height: int, coding: Coding | None = None) -> None:
        self._path, self._info, self._shape = path, info, (height, width, 3)
        self._form = (coding or Coding()).part_container
        self._encoding = encoding_of(info, coding or Coding(), width, height)
        self._to_picture = ToPicture(info, self._encoding.pixel_format, full_range=self._encoding.full_range)
        self._exit = ExitStack()
        self._held: list[av.VideoFrame] = []
        self._shown: list[int] | None = None

    def __enter__(self) -> Self:
        height, width, _ = self._shape
        encoder = self._encoding.encoder
        if not encoder.takes(width, height):
            raise OutputError(
                f"'{self._path}' can't be written with frames of {width}x{height} pixels, "
                f"since {encoder.told} takes {encoder.range_of_sides}: choose another size or codec."
            )
        with ExitStack() as stack:
            temporary = stack.enter_context(whole_file(self._path))
            with writing(self._path):
                self._container = av.open(str(temporary.absolute()), "w", format=self._form, container_options=self._options())
            self._stream = self._add_stream(self._container)
            with writing(self._path), priority_kept():
                self._stream.codec_context.open(strict=False)
            self._exit = stack.pop_all()
        return self

    def _options(self) -> dict[str, str]:
        # The first frames' decoding times are before 0: nothing is to be moved because of that.
        options = {"avoid_negative_ts": "disabled"}
        if self._form == "mov":
            ticks = str(self._info.result_time_base.denominator)
            options |= {"video_track_timescale": ticks, "movie_timescale": ticks}
        return options

    def _add_stream(self, container: OutputContainer) -> VideoStream:
        info, encoding = self._info, self._encoding
        height, width, _ = self._shape
        added = container.add_stream(encoding.encoder.library, rate=info.rate, options=dict(encoding.options))
        stream = cast(VideoStream, added)  # the library's stub knows some codecs alone by their names
        stream.time_base = info.result_time_base
        context = stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = encoding.pixel_format
        context.time_base = info.result_time_base
        context.thread_count = THREADS
        context.sample_aspect_ratio = info.sample_aspect
        context.colorspace, context.color_primaries, context.color_trc = info.matrix, info.primaries, info.transfer
        context.color_range = FULL if encoding.full_range else LIMITED
        return stream

    def write(self, pixels: Frames | CodedPlanes, pts: int, alpha: Frames | None = None) -> None:
        """Append (H, W, 3), uint8 or uint16, or the part's own planes, shown at `pts` of the source's clock; pts ascend.

        `alpha` is (H, W) of the same dtype, for codings that have it; None is opaque.
        """
        if pixels.shape != self._shape:
            raise ValueError(f"A frame of this part has the shape {self._shape}, not {pixels.shape}.")
        picture = pixels.picture() if isinstance(pixels, CodedPlanes) else self._to_picture(pixels, alpha)
        picture.pts, picture.time_base = self._info.result_pts(pts), self._info.result_time_base
        self._held.append(picture)
        if len(self._held) > _LAST:
            self._encode(self._held.pop(0))

    def _encode(self, picture: av.VideoFrame | None) -> None:
        with writing(self._path):
            for packet in self._stream.encode(picture):
                packet.dts = self._decoded(packet.pts or 0)
                self._container.mux_one(packet)

    def _decoded(self, pts: int) -> int:
        """When the next packet is decoded, which is shown at `pts`: in parts of few frames x265 says any number."""
        if self._shown is None:  # the first packet is shown first
            reordered, ticks = self._encoding.encoder.reordered, self._info.frame_ticks
            self._shown = [pts - number * ticks for number in range(reordered, 0, -1)]
        return heappushpop(self._shown, pts)

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
