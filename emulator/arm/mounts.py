"""What Azure refuses of shares, and of a pool that mounts a share or a container."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator.arm import outputs
from emulator.arm.requests import ArmError, Json, at
from emulator.rbac.access import holds
from emulator.rbac.definitions import WRITE

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud, Resource

# GiB of a premium share: https://learn.microsoft.com/azure/storage/files/storage-files-scale-targets
LEAST_SHARE, MOST_SHARE = 100, 102_400


def check_share(cloud: Cloud, made: Resource) -> None:
    """Raise ArmError for a share that can't be. Source: https://learn.microsoft.com/azure/storage/files/files-nfs-protocol."""
    account = cloud.get(made.id.partition("/fileServices/")[0])
    premium = at(account.body, "kind") == "FileStorage"
    if at(made.body, "properties.enabledProtocols") == "NFS" and not premium:
        raise ArmError("InvalidRequestPropertyValue", "Shares of NFS are in accounts of the kind FileStorage alone.")
    quota: Any = at(made.body, "properties.shareQuota") or LEAST_SHARE
    if premium and not LEAST_SHARE <= quota <= MOST_SHARE:
        raise ArmError("InvalidHeaderValue", f"A share has {quota} GiB: {LEAST_SHARE} to {MOST_SHARE} may be.")


def check_mount(cloud: Cloud, made: Resource, mount: Json) -> None:
    """Raise ArmError where a pool can't mount it."""
    if nfs := mount.get("nfsMountConfiguration"):
        _nfs(cloud, made, nfs["source"])
    if blob := mount.get("azureBlobFileSystemConfiguration"):
        account = _account(cloud, blob["accountName"])
        container = f"{account.id}/blobServices/default/containers/{blob['containerName']}"
        principal = outputs.principal(cloud.get(blob["identityReference"]["resourceId"]))
        cloud.get(container)
        if not holds(cloud, principal, WRITE, container):
            raise ArmError("AccessDenied", f"The nodes may not write to '{container}'.")


def _nfs(cloud: Cloud, pool: Resource, source: str) -> None:
    """A share is mounted by who reaches it. Azure takes the pool all the same, and its nodes become unusable.

    Source: https://learn.microsoft.com/azure/storage/files/files-troubleshoot-linux-nfs
    """
    found = re.fullmatch(r"([a-z0-9]{3,24})\.file\.[a-z.]+:/\1/([a-z0-9-]{3,63})", source)
    if found is None:
        raise ArmError("MountConfigurationError", f"'{source}' is no share of NFS: ACCOUNT.file.core.windows.net:/ACCOUNT/SHARE.")
    account = _account(cloud, found[1])
    share = cloud.get(f"{account.id}/fileServices/default/shares/{found[2]}")
    if at(share.body, "properties.enabledProtocols") != "NFS":
        raise ArmError("MountConfigurationError", f"'{share.id}' speaks SMB alone.")
    if at(account.body, "properties.supportsHttpsTrafficOnly") is not False:
        raise ArmError("MountConfigurationError", f"'{account.id}' demands secure transfer, which a mount without TLS isn't.")
    subnet_id = str(at(pool.body, "properties.networkConfiguration.subnetId"))
    rules: Any = at(account.body, "properties.networkAcls.virtualNetworkRules") or []
    if not has_endpoint(cloud, account, "file") and subnet_id not in [rule["id"] for rule in rules]:
        raise ArmError("MountConfigurationError", f"Nothing leads from '{subnet_id}' to '{account.id}'.")
    guard = at(subnet_of(cloud, subnet_id), "properties.networkSecurityGroup.id")
    if guard and not _lets_out(cloud.get(str(guard)), "2049"):
        raise ArmError("MountConfigurationError", f"'{guard}' lets nothing out to port 2049.")


def _lets_out(group: Resource, port: str) -> bool:
    rules = [each["properties"] for each in group.body["properties"].get("securityRules", [])]
    return any(
        rule["direction"] == "Outbound" and rule["access"] == "Allow" and port in rule.get("destinationPortRanges", [])
        for rule in rules
    )


def _account(cloud: Cloud, name: str) -> Resource:
    for each in cloud.of_type("Microsoft.Storage/storageAccounts"):
        if each.request.name == name:
            return each
    raise ArmError("ResourceNotFound", f"There is no storage account '{name}'.")


def has_endpoint(cloud: Cloud, target: Resource, service: str) -> bool:
    """Whether a private endpoint leads to the service of a resource."""
    for each in cloud.of_type("Microsoft.Network/privateEndpoints"):
        for connection in each.body["properties"]["privateLinkServiceConnections"]:
            properties = connection["properties"]
            if properties["privateLinkServiceId"].lower() == target.id.lower() and service in properties["groupIds"]:
                return True
    return False


def subnet_of(cloud: Cloud, subnet_id: str) -> Json:
    """The subnet, as its network has it."""
    vnet, _, name = subnet_id.partition("/subnets/")
    (subnet,) = (each for each in cloud.get(vnet).body["properties"]["subnets"] if each["name"] == name)
    return dict(subnet)
