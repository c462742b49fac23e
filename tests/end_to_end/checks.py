"""What `scorer check` finds, as tests look at it."""

import json
from pathlib import Path
from typing import Any

from emulator.logic_app.trigger import Trigger
from tests.end_to_end.test_trigger_to_result import person

Json = dict[str, Any]


def check(trigger: Trigger, folder: Path, *options: str, code: int = 0) -> list[Json]:
    """The findings of a check that ends with that code, which also says whether anything is wrong."""
    done = person(trigger, folder, "check", "--json", "--every", "0.1", *options)
    assert done.returncode == code, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert facts["ok"] == (code == 0)
    assert facts["ok"] == all(each["state"] != "wrong" for each in facts["checks"])
    assert all(bool(each["todo"]) == (each["state"] == "wrong") for each in facts["checks"]), "what is wrong can be fixed"
    found: list[Json] = facts["checks"]
    return found


def wrong(findings: list[Json]) -> dict[str, str]:
    """What is wrong and what to do, by name."""
    return {each["name"]: f"{each['text']} -> {each['todo']}" for each in findings if each["state"] == "wrong"}


def left_out(findings: list[Json]) -> dict[str, str]:
    """Why each of what wasn't looked at wasn't, by name."""
    return {each["name"]: each["text"] for each in findings if each["state"] == "left out"}
