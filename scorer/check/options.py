"""Options of tasks' containers, as the stack's setting `containerOptions` has them."""

from __future__ import annotations

import re


def set_options(options: str) -> str:
    """What to type for these options."""
    return f"pulumi config set containerOptions '{options.strip()}', then pulumi up"


def without_named(options: str, said: str) -> str:
    """The options, each with its value, but for those that are named in what somebody said; all where none is."""
    each_with_value = re.split(r"\s+(?=-)", options.strip())
    return " ".join(each for each in each_with_value if not _is_named(re.split(r"[\s=]", each)[0], said))


def _is_named(option: str, said: str) -> bool:
    return bool(option) and re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", said) is not None
