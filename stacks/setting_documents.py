"""`make settings`: what people read of the settings, written from the settings themselves.

Three files have a list of them: Pulumi.yaml, so that `pulumi config` knows them; the guide's table; and the example stack.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from stacks.setting_types import PROJECT
from stacks.settings import FIELDS, Settings

ROOT = Path(__file__).resolve().parent.parent
PROJECT_FILE, GUIDE, EXAMPLE = Path("Pulumi.yaml"), Path("stacks/README.md"), Path("stacks/Pulumi.example.yaml")
BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->"
EMPTY: dict[str, Any] = {"array": [], "object": {}}


def documents() -> dict[Path, str]:
    """Each file's whole text by its path below the checkout; what isn't of settings stays as it is there."""
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in (PROJECT_FILE, GUIDE)}
    before, _, after = texts[GUIDE].partition(BEGIN)
    return {
        PROJECT_FILE: texts[PROJECT_FILE].partition("\nconfig:\n")[0] + "\n" + _yaml({"config": _declared()}),
        GUIDE: before + BEGIN + _table() + END + after.partition(END)[2],
        EXAMPLE: _example(),
    }


def _declared() -> dict[str, dict[str, Any]]:
    """The settings as Pulumi's project file declares them."""
    declared = {}
    for key, told in Settings.model_json_schema()["properties"].items():
        declared[key] = {"type": told["type"], "description": told["description"]}
        if told["type"] == "array":
            declared[key]["items"] = {"type": "string"}
        if not FIELDS[key].is_required():
            declared[key]["default"] = told.get("default", EMPTY.get(told["type"]))
    return declared


def _table() -> str:
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    for key, told in _declared().items():
        default = json.dumps(told["default"]).strip('"') if told.get("default", "") not in ("", [], {}) else "-"
        rows.append(f"| `{key}` | {default} | {told['description']} |")
    return "\n".join(rows) + "\n"


def _example() -> str:
    lines = [
        "# Every setting, each with a value that isn't the default where another makes sense. Copy what you need.",
        "config:",
    ]
    for key, told in _declared().items():
        default = json.dumps(told["default"]) if "default" in told else "none, it must be set"
        (value,) = FIELDS[key].examples or [told.get("default")]
        lines += [f"  # {told['description']}. Default: {default}", *_indented({f"{PROJECT}:{key}": value})]
    return "\n".join(lines) + "\n"


def _indented(content: dict[str, Any]) -> list[str]:
    return [f"  {line}" for line in _yaml(content).splitlines()]


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=10_000, allow_unicode=True)


def main() -> None:
    """Write them."""
    for path, text in documents().items():
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
