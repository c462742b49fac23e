"""Settings: what a person chooses is read as Pulumi keeps it, all at once, and listed where people look for it."""

import json
from contextvars import ContextVar
from pathlib import Path

import pulumi
import pytest
import yaml
from pydantic.alias_generators import to_camel

from autoscale import gpu_sizes
from stacks.setting_documents import documents
from stacks.settings import FIELDS, RENAMED, Settings, load, parse
from tests.stacks.refused import refusals

ROOT = Path(__file__).parents[2]
PULUMI_YAML = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
README = (ROOT / "stacks/README.md").read_text()


def test_a_location_is_all_that_must_be_set() -> None:
    assert parse({"location": "westeurope"}) == Settings(location="westeurope")


def test_values_come_as_pulumi_keeps_them() -> None:
    raw = {"nodesMax": "7", "protect": "true", "allowedIps": '["203.0.113.7"]', "tags": '{"team":"film"}'}
    chosen = parse({"location": "westeurope", **raw})
    assert (chosen.nodes_max, chosen.protect, chosen.allowed_ips, chosen.tags) == (7, True, ("203.0.113.7",), {"team": "film"})


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_taken_with_a_sentence_that_has_the_new_one(
    old: str, new: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse({"location": "westeurope", old: "7"}) == parse({"location": "westeurope", new: "7"})
    said = f"The setting {old} is called {new}: the old name is taken in this version only."
    assert capsys.readouterr().err == f"warning: {said}\n"
    # Pulumi hands over the defaults of Pulumi.yaml as well.
    given = {"location": "westeurope", old: "7", new: str(FIELDS[new].default)}
    config = {f"batch-scoring:{key}": text for key, text in given.items()}
    monkeypatch.setattr("stacks.settings.CONFIG", ContextVar("config", default=config))
    assert load() == parse({"location": "westeurope", new: "7"})
    (sentence,) = refusals(**{old: "many"})
    assert sentence.startswith(f"{new} 'many' is no whole number from 1 to ")


def test_addresses_count_once_and_tags_are_text_as_pulumi_writes_them() -> None:
    raw = {"allowedIps": '["203.0.113.7","203.0.113.7/32","203.0.113.8"]', "tags": '{"center":1234,"billed":true}'}
    chosen = parse({"location": "westeurope", **raw})
    assert chosen.allowed_ips == ("203.0.113.7", "203.0.113.8")
    assert chosen.tags == {"center": "1234", "billed": "true"}


def test_a_missing_location_is_asked_for() -> None:
    with pytest.raises(pulumi.RunError, match=r"location is not set: Azure region .* 'pulumi config set location VALUE'\."):
        parse({})


def test_several_gpus_make_several_slots() -> None:
    chosen = Settings(location="westeurope", gpu_size="Standard_NC64as_T4_v3", slots_per_gpu=2)
    assert (chosen.gpus, chosen.slots_per_node) == (4, 8)


@pytest.mark.parametrize("path", documents(), ids=str)
def test_what_is_checked_in_is_what_make_settings_writes(path: Path) -> None:
    assert (ROOT / path).read_text() == documents()[path], "run 'make settings'"


def test_pulumi_reads_the_settings_as_they_are_declared() -> None:
    """Pulumi.yaml by a YAML reader, held against the class: types, defaults, and what must be set."""
    kinds: dict[str, type] = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    smallest = Settings(location="westeurope").model_dump(by_alias=True, mode="json")
    assert list(PULUMI_YAML["config"]) == list(smallest)
    for key, told in PULUMI_YAML["config"].items():
        assert isinstance(smallest[key], kinds[told["type"]]), key
        assert told.get("default", "westeurope") == smallest[key], key
        assert f"| `{key}` |" in README
    assert [key for key, told in PULUMI_YAML["config"].items() if "default" not in told] == ["location"]


def test_the_readme_has_every_gpu_size() -> None:
    for name, size in gpu_sizes.SIZES.items():
        spot = "-" if size.spot_price is None else f"{size.spot_price:.3f}"
        assert f"| `{name}` | {size.gpus} x {size.gpu} | {size.cores} | {size.on_demand:.3f} | {spot} |" in README


@pytest.mark.parametrize("stack", ["dev", "prod", "example"])
def test_the_environments_that_ship_are_valid(stack: str) -> None:
    config = yaml.safe_load((ROOT / f"stacks/Pulumi.{stack}.yaml").read_text())["config"]
    raw = {
        key.removeprefix("batch-scoring:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }
    chosen = parse(raw)
    if stack == "example":
        assert {to_camel(name) for name in chosen.model_fields_set} == set(PULUMI_YAML["config"])
    if stack == "prod":
        assert chosen.private
        assert chosen.protect


@pytest.mark.parametrize(
    ("raw", "memory"),
    [
        ({}, 24),
        ({"slotsPerGpu": "2"}, 12),
        ({"gpuSize": "Standard_NC64as_T4_v3", "slotsPerGpu": "2"}, 54),
        ({"taskMemoryGb": "10"}, 10),
    ],
)
def test_a_task_has_its_share_of_a_nodes_memory(raw: dict[str, str], memory: int) -> None:
    assert parse({"location": "westeurope", **raw}).memory_per_task == memory
