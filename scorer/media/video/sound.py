"""Sound that a result can't hold as it is, encoded again: each sample where it was on the clock."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
"""Samples a second (ISO/IEC 14496-3, table 1.18)."""
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""The library's usual one of each number of channels; AAC and FLAC have no more than eight."""
_AAC_LAYOUTS = LAYOUTS | {7: "7.1"}
BITS_A_SECOND = 96_000
"""Of a channel as AAC, at 48,000 samples a second: more than anyone hears."""

JITTER = Fraction(1, 25)
"""Seconds that a time stamp may be off from where the samples before it end: containers count milliseconds, or video frames, and
nobody sees lips and words apart by less."""

MOST_SECONDS = 24 * 60 * 60
"""From a track's first sample to its last."""
MOST_SAMPLES = MOST_SECONDS * 48_000 * 16
"""Of all channels and all tracks together: a day of eight pairs."""

LOUDEST = 1000
"""Of full scale: what a coder takes for infinite is far above, and above 1 nobody hears anything else."""

_CANT = (av.FFmpegError, ValueError)
_SHALLOW = ("u8", "u8p", "s16", "s16p")
"""Sample formats of no more than 16 bits."""


class Recoder:
    """Encodes one sound track of the source for `result`. Packets come on the result's clock."""

    def __init__(
        self, source: AudioStream, result: OutputContainer, codec: Literal["aac", "flac"], most: int,
        late: Fraction = Fraction(0), length: Fraction | None = None,
    ) -> None:  # fmt: skip
        """At most `most` samples are made, none after `length` seconds; packets come with times that are `late` by seconds.

        Raises ValueError for sound that the codec can't have.
        """
        self._context = source.codec_context
        self._context.thread_count = 1
        channels, rate = self._context.channels, self._context.sample_rate
        layouts = _AAC_LAYOUTS if codec == "aac" else LAYOUTS
        shape: AudioFormat | None = self._context.format  # none where headers don't say
        if not rate or channels not in layouts or shape is None:
            raise ValueError(f"{channels} channels of {rate} samples a second")
        if codec == "aac" and rate not in AAC_RATES:
            rate = next((each for each in reversed(AAC_RATES) if each > rate), max(AAC_RATES))
        self.stream: AudioStream = result.add_stream(codec, rate=rate)
        coder = self.stream.codec_context
        coder.layout = layouts[channels]
        coder.format = "fltp" if codec == "aac" else "s16" if shape.name in _SHALLOW else "s32"
        if codec == "aac":
            coder.bit_rate = channels * min(BITS_A_SECOND, 2 * rate)
        self.stream.time_base = Fraction(1, rate)
        self._rate, self._channels, self._left = rate, channels, most // channels
        self._late = late
        self._end = None if length is None else round(length * rate)
        """The number of the first sample that is too late."""
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self._next: int | None = None
        """The number of the next sample, counted from the clock's start."""

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Stream]]:
        """What the packet gives; nothing where it is damaged: silence stands in then."""
        try:
            for frame in self._decoded(packet):
                yield from self._encoded(self._resampled(frame))
        except _CANT:  # a form of sound that was none of its first: what comes is left out
            self._left = 0

    def end(self) -> Iterator[Packet[Stream]]:
        """What is still to come."""
        for frame in self._decoded(None):
            yield from self._encoded(self._resampled(frame))
        if self._resampler is not None:
            yield from self._encoded(self._resampler.resample(None))
        if self._next is not None:
            yield from self.stream.encode(None)

    def _decoded(self, packet: Packet[Any] | None) -> list[AudioFrame]:
        if self._left <= 0:
            return []
        try:
            return [frame for frame in self._context.decode(packet) if frame.samples]
        except _CANT:
            return []

    def _resampled(self, frame: AudioFrame) -> list[AudioFrame]:
        """In the coder's form; the source's may change on the way."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        before = [] if self._resampler is None or form == self._form else self._resampler.resample(None)
        if form != self._form:
            coder = self.stream.codec_context
            self._form, self._resampler = form, AudioResampler(coder.format, coder.layout, self._rate)
        return before if self._resampler is None else [*before, *self._resampler.resample(frame)]

    def _encoded(self, frames: list[AudioFrame]) -> Iterator[Packet[Stream]]:
        for each in frames:
            for frame in self._placed(self._finite(each)):
                yield from self._coded(frame)

    def _coded(self, frame: AudioFrame) -> Iterator[Packet[Stream]]:
        """The frame behind those before it, up to the end."""
        at = self._next or 0
        room = frame.samples if self._end is None else self._end - at
        if room < frame.samples:
            self._left = 0
            if room <= 0:
                return
            frame = self._made(self._samples_of(frame)[:, :room])
        frame.pts, frame.time_base = at, Fraction(1, self._rate)
        self._next = at + frame.samples
        self._left -= frame.samples
        yield from self.stream.encode(frame)

    def _finite(self, frame: AudioFrame) -> AudioFrame:
        """The frame without numbers that are none, at which a coder would end."""
        if frame.format.name != "fltp":
            return frame
        samples = self._samples_of(frame)
        if np.abs(samples).max(initial=0) <= LOUDEST:
            return frame
        finite = self._made(np.clip(np.nan_to_num(samples), -LOUDEST, LOUDEST))
        finite.pts, finite.time_base = frame.pts, frame.time_base
        return finite

    def _placed(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """The frame where its time stamp says: behind silence where there is a gap, without what overlaps."""
        at = (
            self._next
            if frame.pts is None or frame.time_base is None
            else round((frame.pts * frame.time_base - self._late) * self._rate)
        )
        if at is None:
            at = 0
        is_first = self._next is None
        if self._next is None:
            if at + frame.samples <= 0:  # all of it comes before the clock's start
                return
            self._next = max(at, 0)
        gap = at - self._next
        if not is_first and abs(gap) <= JITTER * self._rate:
            gap = 0
        while gap > 0 and self._left > 0:
            silence = min(gap, self._rate)
            yield self._made(np.zeros((self._channels, silence), self._samples_of(frame).dtype))
            gap -= silence
        if gap < 0:
            samples = self._samples_of(frame)[:, -gap:]
            if samples.shape[1]:
                yield self._made(samples)
        elif self._left > 0:
            yield frame

    def _samples_of(self, frame: AudioFrame) -> np.ndarray[Any, np.dtype[Any]]:
        """(channels, samples)."""
        samples: np.ndarray[Any, np.dtype[Any]] = frame.to_ndarray()
        return samples if frame.format.is_planar else samples.reshape(-1, self._channels).T

    def _made(self, samples: np.ndarray[Any, np.dtype[Any]]) -> AudioFrame:
        """The coder's frame of these samples, (channels, samples)."""
        coder = self.stream.codec_context
        rows = samples if coder.format.is_planar else samples.T.reshape(1, -1)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(rows), format=coder.format.name, layout=coder.layout.name)
        frame.sample_rate = self._rate
        return frame
