"""Names of files are the protocol of steps, machines and versions: the whole list, and no second place that spells one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from scorer.documents import paths

ROOT = Path(__file__).parents[3]
JOB, KEY = "film-0123456789abcdef0123", "000003-89abcdef01234567"

WIRE = {
    "input": [
        "requests/acme/film.sha256-0f.json", "shares/film-0123456789abcdef0123.json", "shared", "videos", "frames", "styles",
    ],
    "output": [
        "status.json", "report.html", "rejected.json", "summary.json", "original", ".writable",
        "result.mp4", "result.mkv", "result.mov", "result/", f"{JOB}/result/2",
    ],
    "work": [
        "plan.json", "result.json", f"{JOB}/parts/{KEY}.json", f"{KEY}-ab.nut", f"{JOB}/parts/{KEY}-0000042-before.jpg",
        f"{JOB}/claims/{KEY}.json", f"{JOB}/failed/{KEY}.json", f"{JOB}/failed/{KEY}.frames-12", f"{JOB}/failed/{KEY}.try-8",
        "answered", "attempts", "senders",
    ],
    "logs": [f"{JOB}/000003.jsonl", f"{JOB}/tasks/3", f"{JOB}/tasks/"],
    "quarantine": ["request.json"],
    "scripts": ["packages/shade-1/package.json", "packages/shade-1/files/shade.whl"],
}  # fmt: skip


def test_nothing_on_the_wire_moves() -> None:
    said = {
        "input": [
            paths.bound_request("acme", "film", "0f"), paths.share(JOB), paths.SHARED, paths.VIDEOS, paths.FRAMES, paths.STYLES,
        ],
        "output": [
            paths.STATUS, paths.REPORT, paths.REJECTED, paths.SUMMARY, paths.ORIGINAL, paths.WRITABLE,
            *paths.RESULT_VIDEOS, paths.RESULT_IMAGES, paths.probe_folder(JOB, 2),
        ],
        "work": [
            paths.PLAN, paths.MERGED, paths.part(JOB, KEY), paths.part_file(KEY, "ab", "nut"),
            paths.sample(JOB, KEY, 42, "before"),
            paths.claim(JOB, KEY), paths.failure(JOB, KEY), paths.mark(JOB, KEY, "frames", 12), paths.mark(JOB, KEY, "try", 8),
            paths.ANSWERED, paths.ATTEMPTS, paths.SENDERS,
        ],
        "logs": [paths.records(JOB, 3), paths.task_logs(JOB, "3"), paths.task_logs(JOB)],
        "quarantine": [paths.REQUEST],
        "scripts": [paths.package("shade-1"), paths.package_file("shade-1", "shade.whl")],
    }  # fmt: skip
    assert said == WIRE
    assert get_args(paths.ResultName) == (*paths.RESULT_VIDEOS, paths.RESULT_IMAGES)


# Words that are no sentence, and name a file or a folder of a job.
SPELLED = re.compile(
    r"(.*/)?((status|rejected|summary|plan|result|request)\.json|report\.html|\.writable|result\.(mp4|mkv|mov)|result/.*"
    r"|(parts|failed|claims|requests|shares|answered|attempts|senders|packages|(?<!batch/)tasks)/.*)"
)


def _literals(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def test_no_other_module_spells_a_name() -> None:
    modules = [path for room in ("scorer", "stacks") for path in sorted((ROOT / room).rglob("*.py"))]
    found = {
        (path.relative_to(ROOT).as_posix(), text)
        for path in modules
        for text in _literals(path)
        if SPELLED.fullmatch(text) and path.name != "paths.py"
    }
    assert not found
