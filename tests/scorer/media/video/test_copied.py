"""What goes into a result beside its pictures: counted and tried before the work, and nothing that tells of people."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from scorer.errors import InputError
from scorer.media.limits import Limits
from scorer.media.video import probe
from scorer.media.video.tags import KEPT_TAGS
from tests.cases.look import look
from tests.scorer.hostile.media import Clip, Track, box, clip, mp4, sound, sound_entry, stills
from tests.scorer.media.video.samples import LIMITS, audio_hashes, describe, ffmpeg, identity, make

STILLS = stills("JPEG", 12)


def refused(path: Path, limits: Limits = LIMITS) -> str:
    with pytest.raises(InputError) as caught:
        probe(path, limits)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["mov", "mp4"])
def test_sound_that_names_the_same_bytes_again_and_again_is_refused(tmp_path: Path, suffix: str) -> None:
    """200 kB that would come out as 3 GB."""
    path = mp4(tmp_path / f"in.{suffix}", STILLS, sound(50_000, 65_536, per_chunk=16_384))
    assert path.stat().st_size < 300_000
    assert "name the same bytes again and again" in refused(path)


def test_sound_beyond_the_files_end_takes_no_frames_along(tmp_path: Path) -> None:
    """Read together, both tracks end where the sound does."""
    track = sound(20, 4 * 1920, per_chunk=1920)
    path = mp4(tmp_path / "in.mov", stills("JPEG", 40), replace(track, chunks=[0] * 10 + [10**9] * 10))
    assert "is cut off or damaged in its sound or subtitles" in refused(path)
    path = mp4(tmp_path / "in.mov", replace(stills("JPEG", 40), edits=((400, 7),)), track)
    assert probe(path, LIMITS).info.frames == 10


def test_sound_as_large_as_its_file_is_taken(tmp_path: Path) -> None:
    path = mp4(tmp_path / "in.mov", STILLS, sound(12, 4 * 1920, per_chunk=1920))
    assert audio_hashes(identity(path, tmp_path)) == audio_hashes(path)


def empty(count: int) -> Track:
    """Sound of packets without content."""
    return Track(b"soun", sound_entry(b"mp4a"), b"", 48_000, [(count, 1024)], count=count, sizes=[0] * count, per_chunk=count)


@pytest.mark.parametrize(
    ("tracks", "limit"),
    [
        ((STILLS, empty(500)), 300),
        ((STILLS, sound(500, 16, per_chunk=4)), 300),
        ((replace(STILLS, size=0, sizes=[STILLS.size] + [0] * 499, count=500, chunks=[0], per_chunk=500),), 300),
    ],
)
def test_packets_are_counted_be_they_empty_or_beside_the_video(tmp_path: Path, tracks: tuple[Track, ...], limit: int) -> None:
    path = mp4(tmp_path / "in.mov", *tracks)
    assert f"more than the {limit} packets of video, sound and subtitles allowed" in refused(path, Limits(max_packets=limit))


@pytest.mark.parametrize("suffix", ["mkv", "ts", "flv", "avi"])
def test_packets_are_counted_in_every_container(tmp_path: Path, suffix: str) -> None:
    path = clip(tmp_path / f"in.{suffix}", Clip(sound="aac" if suffix != "avi" else "mp3"))
    assert probe(path, Limits(max_packets=60)).info.frames == 12
    assert "more than the 20 packets" in refused(path, Limits(max_packets=20))


def test_sound_whose_header_says_too_little_is_left_out_before_the_work(tmp_path: Path) -> None:
    """Of FLAC an mp4 says how it is coded, and this track doesn't."""
    track = replace(sound(5, 64), entry=sound_entry(b"fLaC"), size=64)
    path = mp4(tmp_path / "in.mov", STILLS, track)
    assert probe(path, LIMITS).notes == ("the sound (flac) is left out, since it can be neither copied nor encoded again",)
    assert "Audio:" not in describe(identity(path, tmp_path))


def test_sound_that_jumps_by_days_is_refused_before_the_work(tmp_path: Path) -> None:
    hours = Clip(stamps=[number * 40 for number in range(12)], time_base=Fraction(1, 1000), shift=100 * 3_600_000, sound="aac")
    assert "100 hours from its start, far from all others" in refused(clip(tmp_path / "in.mkv", hours))


def test_sound_that_jumps_back_goes_on(tmp_path: Path) -> None:
    piece = clip(tmp_path / "piece.ts", Clip(sound="aac")).read_bytes()
    (tmp_path / "in.ts").write_bytes(piece + piece)
    before, after = look(tmp_path / "in.ts"), look(identity(tmp_path / "in.ts", tmp_path))
    assert after.heard == pytest.approx(before.heard, abs=1e-3)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "nut", "flv", "avi"])
