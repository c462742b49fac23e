"""Pages of help that a newcomer can read: typer shows the types of arguments and flags, and braces around names."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


class Command(TyperCommand):
    """A command with such a page."""

    def get_params(self, ctx: Any) -> list[Any]:
        return [_plain(each) for each in super().get_params(ctx)]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [re.sub("[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """All commands, with such a page."""

    def get_params(self, ctx: Any) -> list[Any]:
        return [_plain(each) for each in super().get_params(ctx)]


def _plain(parameter: Any) -> Any:
    """Without a type where it says nothing: a flag takes no value, and an argument's name tells of it."""
    if isinstance(parameter, TyperOption) and parameter.is_flag:
        parameter.metavar = ""
    elif isinstance(parameter, TyperArgument):
        vars(parameter)["display_type_rich"] = lambda ctx: None  # noqa: ARG005  # typer calls it so
    return parameter
