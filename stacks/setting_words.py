"""What is wrong with a stack's settings, in sentences that quote the value and say what would be right."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from scorer.text import clean, closest
from scorer.validation import Fault

LONGEST = 400
"""Characters of a value that are quoted: more than a resource id has."""


def what_is_wrong(found: Fault, fields: Mapping[str, FieldInfo]) -> list[str]:
    """The sentences of a fault, one but where values don't fit together; `fields` are all settings, by their keys."""
    key = found.where
    if not key:
        return found.reason.splitlines()
    if found.kind == "missing":
        return [f"{key} is not set: {fields[key].description}. Set it with 'pulumi config set {key} VALUE'."]
    if found.kind == "extra_forbidden":
        near = closest(to_camel(key), fields)
        meant = f"did you mean '{near}'? Set that, and" if near else "see the README, or"
        return [f"{key} is no setting of this project: {meant} remove it with 'pulumi config rm {key}'."]
    reason = _reason(found, key, fields)
    return [f"{key} {clean(found.quoted, LONGEST)} {reason}" + ("" if reason.endswith("?") else ".")]


def _reason(found: Fault, key: str, fields: Mapping[str, FieldInfo]) -> str:
    if found.kind.startswith(("int_", "greater_", "less_", "finite_")):
        return f"is no whole number from {_limit(fields[key], 'ge')} to {_limit(fields[key], 'le')}"
    reasons = {
        "value_error": found.reason,
        "tuple_type": f"is no list: set each of its values by its place, with \"pulumi config set --path '{key}[0]' VALUE\"",
        "dict_type": f"is no list of names and values: set each with \"pulumi config set --path '{key}.NAME' VALUE\"",
        "bool_type": "is neither 'true' nor 'false'",
        "bool_parsing": "is neither 'true' nor 'false'",
        "string_type": "is no text: write it in quotation marks",
        "literal_error": f"is not {found.reason.removeprefix('should be ')}",
    }
    return reasons.get(found.kind, f"is invalid: {found.reason}")


def _limit(field: FieldInfo, name: str) -> int:
    return next(int(getattr(each, name)) for each in field.metadata if hasattr(each, name))
