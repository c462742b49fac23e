"""Resources that hold to every rule, and for each rule some that break it and nothing else; all as the real SDK sends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import pulumi
from pulumi_azure_native import authorization, batch, containerregistry, eventgrid, logic, monitor, network, storage

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


@dataclass(frozen=True)
class Case:
    """A resource, and the one rule that it breaks ('' for none)."""

    name: str
    make: Make
    rule: str = ""


GOOD = [
    Case("account", account()),
    Case("container", container()),
    Case("container-unsaid", container(public_access=None)),
    Case("batch", batch_account()),
    Case("pool", pool()),
    Case("pool-public-images", pool(deployment_configuration=machine(registry_server="docker.io"))),
    Case("pool-mount", pool(mount_configuration=mount(identity_reference={"resource_id": IDENTITY}))),
    Case("registry", registry()),
    Case("registry-unsaid", registry(admin_user_enabled=None, anonymous_pull_enabled=None)),
    Case("group", security_group(traffic("Outbound", "Allow", "Storage.westeurope", "443"), traffic(*CLOSED))),
    Case("group-internet-https", security_group(traffic("Outbound", "Allow", "Internet", "443"), traffic(*CLOSED, "Internet"))),
    Case("group-denies-inbound", security_group(traffic("Inbound", "Deny"), traffic(*CLOSED))),
    Case("rule", alone("Outbound", "Allow", "AzureMonitor", "443")),
    Case("vnet", subnet()),
    Case("vnet-endpoints", subnet(nat_gateway=None, private_endpoint_network_policies="Enabled")),
    Case("vnet-service-endpoints", subnet(nat_gateway=None, service_endpoints=[{"service": "Microsoft.Storage"}])),
    Case("subnet", lone_subnet()),
    Case("workflow", workflow(call(MSI))),
    Case("workflow-parameters", workflow(call(MSI), {"apiKeyName": {"type": "String", "value": "none"}})),
    Case("subscription", subscription()),
    Case("topic", topic),
    Case("blob-log", diagnosis(f"{DATA}/blobServices/default")),
    Case("batch-log", diagnosis(f"{GROUP}/providers/Microsoft.Batch/batchAccounts/batch")),
    Case("assignment", assignment()),
    Case("assignment-group", assignment(scope=GROUP)),
    Case(
        "owner-is-a-person", assignment(principal_type="User", role_definition_id=f"{ROLES}/8e3af657-a8ff-443c-a75c-2fe8c4bcb635")
    ),
    Case("role", role()),
    Case("role-some", role(actions=["Microsoft.ContainerInstance/containerGroups/*"])),
]

BAD = [
    Case("keys", account(allow_shared_key_access=True), "storage-no-shared-key"),
    Case("keys-unsaid", account(allow_shared_key_access=None), "storage-no-shared-key"),
    Case("public-account", account(allow_blob_public_access=True), "storage-no-public-blobs"),
    Case("public-container", container(public_access=storage.PublicAccess.CONTAINER), "storage-no-public-blobs"),
    Case("public-blob", container(public_access=storage.PublicAccess.BLOB), "storage-no-public-blobs"),
    Case("old-tls", account(minimum_tls_version="TLS1_1"), "storage-tls"),
    Case("http", account(enable_https_traffic_only=False), "storage-https-only"),
    Case("open-account", account(network_rule_set={"default_action": "Allow"}), "storage-closed"),
    Case("open-unsaid", account(network_rule_set=None), "storage-closed"),
    Case("batch-keys", batch_account(allowed_authentication_modes=["AAD", "SharedKey"]), "batch-entra-only"),
    Case("batch-unsaid", batch_account(allowed_authentication_modes=None), "batch-entra-only"),
    Case("batch-none", batch_account(allowed_authentication_modes=[]), "batch-entra-only"),
    Case("inbound", pool(network_configuration=inbound()), "pool-no-inbound"),
    Case("nowhere", pool(network_configuration=None), "pool-in-subnet"),
    Case("user", pool(deployment_configuration=machine(user_name="someone")), "pool-registry-by-identity"),
    Case("no-identity", pool(deployment_configuration=machine(identity_reference=None)), "pool-registry-by-identity"),
    Case("nobody", pool(identity=None), "pool-identity"),
    Case("identity-list", pool(identity={"type": "UserAssigned"}), "pool-identity"),
    Case("fixed", pool(scale_settings={"fixed_scale": {"target_dedicated_nodes": 1}}), "pool-autoscale"),
    Case("unscaled", pool(scale_settings=None), "pool-autoscale"),
    Case("endless", pool(scale_settings=scale("$TargetDedicatedNodes = $PendingTasks.GetSample(1);")), "pool-autoscale"),
    Case("aimless", pool(scale_settings=scale("nodes = min(4, $PendingTasks.GetSample(1));")), "pool-autoscale"),
    Case("blank", pool(scale_settings=scale(" ")), "pool-autoscale"),
    Case("sign-in", pool(user_accounts=[{"name": "admin", "password": "@later"}]), "pool-no-accounts"),
    Case("chatty", pool(inter_node_communication=batch.InterNodeCommunicationState.ENABLED), "pool-inter-node"),
    Case("admin", registry(admin_user_enabled=True), "registry-no-admin"),
    Case("anyone", registry(anonymous_pull_enabled=True), "registry-no-anonymous-pull"),
    Case("in", security_group(traffic("Inbound", "Allow", ports="22"), traffic(*CLOSED)), "network-no-inbound"),
    Case("in-small", security_group(traffic("inbound", "allow", ports="22"), traffic(*CLOSED)), "network-no-inbound"),
    Case("in-alone", alone("Inbound", "Allow", "*", "443"), "network-no-inbound"),
    Case("anywhere", security_group(traffic("Outbound", "Allow", "*", "443"), traffic(*CLOSED)), "network-outbound-named"),
    Case("any-port", security_group(traffic("Outbound", "Allow", "Internet"), traffic(*CLOSED)), "network-outbound-named"),
    Case(
        "any-of-ports",
        security_group(
            traffic("Outbound", "Allow", "Internet", destination_port_range=None, destination_port_ranges=["443", "*"]),
            traffic(*CLOSED),
        ),
        "network-outbound-named",
    ),
    Case("out-alone", alone("Outbound", "Allow", "0.0.0.0/0", "443"), "network-outbound-named"),
    Case("unclosed", security_group(traffic("Outbound", "Allow", "AzureMonitor", "443")), "network-outbound-closed"),
    Case("half-closed", security_group(traffic("Outbound", "Deny", "Internet", "80")), "network-outbound-closed"),
    Case("tcp-closed", security_group(traffic("Outbound", "Deny", protocol="Tcp")), "network-outbound-closed"),
    Case("unguarded", subnet(network_security_group=None), "subnet-guarded"),
    Case("unguarded-alone", lone_subnet(network_security_group=None), "subnet-guarded"),
    Case("azures-way", subnet(default_outbound_access=True), "subnet-no-default-outbound"),
    Case("azures-way-unsaid", lone_subnet(default_outbound_access=None), "subnet-no-default-outbound"),
    Case("no-way", subnet(nat_gateway=None), "subnet-way-out"),
    Case("no-way-alone", lone_subnet(nat_gateway=None, private_endpoint_network_policies="Disabled"), "subnet-way-out"),
    Case("basic", workflow(call({"type": "Basic", "username": "me", "identity": "x"})), "workflow-by-identity"),
    Case("unsigned", workflow(call(None)), "workflow-by-identity"),
    Case("system", workflow(call({"type": "ManagedServiceIdentity"})), "workflow-by-identity"),
    Case("connection", workflow({"Read": {"type": "ApiConnection", "inputs": {}}}), "workflow-no-connections"),
    Case("connections", workflow({}, {"$connections": {"value": {}}}), "workflow-no-connections"),
    Case("lost", subscription(dead_letter_with_resource_identity=None), "events-dead-letters"),
    Case("untried", subscription(retry_policy=None), "events-retries"),
    Case("half-tried", subscription(retry_policy={"max_delivery_attempts": 3}), "events-retries"),
    Case("owner", assignment(role_definition_id=f"{ROLES}/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"), "role-narrow"),
    Case("contributor", assignment(role_definition_id=f"{ROLES}/B24988AC-6180-42A0-AB88-20F7382DD24C"), "role-narrow"),
    Case("granter", assignment(role_definition_id=f"{ROLES}/18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"), "role-narrow"),
    Case("subscription-wide", assignment(scope=SUBSCRIPTION), "role-scope"),
    Case("tenant-wide", assignment(scope="/"), "role-scope"),
    Case("management-wide", assignment(scope="/providers/Microsoft.Management/managementGroups/all"), "role-scope"),
    Case("everything", role(actions=["*"]), "role-no-wildcard"),
    Case("all-data", role(data_actions=["*"]), "role-no-wildcard"),
    Case("of-the-system", registry(identity={"type": "SystemAssigned"}), "identity-user-assigned"),
    Case("of-both", account(identity={"type": "SystemAssigned,UserAssigned"}), "identity-user-assigned"),
    Case("mount-key", pool(mount_configuration=mount(account_key="x")), "no-secrets"),
    Case("tag-key", account(tags={"note": f"the key is {KEY}"}), "no-secrets"),
    Case("tag-string", account(tags={"note": "AccountName=data;AccountKey=abc"}), "no-secrets"),
    Case("tag-signature", account(tags={"note": "SharedAccessSignature sr=x"}), "no-secrets"),
    Case("tag-private", account(tags={"note": "-----BEGIN RSA PRIVATE KEY-----"}), "no-secrets"),
    Case("tag-token", account(tags={"note": "eyJhbGciOiJub25l.eyJzdWIiOiJub2JvZHk.x"}), "no-secrets"),
    Case("tag-client", account(tags={"note": "abc8Q~" + "Ab3-" * 8 + "xy"}), "no-secrets"),
    Case("parameter-key", workflow({}, {"apiKey": {"value": "x"}, "sas": {"value": "https://a/?sig=x"}}), "no-secrets"),
    Case("action-password", workflow({"Say": {"type": "Compose", "inputs": {"password": "hunter2"}}}), "no-secrets"),
    Case("action-sas", workflow({"Say": {"type": "Compose", "inputs": "@concat('https://a/?', 'sig=', 'x')"}}), "no-secrets"),
    Case("marked-secret", secret_mount, "no-secrets"),
    Case("account-log", diagnosis(DATA), "logs-of-blobs"),
]
