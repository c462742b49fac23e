"""What Azure refuses although a request is well-formed: the order of things, what can't be changed, and what is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.arm.needs import NEEDS, WORLDWIDE
from emulator.arm.requests import ArmError, at, references

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud, Resource


# PropertyCannotBeUpdated, and its like. Paths in the ARM body.
FIXED = {
    "Microsoft.Batch/batchAccounts/pools": [
        "identity",
        "properties.vmSize",
        "properties.networkConfiguration",
        "properties.deploymentConfiguration",
        "properties.mountConfiguration",
        "properties.taskSlotsPerNode",
        "properties.interNodeCommunication",
    ],
    "Microsoft.Storage/storageAccounts": [
        "location",
        "kind",
        "properties.encryption.requireInfrastructureEncryption",
    ],
    "Microsoft.Storage/storageAccounts/fileServices/shares": ["properties.enabledProtocols"],
    "Microsoft.Authorization/roleAssignments": ["properties.principalId", "properties.roleDefinitionId"],
    "Microsoft.ContainerRegistry/registries": ["location", "properties.zoneRedundancy"],
    "Microsoft.EventGrid/systemTopics": ["location", "properties.source", "properties.topicType"],
    "Microsoft.Network/privateEndpoints": ["location", "properties.subnet"],
    "Microsoft.Network/publicIPAddresses": ["location", "zones"],
    "Microsoft.Batch/batchAccounts": ["location", "properties.poolAllocationMode"],
    # https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
    "Microsoft.KeyVault/vaults": [
        "location",
        "properties.enablePurgeProtection",
        "properties.softDeleteRetentionInDays",
    ],
    "Microsoft.MachineLearningServices/workspaces": [
        "location",
        "kind",
        "properties.keyVault",
        "properties.storageAccount",
    ],
    "Microsoft.MachineLearningServices/workspaces/computes": [
        "location",
        "properties.computeType",
        "properties.properties.vmSize",
        "properties.properties.vmPriority",
        "properties.properties.subnet",
        "properties.properties.enableNodePublicIp",
        "properties.properties.remoteLoginPortPublicAccess",
    ],
    # https://learn.microsoft.com/azure/machine-learning/how-to-manage-environments-v2
    "Microsoft.MachineLearningServices/workspaces/environments/versions": ["properties.image", "properties.osType"],
}

# Paths in the ARM body that a change without them leaves alone.
KEPT = {"Microsoft.Storage/storageAccounts": ["properties.publicNetworkAccess"]}

# What stays when the resource or group goes that it is about: roles stand in the subscription, and a diagnostic setting
# works again once a resource of the same id is back. https://learn.microsoft.com/azure/azure-monitor/essentials/diagnostic-settings
OUTLIVING = {"Microsoft.Authorization/roleDefinitions", "Microsoft.Insights/diagnosticSettings"}
# What can't go while anything outside of it refers to it.
HELD = {
    "Microsoft.Network/natGateways",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/virtualNetworks",
}
LOCK = "Microsoft.Authorization/locks"
# Seconds for which the name of what was deleted stays taken: https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
# (as many days as the vault says, 7 at least), https://learn.microsoft.com/azure/machine-learning/concept-soft-delete
DAY = 86_400.0
KEEP_THEIR_NAME = {"Microsoft.KeyVault/vaults": 7 * DAY, "Microsoft.MachineLearningServices/workspaces": 14 * DAY}


# Seconds until a firewall lets in whom it names: https://learn.microsoft.com/azure/storage/common/storage-network-security-limitations.
FIREWALL_COUNTS = 60.0


def lets_nobody_in(cloud: Cloud, account: Resource) -> bool:
    """Whether an account's firewall was just made or changed."""
    return cloud.age(account) < FIREWALL_COUNTS


def is_slow(old: Resource, new: Resource) -> bool:
    """Whether a change takes its time to be known."""
    return any(at(old.body, path) != at(new.body, path) for path in ("properties.networkAcls", "properties.networkProfile"))


