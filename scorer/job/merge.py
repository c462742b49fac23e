"""Merge: all parts become the result; counted, in order, with the source's sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scorer import documents
from scorer.documents import Count
from scorer.documents.paths import MERGED, PARTS
from scorer.documents.plan import Chunk, Plan
from scorer.documents.records import FrameRecord, Line, from_lines, most_bytes, newest_records
from scorer.errors import DocumentError, MissingError, TaskError
from scorer.job.claims import clear_claims
from scorer.job.marks import most_failures, too_many_failed
from scorer.job.parts import AT_ONCE, Part, find_parts, forget_part, read_parts
from scorer.job.video_facts import Facts, find_facts
from scorer.media import video
from scorer.store import Stores

FETCHED_AT_ONCE = 4
"""Parts: pieces of each are moved side by side."""


class Result(BaseModel):
    """What merge leaves once the result is whole: work/<job>/result.json."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    """Of all chunks of the plan."""
    etag: Annotated[str, Field(max_length=200)]
    """Of the video; '' where the result is a folder."""
    frames: Count
    failed: Count
    facts: tuple[Facts, Facts] | None = None
    """Of the source and of the result, where they are videos whose headers could be read."""


def find_result(plan: Plan, stores: Stores) -> Result | None:
    """The job's result, if it is there, whole and of this plan."""
    path = f"{plan.job}/{MERGED}"
    result = documents.find(Result, stores.work, path, fingerprint=plan.fingerprint, frames=plan.frames)
    if result is None or result.failed > plan.frames:
        return None
    if plan.video is None:
        return result if all(find_parts(plan, stores)) else None
    entry = stores.output.find(f"{plan.job}/{plan.result}")
    return result if entry is not None and entry.etag == result.etag else None


def merge(plan: Plan, stores: Stores) -> Result:
    """Make the result out of the parts.

    Raises TaskError where a part isn't there, FailureThresholdError where too many frames failed.
    """
    if done := find_result(plan, stores):
        return done
    parts = find_parts(plan, stores)
    missing = [chunk.index for chunk, part in zip(plan.chunks, parts, strict=True) if part is None]
    if missing:
        raise missing_parts(plan, missing)
    failed = sum(part.failed for part in parts if part)
    if failed > most_failures(plan):
        raise too_many_failed(failed, most_failures(plan), first_failure(plan, stores))
    there = [part for part in parts if part]
    etag, facts = _join(plan, plan.video, there, stores) if plan.video else (_remove_stale(plan, stores), None)
    return _keep(plan, Result(fingerprint=plan.fingerprint, etag=etag, frames=plan.frames, failed=failed, facts=facts), stores)


def _keep(plan: Plan, result: Result, stores: Stores) -> Result:
    """Say that the result is whole. Of two merges at a time each writes the same bytes, and the last says which are there."""
    path = f"{plan.job}/{plan.result}"
    while True:
        stores.work.put(f"{plan.job}/{MERGED}", result.model_dump_json().encode())
        there = stores.output.find(path) if plan.video is not None else None
        if there is None or there.etag == result.etag:
            return result
        result = result.model_copy(update={"etag": there.etag})


def missing_parts(plan: Plan, missing: Sequence[int]) -> TaskError:
    """The error that says so."""
    return TaskError(f"{len(missing)} of {len(plan.chunks)} parts aren't there, chunk {missing[0]} first: score them again.")


def _join(plan: Plan, info: video.VideoInfo, parts: Sequence[Part], stores: Stores) -> tuple[str, tuple[Facts, Facts] | None]:
    source = stores.input.fetch(plan.request.input, plan.input_etag)
    names = [part.written.path(plan) for part in parts]
    path = f"{plan.job}/{plan.result}"
    with stores.output.writing(path) as target:
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
            there = list(pool.map(stores.parts.fetch, names))
        video.join(there, source, info, target)
        before, after = find_facts(source), find_facts(target)
    for name in names:
        stores.parts.release(name)
    return stores.output.head(path).etag, (before, after) if before and after else None


def _remove_stale(plan: Plan, stores: Stores) -> str:
    """Take away what an earlier plan of this job left in the result's folder."""
    own = {plan.image_path(file) for chunk in plan.chunks for file in chunk.files}
    there = stores.output.list(f"{plan.job}/{plan.result}")
    stores.output.delete_all(entry.path for entry in there if entry.path not in own)
    return ""


def clear_parts(plan: Plan, stores: Stores) -> None:
    """Delete a video's parts, this plan's and those of earlier ones, and what tries that were killed left; and workers' claims.

    Its result has all that was in them.
    """
    if plan.video is not None:
        for store in dict.fromkeys((stores.work, stores.parts)):
            store.delete_all(entry.path for entry in store.list(f"{plan.job}/{PARTS}"))
    clear_claims(plan.job, stores.work)


def forget_failed(plan: Plan, stores: Stores) -> None:
    """Before a job begins anew: forget parts that originals stand in, and a result of such parts, so that they are made again.

    A video's parts go with its end: all of it is made again then.
    """
    failed = [part for part in read_parts(plan, stores) if part.failed]
    result = find_result(plan, stores) if plan.video is not None else None  # a folder's is its parts
    if failed or (result is not None and result.failed):
        stores.work.delete(f"{plan.job}/{MERGED}")  # first: it would stand for parts that are made again
    for part in failed:
        forget_part(plan, plan.chunks[part.chunk], stores)


def records(plan: Plan, stores: Stores) -> Iterator[Line]:
    """Every record of the job that the latest try of a chunk left, in the order of its chunks, and what stands among them."""
    newest = newest_records(plan.job, stores.logs)
    left = [(chunk, newest[chunk.index]) for chunk in plan.chunks if chunk.index in newest]

    def read(of: tuple[Chunk, str]) -> bytes:
        chunk, path = of
        try:
            return stores.logs.get(path, most=most_bytes(chunk.frames))
        except (MissingError, DocumentError):  # a report can do without
            return b""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for first in range(0, len(left), AT_ONCE):  # no more are held than are read at a time
            for lines in pool.map(read, left[first : first + AT_ONCE]):
                yield from from_lines(lines)


def first_failure(plan: Plan, stores: Stores) -> str:
    """A frame that failed, and why."""
    for record in records(plan, stores):
        if isinstance(record, FrameRecord) and record.error:
            return f"frame {record.name or record.frame}: {record.error}"
    return "no record says why"
