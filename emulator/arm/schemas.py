"""ARM's own rules for bodies."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from emulator.arm.requests import ArmRequest, Json, schema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


def body_errors(request: ArmRequest) -> list[str]:
    """What ARM would refuse in a body: unknown or missing properties, wrong types and values."""
    errors = _validator(request.type).iter_errors(request.body)
    return [
        f"{'.'.join(str(part) for part in error.absolute_path) or 'body'}: {error.message[:300]}"
        for error in sorted(errors, key=lambda error: list(map(str, error.absolute_path)))
    ]


@cache
def _validator(arm_type: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # which reads a grammar of addresses first, for two seconds

    root = schema(arm_type)
    return Draft202012Validator(_closed(root, root))


def _closed(rule: Any, root: Json) -> Any:
    """The rule without 'or any string' beside the values it lists: types say so to outlive new values, services refuse it."""
    if isinstance(rule, list):
        return [_closed(each, root) for each in rule]
    if not isinstance(rule, dict):
        return rule
    branches = [_followed(each, root) for each in rule.get("anyOf", [])]
    if any("const" in branch for branch in branches):
        listed = [branch["const"] for branch in branches if "const" in branch]
        others = [branch for branch in branches if "const" not in branch and branch != {"type": "string"}]
        return {"anyOf": [{"enum": listed}, *others]}
    return {key: _closed(each, root) for key, each in rule.items()}


def _followed(rule: Json, root: Json) -> Json:
    while "$ref" in rule:
        rule = root["$defs"][rule["$ref"].rpartition("/")[2]]
    return rule
