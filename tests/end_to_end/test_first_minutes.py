"""The first minutes, in which Azure doesn't know identities, roles and firewalls everywhere: jobs begin all the same."""

from __future__ import annotations

from secrets import token_hex

import pytest

from emulator import forked
from emulator.arm import rules
from emulator.local_azure import LocalAzure
from emulator.rbac import access
from scorer.azure.retries import SECONDS
from tests.conftest import MakeClip
from tests.end_to_end.job_helpers import ask

ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
ACCOUNTS = "Microsoft.Storage/storageAccounts"
BATCH = "Microsoft.Batch/batchAccounts"


@pytest.fixture
def request_path(local_azure: LocalAzure, make_clip: MakeClip) -> str:
    """A request that is there, as a person put it a while ago; each test's is a job of its own, which nobody has begun."""
    local_azure.cloud.settle()
    local_azure.put("films/minutes.mp4", make_clip(frames=5).read_bytes())
    return ask(local_azure, f"minutes-{token_hex(4)}", "films/minutes.mp4")


def dispatched(azure: LocalAzure, path: str, *, machine: bool = True) -> tuple[int, str]:
    """How a container group's work ends, and what it says; other than a machine's, it asks but once."""
    environment = azure.environment(azure.principal("submitter"), machine=machine)
    done = forked.run(["dispatch", f"{azure.deployment['input']}/{path}"], environment, azure.folder)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("slow", "counts"),
    [([ASSIGNMENTS], 100.0), ([ACCOUNTS], rules.FIREWALL_COUNTS), ([BATCH], rules.FIREWALL_COUNTS)],
    ids=["roles", "storage's firewall", "Batch's firewall"],
)
def test_a_request_is_taken_in_before_everything_counts(
    slow: list[str], counts: float, local_azure: LocalAzure, request_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "ROLE_COUNTS", 100.0)  # within the patience of one container group
    began = local_azure.cloud.clock.now
    for each in slow:
        local_azure.cloud.renew(each)
    code, said = dispatched(local_azure, request_path, machine=False)
    assert code in (8, 14), said
    code, said = dispatched(local_azure, request_path)
    assert code == 0, said
    assert local_azure.cloud.clock.now - began >= counts


def test_an_identity_that_comes_late_is_waited_for(local_azure: LocalAzure, request_path: str) -> None:
    impatient = local_azure.environment(local_azure.principal("submitter"))
    del impatient["AZURE_TOKEN_CREDENTIALS"]
    request = f"{local_azure.deployment['input']}/{request_path}"
    assert forked.run(["dispatch", request], impatient, local_azure.folder).returncode != 0
    assert dispatched(local_azure, request_path)[0] == 0


def test_a_role_that_lacks_for_good_is_told_after_two_minutes(
    local_azure: LocalAzure, request_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "ROLE_COUNTS", 10 * SECONDS)
    local_azure.cloud.renew(ASSIGNMENTS)
    began = local_azure.cloud.clock.now
    code, said = dispatched(local_azure, request_path)
    assert (code, "Azure refused this machine's identity for two minutes" in said) == (8, True), said
    assert "Traceback" not in said
    assert local_azure.cloud.clock.now - began > SECONDS / 2
