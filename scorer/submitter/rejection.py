"""A request that is refused: whoever asked finds out why, and what was asked is set aside."""

from __future__ import annotations

import json
import re
import time
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from scorer import documents
from scorer.documents import Moment, Words
from scorer.documents.paths import REJECTED, REQUEST
from scorer.documents.request import job_id
from scorer.documents.request_fields import NAME
from scorer.errors import (
    ChangedError,
    DocumentError,
    InputError,
    MissingError,
    ModelError,
    RequestError,
    ScorerError,
    StyleError,
)
from scorer.file_names import LONGEST_BLOB
from scorer.store import Entry, Store

REFUSALS = (RequestError, InputError, MissingError, ChangedError, StyleError, ModelError, DocumentError)
"""What is the request's own fault, or its job's: the same request fails again."""


class Rejection(BaseModel):
    """Kept as output/<job>/rejected.json, and beside the request in quarantine/<job>/."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    job: str = ""
    """Which the request would have been; '' in rejections of earlier versions."""
    request: Annotated[str, Field(max_length=LONGEST_BLOB)]
    """Its path in the input store."""
    etag: Annotated[str, Field(max_length=200)]
    error: Words
    exit_code: Annotated[int, Field(ge=0, le=255)]
    time: Moment


def read_rejection(job: str, output: Store) -> Rejection:
    """Why the job's request is refused. Raises MissingError where it isn't, DocumentError."""
    path = f"{job}/{REJECTED}"
    found = documents.read(Rejection, output, path)
    if found.job not in ("", job):
        raise documents.unbelievable(output.where(path), f"job is {found.job!r}, not {job!r}")
    return found


def job_of(address: str, content: bytes) -> str:
    """The id of the job that a request asks for, be it taken or refused: whoever asked looks there for the answer."""
    try:
        name = json.loads(content)["name"]
        if re.fullmatch(NAME, name):
            return job_id(name, address, content)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    return unread_job_id(address, content)


def unread_job_id(address: str, content: bytes) -> str:
    """The id of a request that has no name: after its file, as far as a folder may be called so."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", PurePosixPath(address).stem).strip("-")[:40].strip("-") or "request"
    return job_id(stem, address, content)


def reject(job: str, entry: Entry, data: bytes | None, error: ScorerError, output: Store, quarantine: Store) -> None:
    """Write down why the request at `entry` is refused; its content `data` is set aside, unless it was too large to read."""
    rejection = Rejection(
        job=job, request=entry.path, etag=entry.etag, error=str(error), exit_code=error.exit_code, time=time.time()
    )
    told = documents.to_json(rejection)
    if data is not None:
        quarantine.create(f"{job}/{REQUEST}", data)  # the job's id follows from it: what is there already is the same
    quarantine.add(f"{job}/{REJECTED}", told)
    output.put(f"{job}/{REJECTED}", told)
