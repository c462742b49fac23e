"""Children that look at one file after the other under limits, for a start costs more than a look.

    python -m tests.fuzz.worker use             looks at the files that are named on standard input, one a line
    python -m tests.fuzz.worker probe ORDERS    is locked in as the product's own child, and looks at what stands in its
                                                standard input at the time, once for each question that comes from ORDERS

Each answer is a line of JSON on standard output.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from scorer.media.limits import Limits
from scorer.sandbox.answer import Question
from scorer.sandbox.child import ANSWER, examine
from scorer.sandbox.lock import end_with, lock_in
from tests.fuzz.cases import IMAGES
from tests.fuzz.checks import use_image, use_video

READY = b"ready"
"""Said once all is in place: what happens from then on is the files' doing."""
OUT_OF_MEMORY = 12
"""An exit code."""


def main() -> None:
    """Answer until there are no more questions."""
    end_with(os.getppid())
    if sys.argv[1] == "use":
        _use()
    else:
        _probe(int(sys.argv[2]))


def _probe(orders: int) -> None:
    Image.preinit()
    limits = Limits()
    lock_in(limits.probe_seconds, limits.probe_memory_mb, ANSWER, required=True)
    _say(READY)
    asked = b""
    while more := os.read(orders, 65_536):
        *questions, asked = (asked + more).split(b"\n")
        for question in questions:
            answer = examine(Question.model_validate_json(question))
            _say(answer.model_dump_json().encode())


def _use() -> None:
    memory = Limits().probe_memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _say(READY)
    endings = {form.ending for form in IMAGES.values()}
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        try:
            with TemporaryDirectory(dir=path.parent) as folder:
                outcome = use_image(path) if path.suffix in endings else use_video(path, Path(folder))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)  # what is left of the libraries' state is not to be trusted
        except BaseException:
            outcome = {"end": "broken", "told": traceback.format_exc()}
        _say(json.dumps(outcome).encode())


def _say(line: bytes) -> None:
    line += b"\n"
    while line:
        line = line[os.write(ANSWER, line) :]


if __name__ == "__main__":
    main()
