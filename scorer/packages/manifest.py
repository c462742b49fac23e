"""A team's own model, published: wheels and weights in the store of scripts, by an id that their content makes.

packages/<id>/package.json    what there is, written last: a package is whole or absent
packages/<id>/files/<name>    the wheels and the weights
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scorer import documents
from scorer.documents import Count, Words, paths
from scorer.documents.request import Request
from scorer.documents.request_fields import ModelName, OptionName
from scorer.documents.request_fit import check_model
from scorer.errors import DocumentError, ModelError, RequestError
from scorer.file_names import unfit
from scorer.models import StyleKind
from scorer.store import Store

ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,79}-[0-9a-f]{16}")


class ModelFacts(BaseModel):
    """What a request is checked against: a ModelSpec as far as it can be written down."""

    model_config = ConfigDict(frozen=True)

    summary: Words
    style: StyleKind
    max_styles: Count
    over_time: bool = False
    options: Annotated[dict[OptionName, Words], Field(max_length=100)]


class Package(BaseModel):
    """package.json."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    id: str
    models: dict[ModelName, ModelFacts]
    """By name."""
    wheels: Annotated[tuple[str, ...], Field(min_length=1)]
    weights: tuple[str, ...]
    sha256: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]
    """Of each file, by name."""

    @model_validator(mode="after")
    def _is_what_its_id_says(self) -> Self:
        names = (*self.wheels, *self.weights)
        if any(map(unfit, names)) or not all(name.endswith(".whl") for name in self.wheels):
            raise ValueError("it has a file of another name than packages have")
        if sorted(names) != sorted(self.sha256):
            raise ValueError("it lacks the digest of a file")
        if self.id.rpartition("-")[2] != _content_id(self.sha256):
            raise ValueError(f"its content isn't that of '{self.id}'")
        return self

    def path(self, name: str) -> str:
        """Where in the store of scripts the file `name` is."""
        return paths.package_file(self.id, name)

    def check(self, request: Request) -> None:
        """Raise RequestError where the request isn't for one of the package's models."""
        facts = self.models.get(request.model)
        if facts is None:
            raise RequestError(f"Package '{self.id}' has no model '{request.model}': it has {', '.join(self.models)}.")
        try:
            check_model(request, facts)
        except ValueError as error:
            raise RequestError(f"The request can't be taken: {error}.") from error


def package_id(name: str, sha256: Mapping[str, str]) -> str:
    """The id of the package called `name` with files of these names and digests."""
    plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:80]
    return f"{plain}-{_content_id(sha256)}"


def _content_id(sha256: Mapping[str, str]) -> str:
    content = "\n".join(f"{digest} {file}" for file, digest in sorted(sha256.items()))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def find_package(package: str, scripts: Store) -> Package:
    """The published package of that id, which may come from a stranger. Raises ModelError."""
    if not ID.fullmatch(package) or (entry := scripts.find(paths.package(package))) is None:
        raise ModelError(f"There is no package '{package[:100]}': 'scorer publish' says the id of one that it has published.")
    try:
        return documents.read(Package, scripts, entry.path, etag=entry.etag, id=package)
    except DocumentError as error:
        raise ModelError(f"Package '{package}' can't be used: {error}") from error
