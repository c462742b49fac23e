"""What tasks leave: which parts are whole, and of this plan."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scorer import documents
from scorer.documents import Count, Words, paths
from scorer.documents.plan import Chunk, Plan
from scorer.job.media import Written
from scorer.store import Stores

# Parts whose JSON is read at a time.
AT_ONCE = 16

Scale = Annotated[float, Field(gt=0, le=64, allow_inf_nan=False)]


class Part(BaseModel):
    """What a task leaves beside its part once that is whole: work/<job>/parts/<chunk>-<fingerprint>.json.

    Where several tries of the task come to their end, the last one's counts; the files of all of them are there.
    """

    model_config = ConfigDict(frozen=True)

    chunk: Count
    frames: Count
    failed: Count
    width: Count
    height: Count
    """Of its frames (the last of them, where images differ); 0 where none could be decoded."""
    scale: tuple[Scale, Scale] | None = None
    """What the model makes of a frame's height and width; None where it scored none."""
    written: Written
    runtime: Words


def find_part(plan: Plan, chunk: Chunk, stores: Stores) -> Part | None:
    """The chunk's part, if it is there, whole and of this plan."""
    part = _read(plan, chunk, stores)
    return part if part and part.written.is_there(plan, chunk, stores.parts.find, stores.output.find) else None


def find_parts(plan: Plan, stores: Stores) -> list[Part | None]:
    """Like `find_part`, of all chunks: their folders are listed once, instead of asking for each file."""
    folder = f"{plan.job}/{paths.PARTS}"
    work = {entry.path: entry for entry in stores.work.list(folder)}
    # Afterwards, so that the file of each part that is said to be whole is among them.
    files = work if stores.share is None else {entry.path: entry for entry in stores.share.list(folder)}
    images = stores.output.list(f"{plan.job}/{plan.result}") if plan.video is None else ()
    output = {entry.path: entry for entry in images}

    def find(chunk: Chunk) -> Part | None:
        if paths.part(plan.job, chunk.key) not in work:
            return None
        part = _read(plan, chunk, stores)
        if part and part.written.is_there(plan, chunk, files.get, output.get):
            return part
        return find_part(plan, chunk, stores)  # another try may have come to its end since the folders were listed

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(find, plan.chunks))


def read_parts(plan: Plan, stores: Stores) -> list[Part]:
    """What is said of parts, whether their files are there or not: for whoever doesn't mount the share that they are on."""
    said = {entry.path for entry in stores.work.list(f"{plan.job}/{paths.PARTS}")}
    chunks = [chunk for chunk in plan.chunks if paths.part(plan.job, chunk.key) in said]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [part for part in pool.map(lambda chunk: _read(plan, chunk, stores), chunks) if part]


def count_parts(job: str, stores: Stores) -> int:
    """How many of a job's chunks have a part that is whole, by the names of files alone."""
    names = (entry.path.rpartition("/")[2] for entry in stores.work.list(f"{job}/{paths.PARTS}"))
    return len({name.partition("-")[0] for name in names if name.endswith(".json")})


def keep_part(plan: Plan, chunk: Chunk, stores: Stores, part: Part) -> None:
    """Say that the chunk's part is whole; its files are there before."""
    stores.work.put(paths.part(plan.job, chunk.key), part.model_dump_json().encode())


def forget_part(plan: Plan, chunk: Chunk, stores: Stores) -> None:
    """Say that the chunk's part is to be made again."""
    stores.work.delete(paths.part(plan.job, chunk.key))


def _read(plan: Plan, chunk: Chunk, stores: Stores) -> Part | None:
    """What says that the part is whole; one that doesn't hold says nothing, and the part is made again."""
    part = documents.find(Part, stores.work, paths.part(plan.job, chunk.key), chunk=chunk.index, frames=chunk.frames)
    return part if part and part.failed <= part.frames and part.written.is_named(plan, chunk) else None
