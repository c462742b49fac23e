"""Videos that are cut off, damaged, hostile or no videos at all, and disks that are full: one plain sentence, never a crash."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from scorer.errors import InputError, MissingError, OutputError, StorageFullError
from scorer.media.limits import Limits
from scorer.media.video import MissingFrame, PartWriter, VideoFrame, join, probe, read_frames
from scorer.media.video.files import writing
from scorer.media.wanted import Wanted
from tests.cases import VIDEOS
from tests.cases.look import differences, look
from tests.scorer.media.video.samples import LIMITS, decode, ffmpeg, identity, make, read_all, stamps

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12")


def text(path: Path) -> Path:
    path.write_text("This is not a video.\n" * 500)
    return path


def sound_only(path: Path) -> Path:
    ffmpeg("-v", "error", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", path)
    return path


def cover_only(path: Path) -> Path:
    picture = path.with_suffix(".png")
    ffmpeg("-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.04", "-frames:v", "1", picture)
    cover = ("-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v:0", "attached_pic")
    ffmpeg("-v", "error", "-f", "lavfi", "-i", "sine=d=1", "-i", picture, *cover, "-c:a", "aac", path)
    return path


def playlist(path: Path) -> Path:
    make(path.with_name("part.ts"), *X264)
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\npart.ts\n#EXT-X-ENDLIST\n")
    return path


def concat(path: Path) -> Path:
    make(path.with_name("part.ts"), *X264)
    path.write_text("ffconcat version 1.0\nfile part.ts\n")
    return path


@pytest.mark.parametrize("write", [text, Path.touch, sound_only, cover_only, playlist, concat, Path.mkdir])
def test_what_is_no_video_is_refused(tmp_path: Path, write: Callable[[Path], object]) -> None:
    path = tmp_path / "in.mp4"
    write(path)
    with pytest.raises(InputError, match=r"in\.mp4.*: ") as caught:
        probe(path, LIMITS)
    assert str(caught.value).endswith(".")


def test_the_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    path = make(tmp_path / "plain.mp4", *X264, seconds=0.5)
    picture = tmp_path / "cover.png"
    ffmpeg("-v", "error", "-i", path, "-frames:v", "1", picture)
    both = ("-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic")
    ffmpeg("-v", "error", "-i", path, "-i", picture, *both, tmp_path / "in.mp4")
    assert probe(tmp_path / "in.mp4", LIMITS).info.frames == 15


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nowhere\.mp4"):
        probe(tmp_path / "nowhere.mp4", LIMITS)
    with pytest.raises(MissingError):
        probe(Path("concat:a.ts|b.ts"), LIMITS)


STRICT = Wanted(strict=True)


@pytest.mark.parametrize("kept", [0.5, 0.97])
def test_an_mp4_without_its_index_is_refused(tmp_path: Path, kept: float) -> None:
    path = make(tmp_path / "in.mp4", *X264)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match="cut off"):
        probe(path, LIMITS)


@pytest.mark.parametrize(
    "name",
    ["cut.ts", "cut.mkv", "cut_live.mkv", "cut_fragments.mp4", "cut.avi", "cut.mp4", "cut.flv", "cut.ogg", "cut.wmv", "cut.ivf"],
)
def test_what_plays_of_a_cut_off_file_is_scored_unless_it_is_to_be_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    VIDEOS[name].make(path)
    before, index = look(path), probe(path, LIMITS)
    assert f"the input is cut off: {len(before.frames)} frames of it play" in index.notes
    out = identity(path, tmp_path)
    assert differences(before, look(out)) == []
    with pytest.raises(InputError, match="is cut off, its end is missing: copy or export it again"):
        probe(path, LIMITS, STRICT)


@pytest.mark.parametrize("suffix", ["wmv", "ivf"])
def test_whole_files_of_old_kinds_are_whole(tmp_path: Path, suffix: str) -> None:
    codec = "wmv2" if suffix == "wmv" else "libvpx"
    path = make(tmp_path / f"in.{suffix}", "-c:v", codec)
    probe(path, LIMITS, STRICT)


@pytest.mark.parametrize("name", ["live.mkv", "flash.flv", "theora.ogg", "fragmented.mp4", "joined.ts", "old.avi"])
def test_whole_files_are_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    VIDEOS[name].make(path)
    assert not any("cut off" in note for note in probe(path, LIMITS, STRICT).notes)


def test_too_many_pixels_or_frames_are_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mp4", *X264)
    with pytest.raises(InputError, match="128x96 pixels, more than the 10,000"):
        probe(path, Limits(max_pixels=10_000))
    with pytest.raises(InputError, match="more than the 59 frames"):
        probe(path, Limits(max_frames=59))
    assert probe(path, Limits(max_pixels=128 * 96, max_frames=60)).info.frames == 60


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Position and size of each of the video's packets."""
    with av.open(str(path)) as container:
        return [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("codec", [X264, ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-g", "12"), ("-c:v", "prores_ks")])
@pytest.mark.parametrize("first", [0, 20])
def test_damaged_packets_cost_their_frames_and_no_others(tmp_path: Path, codec: tuple[str, ...], first: int) -> None:
    path = make(tmp_path / "in.mov" if "prores_ks" in codec else tmp_path / "in.mp4", *codec)
    before = read_all(path, probe(path, LIMITS), 1000)
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(1).bytes(1 << 20)
    for position, size in packets_of(path)[first : first + 3]:
        data[position : position + size] = noise[:size]
    path.write_bytes(data)
    index = probe(path, LIMITS)
    for chunk_frames in (7, 1000):
        after = read_all(path, index, chunk_frames)
        assert [frame.pts for frame in after] == list(index.pts)
        assert len(after) == 60
        assert any(isinstance(frame, MissingFrame) for frame in after) or (first and "libx264" in codec)  # damage is concealed
        for old, new in zip(before[-24:], after[-24:], strict=True):  # the next key frame heals
            assert isinstance(old, VideoFrame)
            assert isinstance(new, VideoFrame)
            assert np.array_equal(old.pixels, new.pixels)


def test_a_recording_that_starts_in_the_middle(tmp_path: Path) -> None:
    """Packets that refer to pictures before the cut are shown by no player."""
    path = make(tmp_path / "in.ts", "-c:v", "libx264", "-x264-params", "open-gop=1:keyint=20")
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 3 // 188 * 188 :])
    index = probe(path, LIMITS)
    assert 0 <= len(stamps(path)) - index.info.frames <= 3
    assert all(isinstance(frame, VideoFrame) for frame in read_all(path, index, 9))


def test_a_size_that_changes_on_the_way_is_scaled_to_the_first(tmp_path: Path) -> None:
    pieces = [make(tmp_path / f"{size}.ts", *X264, size=size, seconds=0.5) for size in ("128x96", "64x48", "192x144")]
    path = tmp_path / "in.ts"
    path.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    index = probe(path, LIMITS)
    frames = read_all(path, index, 8)
    assert len(frames) == index.info.frames > 15
    assert {frame.pixels.shape for frame in frames if isinstance(frame, VideoFrame)} == {(96, 128, 3)}


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mp4", *X264, size="320x240", seconds=20)
    index = probe(path, LIMITS)
    (whole,) = index.ranges(10**6)
    tracemalloc.start()
    with PartWriter(tmp_path / "part", index.info, 320, 240) as writer:
        for frame in read_frames(path, index.info, whole):
            assert isinstance(frame, VideoFrame)
            writer.write(frame.pixels, frame.pts)
    join([tmp_path / "part"], path, index.info, tmp_path / "out.mp4")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 320 * 240 * 3  # of 600 frames


def one_part(folder: Path) -> tuple[Path, PartWriter, VideoFrame]:
    path = make(folder / "in.mp4", *X264, seconds=0.2)
    index = probe(path, LIMITS)
    frame = read_all(path, index, 10**6)[0]
    assert isinstance(frame, VideoFrame)
    return path, PartWriter(folder / "part", index.info, 128, 96), frame


def test_a_part_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    _, part, frame = one_part(tmp_path)
    with part as writer:
        writer.write(frame.pixels, frame.pts)
        assert not (tmp_path / "part").exists()
    assert (tmp_path / "part").exists()
    (tmp_path / "part").unlink()
    _, part, _ = one_part(tmp_path)
    with pytest.raises(ValueError, match="shape"), part as writer:
        writer.write(frame.pixels[1:], frame.pts)
    assert [each.name for each in tmp_path.iterdir()] == ["in.mp4"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path, _, _ = one_part(tmp_path)
    info = probe(path, LIMITS).info
    with pytest.raises(OutputError, match="gone"), PartWriter(tmp_path / "gone" / "part", info, 128, 96):
        pass
    identity(path, tmp_path)
    with pytest.raises(OutputError, match="gone"):
        join([tmp_path / "part0.mp4"], path, info, tmp_path / "gone" / "out.mp4")


def test_what_a_container_refuses_is_no_matter_of_permissions() -> None:
    with pytest.raises(OutputError, match=r"Invalid argument\): its container") as caught, writing(Path("out.mp4")):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    assert "permissions" not in str(caught.value)


def test_pixels_that_cant_be_read_are_refused_before_the_work(tmp_path: Path) -> None:
    path = make(tmp_path / "in.nut", "-c:v", "rawvideo", "-pix_fmt", "bgr4", seconds=0.2)
    with pytest.raises(InputError, match="pixels in the form bgr4, which can't be read here"):
        probe(path, LIMITS)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_as_such(number: int) -> None:
    with pytest.raises(StorageFullError, match="disk is full"), writing(Path("out.mp4")):
        raise OSError(number, os.strerror(number))


FULL = """
import resource, signal, sys
from pathlib import Path
from scorer.errors import StorageFullError
from scorer.media.limits import Limits
from scorer.media.video import PartWriter, join, probe, read_frames
folder = Path(sys.argv[1])
index = probe(folder / "in.mp4", Limits())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
for write in ("part", "join"):
    try:
        if write == "join":
            join([folder / "part0.mp4"], folder / "in.mp4", index.info, folder / "full.mp4")
        else:
            with PartWriter(folder / "full", index.info, index.info.width, index.info.height) as writer:
                for frame in read_frames(folder / "in.mp4", index.info, index.ranges(10**6)[0]):
                    writer.write(frame.pixels, frame.pts)
    except StorageFullError as error:
        print("full:", error)
"""


def test_a_disk_that_fills_up_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mp4", *X264, size="320x240", seconds=3)
    identity(path, tmp_path, chunk_frames=1000)
    before = sorted(tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, check=True, text=True)
    assert done.stdout.count("full: The disk is full") == 2
    assert sorted(tmp_path.iterdir()) == before


def test_an_edit_list_leaves_frames_out(tmp_path: Path) -> None:
    plain = make(tmp_path / "plain.mp4", *X264)
    path = tmp_path / "in.mp4"
    ffmpeg("-v", "error", "-ss", "0.5", "-i", plain, "-c", "copy", path)
    index = probe(path, LIMITS)
    assert index.info.frames == len(stamps(path))
    assert index.info.frames == len(decode(path, "yuv420p", 128, 96))
    assert all(isinstance(frame, VideoFrame) for frame in read_all(path, index, 7))
