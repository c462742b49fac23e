"""A request that is refused: whoever asked finds out why, and what was asked is set aside."""

from __future__ import annotations

import json
import re
import time
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict

from scorer.errors import ChangedError, InputError, MissingError, ModelError, RequestError, ScorerError, StyleError
from scorer.request import NAME, job_id
from scorer.store import Entry, Store

REJECTED = "rejected.json"

REFUSALS = (RequestError, InputError, MissingError, ChangedError, StyleError, ModelError)
"""What is the request's own fault: the same request fails again."""


class Rejection(BaseModel):
    """Kept as output/<job>/rejected.json, and beside the request in quarantine/<job>/."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    request: str
    """Its path in the input store."""
    etag: str
    error: str
    exit_code: int
    time: float
    """Seconds since 1970."""


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
    rejection = Rejection(request=entry.path, etag=entry.etag, error=str(error), exit_code=error.exit_code, time=time.time())
    told = rejection.model_dump_json(indent=1).encode()
    if data is not None:
        quarantine.create(f"{job}/request.json", data)  # the job's id follows from it: what is there already is the same
    quarantine.add(f"{job}/{REJECTED}", told)
    output.put(f"{job}/{REJECTED}", told)
