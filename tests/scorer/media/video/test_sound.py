"""Sound that a result can't hold as it is: encoded again, each sample where it was, or left out with a note."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.media.video import copied, probe, trial
from scorer.media.video.sound import Recoder
from scorer.media.wanted import ResultContainer, Wanted
from tests.ffmpeg import run_ffmpeg
from tests.scorer.media.video.samples import LIMITS, audio_hashes, describe, ffmpeg, identity, make, stamps

RATE = 48_000
TONE = f"aevalsrc=if(gt(t\\,0.4)\\,0.5*sin(2*PI*440*t)\\,0):s={RATE}:d=1"
"""Nothing, and from 0.4 s on a tone."""


def sounding(path: Path, *arguments: str, start: float = 0) -> Path:
    """A second of video, and the tone `start` seconds later."""
    tone = ("-itsoffset", start, "-f", "lavfi", "-i", TONE, "-map", "0", "-map", "1")
    return make(path, *tone, "-pix_fmt", "yuv420p", *arguments, size="64x48", rate="25", seconds=1)


def heard(path: Path, track: int = 0) -> NDArray[np.int16]:
    """All samples from the first picture on, with silence before the first and in gaps, as ffmpeg plays them: mono."""
    start = round(float(stamps(path)[0]) * RATE)
    raw = ffmpeg(
        "-v", "error", "-copyts", "-i", path, "-map", f"0:a:{track}",
        "-af", f"aresample={RATE}:async=1:first_pts={start}:min_hard_comp=0.001", "-ac", "1", "-f", "s16le", "-",
    )  # fmt: skip
    return np.frombuffer(raw, np.int16)


def tone_at(samples: NDArray[np.int16]) -> float:
    """Seconds to where the tone begins."""
    return float(np.argmax(np.abs(samples) > 3000)) / RATE


def difference(before: NDArray[np.int16], after: NDArray[np.int16]) -> float:
    """The mean one of samples, where the two fit best: within 2 ms, since containers count those."""
    most, size = RATE * 2 // 1000, min(len(before), len(after))
    middle = before[most : size - most].astype(int)
    return min(float(np.abs(middle - after[lag : lag + len(middle)]).mean()) for lag in range(0, 2 * most, 2))


KINDS = [
    ("avi", "mpeg4", "pcm_mulaw", "flac"), ("mov", "libx264", "pcm_alaw", "flac"), ("m2ts", "libx264", "pcm_bluray", "flac"),
    ("mov", "libx264", "pcm_f32be", "flac"), ("avi", "mpeg4", "adpcm_ms", "aac"),
    ("mov", "libx264", "adpcm_ima_qt", "aac"), ("wmv", "wmv2", "wmav2", "aac"), ("3gp", "mpeg4", "libopencore_amrnb", "aac"),
    ("ts", "libx264", "aac", "aac"), ("flv", "flv1", "nellymoser", "aac"),
]  # fmt: skip
MORE = {
    "m2ts": ("-mpegts_m2ts_mode", "1"), "ts": ("-mpegts_flags", "latm"),
    "3gp": ("-ar", "8000", "-b:a", "12.2k"), "flv": ("-ar", "44100"),
}  # fmt: skip


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize(("suffix", "video", "codec", "becomes"), KINDS)
def test_sound_that_no_container_takes_is_encoded_again_where_it_was(
    tmp_path: Path, suffix: str, video: str, codec: str, becomes: str, container: ResultContainer
) -> None:
    path = sounding(tmp_path / f"in.{suffix}", "-c:v", video, "-c:a", codec, *MORE.get(suffix, ()))
    (note,) = probe(path, LIMITS, Wanted(container=container)).notes
    assert note.endswith(f"is re-encoded to {becomes.upper()}")
    out = identity(path, tmp_path, asked=Wanted(container=container))
    assert f"Audio: {becomes}" in describe(out)
    before, after = heard(path), heard(out)
    assert abs(tone_at(after) - tone_at(before)) < 0.002
    assert abs(len(after) - len(before)) <= 1024 + (suffix in ("3gp", "wmv")) * 2048  # a coder's last frame
    assert difference(before, after) < 400  # of 16,384


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize(("codec", "more"), [("pcm_mulaw", ()), ("adpcm_ima_qt", ("-ar", "44100"))])
def test_sound_that_starts_late_does_so_when_encoded_again(
    tmp_path: Path, container: ResultContainer, codec: str, more: tuple[str, ...]
) -> None:
    path = sounding(tmp_path / "in.mov", "-c:v", "libx264", "-c:a", codec, *more, start=0.5)
    before, after = heard(path), heard(identity(path, tmp_path, asked=Wanted(container=container)))
    assert abs(tone_at(before) - 0.9) < 0.01
    assert abs(tone_at(after) - tone_at(before)) < 0.002


def test_sound_without_loss_is_the_same_to_the_sample(tmp_path: Path) -> None:
    path = sounding(tmp_path / "in.avi", "-c:v", "mpeg4", "-c:a", "pcm_mulaw")
    assert (heard(identity(path, tmp_path)) == heard(path)).all()


def test_a_gap_stays_and_damaged_packets_are_silence(tmp_path: Path) -> None:
    whole = sounding(tmp_path / "whole.mkv", "-c:v", "libx264", "-c:a", "mp2")
    path = tmp_path / "in.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as result:
        copies = {stream.index: result.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        for packet in source.demux():
            at = float((packet.pts or 0) * packet.time_base)
            if packet.size and not (packet.stream.type == "audio" and 0.6 < at < 0.8):
                packet.stream = copies[packet.stream_index]
                result.mux(packet)
    before, after = heard(path), heard(recoded(path, tmp_path))
    assert (np.abs(after[int(0.66 * RATE) : int(0.76 * RATE)]) < 200).all()
    assert abs(len(before) - len(after)) <= 1024
    assert np.abs(after[int(0.85 * RATE) : int(0.9 * RATE)]).max() > 10_000


def recoded(path: Path, folder: Path) -> Path:
    """The sound as FLAC, although an mp4 could hold it: as where trying to copy it fails."""
    from scorer.media.video import tracks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracks, "_MP4_SOUND", set())
        return identity(path, folder, asked=Wanted(container="mp4"))


def test_numbers_that_are_none_end_no_coder(tmp_path: Path) -> None:
    path, raw = tmp_path / "in.mov", tmp_path / "in.raw"
    samples = (np.sin(np.arange(RATE) * 0.06) / 2).astype("<f4")
    samples[20_000:20_100], samples[30_000], samples[40_000] = np.nan, np.inf, 1e30
    raw.write_bytes(samples.tobytes())
    ffmpeg("-v", "error", "-f", "f32le", "-ar", RATE, "-ac", 1, "-i", raw, "-c:a", "pcm_f32le", path)
    with av.open(str(path)) as source, av.open(str(tmp_path / "out.mp4"), "w") as result:
        coder = Recoder(source.streams.audio[0], result, "aac", 10**6)
        for packet in source.demux(source.streams.audio[0]):
            result.mux(list(coder.take(packet)) if packet.size else [])
        result.mux(list(coder.end()))
    raw_out = ffmpeg("-v", "error", "-i", tmp_path / "out.mp4", "-f", "s16le", "-")
    assert abs(len(raw_out) // 2 - RATE) <= 1024


def test_sound_of_days_is_not_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sounding(tmp_path / "in.avi", "-c:v", "mpeg4", "-c:a", "adpcm_ms")
    monkeypatch.setattr(trial, "MOST_SECONDS", Fraction(1, 2))
    assert probe(path, LIMITS).notes == ("the sound (adpcm_ms) is left out, since it is too long to be encoded again",)


def test_no_more_is_made_than_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a packet says it becomes."""
    path = sounding(tmp_path / "in.avi", "-c:v", "mpeg4", "-c:a", "adpcm_ms")
    monkeypatch.setattr(copied, "MOST_SAMPLES", RATE // 2)
    assert RATE // 2 <= len(heard(identity(path, tmp_path))) < RATE * 3 // 4


def test_sound_may_be_dropped(tmp_path: Path) -> None:
    path = sounding(tmp_path / "in.mp4", "-c:v", "libx264", "-c:a", "aac")
    index = probe(path, LIMITS, Wanted(sound="drop"))
    assert index.notes == ()
    assert "Audio:" not in describe(identity(path, tmp_path, asked=Wanted(sound="drop")))


def test_sound_is_copied_where_an_mkv_is_asked_for_that_takes_it(tmp_path: Path) -> None:
    path = sounding(tmp_path / "in.mov", "-c:v", "libx264", "-c:a", "pcm_s16be")
    out = identity(path, tmp_path, asked=Wanted(container="mkv"))
    assert audio_hashes(out) == audio_hashes(path)
    out = identity(path, tmp_path, asked=Wanted(container="mp4"))
    assert "Audio: flac" in describe(out)
    assert (heard(out) == heard(path)).all()


@pytest.mark.parametrize("codec", ["aac", "libopus", "libmp3lame"])
@pytest.mark.parametrize("start", [0, 0.3])
def test_a_coders_run_up_moves_nothing_in_an_mkv(tmp_path: Path, codec: str, start: float) -> None:
    path = sounding(tmp_path / "in.mp4", "-c:v", "libx264", "-c:a", codec, start=start)
    out = identity(path, tmp_path, asked=Wanted(container="mkv"))
    assert [float(each) for each in stamps(out)] == pytest.approx([float(each) for each in stamps(path)], abs=0.001)
    first, second = (float(stamps_of_sound(each)[0]) for each in (path, out))
    assert first == pytest.approx(second, abs=0.0015)
    assert abs(tone_at(heard(out)) - tone_at(heard(path))) < 0.002


def test_a_run_up_that_an_mkv_tells_of_stays_to_the_sample(tmp_path: Path) -> None:
    path = sounding(tmp_path / "in.mkv", "-c:v", "libx264", "-c:a", "aac", "-ar", "44100")
    out = identity(path, tmp_path, asked=Wanted(container="mkv"))
    assert stamps_of_sound(out) == stamps_of_sound(path)


def stamps_of_sound(path: Path) -> list[str]:
    """When each of ffmpeg's pieces of sound is heard."""
    done = run_ffmpeg("-copyts", "-i", path, "-map", "0:a", "-af", "ashowinfo", "-f", "null", "-")
    assert done.code == 0, done.stderr.decode()
    return re.findall(r"pts_time:\s*(\S+)", done.stderr.decode())


@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_pieces_shorter_than_a_millisecond_stay_where_they_were(tmp_path: Path, kind: ResultContainer) -> None:
    path = sounding(tmp_path / "in.mkv", "-c:a", "truehd", "-strict", "-2")
    before, after = (heard(each) for each in (path, identity(path, tmp_path, asked=Wanted(container=kind))))
    assert abs(len(before) - len(after)) <= RATE / 1000
    assert abs(tone_at(before) - tone_at(after)) < 0.001


def test_a_track_without_packets_is_left_out_with_a_note(tmp_path: Path) -> None:
    """A broadcast lists tracks that nothing is sent on."""
    full = sounding(tmp_path / "full.ts", "-c:v", "libx264", "-c:a", "ac3")
    path = tmp_path / "in.ts"
    sound_pid = 0x101
    data = full.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    path.write_bytes(b"".join(each for each in packets if int.from_bytes(each[1:3], "big") & 0x1FFF != sound_pid))
    assert "Audio: ac3" in describe(path)
    assert probe(path, LIMITS).notes == ("the sound (ac3) is left out, since there is nothing in it",)
    assert "Audio:" not in describe(identity(path, tmp_path))
