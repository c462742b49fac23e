"""What two tasks on one node told, against what they should have found."""

from __future__ import annotations

from collections.abc import Iterator

from scorer.check.findings import Finding, good, wrong
from scorer.check.known import TOLERANCE, difference
from scorer.check.probe import Facts
from scorer.deployment import Deployment

# CUDA 13, which the image's torch comes with, needs a driver of this release:
# https://docs.nvidia.com/deploy/cuda-compatibility/
LEAST_DRIVER = 580

_IMAGE = "the image is another one than this version's: set image to 'build' and pulumi up, or build yours from this checkout"
_USER = "update scorer: its jobs run all tasks of a node as one user; if they do, see the stack's containerOptions"
_ROLES = "pulumi refresh, then pulumi up; a new role takes up to ten minutes"


def judge(first: Facts, second: Facts, target: Deployment, *, same_node: bool) -> Iterator[Finding]:
    """A finding for each thing that tasks need."""
    yield _node_folder(first, second, same_node=same_node)
    yield _slots(first, second)
    yield _gpu(first, target)
    yield _driver(first)
    yield good("token", "nodes get one for storage") if not first.token else wrong("token", first.token, _ROLES)
    yield _stores(first, second)
    yield _frame(first)


def _node_folder(first: Facts, second: Facts, *, same_node: bool) -> Finding:
    """Whether a second task can use what a first one made: else each fetches the video again, or can't work at all."""
    name, users = "node's folder", f"{first.uid}:{first.gid} and {second.uid}:{second.gid}"
    if problem := first.shared or second.shared:
        return wrong(name, f"tasks run as {users}, and what they share can't be used: {problem}", _USER)
    if not same_node:
        return wrong(name, "Batch ran the second task on another node than the first", "run it again")
    if not second.found:
        return wrong(name, f"tasks run as {users}, and the second can't use what the first has fetched", _USER)
    return good(name, f"two tasks share it, as {users}")


def _slots(first: Facts, second: Facts) -> Finding:
    if problem := first.slot or second.slot:
        return wrong("slots", problem, _USER)
    return good("slots", "each task takes one, and its GPU")


def _gpu(facts: Facts, target: Deployment) -> Finding:
    """Whether the container has the node's GPUs, and torch can use them."""
    seen = f"{facts.gpus} of {facts.promised} GPUs, torch {facts.torch or 'is missing'}"
    if not facts.promised:
        return good("GPUs", f"none are promised to tasks; {_computes(facts)}")
    if facts.gpus >= facts.promised:
        return good("GPUs", f"{seen}, {target.gpu_size}")
    if not facts.variable:
        return wrong(
            "GPUs", f"{seen}: the image has no NVIDIA_VISIBLE_DEVICES, without which containers get no GPU",
            "ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video in the image",
        )  # fmt: skip
    if not facts.torch:
        return wrong("GPUs", f"{seen}, without which no GPU is used", _IMAGE)
    if not facts.devices:
        return wrong(
            "GPUs", f"{seen}: the container has no /dev/nvidia0", "portal > Batch account > pool > nodes: remove the node"
        )
    return wrong("GPUs", f"{seen}: the driver ({facts.driver or 'of no version'}) may be older than torch's CUDA", _newer())


def _newer() -> str:
    return f"pulumi config set nodeImageVersion VERSION, one of 2026 with a driver of {LEAST_DRIVER} or newer, then pulumi up"


def _driver(facts: Facts) -> Finding:
    if not facts.promised and not facts.driver:
        return good("driver", "none is needed without GPUs")
    if not facts.driver:
        return wrong("driver", "the container doesn't see NVIDIA's driver", _newer())
    if int(facts.driver.partition(".")[0]) < LEAST_DRIVER:
        return wrong("driver", f"{facts.driver}, and CUDA 13 needs {LEAST_DRIVER}", _newer())
    return good("driver", facts.driver)


def _stores(first: Facts, second: Facts) -> Finding:
    problems = {name: text for facts in (first, second) for name, text in facts.stores.items() if text}
    if problems:
        return wrong("nodes' stores", "; ".join(f"{name}: {text}" for name, text in problems.items()), _ROLES)
    if not first.stores:
        return wrong("nodes' stores", "they weren't looked at without a token", _ROLES)
    return good("nodes' stores", f"{', '.join(first.stores)}: what tasks may do works, what they may not is refused")


def _frame(facts: Facts) -> Finding:
    if facts.styling:
        return wrong("frame", facts.styling, _IMAGE)
    worst = difference(facts.frame)
    if worst > TOLERANCE:
        return wrong(
            "frame", f"the styled frame differs by {worst:.0f} of 255 levels from the known one ({facts.runtime})", _IMAGE
        )
    return good("frame", f"as it should be, to {worst:.1f} of 255 levels; {_computes(facts)}")


def _computes(facts: Facts) -> str:
    return f"computed by {facts.runtime}" if facts.runtime else "nothing was computed"
