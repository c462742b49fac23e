"""Cases of time: rates, starts, holds, joined and cut-off files."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from tests.cases.cases import AAC, QUIET, X264, add_plain, both, case, cut, joined, picture, tone
from tests.scorer.media.video.samples import ffmpeg

MS = ("-fps_mode", "vfr", "-enc_time_base", "1:1000")
add_plain("constant.mp4", "25 frames a second, B-frames, AAC")
add_plain("ntsc.mkv", "30000/1001 frames a second, counted in milliseconds", rate="30000/1001")
add_plain("fast.mp4", "240 frames a second", rate="240", seconds=0.25)
add_plain("broadcast.ts", "a transport stream", "-muxdelay", "0.5")
add_plain("fragmented.mp4", "fragments", "-movflags", "frag_keyframe+empty_moov+default_base_moof", seconds=2)
add_plain("late_fragments.mp4", "fragments of a live stream, from 1000 s on", "-output_ts_offset", "1000",
          "-movflags", "frag_keyframe+empty_moov+default_base_moof")  # fmt: skip
add_plain("late.mkv", "picture and sound begin at 5 s", "-output_ts_offset", "5")
add_plain("wrap.ts", "the clock of 33 bits wraps in the middle", "-output_ts_offset", "95440.8", seconds=3)
add_plain("open_gop.mp4", "groups of pictures that refer to each other",
          "-x264-params", "keyint=12:open-gop=1:bframes=3:scenecut=0", seconds=2)  # fmt: skip
add_plain("live.mkv", "a recording without sizes and cues", "-live", "1")
add_plain("programme.mpg", "MPEG-2 with B-frames", "-c:v", "mpeg2video", "-c:a", "mp2")
add_plain("flash.flv", "FLV", "-ar", "44100")
add_plain("theora.ogg", "Theora", "-c:v", "libtheora", "-bf", "0", "-c:a", "libvorbis")
add_plain("vp8.webm", "hidden frames", "-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "10", "-c:a", "libopus")


@case("slow.mp4", "a frame every 5 seconds")
def _slow(path: Path) -> None:
    ffmpeg(*QUIET, *picture(20, "1/5"), *X264, path)


@case("phone.mov", "30 frames a second that tremble")
def _phone(path: Path) -> None:
    tremble = ("-vf", "setpts='(N/30+0.004*sin(N))/TB'", "-fps_mode", "vfr", "-enc_time_base", "1:600")
    ffmpeg(*QUIET, *picture(1, "30"), *tone(), *tremble, "-video_track_timescale", "600", *X264, *AAC, path)


@case("screen.mp4", "a variable rate with gaps of 10 s")
def _screen(path: Path) -> None:
    gaps = ("-vf", "setpts='if(lt(N,5),N*0.013,if(lt(N,6),10.3,10.3+(N-6)*1.37))/TB'", "-fps_mode", "vfr")
    ffmpeg(*QUIET, *picture(0.6), *tone(20), *gaps, "-enc_time_base", "1:90000", *X264, *AAC, path)


@case("late_picture.mp4", "the picture begins 0.5 s after the sound")
def _late_picture(path: Path) -> None:
    ffmpeg(*QUIET, "-itsoffset", "0.5", *picture(), *tone(2), "-map", "0", "-map", "1", *X264, *AAC, path)


@case("late_varying.mp4", "a variable rate, and the picture begins 0.4 s after the sound")
def _late_varying(path: Path) -> None:
    gaps = ("-vf", "setpts='(0.4+if(lt(N,5),N*0.033,1+N*0.7))/TB'", "-fps_mode", "vfr", "-enc_time_base", "1:90000")
    ffmpeg(*QUIET, *picture(0.4), *tone(5), *gaps, *X264, *AAC, path)


@case("late_varying.mkv", "the same in milliseconds")
def _late_varying_mkv(path: Path) -> None:
    gaps = ("-vf", "setpts='(1+N*0.05+floor(N/3)*0.8)/TB'", *MS)
    ffmpeg(*QUIET, *picture(0.4), *tone(5), *gaps, *X264, *AAC, path)


@case("late_sound.mp4", "the sound begins 0.5 s after the picture")
def _late_sound(path: Path) -> None:
    ffmpeg(*QUIET, *picture(), "-itsoffset", "0.5", *tone(), "-map", "0", "-map", "1", *X264, *AAC, path)


def _slide_show(path: Path, *codec: str, last: str = "3") -> None:
    """Pictures at 0, 2 and 3 s; the last is held for 3 s, or `last`, so that it all lasts 6."""
    folder = path.parent / "slides"
    folder.mkdir(exist_ok=True)
    for number in range(3):
        ffmpeg(*QUIET, *picture(0.04, more=f",hue=h={number * 90}"), "-frames:v", "1", folder / f"{number}.png")
    shown = zip(("0.png", "1.png", "2.png"), ("2", "1", last), strict=True)
    lines = [f"file {folder / name}\nduration {seconds}\n" for name, seconds in shown]
    (folder / "list.txt").write_text("ffconcat version 1.0\n" + "".join(lines))
    rate = () if "-r" in codec else ("-fps_mode", "vfr")
    ffmpeg(*QUIET, "-f", "concat", "-safe", "0", "-i", folder / "list.txt", *rate, *codec, path)


@case("slides.mp4", "pictures of 2, 1 and 3 s")
def _slides_mp4(path: Path) -> None:
    _slide_show(path, "-enc_time_base", "1:1000", *X264)


@case("slides.mkv", "pictures of 2, 1 and 3 s")
def _slides_mkv(path: Path) -> None:
    _slide_show(path, "-enc_time_base", "1:1000", *X264)


@case("slides.webm", "pictures of 2, 1 and 3 s")
def _slides_webm(path: Path) -> None:
    _slide_show(path, "-enc_time_base", "1:1000", "-c:v", "libvpx-vp9", "-deadline", "realtime")


@case("slides.avi", "pictures of 2, 1 and 3 s, at 5 frames a second that are repeated")
def _slides_avi(path: Path) -> None:
    _slide_show(path, "-r", "5", "-c:v", "mjpeg")


@case("slides.ts", "pictures of 2, 1 and 3 s")
def _slides_ts(path: Path) -> None:
    _slide_show(path, "-enc_time_base", "1:1000", *X264)


@case("two_slides.mp4", "two pictures, of 2 s and of 4 s")
def _two_slides(path: Path) -> None:
    ffmpeg(*QUIET, *picture(4, "1/2"), *X264, "-bf", "0", path.with_suffix(".mkv"))
    longer = "setts=duration=if(eq(N\\,1)\\,4/TB\\,2/TB)"
    ffmpeg(*QUIET, "-i", path.with_suffix(".mkv"), "-c", "copy", "-bsf:v", longer, path)


@case("still.mp4", "one picture for 1 s, and sound for 3")
def _still(path: Path) -> None:
    ffmpeg(*QUIET, *picture(1, "1"), *tone(3), "-map", "0", "-map", "1", *X264, *AAC, path)


@case("joined.ts", "two recordings, one after the other: the clock jumps back")
def _joined(path: Path) -> None:
    joined(path, both(path.with_name("one.ts")), both(path.with_name("two.ts"), "-vf", "negate"))


@case("joined_thrice.ts", "three recordings, the second of which began hours later")
def _joined_thrice(path: Path) -> None:
    names = ("one.ts", "two.ts", "three.ts")
    starts = ("0", "7200", "30")
    joined(path, *(both(path.with_name(name), "-output_ts_offset", at) for name, at in zip(names, starts, strict=True)))


@case("joined.vob", "two titles of a DVD, one after the other", rough=0.025)
def _joined_vob(path: Path) -> None:
    one = both(path.with_name("one.vob"), "-c:v", "mpeg2video", "-c:a", "ac3", "-f", "vob")
    joined(path, one, one)


@case(
    "film.vob",
    "a film on a DVD without time stamps: every third frame is shown for a field more",
    rough=0.02,
)
def _film_on_dvd(path: Path) -> None:
    plain = path.with_name("plain.m2v")
    ffmpeg(*QUIET, *picture(2, rate="24000/1001"), "-c:v", "mpeg2video", "-g", "12", "-bf", "0", "-f", "mpeg2video", plain)
    telecined = path.with_name("telecined.m2v")
    telecined.write_bytes(_telecined(plain.read_bytes()))
    ffmpeg(*QUIET, "-i", telecined, "-c", "copy", path)


def _telecined(data: bytes) -> bytes:
    """The same pictures for a screen of 60000/1001 fields a second (ISO/IEC 13818-2, 6.2.2 and 6.2.3.1)."""
    found, pictures, top_first = bytearray(data), 0, True
    for at in (each.start() for each in re.finditer(rb"\x00\x00\x01[\xb3\xb5]", data)):
        if found[at + 3] == 0xB3:
            found[at + 7] = found[at + 7] & 0xF0 | 4  # 30000/1001 frames a second
        elif found[at + 4] >> 4 == 1:
            found[at + 5] &= ~8  # frames aren't shown as a whole
        elif found[at + 4] >> 4 == 8:
            is_long = pictures % 3 == 0
            found[at + 7] = found[at + 7] & 0x7D | top_first << 7 | is_long << 1
            pictures, top_first = pictures + 1, top_first != is_long
    return bytes(found)


@case("gap.ts", "the signal is lost for 5 s")
def _gap(path: Path) -> None:
    joined(path, both(path.with_name("one.ts")), both(path.with_name("two.ts"), "-output_ts_offset", "7"))


@case("sound_later.ts", "joined recordings, of which the first has no sound")
def _sound_later(path: Path) -> None:
    joined(path, both(path.with_name("one.ts"), "-an", seconds=3), both(path.with_name("two.ts")))


@case("grows.ts", "joined recordings, of which the second has so many more pixels than the first that it is refused")
def _grows(path: Path) -> None:
    two = both(path.with_name("two.ts"), "-s", "1280x960", "-frames:v", "8", "-output_ts_offset", "2")
    joined(path, both(path.with_name("one.ts")), two, both(path.with_name("three.ts"), "-output_ts_offset", "4"))


@case("sound_jumps.ts", "the sound's time stamps jump back by 0.5 s in the middle", rough=0.04)
def _sound_jumps(path: Path) -> None:
    two = path.with_name("two.ts")
    ffmpeg(*QUIET, "-itsoffset", "1", *picture(), "-itsoffset", "0.5", *tone(), "-map", "0", "-map", "1", *X264, *AAC, two)
    joined(path, both(path.with_name("one.ts")), two)


@case("twins.mkv", "each time stamp comes twice", rough=0.04)
def _twins(path: Path) -> None:
    ffmpeg(*QUIET, *picture(), "-c:v", "mjpeg", path.with_name("whole.mkv"))
    ffmpeg(*QUIET, "-i", path.with_name("whole.mkv"), "-c", "copy", "-bsf:v", "setts=ts=floor(N/2)*80", path)


@case("trimmed.mp4", "cut without encoding: an edit list leaves out what comes before")
def _trimmed(path: Path) -> None:
    whole = both(path.with_name("whole.mp4"), "-g", "50", seconds=3)
    ffmpeg(*QUIET, "-ss", "1.2", "-i", whole, "-t", "1", "-c", "copy", path)


@case("old.avi", "H.264 with B-frames in an AVI")
def _old(path: Path) -> None:
    ffmpeg(*QUIET, *picture(2), *tone(2), *X264, "-c:a", "mp3", path)


@case("from_old.mkv", "H.264 with B-frames, copied from an AVI", rough=0.08)
def _from_old(path: Path) -> None:
    _old(path.with_suffix(".avi"))
    ffmpeg("-v", "fatal", "-fflags", "+genpts", "-i", path.with_suffix(".avi"), "-c", "copy", path)


@case("from_old.mp4", "H.264 with B-frames, copied from an AVI", rough=0.08)
def _from_old_mp4(path: Path) -> None:
    _old(path.with_suffix(".avi"))
    ffmpeg("-v", "fatal", "-i", path.with_suffix(".avi"), "-c", "copy", path)


@case("packed.avi", "packed B-frames: two pictures in one packet, then one that says that there is none")
def _packed(path: Path) -> None:
    plain = path.with_name("plain.avi")
    ffmpeg(*QUIET, *picture(2), *tone(2), "-c:v", "mpeg4", "-bf", "1", "-b_strategy", "0", "-vtag", "XVID", "-c:a", "mp3", plain)
    _pack(plain, path)


PACKED = b"\0\0\1\xb2DivX503b1393p\0"
NOT_CODED = b"\0\0\1\xb6" + bytes([0b0101_0000, 0b0010_0111])
"""A predicted picture without content (ISO/IEC 14496-2, 6.2.5): of 25 a second, the time takes 5 bits."""


def _pack(plain: Path, path: Path) -> None:
    """Put each B-frame into the packet before it, and a picture that isn't coded in its place, as DivX did."""
    data = plain.read_bytes()
    at = data.index(b"movi") + 4
    pieces: list[list[bytes]] = []
    while data[at : at + 4] in (b"00dc", b"01wb"):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        pieces.append([data[at : at + 4], data[at + 8 : at + 8 + size]])
        at += 8 + size + size % 2
    frames = [piece for piece in pieces if piece[0] == b"00dc"]
    for before, after in pairwise(frames):
        if _coding(after[1]) == 2:
            before[1] += after[1]
            after[1] = NOT_CODED
    first = frames[0][1].index(b"\0\0\1\xb6")
    frames[0][1] = frames[0][1][:first] + PACKED + frames[0][1][first:]
    movi = b"".join(kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2) for kind, body in pieces)
    head = data[: data.index(b"movi") - 4]
    content = head[8:] + (len(movi) + 4).to_bytes(4, "little") + b"movi" + movi
    path.write_bytes(b"RIFF" + len(content).to_bytes(4, "little") + content)


