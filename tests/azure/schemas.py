"""ARM's own rules for bodies."""

from __future__ import annotations

from functools import cache

import jsonschema

from tests.azure.arm import ArmRequest, schema


def body_errors(request: ArmRequest) -> list[str]:
    """What ARM would refuse in a body: unknown or missing properties, wrong types and values."""
    return [
        f"{'.'.join(str(part) for part in error.absolute_path) or 'body'}: {error.message[:300]}"
        for error in sorted(
            _validator(request.type).iter_errors(request.body), key=lambda error: list(map(str, error.absolute_path))
        )
    ]


@cache
def _validator(arm_type: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(arm_type))
