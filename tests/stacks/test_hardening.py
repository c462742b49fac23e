"""What reviews of security ask for: locks, encrypted nodes, scans for malware, logs of flows, and who may start the workflow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from autoscale.gpu_sizes import SIZES
from emulator.arm.cloud import Cloud, Resource
from emulator.arm.outputs import SIGNATURE, callback_url, principal
from emulator.arm.requests import TENANT, ArmError, Json, at
from emulator.arm.requests import kind as arm_kind
from emulator.arm.rules import LOCK
from emulator.blob import defender
from emulator.pulumi import provider
from emulator.pulumi.engine import Deployment
from stacks.cluster import PoolArgs, _security
from stacks.patterns import NAMED
from stacks.settings import Settings

README = (Path(__file__).parents[2] / "stacks/README.md").read_text()
PERSON = "203.0.113.7"
OPERATOR = "11111111-1111-1111-1111-111111111111"
APPLICATION = "33333333-3333-3333-3333-333333333333"
POOL = "Microsoft.Batch/batchAccounts/pools"
ACCOUNTS = "Microsoft.Storage/storageAccounts"
WORKFLOW = "Microsoft.Logic/workflows"
SUBSCRIPTION = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
FLOW_LOG = "Microsoft.Network/networkWatchers/flowLogs"
EVERYTHING = {
    "gpuSize": "Standard_NC16as_T4_v3",
    "encryptionAtHost": True,
    "trustedLaunch": True,
    "protect": True,
    "mount": "nfs",
    "malwareScanGb": 500,
    "flowLogs": True,
    "eventAppId": APPLICATION,
    "operators": [OPERATOR],
}


@dataclass
class Made:
    """A deployment with everything on. Its tests stand in the order in which they change it."""

    azure: Cloud
    deployment: Deployment

    def account(self, kind: str) -> Resource:
        (found,) = (each for each in self.azure.of_type(ACCOUNTS) if kind in each.request.name)
        return found

    @property
    def hook(self) -> Json:
        """Where events go."""
        (found,) = self.azure.of_type(SUBSCRIPTION)
        return dict(found.body["properties"]["destination"]["properties"])

    @property
    def workflow(self) -> Resource:
        """The one that events start."""
        (found,) = (each for each in self.azure.of_type(WORKFLOW) if "-looks" not in each.request.name)
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    azure = Cloud()
    azure.people.add(OPERATOR)
    with provider.serve(azure) as port:
        deployment = Deployment(folder=tmp_path_factory.mktemp("hardened"), port=port, stack="dev", settings=dict(EVERYTHING))
        deployment.up()
        yield Made(azure, deployment)


def test_a_pattern_knows_what_each_is_for(made: Made) -> None:
    """Whatever `namePattern` names is told apart by {kind}: two of one kind would have one name."""
    for token, named in NAMED.items():
        for each in made.azure.of_type(arm_kind(f"azure-native:{token}").type):
            ends = [kind for kind in named.kinds if kind and re.search(rf"-?{kind}-?[0-9a-f]{{8}}$", each.request.name)]
            assert ends or "" in named.kinds, f"{each.request.name} is none of {named.kinds}"


def test_nodes_are_encrypted_and_have_a_tpm_without_secure_boot(made: Made) -> None:
    (pool,) = made.azure.of_type(POOL)
    machine = pool.body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["securityProfile"] == {
        "encryptionAtHost": True,
        "securityType": "trustedLaunch",
        "uefiSettings": {"secureBootEnabled": False, "vTpmEnabled": True},
    }
    assert "diskEncryptionConfiguration" not in machine


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, None),
        ({"encryption_at_host": True}, (True, None, None)),
        ({"trusted_launch": True}, (None, "trustedLaunch", (False, True))),
    ],
    ids=str,
)
def test_what_isnt_asked_for_isnt_said(asked: dict[str, Any], given: tuple[object, ...] | None) -> None:
    args = PoolArgs(
        resource_group_name="g", account_name="a", gpu_size="s", gpus=1, formula="f", slots_per_node=1, subnet_id="n",
        identity_id="i", registry_server="r", **asked,
    )  # fmt: skip
    profile = _security(args)
    firmware = profile and profile.uefi_settings
    shown = firmware and (firmware.secure_boot_enabled, firmware.v_tpm_enabled)  # type: ignore[union-attr]  # no Output here
    assert (profile and (profile.encryption_at_host, profile.security_type, shown)) == given


def test_a_size_that_may_not_take_encryption_is_told_of() -> None:
    sure = Settings(location="westeurope", gpu_size="Standard_NC16as_T4_v3", encryption_at_host=True)
    (doubt,) = sure.model_copy(update={"gpu_size": "Standard_NC4as_T4_v3"}).doubts
    assert sure.doubts == []
    assert Settings(location="westeurope").doubts == []
    assert "'az vm list-skus --location westeurope --size Standard_NC4as_T4_v3 --output json'" in doubt


def test_a_size_that_takes_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "Standard_NC8as_T4_v3", replace(SIZES["Standard_NC8as_T4_v3"], host_encryption=False))
    with pytest.raises(ValueError, match="encryptionAtHost is true, and Standard_NC8as_T4_v3 doesn't take it"):
        Settings(location="westeurope", gpu_size="Standard_NC8as_T4_v3", encryption_at_host=True)


def test_what_people_put_is_scanned_for_malware_and_the_scanner_let_in(made: Made) -> None:
    (setting,) = made.azure.of_type(defender.SETTINGS)
    data, ops = made.account("data"), made.account("ops")
    assert setting.id.startswith(data.id)
    assert setting.body["properties"] == {
        "isEnabled": True,
        "overrideSubscriptionLevelSettings": True,
        "malwareScanning": {"onUpload": {"isEnabled": True, "capGBPerMonth": 500}},
    }
    assert defender.scans(made.azure, data)
    assert not defender.lets_in(ops)
    # Nobody of the deployment may write tags, and the submitter alone reads them.
    granted = [
        (each.request.name, action)
        for each in made.azure.of_type("Microsoft.Authorization/roleDefinitions")
        for permission in each.body["properties"]["permissions"]
        for action in permission.get("dataActions", [])
        if "/tags/" in action
    ]
    ((role, action),) = granted
    assert action.endswith("/blobs/tags/read")
    (assigned,) = (
        each
        for each in made.azure.of_type("Microsoft.Authorization/roleAssignments")
        if each.body["properties"]["roleDefinitionId"].endswith(role)
    )
    assert "/containers/input/" in assigned.id
    submitter = next(each for each in made.azure if "-submitter" in each.request.name and "userAssignedIdentities" in each.id)
    assert assigned.body["properties"]["principalId"] == principal(submitter)


def test_flows_are_logged_as_an_identity_into_a_container_that_is_emptied(made: Made) -> None:
    (log,) = made.azure.of_type(FLOW_LOG)
    (vnet,) = made.azure.of_type("Microsoft.Network/virtualNetworks")
    assert log.id.endswith("/resourceGroups/NetworkWatcherRG/providers/" + log.id.rpartition("/providers/")[2])
    assert "/networkWatchers/NetworkWatcher_westeurope/" in log.id
    properties = log.body["properties"]
    assert (properties["targetResourceId"], properties["storageId"]) == (vnet.id, made.account("ops").id)
    assert properties["enabled"] is True
    (policy,) = (
        each for each in made.azure.of_type(f"{ACCOUNTS}/managementPolicies") if made.account("ops").request.name in each.id
    )
    rules = {rule["name"]: rule["definition"] for rule in policy.body["properties"]["policy"]["rules"]}
    assert rules["old-flows"]["filters"]["prefixMatch"] == ["insights-logs-flowlogflowevent/"]
    assert rules["old-flows"]["actions"]["baseBlob"]["delete"] == {"daysAfterModificationGreaterThan": 90}
    assert properties["retentionPolicy"] == {"enabled": True, "days": 90}


def test_flows_are_kept_as_long_as_other_logs_and_not_for_less_than_90_days() -> None:
    days = [
        Settings(location="westeurope", flow_logs=on, log_days=days).flow_log_days
        for on, days in [(False, 60), (True, 60), (True, 200)]
    ]
    assert days == [0, 90, 200]


def test_event_grid_shows_a_token_and_no_secret_is_anywhere(made: Made) -> None:
    hook, flow = made.hook, made.workflow
    assert hook["endpointUrl"] == callback_url(flow.id, "Request_uploaded").partition("&")[0]
    assert (hook["azureActiveDirectoryTenantId"], hook["azureActiveDirectoryApplicationIdOrUri"]) == (TENANT, APPLICATION)
    access = flow.body["properties"]["accessControl"]
    (policy,) = access["triggers"]["openAuthenticationPolicies"]["policies"].values()
    claims = {each["name"]: each["value"] for each in policy["claims"]}
    assert policy["type"] == "AAD"
    assert claims == {
        "iss": f"https://sts.windows.net/{TENANT}/",
        "aud": APPLICATION,
        "appid": "4962773b-9cdb-44cf-a8bf-237846a00ab7",
    }
    assert access["contents"]["allowedCallerIpAddresses"] == [{"addressRange": "0.0.0.0/32"}]
    assert SIGNATURE not in made.deployment.state() + made.deployment.log


def test_a_hook_with_both_a_secret_and_a_token_is_answered_by_nobody(made: Made) -> None:
    (old,) = made.azure.of_type(SUBSCRIPTION)
    destination = {**old.inputs["destination"], "endpointUrl": callback_url(made.workflow.id, "Request_uploaded")}
    with pytest.raises(ArmError, match="didn't answer"):
        made.azure.update(old.id, old.kind.token, {**old.inputs, "destination": destination})
    other = {**old.inputs["destination"], "azureActiveDirectoryApplicationIdOrUri": OPERATOR}
    with pytest.raises(ArmError, match="didn't answer"):
        made.azure.update(old.id, old.kind.token, {**old.inputs, "destination": other})


def test_accounts_are_locked_for_whoever_asks_azure(made: Made) -> None:
    locks = made.azure.of_type(LOCK)
    accounts = [made.account(kind) for kind in ("data", "ops", "nfs")]
    assert sorted(each.id.partition(f"/providers/{LOCK}")[0] for each in locks) == sorted(each.id for each in accounts)
    assert {each.body["properties"]["level"] for each in locks} == {"CanNotDelete"}
    (group,) = made.azure.of_type("Microsoft.Resources/resourceGroups")
    (container,) = (each for each in made.azure.of_type(f"{ACCOUNTS}/blobServices/containers") if each.id.endswith("/input"))
    for each in (*accounts, container, group):
        with pytest.raises(ArmError, match="locks it: remove the lock first"):
            made.azure.delete(each.id)


def test_a_change_keeps_the_scanner_and_takes_back_the_secret_address(made: Made) -> None:
    (old,) = made.azure.of_type(POOL)
    made.deployment.settings |= {"allowedIps": [PERSON], "eventAppId": None, "encryptionAtHost": False, "trustedLaunch": False}
    changed = made.deployment.up()
    assert changed.changes["replace"] == 1
    data = made.account("data")
    assert [rule["value"] for rule in data.body["properties"]["networkAcls"]["ipRules"]] == [PERSON]
    assert defender.lets_in(data)
    (new,) = made.azure.of_type(POOL)
    assert new.id != old.id
    assert at(new.body, "properties.deploymentConfiguration.virtualMachineConfiguration.securityProfile") is None
    assert made.hook["endpointUrl"] == callback_url(made.workflow.id, "Request_uploaded")
    assert "azureActiveDirectoryApplicationIdOrUri" not in made.hook
    assert at(made.workflow.body, "properties.accessControl.triggers") is None


def test_a_new_key_is_taken_by_the_next_up_and_the_old_address_is_dead(made: Made) -> None:
    (command,) = re.findall(r"az rest .*regenerateAccessKey.*", README)
    assert "$(pulumi stack output resourceGroup)" in command
    assert "$(pulumi stack output workflow)" in command
    old = made.hook["endpointUrl"]
    made.azure.regenerate_key(made.workflow.id)
    with made.azure.fresh_record() as events:
        made.deployment.settings |= {"protect": False}
        outputs = made.deployment.up().outputs
    assert (outputs["resourceGroup"], outputs["workflow"]) == (made.workflow.id.split("/")[4], made.workflow.request.name)
    assert [(each.verb, each.type) for each in events if each.type in (SUBSCRIPTION, WORKFLOW)] == [("update", SUBSCRIPTION)]
    assert made.hook["endpointUrl"] != old
    (subscription,) = made.azure.of_type(SUBSCRIPTION)
    destination = {**subscription.inputs["destination"], "endpointUrl": old}
    with pytest.raises(ArmError, match="didn't answer"):
        made.azure.update(subscription.id, subscription.kind.token, {**subscription.inputs, "destination": destination})


def test_without_protection_the_locks_go_and_all_the_rest_after_them(made: Made) -> None:
    assert made.azure.of_type(LOCK) == []
    assert made.deployment.preview().is_unchanged
    made.deployment.destroy()
    assert [each.id for each in made.azure] == []
