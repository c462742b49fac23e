"""Strangers' files are looked at in a process apart: it finds what is there, and however it ends there is one sentence."""

from pathlib import Path

import pytest

from scorer.errors import InputError, MissingError
from scorer.limits import Limits
from scorer.sandbox import probe_video
from scorer.video import probe
from tests.scorer.video_samples import make

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12")
LIMITS = Limits(probe_seconds=30)


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.avi", "in.ts", "in.mpg"])
def test_it_finds_what_is_there(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name, *(("-c:v", "mpeg2video") if name == "in.mpg" else X264), rate="25")
    assert probe_video(path, LIMITS) == probe(path, LIMITS)


def test_what_it_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"no file '.*nowhere\.mp4'"):
        probe_video(tmp_path / "nowhere.mp4", LIMITS)
    (tmp_path / "text.mp4").write_text("This is not a video.")
    with pytest.raises(InputError, match=r"text\.mp4' is not a video"):
        probe_video(tmp_path / "text.mp4", LIMITS)
    path = make(tmp_path / "in.mp4", *X264)
    with pytest.raises(InputError, match="128x96 pixels, more than the 4,000 allowed"):
        probe_video(path, LIMITS.model_copy(update={"max_pixels": 4000}))
