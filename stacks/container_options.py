"""What the containers of tasks are made with, beside their volumes: media of strangers are decoded in them.

Azure Batch reads these options itself before it hands them on to Docker, and refuses a task with ContainerInvalidSettings where
it doesn't know one (https://github.com/Azure/Batch/issues/39). No public use of `--cap-drop` and `--security-opt` was found, so
what is refused can be left out, by a setting.
"""

from __future__ import annotations

import re
import shlex

# What the image's programs write beside their volumes, none of it large: caches, and what compilers make and load. It is memory.
_SCRATCH = "rw,exec,nosuid,nodev,mode=1777,size=1g"
MEMORY = "{memory}"
CONTAINER_OPTIONS = (
    f"--read-only --tmpfs /tmp:{_SCRATCH} --tmpfs /work:{_SCRATCH} --cap-drop ALL --security-opt no-new-privileges "
    f"--pids-limit 4096 --memory {MEMORY} --memory-swap {MEMORY}"
)
"""The default: the root file system is read-only, no rights beside the user's, and limits. The largest size has 96 cores."""

_SIZE = rf"\d+[bkmg]?|{re.escape(MEMORY)}"
# By option, what its value may be; None: it has none. Nothing here opens a container further than Docker does by itself.
_KNOWN: dict[str, str | None] = {
    "--read-only": None,
    "--init": None,
    "--tmpfs": r"/[\w/-]+(:[\w,=]+)?",
    "--cap-drop": r"\w+",
    "--security-opt": r"no-new-privileges(:true)?",
    "--pids-limit": r"\d+",
    "--memory": _SIZE,
    "--memory-swap": _SIZE,
    "--memory-reservation": _SIZE,
    "--shm-size": _SIZE,
    "--cpus": r"\d+(\.\d+)?",
    "--ulimit": r"\w+=\d+(:\d+)?",
    "--user": r"\d+(:\d+)?",
}


def check_options(text: str) -> str:
    """Check the options, which may be none. Raises ValueError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError("can't be read: a quotation mark lacks its other one") from error
    options = {word.partition("=")[0] for word in words}
    if "--memory-swap" in options and "--memory" not in options:
        # https://docs.docker.com/engine/containers/resource_constraints/#--memory-swap-details
        raise ValueError("has '--memory-swap' without '--memory', which Docker refuses: set both or neither")
    while words:
        option, equals, value = words.pop(0).partition("=")
        if option not in _KNOWN:
            raise ValueError(f"has '{option}', which is no option that containers here may have: take of {', '.join(_KNOWN)}")
        pattern = _KNOWN[option]
        if pattern is None:
            if equals:
                raise ValueError(f"has a value for '{option}', which takes none")
            continue
        if not equals:
            value = words.pop(0) if words else ""
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"has '{value}' for '{option}', which it can't be: the default is a pattern to go by")
    return text
