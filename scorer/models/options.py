"""A model's own options: declared once as a pydantic class, checked in one place, listed from the same class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from scorer.errors import RequestError
from scorer.text import clean
from scorer.validation import Fault, faults


class Options(BaseModel):
    """Base of a model's options: each field has a default and, in `Field(description=...)`, a line of help."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


AnyOptions = TypeVar("AnyOptions", bound=Options)


def parse_options(cls: type[AnyOptions], options: Mapping[str, Any], model_name: str) -> AnyOptions:
    """Check what the user set, as text (command line) or JSON values (request).

    Raises RequestError, one sentence about the first thing that doesn't fit, quoting the value.
    """
    try:
        return cls.model_validate(dict(options))
    except ValidationError as error:
        raise RequestError(_sentence(cls, faults(error)[0], model_name)) from None


def describe_options(cls: type[Options]) -> dict[str, str]:
    """Help for ModelSpec.options: each option's description, ending with its default."""
    return {
        name: f"{field.description or name} (default: {'none' if field.default is None else field.default})"
        for name, field in cls.model_fields.items()
    }


def _sentence(cls: type[Options], found: Fault, model_name: str) -> str:
    if found.kind == "extra_forbidden":
        known = f"choose one of {', '.join(cls.model_fields)}" if cls.model_fields else "it has none"
        return f"The model '{model_name}' has no option '{found.where}': {known}."
    return f"The option '{found.where}' of the model '{model_name}' is {clean(found.quoted, 80)}: it {found.reason}."
