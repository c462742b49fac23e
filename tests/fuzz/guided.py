"""Looking at files in this process, guided by which code of ours and of Pillow they reach: `python -m tests.fuzz.guided SECONDS`.

A file that ends the process is the one in `Hunt.current`. What was reached is kept in .fuzz, from where the next hunt goes on.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import atheris
from hypothesis import HealthCheck, Phase, given, settings

with atheris.instrument_imports(include=["scorer.frames", "scorer.media.style_image", "scorer.media.video", "PIL"]):
    from scorer.errors import ScorerError
    from scorer.media.limits import Limits
    from scorer.media.video import probe
    from tests.fuzz.cases import FORMATS, IMAGES, Case, cases
    from tests.fuzz.checks import LIMITS, check_index, refusal, use_image, use_video
    from tests.fuzz.finds import STATE, Hunt

MEMORY = 3 * Limits().probe_memory_mb << 20


def main(seconds: int) -> None:
    """Hunt for so long."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    hunt, folder = Hunt("guided"), TemporaryDirectory()

    @settings(database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(cases(FORMATS))
    def holds(case: Case) -> None:
        hunt.begin(case)
        told = look(case, Path(folder.name))
        if told and hunt.is_new(told):
            hunt.keep(case, told, 0)

    corpus = STATE / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", "-rss_limit_mb=0", "-timeout=60", "-max_len=2048", "-verbosity=0"]
    test: Any = holds  # its types don't know of this way in
    atheris.Setup([sys.argv[0], str(corpus), *options, f"-artifact_prefix={STATE}/"], test.hypothesis.fuzz_one_input)
    atheris.Fuzz()


def look(case: Case, folder: Path) -> str:
    """What is wrong with it; nothing where no promise is broken."""
    path = folder / f"case{case.ending}"
    path.write_bytes(case.data())
    with contextlib.suppress(MemoryError):
        try:
            if case.format in IMAGES:
                use_image(path)
            else:
                _look_at_video(path, folder)
        except Exception:
            return traceback.format_exc()
    return ""


def _look_at_video(path: Path, folder: Path) -> None:
    try:
        check_index(probe(path, LIMITS), LIMITS)
    except ScorerError as error:
        refusal(error)
        return
    with TemporaryDirectory(dir=folder) as parts:
        use_video(path, Path(parts))


if __name__ == "__main__":
    main(int(sys.argv[1]))
