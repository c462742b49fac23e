"""Resources that hold to every rule, and for each rule some that break it and nothing else; all as the real SDK sends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import pulumi
from pulumi_azure_native import batch, storage

from tests.policies.network_samples import CLOSED, alone, flow_log, lone_subnet, security_group, subnet, traffic
from tests.policies.resource_samples import (
    DATA,
    GROUP,
    IDENTITY,
    KEY,
    ROLES,
    SUBSCRIPTION,
    account,
    assignment,
    batch_account,
    container,
    diagnosis,
    group_lock,
    guarded,
    inbound,
    lock,
    machine,
    mount,
    pool,
    registry,
    role,
    scale,
    scan,
    secret_mount,
)
from tests.policies.workflow_samples import MSI, call, subscription, token_subscription, token_workflow, topic, workflow

Make: TypeAlias = Callable[[str], pulumi.Resource]
Args = TypeVar("Args")


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
    Case("lock", lock()),
    Case("scan", scan()),
    Case("flow-log", flow_log()),
    Case("pool-at-host", pool(deployment_configuration=guarded(host=True))),
    Case("pool-inside", pool(deployment_configuration=guarded(inside=True))),
    Case("pool-launch", pool(deployment_configuration=guarded(launch=True, tpm=True))),
    Case("tokens", token_workflow("iss", "aud", "appid")),
    Case("token-events", token_subscription("https://logic.azure.com/workflows/1?api-version=2016-10-01")),
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
    Case(
        "all-azure",
        security_group(traffic("Outbound", "Allow", "AzureCloud", "443"), traffic(*CLOSED)),
        "network-outbound-services",
    ),
    Case("azure-alone", alone("Outbound", "Allow", "AzureCloud.westeurope", "443"), "network-outbound-services"),
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
    Case(
        "group-flows",
        flow_log(target_resource_id=f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/g"),
        "logs-of-flows",
    ),
    Case("flows-off", flow_log(enabled=False), "logs-of-flows"),
    Case("flows-by-key", flow_log(identity=None), "logs-of-flows"),
    Case("group-scope", lock(scope=GROUP), "lock-narrow"),
    Case("subscription-scope", lock(scope=SUBSCRIPTION), "lock-narrow"),
    Case("group-lock", group_lock, "lock-narrow"),
    Case("read-only", lock(level="ReadOnly"), "lock-deletion"),
    Case("endless-scans", scan(-1), "scan-capped"),
    Case("uncapped-scans", scan(None), "scan-capped"),
    Case("scans-of-others", scan(own=False), "scan-own"),
    Case("encrypted-twice", pool(deployment_configuration=guarded(host=True, inside=True)), "pool-encrypted-once"),
    Case("no-tpm", pool(deployment_configuration=guarded(launch=True, tpm=False)), "pool-trusted-launch"),
    Case("tpm-unsaid", pool(deployment_configuration=guarded(launch=True)), "pool-trusted-launch"),
    Case("any-application", token_workflow("iss", "aud"), "workflow-tokens"),
    Case("any-issuer", token_workflow("aud", "appid"), "workflow-tokens"),
    Case("both-ways", token_subscription("https://logic.azure.com/workflows/1?sv=1&sig=abc"), "events-one-way-in"),
]
