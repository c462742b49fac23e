"""Sound that begins before the clock does, in a Matroska file: by how much is told, since it has no times below 0.

Coders of sound need a run-up, which an mp4 hides by its edit list. Without a word of it all pictures would come later instead.
Source: RFC 9559, 5.1.4.1.27 (CodecDelay), and RFC 8794 (EBML).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import av
from av.container import InputContainer
from av.stream import Stream

MOST = 10 * 10**9
"""Nanoseconds."""

_SEGMENT, _TRACKS, _TRACK, _CLUSTER = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\x1f\x43\xb6\x75"
_CODEC_DELAY, _TIMESTAMP = b"\x56\xaa", b"\xe7"
_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7


def delayed(template: Stream, nanoseconds: int) -> InputContainer:
    """A file without sound, whose one stream is like `template` and whose decoder is to drop that much at its start.

    The library lets nobody say that of a stream, but copies it along with one.
    """
    file = io.BytesIO()
    with closing(av.open(file, "w", format="matroska", container_options={"write_crc32": "0"})) as result:
        result.add_stream_from_template(template)
        result.start_encoding()
        head = file.getvalue()
    start, _, behind = head.partition(_SEGMENT)
    _, _, tracks = behind.partition(_TRACKS)
    track = _content(_content(tracks).removeprefix(_TRACK))
    if _CODEC_DELAY not in _names(track):  # else the source said it itself, to the sample
        track += _element(_CODEC_DELAY, nanoseconds.to_bytes(8, "big"))
    content = _element(_TRACKS, _element(_TRACK, track)) + _element(_CLUSTER, _element(_TIMESTAMP, b"\0"))
    return av.open(io.BytesIO(start + _SEGMENT + _UNKNOWN_SIZE + content), "r", format="matroska")


def _element(name: bytes, content: bytes) -> bytes:
    return name + (2**56 | len(content)).to_bytes(8, "big") + content


def _content(data: bytes) -> bytes:
    """What follows the size at the start of `data`."""
    start, end = _span(data)
    return data[start:end]


def _span(data: bytes) -> tuple[int, int]:
    """Where that starts and ends."""
    width = 9 - data[0].bit_length()
    return width, width + (int.from_bytes(data[:width], "big") & (2 ** (7 * width) - 1))


def _names(data: bytes) -> Iterator[bytes]:
    """Of the elements in `data`."""
    while data:
        width = 9 - data[0].bit_length()
        yield data[:width]
        data = data[width:]
        data = data[_span(data)[1] :]
