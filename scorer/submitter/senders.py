"""What those may ask for who hand in requests in a folder of their own: requests/<sender>/.

Requests right below requests/ are the operators', who may name anything.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scorer import documents
from scorer.documents import Moment
from scorer.documents.paths import CLAIMS, FAILED, FRAMES, PARTS, REQUESTS, SHARED, STYLES, VIDEOS, bound_request, share
from scorer.documents.request import Request
from scorer.documents.request_fields import NAME, BlobPath
from scorer.errors import MissingError, RequestError
from scorer.store import Store

# Nodes may write in every folder of the work store that is called so, and a sender's ledger is in one of the sender's name.
TAKEN = (PARTS, FAILED, CLAIMS)
# A request of this name is the one whose digest it has: whoever may make a blob of the name can ask for nothing else.
_BOUND = re.compile(r"\.sha256-([0-9a-f]{64})\.json")


def bound_path(sender: str, name: str, data: bytes) -> str:
    """Where in the input store nothing but the request `data` is taken."""
    return bound_request(sender, name, hashlib.sha256(data).hexdigest())


def is_sender(name: str) -> bool:
    """Whether a sender can be called so."""
    return re.fullmatch(NAME, name) is not None and name not in TAKEN


class Given(BaseModel):
    """What a share gave out. Kept as shares/<job>.json in the input store, where no link leads."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    job: str
    sender: Annotated[str, Field(pattern=f"^{NAME}$")]
    uploads: Annotated[tuple[BlobPath, ...], Field(max_length=100)]
    """Paths in the input store that links can make, the request's own last."""
    until: Moment
    """Seconds since 1970."""
    revoked: Moment | None = None

    @model_validator(mode="after")
    def _is_the_senders(self) -> Self:
        if strange := [path for path in self.uploads if path.split("/")[1:-1][:1] != [self.sender]]:
            raise ValueError(f"{strange[0]!r} is none of the sender's files")
        return self


def read_given(job: str, store: Store) -> Given:
    """What was given out for the job. Raises MissingError; RequestError where it is no job's id; DocumentError."""
    if not re.fullmatch(r"[a-z0-9_-]{1,64}", job):
        raise RequestError(f"'{job}' is no job's id: take it from what 'scorer share' printed.")
    return documents.read(Given, store, share(job), job=job)


def check_revoked(path: str, job: str, store: Store) -> None:
    """Raise RequestError where the links that brought the request were taken back."""
    if not _BOUND.search(path):
        return
    with suppress(MissingError):
        revoked = read_given(job, store).revoked
        if revoked is not None:
            when = datetime.fromtimestamp(revoked, UTC)
            raise RequestError(f"The links of job '{job}' were revoked on {when:%Y-%m-%d %H:%M} UTC: ask for new ones.")


def check_path(path: str, sender: str) -> None:
    """Raise RequestError where a request lies elsewhere than in requests/, or in a folder there that can't be a sender's."""
    if not path.startswith(f"{REQUESTS}/"):
        raise RequestError(f"Request {path!r} isn't in requests/: put it there, or into requests/<sender>/.")
    if sender and not is_sender(sender):
        raise RequestError(
            f"Request {path!r} lies in the folder {sender!r}, which is no sender's name: those have up to 40 letters, digits, "
            f"'-' and '_', and aren't {' or '.join(TAKEN)}."
        )


def check_digest(path: str, data: bytes) -> None:
    """Raise RequestError where the request's name has another content's digest."""
    bound = _BOUND.search(path)
    if bound and bound.end() == len(path) and hashlib.sha256(data).hexdigest() != bound[1]:
        raise RequestError(f"Request '{path}' isn't the one that its link was made for: upload that one, byte by byte.")


def check_media(request: Request, sender: str) -> None:
    """Raise RequestError where a sender's request names files that aren't the sender's, nor everybody's."""
    if not sender:
        return
    for what, path in request.files:
        folders = path.split("/")[:-1]
        if folders[:1] != [SHARED] and folders[1:2] != [sender]:
            raise RequestError(
                f"The request's {what} is '{path}', and whoever asks in requests/{sender}/ may name only what lies below "
                f"{', '.join(f'{kind}/{sender}/' for kind in (VIDEOS, FRAMES, STYLES))} or {SHARED}/: upload it there."
            )
