"""What goes with the pictures: several sounds, subtitles, fonts, covers, colours, what screens are told."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.cases.cases import AAC, QUIET, X264, add_plain, both, case, picture, tone
from tests.scorer.media.video.samples import ffmpeg

LINES = "1\n00:00:00,100 --> 00:00:00,500\nHello\n\n2\n00:00:00,600 --> 00:00:00,900\nWorld\n"
HDR10 = (
    "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:repeat-headers=1:max-cll=1000,400:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
)  # fmt: skip


def subtitled(path: Path, *arguments: object) -> None:
    """Pictures, two sounds and the subtitles of a file, input 3."""
    lines = path.with_name("lines.srt")
    lines.write_text(LINES)
    ffmpeg(*QUIET, *picture(), *tone(), *tone(pitch=880), "-i", lines, *X264, *arguments, path)


@case("film.mkv", "two sounds, subtitles as srt and ass, a font")
def _film(path: Path) -> None:
    font = path.with_name("font.ttf")
    font.write_bytes(bytes(2000))
    maps = [piece for number in (0, 1, 2, 3, 3) for piece in ("-map", number)]
    attached = ("-attach", font, "-metadata:s:t", "mimetype=application/x-truetype-font")
    subtitled(path, *maps, *AAC, "-c:s:0", "srt", "-c:s:1", "ass", "-disposition:s:0", "forced", *attached)


@case("texted.mp4", "subtitles as mov_text")
def _texted_mp4(path: Path) -> None:
    subtitled(path, "-map", "0", "-map", "1", "-map", "3", *AAC, "-c:s", "mov_text")


@case("texted.mov", "subtitles as mov_text, sound as PCM")
def _texted_mov(path: Path) -> None:
    subtitled(path, "-map", "0", "-map", "1", "-map", "3", "-c:a", "pcm_s16le", "-c:s", "mov_text")


@case("two.mkv", "two videos")
def _two(path: Path) -> None:
    ffmpeg(*QUIET, *picture(), *picture(more=",negate"), *tone(), "-map", "0", "-map", "1", "-map", "2", *X264, *AAC, path)


@case("cover.mp4", "a cover picture")
def _cover(path: Path) -> None:
    plain, cover = both(path.with_name("plain.mkv")), path.with_name("cover.jpg")
    Image.new("RGB", (64, 64), "red").save(cover)
    ffmpeg(*QUIET, "-i", plain, "-i", cover, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic", path)


def add_sound(name: str, what: str, *arguments: str) -> None:
    """A case of a sound, with pictures that its container takes."""
    case(name, what)(lambda path: ffmpeg(*QUIET, *picture(), *tone(), *arguments, path))


add_sound("mulaw.avi", "sound as μ-law", "-c:v", "mpeg4", "-c:a", "pcm_mulaw")
add_sound("bluray.m2ts", "sound as a Blu-ray's PCM", *X264, "-c:a", "pcm_bluray", "-mpegts_m2ts_mode", "1")
add_sound("adpcm.avi", "sound as ADPCM", "-c:v", "mpeg4", "-c:a", "adpcm_ms")
add_sound("windows.wmv", "sound as WMA", "-c:v", "wmv2", "-c:a", "wmav2")
add_sound("phone.3gp", "sound as AMR", "-c:v", "mpeg4", "-c:a", "libopencore_amrnb", "-ar", "8000", "-b:a", "12.2k")
add_sound("latm.ts", "sound as AAC in LATM", *X264, *AAC, "-mpegts_flags", "latm")
add_plain("timecode.mov", "a time code", "-timecode", "10:00:00:00")
add_sound("hdr10.mp4", "HDR10", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", HDR10, *AAC)
add_sound("woven.mp4", "interlaced", "-vf", "interlace=scan=tff", "-flags", "+ilme+ildct", *X264, *AAC)
add_sound("ycgco.mkv", "colours as YCgCo", "-vf", "format=gbrp,zscale=matrix=ycgco,format=yuv420p", "-c:v", "ffv1", *AAC)
