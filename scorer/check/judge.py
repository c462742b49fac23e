"""What two tasks on one node told, against what they should have found."""

from __future__ import annotations

from collections.abc import Iterator

from scorer.check.findings import Finding, good, left_out, wrong
from scorer.check.known import TOLERANCE, difference
from scorer.check.options import set_options
from scorer.check.probe import Facts
from scorer.documents.deployment import Deployment
from scorer.models.devices import LEAST_DRIVER

_BUILD = "set image to 'build' and pulumi up, or build yours from this checkout"
_IMAGE = f"the image is another one than this version's: {_BUILD}"
_FOLDERS = f"/node and /slots of the image must be open to all users, and not sticky: {_BUILD}"
# The image's own, to whom its folders belong.
_ONE_USER = "--user 10001:10001"
_ROLES = "pulumi refresh, then pulumi up; a new role takes up to ten minutes"


def judge(first: Facts, second: Facts, target: Deployment, *, same_node: bool) -> Iterator[Finding]:
    """A finding for each thing that tasks need."""
    yield _node_folder(first, second, target, same_node=same_node)
    yield _slots(first, second, target)
    yield from judge_node(first, target, second)


def judge_node(facts: Facts, target: Deployment, *others: Facts) -> Iterator[Finding]:
    """A finding for each thing that what runs on a node needs, be it alone there; `others` are what it told to later tasks."""
    yield _gpu(facts, target)
    yield _driver(facts, target)
    yield good("token", "nodes get one for storage") if not facts.token else wrong("token", facts.token, _ROLES)
    yield _stores(facts, *others)
    yield _frame(facts)


def _node_folder(first: Facts, second: Facts, target: Deployment, *, same_node: bool) -> Finding:
    """Whether a second task can use what a first one made: else each fetches the video again, or can't work at all."""
    name, users = "node's folder", f"{first.uid}:{first.gid} and {second.uid}:{second.gid}"
    if problem := first.shared or second.shared:
        return wrong(name, f"tasks run as {users}, and what they share can't be used: {problem}", _sharing(first, second, target))
    if not same_node:
        return left_out(
            name, "Batch ran the second task on another node than the first: run it again to see whether tasks share theirs"
        )
    if not second.found:
        text = f"tasks run as {users}, and the second can't use what the first has fetched"
        return wrong(name, text, _sharing(first, second, target))
    return good(name, f"two tasks share it, as {users}")


def _slots(first: Facts, second: Facts, target: Deployment) -> Finding:
    if problem := first.slot or second.slot:
        return wrong("slots", problem, _sharing(first, second, target))
    return good("slots", "each task takes one, and its GPU")


def _sharing(first: Facts, second: Facts, target: Deployment) -> str:
    """What lets tasks use each other's files: either remedy will do."""
    if (first.uid, first.gid) == (second.uid, second.gid):
        return _FOLDERS
    return f"{_FOLDERS}; or make all tasks one user: {set_options(f'{target.container_options} {_ONE_USER}')}"


def _gpu(facts: Facts, target: Deployment) -> Finding:
    """Whether the container has the node's GPUs, and torch can use them."""
    seen = f"{facts.gpus} of {facts.promised} GPUs, torch {facts.torch or 'is missing'}"
    if not facts.promised:
        return good("GPUs", f"none are promised to tasks; {_computes(facts)}")
    if facts.gpus >= facts.promised:
        return good("GPUs", f"{seen}, {target.gpu_size}")
    if not facts.variable:
        return wrong(
            "GPUs",
            f"{seen}: the image doesn't set NVIDIA_VISIBLE_DEVICES and NVIDIA_DRIVER_CAPABILITIES, without which containers get "
            "no GPU, or one without CUDA",
            f"{_BUILD}; one of your own needs ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video",
        )  # fmt: skip
    if not facts.torch:
        return wrong("GPUs", f"{seen}, without which no GPU is used", _IMAGE)
    if not facts.devices:
        return wrong("GPUs", f"{seen}: the container has no /dev/nvidia0", _without_it(target))
    return wrong("GPUs", f"{seen}: the driver ({facts.driver or 'of no version'}) may be older than torch's CUDA", _newer(target))


def _without_it(target: Deployment) -> str:
    if target.engine == "machine-learning":
        return "run it again: Azure Machine Learning's nodes come and go; if others lack it, too, choose another gpuSize"
    return "portal > Batch account > pool > nodes: remove the node"


def _newer(target: Deployment) -> str:
    if target.engine == "machine-learning":
        return f"Azure Machine Learning brings its nodes' image, and a driver of {LEAST_DRIVER} is needed: set engine to 'batch'"
    return f"pulumi config set nodeImageVersion VERSION, one of 2026 with a driver of {LEAST_DRIVER} or newer, then pulumi up"


def _driver(facts: Facts, target: Deployment) -> Finding:
    if not facts.promised and not facts.driver:
        return good("driver", "none is needed without GPUs")
    if not facts.driver and (not facts.devices or not facts.variable):
        return left_out("driver", "a container without GPUs doesn't see it: see the line of GPUs")
    if not facts.driver:
        return wrong("driver", "the container doesn't see NVIDIA's driver", _newer(target))
    if int(facts.driver.partition(".")[0]) < LEAST_DRIVER:
        return wrong("driver", f"{facts.driver}, and CUDA 13 needs {LEAST_DRIVER}", _newer(target))
    return good("driver", facts.driver)


def _stores(first: Facts, *others: Facts) -> Finding:
    problems = {name: text for facts in (first, *others) for name, text in facts.stores.items() if text}
    if problems:
        return wrong("nodes' stores", "; ".join(f"{name}: {text}" for name, text in problems.items()), _ROLES)
    if not first.stores:
        return wrong("nodes' stores", "they weren't looked at without a token", _ROLES)
    return good("nodes' stores", f"{', '.join(first.stores)}: what tasks may do works, what they may not is refused")


def _frame(facts: Facts) -> Finding:
    cause = "slots" if facts.slot else "GPUs" if facts.gpus < facts.promised else ""
    if facts.styling and cause:
        return left_out("frame", f"nothing was styled: see the line of {cause}")
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
