"""What is wrong with a stack's settings, in sentences that quote the value and say what would be right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches

from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from scorer.text import clean

LONGEST = 400
"""Characters of a value that are quoted: more than a resource id has."""


def what_is_wrong(found: ErrorDetails, fields: Mapping[str, FieldInfo]) -> list[str]:
    """The sentences of what pydantic found, one but where values don't fit together; `fields` are all settings, by their keys."""
    where, message, value = found["loc"], found["msg"].removeprefix("Value error, "), found["input"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where if part != "[key]").removeprefix(".")
    if not where:
        return message.splitlines()
    if found["type"] == "missing":
        return [f"{key} is not set: {fields[key].description}. Set it with 'pulumi config set {key} VALUE'."]
    if found["type"] == "extra_forbidden":
        near = get_close_matches(to_camel(key), fields, 1, cutoff=0.7)
        meant = f"did you mean '{near[0]}'? Set that, and" if near else "see the README, or"
        return [f"{key} is no setting of this project: {meant} remove it with 'pulumi config rm {key}'."]
    shown = clean(f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str), LONGEST)
    reason = _reason(found["type"], key, message, fields)
    return [f"{key} {shown} {reason}" + ("" if reason.endswith("?") else ".")]


def _reason(kind: str, key: str, message: str, fields: Mapping[str, FieldInfo]) -> str:
    if kind.startswith(("int_", "greater_", "less_", "finite_")):
        return f"is no whole number from {_limit(fields[key], 'ge')} to {_limit(fields[key], 'le')}"
    reasons = {
        "value_error": message,
        "tuple_type": f"is no list: set each of its values by its place, with \"pulumi config set --path '{key}[0]' VALUE\"",
        "dict_type": f"is no list of names and values: set each with \"pulumi config set --path '{key}.NAME' VALUE\"",
        "bool_type": "is neither 'true' nor 'false'",
        "bool_parsing": "is neither 'true' nor 'false'",
        "string_type": "is no text: write it in quotation marks",
        "literal_error": f"is not {message.removeprefix('Input should be ')}",
    }
    return reasons.get(kind, f"is wrong: {message[0].lower()}{message[1:]}")


def _limit(field: FieldInfo, name: str) -> int:
    return next(int(getattr(each, name)) for each in field.metadata if hasattr(each, name))
