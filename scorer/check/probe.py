"""What one task finds on its node, in one line of JSON: it runs in a job's own image, with a job's own settings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scorer.azure.identity import STORAGE, credential
from scorer.boundary import typed
from scorer.documents import Count, Number, Words, paths
from scorer.errors import ScorerError
from scorer.models.devices import asks_for_gpus, demand_kernels, gpus
from scorer.node import promised_gpus, take_slot
from scorer.store import Store, Stores
from scorer.store.cache import copy_once, node_place
from scorer.store.errors import storage_errors

# Where the driver's kernel module says which version it is: https://docs.nvidia.com/cuda/gpudirect-rdma/
_DRIVER = Path("/proc/driver/nvidia/version")
MOST_STORES = 10

Problem = Annotated[Words, Field(max_length=2001)]
"""'' where there is none."""


class Facts(BaseModel):
    """What a task found."""

    model_config = ConfigDict(frozen=True)

    job: str
    number: Count
    """0 of the job's preparation on the node."""
    uid: Count
    gid: Count
    shared: Problem
    """Why what the node's tasks share can't be used."""
    found: bool
    """Whether what an earlier task of the job left there was found."""
    slot: Problem
    promised: Count
    """GPUs that the engine says the node has."""
    variable: bool
    """Whether the image asks for GPUs, and for CUDA."""
    devices: Count
    gpus: Count
    """That torch can use."""
    driver: Annotated[str, Field(pattern=r"^(\d{3,4}(\.\d{1,6}){1,2})?$")]
    torch: Problem
    """Versions, '' of what isn't installed."""
    openvino: Problem
    token: Problem
    stores: Annotated[dict[Annotated[str, Field(pattern="^[a-z]{1,20}$")], Problem], Field(max_length=MOST_STORES)]
    frame: Annotated[tuple[Number, ...], Field(max_length=100)]
    """Mean colours of the styled frame's blocks."""
    runtime: Problem
    """What computed them."""
    styling: Problem


def examine(job: str, number: int, stores: Stores, scripts: Store | None) -> Facts:
    """Examine everything; whatever goes wrong is told, and keeps nothing else from being examined."""
    found: list[bool] = []
    frame: list[tuple[tuple[float, ...], str]] = []
    usable: list[int] = []

    def share() -> None:
        found.append(_share(job))

    def style() -> None:
        from scorer.check.known import styled

        with take_slot(patience=10):
            frame.append(styled())

    token = _problem(lambda: credential().get_token(STORAGE))
    shared = _problem(share)
    slot = _problem(_slot)
    # Before a slot is taken: that leaves one GPU of several.
    missing = _problem(lambda: usable.append(gpus())) or (_problem(demand_kernels) if usable[0] else "")
    # A preparation only leaves its mark: a task will find it or not.
    styling = _problem(style) if number and not slot else slot
    answer, runtime = frame[0] if frame else ((), "")
    return Facts(
        job=job, number=number, uid=_id("getuid"), gid=_id("getgid"), shared=shared, found=bool(found and found[0]), slot=slot,
        promised=promised_gpus(), variable=asks_for_gpus(), devices=len(list(Path("/dev").glob("nvidia[0-9]*"))),
        gpus=usable[0] if usable else 0, driver=_driver(), torch=_version("torch"), openvino=_version("openvino"),
        token=token, stores=_stores(job, number, stores, scripts) if number and not token else {},
        frame=answer, runtime=runtime, styling=styling or missing,
    )  # fmt: skip


def _problem(call: Callable[[], object]) -> str:
    """Why it can't be done, '' where it can."""
    try:
        with typed():
            call()
    except ScorerError as error:
        return str(error)
    return ""


def _id(name: str) -> int:
    return int(getattr(os, name, lambda: 0)())


def _share(job: str) -> bool:
    """Use the node's folder as tasks use it for videos; whether an earlier task has left the copy there."""
    made = []

    def write(to: Path) -> None:
        to.write_bytes(b"check")
        made.append(to)

    with storage_errors(str(node_place()), writing=True):
        copy_once(f"check://{job}", "", write).read_bytes()
    return not made


def _slot() -> None:
    with take_slot(patience=10):
        pass


def _version(package: str) -> str:
    with suppress(PackageNotFoundError):
        return version(package)
    return ""


def _driver() -> str:
    with suppress(OSError):
        if match := re.search(r"\b\d{3}\.\d+(\.\d+)?\b", _DRIVER.read_text(errors="replace")[:1000]):
            return match[0]
    return ""


def _stores(job: str, number: int, stores: Stores, scripts: Store | None) -> dict[str, str]:
    """What is wrong with each: where it can't be used as a task must, or can as none may."""
    name = f"check-{number}"
    used: dict[str, Callable[[], object]] = {
        "input": lambda: list(stores.input.list(job)),
        "output": lambda: _write(stores.output, f"{job}/{paths.RESULT_IMAGES}{name}"),
        "work": lambda: _write(stores.work, f"{job}/{paths.PARTS}/{name}"),
        "logs": lambda: list(stores.logs.list(job)),
    }
    if (share := stores.share) is not None:
        used["parts"] = lambda: _write(share, f"{job}/{paths.PARTS}/{name}")
    # Conditions on paths let nodes write what their steps make, and nothing else: `stacks/permissions.py`.
    barred = {
        "input": (stores.input, f"{job}/{name}"), "output": (stores.output, f"{job}/{paths.REJECTED}"),
        "work": (stores.work, f"{job}/{paths.PLAN}"),
    }  # fmt: skip
    if scripts is not None:
        used["scripts"] = lambda: list(scripts.list(job))
        barred["scripts"] = (scripts, f"{job}/{name}")
    told = {each: _problem(call) for each, call in used.items()}
    for each, (store, path) in barred.items():
        if not told[each] and _may_write(store, path):
            told[each] = f"a node may write '{path}' there, which none should"
    return told


def _write(store: Store, path: str) -> None:
    store.put(path, b"check")
    if store.get(path, most=100) != b"check":
        raise ScorerError(f"'{store.where(path)}' isn't what was written there.")
    store.delete(path)


def _may_write(store: Store, path: str) -> bool:
    """Whether it isn't refused; asked once, as a store would take a refusal for a role that isn't known yet, and ask again."""
    from azure.core.exceptions import AzureError
    from azure.storage.blob import BlobClient

    from scorer.store.blob import blob_endpoint

    scheme, _, rest = store.where(path).partition("://")
    if scheme != "az":
        return False  # a mounted container: what its program may do is what the node may
    account, container, name = rest.split("/", 2)
    with BlobClient(blob_endpoint(account), container, name, credential=credential(), retry_total=1) as blob:
        try:
            blob.upload_blob(b"", overwrite=True)
        except AzureError:
            return False
        with suppress(AzureError):
            blob.delete_blob()
    return True
