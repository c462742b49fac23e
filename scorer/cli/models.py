"""`scorer models`: what is installed, what of it can run here, and what is missing for the rest."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from scorer import models
from scorer.cli.console import AsJson, print_json, screen
from scorer.errors import ModelError
from scorer.models import STYLE_KINDS, ModelSpec


def list_models(as_json: AsJson = False) -> None:
    """List the models that are installed, their options, and whether they can run here."""
    found = [(name, models.installed(name)) for name in models.names()]
    if as_json:
        print_json({"models": [_facts(name, each) for name, each in found]})
        return
    for name, each in found:
        table = Table(title_justify="left", show_header=False, box=None, padding=(0, 2))
        if isinstance(each, ModelError):
            table.title = f"{name}: can't be loaded"
            table.add_row("runs here", f"no: {each}")
        else:
            table.title = f"{name}: {each.summary}"
            _describe(each, table)
        screen.print(table, "")


def _describe(spec: ModelSpec, table: Table) -> None:
    on, why = runs_on(spec)
    table.add_row("runs here", f"no: {why}" if why else f"yes, on {on}" if on else "yes")
    mixed = f", up to {spec.max_styles} mixed" if spec.max_styles > 1 else ""
    table.add_row("style", STYLE_KINDS[spec.style] + mixed + (", or one after the other" if spec.over_time else ""))
    if spec.see:
        table.add_row("", spec.see)
    for name, text in spec.options.items():
        table.add_row(f"--option {name}=", text)
    table.add_row("source", spec.source)


def runs_on(spec: ModelSpec) -> tuple[str, str]:
    """What the model would compute on here, '' where it doesn't say; and why it can't, '' where it can."""
    try:
        return (spec.runs() if spec.runs else ""), ""
    except ModelError as error:
        return "", str(error)


def _facts(name: str, found: ModelSpec | ModelError) -> dict[str, Any]:
    if isinstance(found, ModelError):
        return {"name": name, "runs": False, "why": str(found)}
    on, why = runs_on(found)
    return {
        "name": name, "summary": found.summary, "style": found.style, "max_styles": found.max_styles,
        "over_time": found.over_time,
        "options": dict(found.options), "source": found.source, "runs": not why, "on": on or None, "why": why or None,
    }  # fmt: skip
