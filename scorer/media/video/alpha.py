"""Transparency that a file has beside its pictures: VP8's and VP9's, whose usual decoders leave it out.

Source: https://www.matroska.org/technical/elements.html (AlphaMode, BlockAdditional).
"""

from __future__ import annotations

from av.codec import Codec
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""That put it into the pictures."""


def is_apart(stream: VideoStream) -> bool:
    """Whether the stream has transparency that its own decoder leaves out."""
    return stream.codec_context.codec.canonical_name in _DECODERS and stream.metadata.get("alpha_mode") == "1"


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """What decodes the prepared stream's pictures with their transparency."""
    usual = stream.codec_context
    if not is_apart(stream):
        return usual
    decoder = Codec(_DECODERS[usual.codec.canonical_name], "r").create("video")
    decoder.extradata, decoder.thread_count, decoder.options = usual.extradata, usual.thread_count, usual.options
    return decoder
