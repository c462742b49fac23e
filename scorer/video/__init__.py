"""Videos in and out: probe one, read any range of its frames exactly, write parts, join them beside the source's sound."""

from scorer.video.info import FrameRange, VideoIndex, VideoInfo
from scorer.video.join import join
from scorer.video.probe import probe
from scorer.video.reader import MissingFrame, VideoFrame, read_frames
from scorer.video.writer import MOST_SIDE, PartWriter

__all__ = [
    "MOST_SIDE", "FrameRange", "MissingFrame", "PartWriter", "VideoFrame", "VideoIndex", "VideoInfo", "join", "probe",
    "read_frames",
]  # fmt: skip
