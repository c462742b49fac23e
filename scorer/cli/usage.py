"""What is wrong with a command line, in the words of this package: typer's own don't say what to type."""

from __future__ import annotations

import re

from typer.exceptions import TyperException

from scorer.text import closest

_EXTRA = re.compile(r"Got unexpected extra argument\(s\) \((.*)\)")


def usage(error: TyperException) -> str:
    """One sentence, or two, and where to look."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "scorer"
    said = error.format_message().rstrip(".")
    name, known = getattr(error, "option_name", ""), getattr(error, "possibilities", None) or []
    if said.startswith("No such option"):
        near = closest(name, known) or next(iter(known), "")
        said = f"There is no option '{name}'" + (f": did you mean '{near}'?" if near else "")
        if not near and len(name) == 2:  # the first letter of '-film.mp4'
            said += f"; write './{name}...' for a file whose name begins so"
    elif extra := _EXTRA.fullmatch(said):
        said = (
            f"'{extra[1]}' is too much: write a name with spaces in quotes, a style behind --style, and a command for each "
            "video or folder"
        )
    return f"{said if said.endswith('?') else said + '.'} '{command} --help' shows what there is."
