"""What a deployment costs: the guide's table, reckoning by hand, and what is told of bad input."""

from __future__ import annotations

from pathlib import Path

import pytest

from stacks.__main__ import main
from stacks.chosen import read_settings
from stacks.cost import TYPICAL, at_rest, told, typical_job
from stacks.settings import Settings, parse

STACKS = Path(__file__).parents[2] / "stacks"
README = (STACKS / "README.md").read_text()
PROVIDERS = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/hub/providers"


def shipped(stack: str) -> dict[str, float]:
    return at_rest(read_settings(STACKS / f"Pulumi.{stack}.yaml"))


def test_the_guide_has_these_figures() -> None:
    dev, prod = shipped("dev"), shipped("prod")
    for part in prod:
        shown = (f"{bill[part]:.2f}" if part in bill else "-" for bill in (dev, prod))
        assert f"| {part} | {' | '.join(shown)} |" in README
    assert f"| **together** | **{sum(dev.values()):.0f}** | **{sum(prod.values()):.0f}** |" in README


def test_a_bill_by_hand() -> None:
    bill = shipped("dev")
    assert bill["NAT gateway and its address"] == pytest.approx(730 * 0.05)
    # 2,920 polls a month of 40 actions each, 4,000 of them free.
    assert bill["polls for waiting requests: workflow"] == pytest.approx((2920 * 40 - 4000) * 0.000025)
    assert bill["alert rules"] == pytest.approx(8 * 0.10 + 1.50)
    always = at_rest(Settings(location="westeurope", nodes_min=2, spot_percent=0))
    assert always["nodes that are always there"] == pytest.approx(30.4 * 24 * 2 * 0.526)


def test_what_exists_costs_us_nothing() -> None:
    raw = {"location": "westeurope", "networkIsolation": "private-endpoints"}
    own = at_rest(parse({**raw, "registrySku": "Premium"}))
    theirs = at_rest(
        parse({
            **raw,
            "existingVirtualNetworkResourceId": f"{PROVIDERS}/Microsoft.Network/virtualNetworks/hub",
            "existingRegistryResourceId": f"{PROVIDERS}/Microsoft.ContainerRegistry/registries/images",
            "existingBatchAccountResourceId": f"{PROVIDERS}/Microsoft.Batch/batchAccounts/batch",
            "blobPrivateDnsZoneResourceId": "none",
        })
    )  # fmt: skip
    assert own["private endpoints"] == pytest.approx(5 * 7.3)
    assert theirs["private endpoints"] == pytest.approx(2 * 7.3)
    assert set(own) - set(theirs) == {"NAT gateway and its address", "registry", "private DNS zones"}


def test_a_typical_job_is_told_with_the_day_of_its_prices() -> None:
    chosen = read_settings(STACKS / "Pulumi.dev.yaml")
    low, high = typical_job(chosen).dollars
    assert 0 < low < high < 1
    assert told(chosen)["typicalJobDollars"] == f"{low:.2f} to {high:.2f}"
    assert told(chosen)["prices"] == "East US, November 2026"
    guide = (STACKS.parent / "docs/jobs-on-azure.md").read_text()
    assert f"{TYPICAL.frames} frames, 1280x720, model adaptive" in guide, "the same job"


def test_the_command_prints_a_bill_or_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--stack", "dev"]) == 0
    printed = capsys.readouterr().out
    assert "NAT gateway and its address                36.50" in printed
    assert "A typical job (3000 frames of 1280x720, model adaptive;" in printed
    (tmp_path / "bad.yaml").write_text("config: {batch-scoring:location: westeurope, batch-scoring:nodesMax: 0}")
    (tmp_path / "odd.yaml").write_text("[")
    for name, said in (("bad.yaml", "nodesMax 0 is no whole number"), ("odd.yaml", "while parsing"), ("no.yaml", "No such file")):
        assert main(["--settings", str(tmp_path / name)]) == 2
        assert said in capsys.readouterr().err
