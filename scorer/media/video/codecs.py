"""The codecs that videos of strangers may have: what cameras, phones, editors and recorders write, of the library's hundreds.

Each decoder is a program that a stranger's bytes run through, and the rare ones are those that nobody looks after.
"""

from __future__ import annotations

CODECS = frozenset((
    # what is made today
    "h264", "hevc", "vvc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "mjpeg", "theora",
    # of cameras and editors
    "prores", "dnxhd", "cfhd", "dvvideo", "jpeg2000", "hap", "v210", "rawvideo",
    # without loss
    "ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "lagarith", "png", "qtrle", "gif",
    # of archives
    "mpeg1video", "h263", "flv1", "vp6", "vp6f", "wmv1", "wmv2", "wmv3", "vc1", "msmpeg4v2", "msmpeg4v3",
    "svq1", "svq3", "cinepak",
))  # fmt: skip
"""Of the picture."""

_DECODERS_BY_ANOTHER_NAME = ("libdav1d", "libvpx", "libvpx-vp9", "flv", "msmpeg4", "mpegvideo")
"""How the library calls the decoders of some of them."""

SOUND = (
    "aac", "aac_latm", "aac_fixed", "mp3", "mp3float", "mp2", "mp2float", "mp1", "mp1float", "ac3", "eac3", "dca", "truehd",
    "mlp", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "wavpack", "tta", "speex", "libspeex",
    "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice", "amrnb", "amrwb", "gsm", "gsm_ms", "nellymoser", "qdm2",
    "pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
    "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_bluray", "pcm_dvd", "s302m",
    "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_swf", "adpcm_yamaha", "adpcm_g722", "adpcm_g726", "mace3", "mace6",
)  # fmt: skip
_SUBTITLES = ("mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "dvbsub", "dvdsub", "pgssub")

DECODERS = (*sorted(CODECS), *_DECODERS_BY_ANOTHER_NAME, *SOUND, *_SUBTITLES)
"""By the library's names of decoders. Those of sound and subtitles are there to complete what headers leave out, and for
tracks that a result can't hold as they are."""