def _coding(packet: bytes) -> int:
    """0 intra, 1 predicted, 2 from both sides."""
    return packet[packet.index(b"\0\0\1\xb6") + 4] >> 6


@case("cut.ts", "cut off")
def _cut_ts(path: Path) -> None:
    cut(both(path.with_name("whole.ts"), seconds=2), path)


@case("cut.mkv", "cut off, with sizes")
def _cut_mkv(path: Path) -> None:
    cut(both(path.with_name("whole.mkv"), seconds=2), path)


@case("cut_live.mkv", "a live recording, cut off")
def _cut_live(path: Path) -> None:
    cut(both(path.with_name("whole.mkv"), "-live", "1", seconds=2), path)


@case("cut_fragments.mp4", "fragments, cut off in one of them")
def _cut_fragments(path: Path) -> None:
    cut(both(path.with_name("whole.mp4"), "-movflags", "frag_keyframe+empty_moov", seconds=2), path)


@case("cut.avi", "cut off")
def _cut_avi(path: Path) -> None:
    whole = path.with_name("whole.avi")
    ffmpeg(*QUIET, *picture(2), *tone(2), "-c:v", "mpeg4", "-c:a", "mp3", whole)
    cut(whole, path)


@case("cut.mp4", "cut off, the index comes first")
def _cut_mp4(path: Path) -> None:
    cut(both(path.with_name("whole.mp4"), "-movflags", "+faststart", seconds=2), path)


@case("cut.flv", "cut off")
def _cut_flv(path: Path) -> None:
    cut(both(path.with_name("whole.flv"), "-ar", "44100", seconds=2), path)


@case("cut.ogg", "cut off")
def _cut_ogg(path: Path) -> None:
    cut(both(path.with_name("whole.ogg"), "-c:v", "libtheora", "-bf", "0", "-c:a", "libvorbis", seconds=2), path)


@case("cut.wmv", "cut off")
def _cut_wmv(path: Path) -> None:
    ffmpeg(*QUIET, *picture(2), "-c:v", "wmv2", whole := path.with_name("whole.wmv"))
    cut(whole, path)


@case("cut.ivf", "cut off")
def _cut_ivf(path: Path) -> None:
    ffmpeg(*QUIET, *picture(2), "-c:v", "libvpx", "-auto-alt-ref", "0", whole := path.with_name("whole.ivf"))
    cut(whole, path)
