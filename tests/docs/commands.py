"""Commands that documents and scripts tell people to type, taken apart; and what the Azure CLI says of its own.

The Azure CLI is too large to install for tests, so what it offers is kept: `python -m tests.docs.commands AZ` asks the program AZ
of each command that is used anywhere, and writes az-commands.json.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(__file__).with_name("az-commands.json")
DOCUMENTS = (
    "README.md", "CONTRIBUTING.md", "SECURITY.md", "stacks/README.md", "images/README.md", "logicapp/README.md",
    "examples/pipelines/README.md", "examples/README.md", "examples/edges/README.md",
    "docs/running.md", "docs/creating.md", "docs/models.md", "docs/jobs-on-azure.md",
    "docs/operations.md", "docs/troubleshooting.md", "docs/architecture.md", "docs/benchmarks.md", "docs/quality.md",
)  # fmt: skip
PROGRAMS = ("az", "pulumi", "scorer", "make")


def texts() -> Iterator[tuple[str, str]]:
    """Each document's and each script's name, and what of it is code."""
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        blocks = [line[4:] for line in text.splitlines() if line.startswith("    ")]
        spans = re.findall(r"`([^`]+)`", "\n".join(line for line in text.splitlines() if not line.startswith("    ")))
        yield name, "\n".join([*blocks, *(" ".join(span.split()) for span in spans)])
    for path in sorted((ROOT / "examples/pipelines").rglob("*.*")):
        if path.suffix in (".sh", ".yml"):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8").replace('"$action"', "add")


def _calls(text: str) -> list[str]:
    """The code line by line: continued lines joined, comments gone, what runs inside another command on a line of its own."""
    lines = text.replace("\\\n", " ").splitlines()
    joined = "\n".join(line.split(" #")[0] for line in lines if not line.lstrip().startswith("#"))
    inner = re.compile(r"\$\(([^()]*)\)")
    while found := inner.search(joined):
        joined = joined[: found.start()] + "INNER" + joined[found.end() :] + "\n" + found[1]
    return joined.splitlines()


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The words of each call of `program`."""
    for line in _calls(text):
        for match in re.finditer(rf"(?:^|[\s(/]){program} (?=[a-z])", line):
            # What follows a pipe, an end or a redirection is another program's.
            rest = re.split(r"\s(?:\||&&|\|\||>|2>|>>)|[;`)]|:(?=\s|$)", line[match.end() :])[0]
            try:
                yield shlex.split(rest)
            except ValueError:  # a quote that is closed after the end
                yield rest.replace('"', "").replace("'", "").split()


def split(words: list[str]) -> tuple[str, set[str]]:
    """The command (its words before the first option or value), and its options."""
    names = []
    for word in words:
        if not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        names.append(word)
    return " ".join(names), {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}


def _asked(az: str, command: str) -> list[str]:
    done = subprocess.run([az, *command.split(), "--help"], capture_output=True, text=True, check=True)
    return sorted(
        set(re.findall(r"^ +(--[a-z0-9-]+)", done.stdout, re.MULTILINE)) | set(re.findall(r" (--[a-z0-9-]+)(?= )", done.stdout))
    )


def main(az: str) -> None:
    """Write down what the Azure CLI knows of each command that is used, where that isn't known yet."""
    known = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    used = {split(words)[0] for _, text in texts() for words in commands(text, "az")}
    told = {command: known.get(command) or _asked(az, command) for command in sorted(used)}
    KEPT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
