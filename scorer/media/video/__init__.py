"""Videos in and out: probe one, read any range of its frames exactly, write parts, join them beside the source's sound."""

from scorer.media.video.encoders import Encoding, encoding_of
from scorer.media.video.info import FrameRange, VideoIndex, VideoInfo
from scorer.media.video.join import join
from scorer.media.video.probe import probe
from scorer.media.video.reader import MissingFrame, PlanesFrame, VideoFrame, read_frames, read_planes
from scorer.media.video.writer import PartWriter

__all__ = [
    "Encoding", "FrameRange", "MissingFrame", "PartWriter", "PlanesFrame", "VideoFrame", "VideoIndex", "VideoInfo",
    "encoding_of", "join", "probe", "read_frames", "read_planes",
]  # fmt: skip
