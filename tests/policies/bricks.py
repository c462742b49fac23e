"""Resources to judge: each as it should be, and as it may be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import pulumi
from pulumi_azure_native import authorization, batch, containerregistry, eventgrid, logic, monitor, network, security, storage

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


def traffic(direction: str, access: str, to: str = "*", ports: str = "*", **more: object) -> network.SecurityRuleArgs:
    """One rule of a security group."""
    rule = network.SecurityRuleArgs(
        name="rule",
        priority=100,
        direction=direction,
        access=access,
        protocol="*",
        source_address_prefix="*",
        source_port_range="*",
        destination_address_prefix=to,
        destination_port_range=ports,
    )
    return changed(rule, **more)


CLOSED = ("Outbound", "Deny")


def security_group(*rules: network.SecurityRuleArgs) -> Make:
    """A network security group."""
    return lambda name: network.NetworkSecurityGroup(name, resource_group_name="trial", security_rules=list(rules))


def alone(direction: str, access: str, to: str, ports: str) -> Make:
    """A rule outside the body of its group."""
    return lambda name: network.SecurityRule(
        name,
        resource_group_name="trial",
        network_security_group_name="group",
        priority=100,
        direction=direction,
        access=access,
        protocol="Tcp",
        destination_address_prefix=to,
        destination_port_range=ports,
    )


def inner(**changes: object) -> network.SubnetArgs:
    """A subnet in the body of its network."""
    group = network.NetworkSecurityGroupArgs(id=f"{GROUP}/group")
    gateway = network.SubResourceArgs(id=GATEWAY)
    args = network.SubnetArgs(
        name="nodes",
        address_prefix="10.0.0.0/24",
        default_outbound_access=False,
        nat_gateway=gateway,
        network_security_group=group,
    )
    return changed(args, **changes)


def subnet(**changes: object) -> Make:
    """A virtual network with a good subnet and another."""
    return lambda name: network.VirtualNetwork(
        name,
        resource_group_name="trial",
        address_space=network.AddressSpaceArgs(address_prefixes=["10.0.0.0/16"]),
        subnets=[inner(), inner(name="other", **changes)],
    )


def lone_subnet(**changes: object) -> Make:
    """A subnet outside the body of its network."""
    args = network.SubnetInitArgs(
        resource_group_name="trial",
        virtual_network_name="vnet",
        default_outbound_access=False,
        nat_gateway=network.SubResourceArgs(id=GATEWAY),
        network_security_group=network.NetworkSecurityGroupArgs(id=f"{GROUP}/group"),
    )
    return lambda name: network.Subnet(name, changed(args, **changes))


MSI = {"type": "ManagedServiceIdentity", "identity": IDENTITY}


def call(authentication: object) -> dict[str, object]:
    """An HTTP action, deep in a loop in a scope."""
    action = {
        "type": "Http",
        "inputs": {"method": "GET", "uri": "https://management.azure.com/", "authentication": authentication},
    }
    return {"Try": {"type": "Scope", "actions": {"Each": {"type": "Foreach", "actions": {"Ask": action}}}}}


def workflow(actions: object, parameters: object = None) -> Make:
    """A Logic App."""
    definition = {"triggers": {"request": {"type": "Request", "kind": "Http"}}, "actions": actions}
    args = logic.WorkflowArgs(resource_group_name="trial", definition=definition)
    return lambda name: logic.Workflow(name, changed(args, parameters=parameters))


def subscription(**changes: object) -> Make:
    """An Event Grid subscription, with the signed address of a workflow's trigger."""
    letters = eventgrid.StorageBlobDeadLetterDestinationArgs(
        endpoint_type="StorageBlob", resource_id=f"{GROUP}/ops", blob_container_name="dead-letters"
    )
    identity = eventgrid.EventSubscriptionIdentityArgs(type="SystemAssigned")
    args = eventgrid.SystemTopicEventSubscriptionArgs(
        resource_group_name="trial",
        system_topic_name="topic",
        dead_letter_with_resource_identity=eventgrid.DeadLetterWithResourceIdentityArgs(
            identity=identity, dead_letter_destination=letters
        ),
        retry_policy=eventgrid.RetryPolicyArgs(event_time_to_live_in_minutes=1440, max_delivery_attempts=30),
    )

    def make(name: str) -> pulumi.Resource:
        address = pulumi.Output.secret("https://logic.azure.com/workflows/1?sv=1&sig=abc")
        hook = eventgrid.WebHookEventSubscriptionDestinationArgs(endpoint_type="WebHook", endpoint_url=address)
        return eventgrid.SystemTopicEventSubscription(name, changed(args, destination=hook, **changes))

    return make


def topic(name: str) -> pulumi.Resource:
    """The one kind of resource that has an identity of the system's."""
    identity = eventgrid.IdentityInfoArgs(type=eventgrid.IdentityType.SYSTEM_ASSIGNED)
    return eventgrid.SystemTopic(name, resource_group_name="trial", source=f"{GROUP}/data", identity=identity)


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


def flow_log(**changes: object) -> Make:
    """Logs of what flows through a VNet."""
    args = network.FlowLogArgs(
        network_watcher_name="watcher",
        resource_group_name="NetworkWatcherRG",
        storage_id=DATA,
        target_resource_id=f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet",
        enabled=True,
        identity=network.ManagedServiceIdentityArgs(
            type=network.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[IDENTITY]
        ),
    )
    return lambda name: network.FlowLog(name, changed(args, **changes))


def token_workflow(*claims: str) -> Make:
    """A Logic App that tokens start, of which it looks at some claims."""
    policy = logic.OpenAuthenticationAccessPolicyArgs(
        type="AAD", claims=[logic.OpenAuthenticationPolicyClaimArgs(name=each, value="x") for each in claims]
    )
    access = logic.FlowAccessControlConfigurationArgs(
        triggers=logic.FlowAccessControlConfigurationPolicyArgs(
            open_authentication_policies=logic.OpenAuthenticationAccessPoliciesArgs(policies={"events": policy})
        )
    )
    return lambda name: logic.Workflow(name, resource_group_name="trial", definition={}, access_control=access)


def token_subscription(address: str) -> Make:
    """An Event Grid subscription that shows a token."""

    def make(name: str) -> pulumi.Resource:
        identity = eventgrid.EventSubscriptionIdentityArgs(type="SystemAssigned")
        letters = eventgrid.StorageBlobDeadLetterDestinationArgs(
            endpoint_type="StorageBlob", resource_id=f"{GROUP}/ops", blob_container_name="dead-letters"
        )
        return eventgrid.SystemTopicEventSubscription(
            name,
            resource_group_name="trial",
            system_topic_name="topic",
            destination=eventgrid.WebHookEventSubscriptionDestinationArgs(
                endpoint_type="WebHook", endpoint_url=address, azure_active_directory_application_id_or_uri="app"
            ),
            dead_letter_with_resource_identity=eventgrid.DeadLetterWithResourceIdentityArgs(
                identity=identity, dead_letter_destination=letters
            ),
            retry_policy=eventgrid.RetryPolicyArgs(event_time_to_live_in_minutes=1440, max_delivery_attempts=30),
        )

    return make
