"""Documents that are read back. Whoever wrote one may be a stranger's task: nothing in it counts before it is validated.

A document that holds is as short as its kind may be, of the form that its model says, and names what was asked for.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from scorer.errors import DocumentError, MissingError
from scorer.store import Store
from scorer.text import clean, escaped
from scorer.validation import faults

MOST_BYTES = 2**20
"""Of a document that doesn't grow with its job."""

Words = Annotated[str, AfterValidator(clean)]
"""What somebody said, as it may go out."""
Count = Annotated[int, Field(ge=0, le=10**9)]
Number = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Moment = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
"""Seconds since 1970, of a year of four digits."""

Document = TypeVar("Document", bound=BaseModel)


def read(
    model: type[Document], store: Store, path: str, *, etag: str | None = None, most: int = MOST_BYTES, **asked: object
) -> Document:
    """The document at `path`, whose fields `asked` must have these values.

    Raises MissingError; DocumentError where it doesn't hold; ChangedError where its ETag is not `etag`.
    """
    return parse(model, store.get(path, etag, most), store.where(path), **asked)


def find(model: type[Document], store: Store, path: str, *, most: int = MOST_BYTES, **asked: object) -> Document | None:
    """Like `read`, None where there is none that holds: for what is made anew then."""
    try:
        return read(model, store, path, most=most, etag=None, **asked)
    except (MissingError, DocumentError):
        return None


def parse(model: type[Document], data: bytes, where: str, **asked: object) -> Document:
    """The document that `data` is. Raises DocumentError, which calls it `where`."""
    try:
        found = model.model_validate_json(data)
    except ValidationError as error:
        raise unbelievable(where, str(faults(error)[0])) from error
    for name, value in asked.items():
        if getattr(found, name) != value:
            raise unbelievable(where, f"{name} is {getattr(found, name)!r}, not {value!r}")
    return found


def to_json(document: BaseModel) -> bytes:
    """The document for people and programs: what may not go out as it is, in a blob's name, is written as JSON's escapes."""
    text = document.model_dump_json(indent=1)
    return "\n".join(map(escaped, text.split("\n"))).encode()


def unbelievable(where: str, why: str) -> DocumentError:
    """The error that says so."""
    return DocumentError(f"'{where}' can't be believed ({why}): it is damaged, or somebody has changed it; ask for the job anew.")
