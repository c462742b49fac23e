"""Resources to judge: each as it should be, and as it may be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import pulumi
from pulumi_azure_native import authorization, batch, containerregistry, monitor, security, storage

Make: TypeAlias = Callable[[str], pulumi.Resource]
Args = TypeVar("Args")

SUBSCRIPTION = "/subscriptions/00000000-0000-4000-8000-000000000001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/trial"
DATA = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/data"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
GATEWAY = f"{GROUP}/providers/Microsoft.Network/natGateways/nat"
ROLES = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
FORMULA = "$TargetDedicatedNodes = min(4, $PendingTasks.GetSample(1)); $NodeDeallocationOption = taskcompletion;"
# Made up, of the length and the letters of real ones.
KEY = "c29tZSBtYWRlIHVwIGJ5dGVzIHRoYXQgb3BlbiBub3RoaW5nIGF0IGFsbCwgZXZlciBvciBhbnl3aGVyZS4u" + "Li=="


def changed(args: Args, **changes: object) -> Args:
    """The arguments with some changed; raises AttributeError for one that the SDK hasn't got."""
    for name, value in changes.items():
        getattr(args, name)
        setattr(args, name, value)
    return args


def account(**changes: object) -> Make:
    """A storage account."""
    args = storage.StorageAccountArgs(
        resource_group_name="trial",
        kind="StorageV2",
        sku=storage.SkuArgs(name="Standard_LRS"),
        allow_blob_public_access=False,
        allow_shared_key_access=False,
        enable_https_traffic_only=True,
        minimum_tls_version="TLS1_2",
        network_rule_set=storage.NetworkRuleSetArgs(default_action=storage.DefaultAction.DENY),
    )
    return lambda name: storage.StorageAccount(name, changed(args, **changes))


def container(**changes: object) -> Make:
    """A blob container."""
    args = storage.BlobContainerArgs(resource_group_name="trial", account_name="data", public_access=storage.PublicAccess.NONE)
    return lambda name: storage.BlobContainer(name, changed(args, **changes))


def batch_account(**changes: object) -> Make:
    """A Batch account."""
    args = batch.BatchAccountArgs(resource_group_name="trial", allowed_authentication_modes=[batch.AuthenticationMode.AAD])
    return lambda name: batch.BatchAccount(name, changed(args, **changes))


def machine(**registry: object) -> batch.DeploymentConfigurationArgs:
    """What the nodes run, with one container registry."""
    reference = batch.ComputeNodeIdentityReferenceArgs(resource_id=IDENTITY)
    server = batch.ContainerRegistryArgs(registry_server="images.azurecr.io", identity_reference=reference)
    containers = batch.ContainerConfigurationArgs(type="DockerCompatible", container_registries=[changed(server, **registry)])
    image = batch.ImageReferenceArgs(publisher="microsoft-dsvm", offer="ubuntu-hpc", sku="2404", version="latest")
    return batch.DeploymentConfigurationArgs(
        virtual_machine_configuration=batch.VirtualMachineConfigurationArgs(
            image_reference=image, node_agent_sku_id="batch.node.ubuntu 24.04", container_configuration=containers
        )
    )


def guarded(
    *, host: bool = False, inside: bool = False, tpm: bool | None = None, launch: bool = False
) -> batch.DeploymentConfigurationArgs:
    """What the nodes run, encrypted and measured in some way."""
    firmware = None if tpm is None else batch.UefiSettingsArgs(v_tpm_enabled=tpm)
    profile = batch.SecurityProfileArgs(
        encryption_at_host=host, security_type=batch.SecurityTypes.TRUSTED_LAUNCH if launch else None, uefi_settings=firmware
    )
    disks = batch.DiskEncryptionConfigurationArgs(targets=[batch.DiskEncryptionTarget.TEMPORARY_DISK]) if inside else None
    made = machine()
    changed(made.virtual_machine_configuration, security_profile=profile, disk_encryption_configuration=disks)
    return made


def scale(formula: str) -> batch.ScaleSettingsArgs:
    """Scale by a formula."""
    return batch.ScaleSettingsArgs(auto_scale=batch.AutoScaleSettingsArgs(formula=formula))


