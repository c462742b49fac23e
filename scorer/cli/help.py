"""Pages of help that a newcomer can read: typer shows the types of arguments and flags, and braces around names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from scorer.cli.commands import COMMANDS


class Command(TyperCommand):
    """A command with such a page."""

    def get_params(self, ctx: Any) -> list[Any]:
        return [_plain(each) for each in super().get_params(ctx)]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [re.sub("[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]


def loaded(name: str) -> Any:
    """The command as typer has it, with all that it takes."""
    entry = COMMANDS[name]
    alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    alone.command(name, cls=Command, epilog=entry.epilog)(entry.load())
    return typer.main.get_command(alone)


class Group(TyperGroup):
    """All commands, with such a page. What a command needs is loaded when it is asked for, not where all are listed."""

    _lists = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, entry in COMMANDS.items():
            listed = Command(name, help=entry.summary, rich_help_panel=entry.panel, rich_markup_mode=self.rich_markup_mode)
            self.add_command(listed)

    def get_params(self, ctx: Any) -> list[Any]:
        return [_plain(each) for each in super().get_params(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        listed = super().get_command(ctx, cmd_name)
        return listed if self._lists or listed is None else loaded(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        with self._listing():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        with self._listing():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self._lists = True
        try:
            yield
        finally:
            self._lists = False


def _plain(parameter: Any) -> Any:
    """Without a type where it says nothing: a flag takes no value, and an argument's name tells of it."""
    if isinstance(parameter, TyperOption) and parameter.is_flag:
        parameter.metavar = ""
    elif isinstance(parameter, TyperArgument):
        vars(parameter)["display_type_rich"] = lambda ctx: None  # noqa: ARG005  # typer calls it so
    return parameter
