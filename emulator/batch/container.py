"""What a task's container is on its node: its image's variables and folders, its user, and whether it sees GPUs.

Tasks are processes, so nothing of the image runs: its Dockerfile is read, whatever reference a task names.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from autoscale.gpu_sizes import SIZES

Json = Mapping[str, Any]

DOCKERFILE = Path(__file__).resolve().parents[2] / "images/scorer/Dockerfile"
POOL_USER, FIRST_TASK_USER = 61000, 61001
# By which NVIDIA's container runtime knows what is wanted, if anything:
# https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
DEVICES, CAPABILITIES = "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"
NEEDED = {"compute", "utility"}


@dataclass(frozen=True)
class Image:
    """What the emulator goes by."""

    environment: Mapping[str, str]
    modes: Mapping[str, int]
    """Of folders that the image makes: Docker gives a new volume the mode of what it covers."""


@cache
def read_image(dockerfile: Path = DOCKERFILE) -> Image:
    """The image that the last stage of a Dockerfile makes, on the stages that it stands on."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    stages: dict[str, Image] = {}
    made = Image({}, {})
    for stage in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]:
        first, *lines = stage.splitlines()
        base, *named = re.split(r" AS ", first.strip(), flags=re.IGNORECASE)
        made = _stage(stages.get(base, Image({}, {})), lines)
        stages |= dict.fromkeys(named, made)
    return made


def _stage(base: Image, lines: list[str]) -> Image:
    environment, modes = dict(base.environment), dict(base.modes)
    for line in lines:
        command, _, rest = line.partition(" ")
        if command == "ENV":
            environment |= dict(word.split("=", 1) for word in shlex.split(rest))
        if command == "RUN":
            for mode, folders in re.findall(r"mkdir --mode=([0-7]+) ([\w /]+)", rest):
                modes |= dict.fromkeys(folders.split(), int(mode, 8))
    return Image(environment, modes)


def sees_gpus(environment: Mapping[str, str], size: str) -> bool:
    """Whether a container with these variables has the GPUs of its machine, if that has any, as CUDA needs them."""
    found = {name.lower(): each.gpus for name, each in SIZES.items()}
    capabilities = set(environment.get(CAPABILITIES, "utility").split(","))
    wanted = environment.get(DEVICES, "") not in ("", "void", "none")
    return wanted and (capabilities >= NEEDED or "all" in capabilities) and found.get(size.lower(), 0) > 0


def user_of(body: Json, what: str, chosen: int | None, fresh: Iterator[int]) -> int:
    """The user in the container: the one that its options name (`chosen`), or the one that Batch runs the task as.

    Not the image's own, since Batch may well say which, and nobody has confirmed that it doesn't. Without a userIdentity a
    preparation is a user of the pool, anything else a new one of its own: `user_identity` in azure.batch.models.
    """
    if chosen is not None:
        return chosen
    auto = (body.get("userIdentity") or {}).get("autoUser") or {}
    if auto.get("elevationLevel") == "admin":
        return 0
    pooled = auto["scope"] == "pool" if "scope" in auto else what == "jobpreparation" and not auto
    return POOL_USER if pooled else next(fresh)
