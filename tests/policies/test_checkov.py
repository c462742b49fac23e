"""The run of checkov: that it finds what is wrong, notices what it skipped, and that no waiver outlives its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.policies.checkov_run import Body, Finding, Outcome, Waiver, checks, complaints, environment, idle, load_waivers, scan

ACCOUNT = "Microsoft.Storage/storageAccounts"
WAIVER = Waiver(check="CKV_AZURE_206", type=ACCOUNT, reason="Nobody needs copies of trial data.")


def account(name: str = "data12345678", **properties: str | bool) -> Body:
    """A storage account that only lacks copies in a second region."""
    return {
        "type": ACCOUNT,
        "apiVersion": "2024-01-01",
        "name": name,
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
            "networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices"},
            **properties,
        },
    }


# What is wrong with an account, by the check that finds it.
WRONG = {
    "CKV_AZURE_44": account(minimumTlsVersion="TLS1_1"),
    "CKV_AZURE_3": account(supportsHttpsTrafficOnly=False),
    "CKV_AZURE_59": account(publicNetworkAccess="Enabled"),
    "CKV_AZURE_43": account(name="Not-A-Name"),
}
TEMPLATES: dict[str, list[Body]] = {
    **{check: [body] for check, body in WRONG.items()},
    "right": [account()],
    "of a version that is a parameter": [{**account(), "apiVersion": "[parameters('version')]"}],
    "two": [account("one"), account("two", minimumTlsVersion="TLS1_0")],
    "of a type without checks": [
        {"type": "Microsoft.Logic/workflows", "apiVersion": "2019-05-01", "name": "workflow", "properties": {}}
    ],
}


@pytest.fixture(scope="module")
def findings() -> dict[str, list[Finding]]:
    """What checkov says of each of the templates."""
    return dict(zip(TEMPLATES, scan(*TEMPLATES.values()), strict=True))


def outcomes(findings: list[Finding]) -> dict[str, Outcome]:
    return {finding.check: finding.outcome for finding in findings}


def supported() -> dict[str, set[str]]:
    """Each check's resource types, as the text of checkov's sources has them."""
    folder = next(environment().glob("lib/python*/site-packages/checkov/arm/checks/resource"))
    found: dict[str, set[str]] = {}
    for path in folder.glob("*.py"):
        text = path.read_text()
        number = re.search(r"\bid = \"(CKV_AZURE_\d+)\"", text)
        types = re.search(r"supported_resources = [\[(](.*?)[\])]", text, re.DOTALL)
        if number and types:
            found.setdefault(number[1], set()).update(re.findall(r"['\"]([\w./]+)['\"]", types[1]))
    return found


def test_no_check_of_a_type_is_forgotten() -> None:
    sources = supported()
    assert len(sources) > 100
    for number, types in sources.items():
        for each in types:
            assert number in checks()[each.lower()], each


def test_every_check_of_a_type_is_run(findings: dict[str, list[Finding]]) -> None:
    wanted = {number for number, types in supported().items() if ACCOUNT in types}
    found = outcomes(findings["right"])
    assert set(found) == wanted
    assert {number for number, outcome in found.items() if outcome is not Outcome.PASSED} == {"CKV_AZURE_206"}


@pytest.mark.parametrize("check", WRONG)
def test_what_is_wrong_fails(check: str, findings: dict[str, list[Finding]]) -> None:
    found = complaints(findings[check], [WAIVER])
    assert len(found) == 1
    assert found[0].startswith(f"{check} failed on {ACCOUNT} {WRONG[check]['name']}: ")


def test_a_check_that_ran_into_something_it_doesnt_understand_is_noticed(findings: dict[str, list[Finding]]) -> None:
    found = complaints(findings["of a version that is a parameter"], [WAIVER])
    assert {sentence.split(" on ")[0] for sentence in found} == {"CKV_AZURE_35 not run", "CKV_AZURE_36 not run"}


def test_resources_are_told_apart(findings: dict[str, list[Finding]]) -> None:
    tls = {finding.name: finding.outcome for finding in findings["two"] if finding.check == "CKV_AZURE_44"}
    assert tls == {"one": Outcome.PASSED, "two": Outcome.FAILED}


def test_types_without_checks_have_no_findings(findings: dict[str, list[Finding]]) -> None:
    assert findings["of a type without checks"] == []


def test_a_waiver_covers_its_type_and_name_only() -> None:
    failed = Finding("CKV_AZURE_206", ACCOUNT, "opsabc", "copies", Outcome.FAILED)
    assert complaints([failed], [WAIVER]) == []
    assert complaints([failed], [WAIVER.model_copy(update={"name": "ops*"})]) == []
    for other in ({"name": "data*"}, {"type": "Microsoft.Batch/batchAccounts"}, {"check": "CKV_AZURE_44"}):
        assert complaints([failed], [WAIVER.model_copy(update=other)]) == [f"CKV_AZURE_206 failed on {ACCOUNT} opsabc: copies"]


def test_a_waiver_that_waives_nothing_is_told() -> None:
    passed = Finding("CKV_AZURE_206", ACCOUNT, "data", "copies", Outcome.PASSED)
    assert idle([passed], [WAIVER]) == [f"The waiver of CKV_AZURE_206 for {ACCOUNT} * waives nothing: remove it"]
    assert idle([passed, Finding("CKV_AZURE_206", ACCOUNT, "ops", "copies", Outcome.FAILED)], [WAIVER]) == []


def test_waivers_name_checks_that_exist_and_each_once() -> None:
    waivers = load_waivers()
    assert len({(waiver.check, waiver.type, waiver.name) for waiver in waivers}) == len(waivers)
    for waiver in waivers:
        assert waiver.check in checks()[waiver.type.lower()]
        assert waiver.reason.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "- {check: CKV_AZURE_1, type: Microsoft.Batch/batchAccounts}",
        "- {check: CKV_AZURE_1, type: Microsoft.Batch/batchAccounts, reason: no}",
        "- {check: everything, type: Microsoft.Batch/batchAccounts, reason: because that is what we want}",
        "- {check: CKV_AZURE_1, type: '*', reason: because that is what we want}",
        "- {check: CKV_AZURE_1, type: Microsoft.Batch/batchAccounts, reason: because that is what we want, until: 2030}",
    ],
)
def test_waivers_without_a_reason_or_too_wide_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "waivers.yaml").write_text(text)
    with pytest.raises(ValidationError):
        load_waivers(tmp_path / "waivers.yaml")


def test_without_checkov_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHECKOV", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="make checkov"):
        scan([account()])