def pool(**changes: object) -> Make:
    """A pool."""
    args = batch.PoolArgs(
        resource_group_name="trial",
        account_name="batch",
        vm_size="Standard_NC4as_T4_v3",
        deployment_configuration=machine(),
        identity=batch.BatchPoolIdentityArgs(type=batch.PoolIdentityType.USER_ASSIGNED, user_assigned_identities=[IDENTITY]),
        inter_node_communication=batch.InterNodeCommunicationState.DISABLED,
        network_configuration=batch.NetworkConfigurationArgs(subnet_id=f"{GROUP}/subnets/nodes"),
        scale_settings=scale(FORMULA),
    )
    return lambda name: batch.Pool(name, changed(args, **changes))


def inbound() -> batch.NetworkConfigurationArgs:
    """A network with a port of every node open to the internet."""
    ssh = batch.InboundNatPoolArgs(
        name="ssh",
        protocol=batch.InboundEndpointProtocol.TCP,
        backend_port=22,
        frontend_port_range_start=1,
        frontend_port_range_end=99,
    )
    return batch.NetworkConfigurationArgs(
        subnet_id=f"{GROUP}/subnets/nodes",
        endpoint_configuration=batch.PoolEndpointConfigurationArgs(inbound_nat_pools=[ssh]),
    )


def registry(**changes: object) -> Make:
    """A container registry."""
    args = containerregistry.RegistryArgs(
        resource_group_name="trial",
        sku=containerregistry.SkuArgs(name="Standard"),
        admin_user_enabled=False,
        anonymous_pull_enabled=False,
    )
    return lambda name: containerregistry.Registry(name, changed(args, **changes))


def assignment(**changes: object) -> Make:
    """A role assignment."""
    args = authorization.RoleAssignmentArgs(
        principal_id="1", principal_type="ServicePrincipal", role_definition_id=f"{ROLES}/{ACR_PULL}", scope=f"{GROUP}/images"
    )
    return lambda name: authorization.RoleAssignment(name, changed(args, **changes))


def role(**permission: object) -> Make:
    """A role of our own."""
    args = changed(authorization.PermissionArgs(actions=["Microsoft.ContainerInstance/containerGroups/read"]), **permission)
    return lambda name: authorization.RoleDefinition(name, role_name=name, scope=GROUP, permissions=[args])


def mount(**secret: object) -> list[batch.MountConfigurationArgs]:
    """A mounted container, by identity unless something is changed."""
    blobfuse = batch.AzureBlobFileSystemConfigurationArgs(account_name="ops", container_name="work", relative_mount_path="work")
    return [batch.MountConfigurationArgs(azure_blob_file_system_configuration=changed(blobfuse, **secret))]


def secret_mount(name: str) -> pulumi.Resource:
    """A pool whose mount has a secret that is marked as one."""
    return pool(mount_configuration=mount(sas_key=pulumi.Output.secret("x")))(name)


def diagnosis(about: str) -> Make:
    """A diagnostic setting."""
    logs = [monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)]
    return lambda name: monitor.DiagnosticSetting(name, resource_uri=about, workspace_id="workspace", logs=logs)


def lock(**changes: object) -> Make:
    """A lock."""
    args = authorization.ManagementLockByScopeArgs(scope=DATA, level=authorization.LockLevel.CAN_NOT_DELETE)
    return lambda name: authorization.ManagementLockByScope(name, changed(args, **changes))


def group_lock(name: str) -> pulumi.Resource:
    """A lock of a whole group."""
    return authorization.ManagementLockAtResourceGroupLevel(name, resource_group_name="trial", level="CanNotDelete")


def scan(cap: int | None = 10, *, own: bool = True) -> Make:
    """Defender's scans of an account."""
    upload = security.OnUploadPropertiesArgs(is_enabled=True, cap_gb_per_month=cap)
    properties = security.DefenderForStorageSettingPropertiesArgs(
        is_enabled=True,
        override_subscription_level_settings=own,
        malware_scanning=security.MalwareScanningPropertiesArgs(on_upload=upload),
    )
    return lambda name: security.DefenderForStorage(name, resource_id=DATA, setting_name="current", properties=properties)