def may_exist(cloud: Cloud, made: Resource) -> None:
    """Raise ArmError where something that `made` needs isn't there yet."""
    if made.request.type in WORLDWIDE:
        for each in cloud.of_type(made.request.type):
            if each.request.name.lower() == made.request.name.lower() and each.id.lower() != made.id.lower():
                raise ArmError("AlreadyInUse", f"The name '{made.request.name}' is taken.")
    if cloud.find(made.id) is None and cloud.kept_names.get(_place(made), 0.0) > cloud.clock.now:
        raise ArmError("ConflictError", f"'{made.id}' was deleted and can still be recovered: purge it, or take another name.")
    check = NEEDS.get(made.request.type)
    if check:
        check(cloud, made)


def keep_name(cloud: Cloud, gone: Resource) -> None:
    """What of a deleted resource stays for a while: its name."""
    if seconds := KEEP_THEIR_NAME.get(gone.request.type):
        cloud.kept_names[_place(gone)] = cloud.clock.now + seconds


def _place(each: Resource) -> str:
    """Where no other may have the name: in the world, or in the group."""
    return (each.request.name if each.request.type in WORLDWIDE else each.id).lower()


def may_change(old: Resource, new: Resource) -> None:
    """Raise ArmError where Azure would refuse the change in place."""
    for path in FIXED.get(old.request.type, ["location"]):
        if at(old.body, path) != at(new.body, path):
            raise ArmError("PropertyCannotBeUpdated", f"{path} of '{old.id}' can't be changed once it exists.")
    # Only a migration does that: https://learn.microsoft.com/azure/storage/common/redundancy-migration
    if ("ZRS" in str(at(old.body, "sku.name"))) != ("ZRS" in str(at(new.body, "sku.name"))):
        raise ArmError("PropertyCannotBeUpdated", f"'{old.id}' can't be spread over zones or gathered once it exists.")


def keep(old: Resource, new: Resource) -> None:
    """What a change leaves out stays as it was."""
    for path in KEPT.get(old.request.type, []):
        if at(new.body, path) is None and (value := at(old.body, path)) is not None:
            *parents, last = path.split(".")
            place = new.body
            for key in parents:
                place = place.setdefault(key, {})
            place[last] = value


def may_go(cloud: Cloud, gone: Resource) -> None:
    """Raise ArmError where `gone` is locked, or in use by something that stays."""
    low = gone.id.lower()
    inside = low + "/"
    _is_locked(cloud, gone)
    if gone.request.type == "Microsoft.Authorization/roleDefinitions":
        users = [each for each in cloud if str(at(each.body, "properties.roleDefinitionId")).lower() == low]
    elif gone.request.type in HELD:
        users = [each for each in cloud if _refers(each, low) and not each.id.lower().startswith(inside)]
    else:
        users = []
    if users:
        raise ArmError("InUse", f"'{gone.id}' is in use by '{users[0].id}'.")


def _is_locked(cloud: Cloud, gone: Resource) -> None:
    """A lock keeps what it stands on, what that is in, and all that is inside or extends it: role assignments, too.

    Source: https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
    """
    if gone.request.type == LOCK:
        return
    low = gone.id.lower()
    for lock in cloud.of_type(LOCK):
        scope = lock.id.lower().partition(f"/providers/{LOCK.lower()}/")[0]
        if f"{low}/".startswith(f"{scope}/") or f"{scope}/".startswith(f"{low}/"):
            raise ArmError("ScopeLocked", f"'{gone.id}' can't be deleted, as '{lock.id}' locks it: remove the lock first.")


def _refers(user: Resource, low: str) -> bool:
    """Whether a resource's body names another, or something inside it; a firewall rule holds nothing."""
    if user.request.type in WORLDWIDE:
        return False
    return any((reference.lower() + "/").startswith(low + "/") for reference in references(user.body))
