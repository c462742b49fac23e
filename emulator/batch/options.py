"""A task's containerRunOptions, as `docker create` reads them; what Docker wouldn't take is refused, and what isn't known here.

Source: https://docs.docker.com/reference/cli/docker/container/create/
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_TMPFS = re.compile(r"rw|ro|(no)?(exec|suid|dev)|mode=[0-7]{3,4}|size=\d+[kmg]?|[ug]id=\d+")
# Docker takes no less.
_LEAST_MEMORY = 6 * 2**20


class OptionsError(ValueError):
    """The options aren't what Docker takes."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionsError(message)


@dataclass(frozen=True)
class Options:
    """What of them the emulator goes by."""

    volumes: Mapping[str, str] = field(default_factory=dict)
    """Named volumes, by the path where the container has them."""
    memory: int | None = None
    """Bytes that the container's processes may use together."""
    read_only: bool = False
    user: int | None = None
    names: frozenset[str] = frozenset()
    """As they are written."""


def parse(text: str) -> Options:
    """The options in `text`. Raises OptionsError."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("-v", "--volume", action="append", default=[])
    for name in ("--tmpfs", "--cap-drop", "--security-opt", "--ulimit"):
        parser.add_argument(name, action="append", default=[])
    for name in ("--memory", "--memory-swap", "--memory-reservation", "--shm-size"):
        parser.add_argument(name, type=_bytes)
    parser.add_argument("--user")
    parser.add_argument("--cpus", type=float)
    parser.add_argument("--init", action="store_true")
    parser.add_argument("--pids-limit", type=int)
    parser.add_argument("--read-only", action="store_true")
    found = parser.parse_args(shlex.split(text))
    volumes = {path: name for name, _, path in (volume.partition(":") for volume in found.volume)}
    if not all(re.fullmatch(r"[a-z0-9][\w.-]*", name) and path.startswith("/") for path, name in volumes.items()):
        raise OptionsError(f"'{found.volume}' are no named volumes.")
    for tmpfs in found.tmpfs:
        path, _, options = tmpfs.partition(":")
        if not path.startswith("/") or not all(map(_TMPFS.fullmatch, options.split(","))):
            raise OptionsError(f"invalid tmpfs option {tmpfs!r}")
    if any(each not in ("no-new-privileges", "no-new-privileges:true") for each in found.security_opt):
        raise OptionsError(f"invalid --security-opt: {found.security_opt}")
    if found.memory and found.memory < _LEAST_MEMORY:
        raise OptionsError("Minimum memory limit allowed is 6MB")
    if found.memory_swap and (found.memory is None or found.memory_swap < found.memory):
        raise OptionsError("Minimum memoryswap limit should be larger than memory limit")
    names = frozenset(word.partition("=")[0] for word in shlex.split(text) if word.startswith("-"))
    user = int(found.user.partition(":")[0]) if found.user else None
    return Options(volumes, found.memory or None, found.read_only, user, names)


def of_body(body: Mapping[str, Any]) -> Options:
    """The options of a task's body."""
    return parse((body.get("containerSettings") or {}).get("containerRunOptions") or "")


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([bkmg]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"invalid size: '{text}'")
    return int(match[1]) * _UNITS[match[2]]