def test_tags_that_tell_of_people_places_and_devices_stay_behind(tmp_path: Path, suffix: str) -> None:
    private = {
        "location": "+52.5200+013.4050/", "com.apple.quicktime.location.ISO6709": "+52.52+013.40/", "model": "Phone 12",
        "make": "Camera Inc", "serial_number": "SN1234567", "encoded_by": "Jane Doe", "software": "/home/jane/edit",
        "com.android.version": "14", "author": "Jane Doe", "creation_time": "2020-01-02T03:04:05Z", "x_custom": "kept by nobody",
    }  # fmt: skip
    kept = {"title": "My film", "artist": "The Band", "comment": "A comment"}
    options = {"movflags": "use_metadata_tags"} if suffix in ("mp4", "mov") else {}
    tracks = {"language": "deu", "handler_name": "Jane's camera"}
    path = clip(tmp_path / f"in.{suffix}", Clip(tags=private | kept, track_tags=tracks, options=options, sound="mp3"))
    out = identity(path, tmp_path)
    with av.open(str(out)) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
        assert {key: found.get(key) for key in kept} == kept
        assert set(found) - KEPT_TAGS <= {"major_brand", "minor_version", "compatible_brands", "encoder"}
        if suffix not in ("mov", "flv", "avi"):  # which keep no such language
            assert container.streams.video[0].metadata["language"] == "deu"
    data = out.read_bytes()
    for secret in ("Jane", "52.5", "Phone", "SN1234567", "2020-01-02", "nobody"):
        assert secret.encode() not in data


def chaptered(folder: Path, count: int) -> Path:
    text = folder / "chapters.txt"
    marks = (
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={number}\nEND={number + 1}\ntitle=Part {number}\nlocation=+52.5\n"
        for number in range(count)
    )
    text.write_text(";FFMETADATA1\n" + "".join(marks))
    plain = clip(folder / "plain.mkv", Clip(sound="aac"))
    ffmpeg("-v", "error", "-i", plain, "-i", text, "-map_chapters", "1", "-map", "0", "-c", "copy", folder / "in.mkv")
    return folder / "in.mkv"


def test_chapters_keep_their_titles_alone(tmp_path: Path) -> None:
    with av.open(str(identity(chaptered(tmp_path, 3), tmp_path))) as container:
        assert [each["metadata"] for each in container.chapters()] == [{"title": f"Part {number}"} for number in range(3)]


def test_more_chapters_than_any_film_has_are_refused(tmp_path: Path) -> None:
    assert "has 10,001 chapters, and 10,000 are the most" in refused(chaptered(tmp_path, 10_001))


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({f"key{number}": "x" for number in range(1001)}, "has 1,0.. tags of 0.0 MB, and 1,000 of 4 MB are the most"),
        ({"comment": "x" * 5_000_000}, "tags of 5.0 MB"),
    ],
)
def test_more_tags_than_any_film_has_are_refused(tmp_path: Path, tags: dict[str, str], said: str) -> None:
    path = clip(tmp_path / "in.mkv", Clip(tags=tags))
    with pytest.raises(InputError, match=said):
        probe(path, LIMITS)


def test_more_tracks_than_any_film_has_are_refused(tmp_path: Path) -> None:
    path = mp4(tmp_path / "in.mov", STILLS, *[sound(1, 4096, per_chunk=1024)] * 101)
    assert "has 101 tracks of sound and subtitles, and 100 are the most" in refused(path)


def test_a_title_in_an_unknown_script_of_bytes_is_no_error(tmp_path: Path) -> None:
    title = box(b"udta", box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"mdir", bytes(13)), box(b"ilst", box(
        b"\xa9nam", box(b"data", b"\0\0\0\1\0\0\0\0", b"\xff\xfe\xfd title")))))  # fmt: skip
    assert "Video:" in describe(identity(mp4(tmp_path / "in.mp4", STILLS, more=title), tmp_path))


@pytest.mark.parametrize("name", ["in.mkv", "in.mp4", "in.ts"])
def test_what_was_tried_is_what_is_joined(tmp_path: Path, name: str) -> None:
    """Also where the sound starts late, and on a broadcast's clock."""
    late = ("-itsoffset", "0.5", "-f", "lavfi", "-i", "sine=d=1", "-map", "0", "-map", "1", "-c:v", "libx264", "-c:a", "aac")
    path = make(tmp_path / name, *late)
    assert probe(path, LIMITS).info.origin * probe(path, LIMITS).info.time_base < Fraction(2)
    assert "Audio: aac" in describe(identity(path, tmp_path))
