"""Tracks beside the video: the container that holds all of them, as they are where that can be, and notes of the rest."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import AttachmentStream, Disposition
from PIL import Image

from scorer.media.video import probe
from scorer.media.wanted import Wanted
from tests.scorer.media.video.samples import LIMITS, audio_hashes, describe, ffmpeg, identity, make

LINES = "1\n00:00:00,100 --> 00:00:00,500\nHello <i>there</i>\n\n2\n00:00:00,600 --> 00:00:00,900\nWorld\n"
MP4, MKV = Wanted(container="mp4"), Wanted(container="mkv")


def film(path: Path, *arguments: object, lines: str = LINES) -> Path:
    """A second of video with a sound and the subtitles `lines`, input 2; a font lies beside it, and a cover picture."""
    (path.parent / "lines.srt").write_text(lines)
    (path.parent / "font.ttf").write_bytes(bytes(range(256)) * 8)
    Image.new("RGB", (32, 32), "red").save(path.parent / "cover.jpg")
    inputs = ("-f", "lavfi", "-i", "sine=440:d=1", "-i", path.parent / "lines.srt")
    return make(path, *inputs, *arguments, "-c:v", "libx264", "-pix_fmt", "yuv420p", size="64x48", rate="25", seconds=1)


def subtitles(path: Path, track: int = 0) -> str:
    """As ffmpeg reads them."""
    return ffmpeg("-v", "error", "-i", path, "-map", f"0:s:{track}", "-f", "srt", "-").decode()


def full_film(path: Path) -> Path:
    """With two sounds, two subtitle tracks, a font and chapters."""
    (path.parent / "marks.txt").write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n")
    font = ("-attach", path.parent / "font.ttf", "-metadata:s:t", "mimetype=application/x-truetype-font")
    tracks = [piece for number in (0, 1, 1, 2, 2) for piece in ("-map", str(number))]
    named = (
        "-metadata:s:v", "language=ger", "-metadata:s:v", "title=The film", "-metadata:s:a:1", "title=Commentary",
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-metadata:s:s:0", "language=eng",
        "-disposition:a:0", "0", "-disposition:a:1", "default+comment", "-disposition:s:0", "forced",
    )  # fmt: skip
    coded = ("-c:a", "aac", "-c:s:0", "srt", "-c:s:1", "ass")
    return film(path, "-i", path.parent / "marks.txt", *tracks, "-map_chapters", "3", *coded, *named, *font)


def test_a_film_with_subtitles_and_fonts_stays_whole(tmp_path: Path) -> None:
    path = full_film(tmp_path / "in.mkv")
    assert probe(path, LIMITS).notes == ()
    out = identity(path, tmp_path)
    assert out.suffix == ".mkv"
    with av.open(str(path)) as before, av.open(str(out)) as after:
        assert [each.type for each in after.streams] == [each.type for each in before.streams]
        for old, new in zip(before.streams, after.streams, strict=True):
            assert new.disposition == old.disposition
            for key in ("language", "title"):
                assert new.metadata.get(key) == old.metadata.get(key)
            if isinstance(old, AttachmentStream) and isinstance(new, AttachmentStream):
                assert (new.name, new.mimetype, new.data) == (old.name, old.mimetype, old.data)
        assert [each["metadata"] for each in after.chapters()] == [{"title": "One"}]
    assert audio_hashes(out) == audio_hashes(path)
    assert [subtitles(out, track) for track in (0, 1)] == [subtitles(path, track) for track in (0, 1)]


def test_what_an_mp4_cannot_hold_is_noted_where_one_is_asked_for(tmp_path: Path) -> None:
    path = full_film(tmp_path / "in.mkv")
    assert probe(path, LIMITS, MP4).notes == (
        "subtitle track 1 (subrip) becomes mov_text",
        "subtitle track 2 (ass) becomes mov_text and loses its styling",
        "an attached file is left out",
    )
    out = identity(path, tmp_path, asked=MP4)
    assert out.suffix == ".mp4"
    assert describe(out).count("Subtitle: mov_text") == 2
    assert audio_hashes(out) == audio_hashes(path)
    for track in (0, 1):
        assert subtitles(out, track) == subtitles(path, track)


@pytest.mark.parametrize(
    ("name", "sound", "text", "asked", "ending", "becomes"),
    [
        ("in.mp4", "aac", "mov_text", None, ".mp4", "mov_text"),
        ("in.mp4", "aac", "mov_text", MKV, ".mkv", "subrip"),
        ("in.mov", "pcm_s16le", "mov_text", None, ".mkv", "subrip"),
        ("in.mkv", "aac", "webvtt", None, ".mkv", "webvtt"),
        ("in.mkv", "aac", "webvtt", MP4, ".mp4", "mov_text"),
    ],
)
def test_text_subtitles_keep_words_and_times_in_either_container(
    tmp_path: Path, name: str, sound: str, text: str, asked: Wanted | None, ending: str, becomes: str
) -> None:
    path = film(tmp_path / name, "-map", "0", "-map", "1", "-map", "2", "-c:a", sound, "-c:s", text)
    out = identity(path, tmp_path, asked=asked)
    assert out.suffix == ending
    assert f"Subtitle: {becomes}" in describe(out)
    assert subtitles(out) == subtitles(path)


def test_subtitles_that_are_pictures_are_kept_in_an_mkv_alone(tmp_path: Path) -> None:
    plain = film(tmp_path / "plain.mkv", "-map", "0", "-map", "1", "-c:a", "aac")
    path, shown = tmp_path / "in.mkv", b"\x16\0\x0b" + bytes(11) + b"\x80\0\0"  # two segments: what is shown, the end
    with av.open(str(plain)) as source, av.open(str(path), "w") as result:
        copy, pictures = result.add_stream_from_template(source.streams.video[0], opaque=True), result.add_mux_stream("pgssub")
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = copy
                result.mux(packet)
        picture = av.Packet(shown)
        picture.pts, picture.dts, picture.duration, picture.time_base, picture.stream = 200, 200, 300, Fraction(1, 1000), pictures
        result.mux(picture)
    assert probe(path, LIMITS).notes == ()
    with av.open(str(identity(path, tmp_path))) as container:
        (kept,) = (each for each in container.demux(container.streams.subtitles[0]) if each.size)
        assert (bytes(kept), kept.pts) == (shown, 200)
    said = "the subtitle track (hdmv_pgs_subtitle) is left out, since an mp4 can't hold it"
    assert probe(path, LIMITS, MP4).notes == (said,)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("asked", [MP4, MKV])
def test_a_cover_picture_is_kept(tmp_path: Path, suffix: str, asked: Wanted) -> None:
    plain = film(tmp_path / "plain.mkv", "-map", "0", "-map", "1", "-c:a", "aac")
    path, cover = tmp_path / f"in.{suffix}", tmp_path / "cover.jpg"
    if suffix == "mp4":
        pieces: tuple[object, ...] = ("-i", cover, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
    else:
        pieces = ("-map", "0", "-c", "copy", "-attach", cover, "-metadata:s:t", "mimetype=image/jpeg")
    ffmpeg("-v", "error", "-i", plain, *pieces, path)
    assert probe(path, LIMITS, asked).notes == ()
    with av.open(str(identity(path, tmp_path, asked=asked))) as container:
        (picture,) = (each for each in container.streams.video if each.disposition & Disposition.attached_pic)
        packet = next(container.demux(picture))
        assert bytes(packet) == cover.read_bytes()


def test_a_cover_picture_that_tells_of_a_camera_is_left_out(tmp_path: Path) -> None:
    plain = film(tmp_path / "plain.mkv", "-map", "0", "-map", "1", "-c:a", "aac")
    exif = Image.Exif()
    exif[0x010F] = "Camera Inc"
    Image.new("RGB", (32, 32), "red").save(tmp_path / "cover.jpg", exif=exif)
    path, pieces = tmp_path / "in.mkv", ("-map", "0", "-c", "copy", "-attach", tmp_path / "cover.jpg")
    ffmpeg("-v", "error", "-i", plain, *pieces, "-metadata:s:t", "mimetype=image/jpeg", path)
    assert probe(path, LIMITS).notes == ("the cover picture (mjpeg) is left out, since it tells of a camera",)
    assert b"Camera Inc" not in identity(path, tmp_path).read_bytes()


def test_other_videos_and_data_are_noted(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mkv", "-map", "0", "-map", "0", "-map", "1", "-c:a", "aac")
    assert probe(path, LIMITS).notes == ("the second video track is left out",)
    klv = tmp_path / "in.ts"
    with av.open(str(path)) as source, av.open(str(klv), "w", format="mpegts") as result:
        copy, data = result.add_stream_from_template(source.streams.video[0], opaque=True), result.add_data_stream("klv")
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = copy
                result.mux(packet)
        note = av.Packet(b"\x06\x0e\x2b\x34" + bytes(20))
        note.pts = note.dts = 0
        note.stream = data
        result.mux(note)
    assert probe(klv, LIMITS).notes == ("a data track is left out",)


FLIGHTS = {
    "brackets": "[iso: 100] [latitude: 48.858370] [longitude: 2.294481] [rel_alt: 12.3]",
    "old": "HOME(E: 114.1001, N: 22.5001) 2020.01.02 03:04:05\nGPS (114.0579, 22.5431, 15) BAROMETER:1.9",
    "plain": "48.858370, 2.294481",
}


@pytest.mark.parametrize("said", FLIGHTS.values(), ids=FLIGHTS)
def test_subtitles_that_say_where_a_camera_was_are_left_out(tmp_path: Path, said: str) -> None:
    lines = "".join(f"{number}\n00:00:00,{number}00 --> 00:00:00,{number}90\n{said}\n\n" for number in range(1, 9))
    path = film(tmp_path / "in.mp4", "-map", "0", "-map", "1", "-map", "2", "-c:a", "aac", "-c:s", "mov_text", lines=lines)
    assert probe(path, LIMITS).notes == ("the subtitle track (mov_text) is left out, since it tells where a camera was",)
    out = identity(path, tmp_path)
    assert "Subtitle:" not in describe(out)
    assert b"48.858" not in out.read_bytes()
    assert b"114.0" not in out.read_bytes()


def test_a_film_may_speak_of_places_and_numbers(tmp_path: Path) -> None:
    said = [
        "The GPS is dead.",
        "Latitude 48!",
        "3.14159, he said.",
        "It cost 12.50, or 13.75.",
        "lat 1.5",
        "Go home.",
        "Pi: 3.141",
    ]
    lines = "".join(f"{number}\n00:00:00,{number}00 --> 00:00:00,{number}90\n{text}\n\n" for number, text in enumerate(said, 1))
    path = film(tmp_path / "in.mkv", "-map", "0", "-map", "1", "-map", "2", "-c:a", "aac", "-c:s", "srt", lines=lines)
    assert probe(path, LIMITS).notes == ()
    assert subtitles(identity(path, tmp_path)) == subtitles(path)
