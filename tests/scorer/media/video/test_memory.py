"""What a probe finds is in the file: whatever lay in memory that a demuxer doesn't write, the answer is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cases import VIDEOS
from tests.fuzz.cases import FORMATS, Case

_PROBE = """
import sys
from pathlib import Path
from scorer.errors import ScorerError
from scorer.media.limits import Limits
from scorer.media.video import probe
for path in map(Path, sys.stdin.read().split()):
    try:
        index = probe(path, Limits())
        print(path.name, index.info.model_dump_json(), *index.pts, *index.key_pts, *index.notes)
    except ScorerError as error:
        print(path.name, error)
"""


def found(paths: list[Path], byte: int) -> list[str]:
    """What a process finds of each of them whose memory is full of this byte (glibc's mallopt, M_PERTURB)."""
    environment = os.environ | {"MALLOC_PERTURB_": str(byte)}
    names = "\n".join(map(str, paths))
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], input=names, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout.splitlines()


def test_memory_that_nobody_wrote_changes_nothing(tmp_path: Path) -> None:
    paths = []
    for number, twists in enumerate([{}, {"0.elst.count": 2}, {"1.elst.count": 2}, {"0.stsz.constant": 1, "0.elst.count": 2}]):
        for media in FORMATS["mp4"].media:
            for sound in FORMATS["mp4"].sounds:
                paths.append(tmp_path / f"{number}{media}{sound}.mov")
                paths[-1].write_bytes(Case("mp4", media, sound, twists | {"fragments": 2}).data())
    assert found(paths, 1) == found(paths, 170)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_memory_changes_nothing_of_what_people_have(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / name for name in VIDEOS if name.endswith(suffix)]
    for path in paths:
        VIDEOS[path.name].make(path)
    assert found(paths, 1) == found(paths, 170)
