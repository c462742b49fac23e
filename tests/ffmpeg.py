"""The ffmpeg program, the independent source for all that is said of videos.

What it makes or says of the same bytes is the same, and is kept while a session of tests lasts: to start it takes a tenth of a
second of a processor, and many tests begin with the same clip.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

_MOST = 2**22
"""Bytes: what is larger isn't kept."""
_folder: Path | None = None


class Done(NamedTuple):
    """How the program ended, what it said, and what it wrote into the file that is its last argument."""

    code: int
    stdout: bytes
    stderr: bytes
    written: bytes | None


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Keep what is made and said in `folder`, which processes may share."""
    global _folder  # noqa: PLW0603  # one for all of a process, as the program is
    before, _folder = _folder, folder
    yield
    _folder = before


def run_ffmpeg(*arguments: object) -> Done:
    """Run the program, or write and tell what it did before."""
    words = [*map(str, arguments)]
    out = None if words[-1] == "-" or words[-2:-1] == ["-i"] else Path(words[-1])
    key = _key(words[:-1] if out else words, out)
    if key is not None and key.exists():
        done: Done = pickle.loads(key.read_bytes())  # noqa: S301  # our own
        if out and done.written is not None:
            out.write_bytes(done.written)
        return done
    ended = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", *words], capture_output=True, check=False
    )
    written = out.read_bytes() if key and out and out.is_file() and out.stat().st_size <= _MOST else None
    done = Done(ended.returncode, ended.stdout, ended.stderr, written)
    if key and len(ended.stdout) <= _MOST and (out is None or written is not None):
        made = key.with_suffix(f".{os.getpid()}")
        made.write_bytes(pickle.dumps(done))
        made.replace(key)
    return done


def _key(words: Sequence[str], out: Path | None) -> Path | None:
    """Where it is kept; None where files may matter that aren't arguments themselves, or are many."""
    known = hashlib.sha256(repr(out and out.suffix).encode())
    for word in words:
        if os.path.isfile(word):  # noqa: PTH113  # a word may be too long for a name
            known.update(f"\0{Path(word).name}\0".encode() + hashlib.sha256(Path(word).read_bytes()).digest())
        elif tempfile.gettempdir() in word:
            return None
        else:
            known.update(f"\0{word}\0".encode())
    is_one = out is None or ("%" not in out.name and "concat" not in words)
    return _folder / known.hexdigest() if _folder and is_one else None
