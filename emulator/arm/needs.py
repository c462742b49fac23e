"""What a resource needs before it can be made, or may not say of others: by type, each with its source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emulator.arm import outputs
from emulator.arm.mounts import check_mount, check_share, has_endpoint, subnet_of
from emulator.arm.requests import ArmError, Json, at, references
from emulator.rbac.access import allowed, holds
from emulator.rbac.assignments import check_assignment
from emulator.rbac.definitions import ASSIGN_IDENTITY, PULL, WRITE

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud, Resource

EVENT_GRID = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
# Names that nobody in the world may have twice.
WORLDWIDE = {"Microsoft.ContainerRegistry/registries", "Microsoft.KeyVault/vaults", "Microsoft.Storage/storageAccounts"}

# Consumption: https://learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-configuration
MOST_WAITING, WAITING_BESIDE_RUNS = 100, 10
# https://learn.microsoft.com/azure/batch/public-network-access,
# https://learn.microsoft.com/azure/storage/common/storage-network-security
BATCH_ADDRESSES, STORAGE_ADDRESSES = 200, 400
# https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations
ZONE_TAGS = 15


def _pool(cloud: Cloud, made: Resource) -> None:
    account = cloud.get(made.id.rpartition("/pools/")[0])
    if _closed_to_nodes(account) and not has_endpoint(cloud, account, "nodeManagement"):
        raise ArmError("NodesCannotReachBatch", "The account is private and has no endpoint for node management.")
    _links_may_be_made(cloud, made.body["properties"].get("networkConfiguration", {}))
    machine = made.body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    for registry in machine.get("containerConfiguration", {}).get("containerRegistries", []):
        principal = outputs.principal(cloud.get(registry["identityReference"]["resourceId"]))
        held = [
            each
            for each in cloud.of_type("Microsoft.ContainerRegistry/registries")
            if outputs.login_server(each) == registry["registryServer"]
        ]
        if not held or not holds(cloud, principal, PULL, held[0].id):
            raise ArmError("AccessDenied", f"The nodes may not pull from '{registry['registryServer']}'.")
    for mount in made.body["properties"].get("mountConfiguration", []):
        check_mount(cloud, made, mount)


def _links_may_be_made(cloud: Cloud, network: Json) -> None:
    """Nodes without public addresses are reached by a private link in their subnet.

    Source: https://learn.microsoft.com/azure/batch/simplified-node-communication-pool-no-public-ip
    """
    if at(network, "publicIPAddressConfiguration.provision") != "NoPublicIPAddresses":
        return
    subnet = subnet_of(cloud, str(network["subnetId"]))
    for policies in ("privateEndpointNetworkPolicies", "privateLinkServiceNetworkPolicies"):
        if subnet["properties"].get(policies) != "Disabled":
            raise ArmError("InvalidSubnet", f"{policies} of '{network['subnetId']}' must be Disabled.")


def _workflow(_: Cloud, made: Resource) -> None:
    definition = made.body["properties"]["definition"]
    for trigger in definition["triggers"].values():
        limits = trigger.get("runtimeConfiguration", {}).get("concurrency", {})
        least, waiting = limits.get("runs", 0) + WAITING_BESIDE_RUNS, limits.get("maximumWaitingRuns")
        if waiting is not None and not least <= waiting <= MOST_WAITING:
            raise ArmError("InvalidTemplate", f"maximumWaitingRuns is {waiting}: {least} at least and {MOST_WAITING} at most.")
    if computed := [each for each in _identities(definition) if each.startswith("@")]:
        # https://github.com/Azure/LogicAppsUX/issues/2907
        raise ArmError("InvalidTemplate", f"'{computed[0]}' is no identity: actions name one by its id.")


def _identities(part: object) -> Iterator[str]:
    """The identities that a definition's actions sign in with."""
    if isinstance(part, dict):
        if "identity" in (signing := part.get("authentication") or {}):
            yield str(signing["identity"])
        for each in part.values():
            yield from _identities(each)


def _closed_to_nodes(account: Resource) -> bool:
    """Whether no node comes by the internet. Source: https://learn.microsoft.com/azure/batch/public-network-access."""
    nodes = "properties.networkProfile.nodeManagementAccess"
    nobody = at(account.body, f"{nodes}.defaultAction") == "Deny" and not at(account.body, f"{nodes}.ipRules")
    return nobody or at(account.body, "properties.publicNetworkAccess") == "Disabled"


def _event_subscription(cloud: Cloud, made: Resource) -> None:
    topic = cloud.get(made.id.rpartition("/eventSubscriptions/")[0])
    destination = made.body["properties"]["destination"]
    flows = [each for each in cloud.of_type("Microsoft.Logic/workflows") if answers_hook(cloud, each, destination["properties"])]
    if not flows:
        raise ArmError("Url validation", "The webhook's endpoint didn't answer the handshake.")
    (flow,) = flows
    _workflow_may_run(cloud, flow)
    if letters := made.body["properties"].get("deadLetterWithResourceIdentity"):
        where = letters["deadLetterDestination"]["properties"]
        container = f"{where['resourceId']}/blobServices/default/containers/{where['blobContainerName']}"
        cloud.get(container)
        if not allowed(cloud, outputs.principal(topic), WRITE, container):
            raise ArmError("Managed Identity Authorization Error", f"The topic may not write to '{container}'.")


def answers_hook(cloud: Cloud, flow: Resource, hook: Json) -> bool:
    """Whether a workflow answers Event Grid's handshake: to its signed address, or to a token that it takes, and not to both.

    Source: https://learn.microsoft.com/azure/logic-apps/logic-apps-securing-a-logic-app
    """
    (trigger,) = flow.body["properties"]["definition"]["triggers"]
    url, _, query = hook["endpointUrl"].partition("?")
    application = hook.get("azureActiveDirectoryApplicationIdOrUri")
    if application is None:
        return bool(hook["endpointUrl"] == outputs.callback_url(flow.id, trigger, cloud.new_keys[flow.id.lower()]))
    tenant = hook.get("azureActiveDirectoryTenantId")
    shown = {"iss": f"https://sts.windows.net/{tenant}/", "aud": application, "appid": EVENT_GRID}
    policies: Any = at(flow.body, "properties.accessControl.triggers.openAuthenticationPolicies.policies") or {}
    wanted = [{each["name"]: each["value"] for each in policy["claims"]} for policy in policies.values()]
    own = outputs.callback_url(flow.id, trigger).partition("?")[0]
    return url == own and query == "api-version=2016-10-01" and any(claims.items() <= shown.items() for claims in wanted)


def _workflow_may_run(cloud: Cloud, flow: Resource) -> None:
    """Its first event may come at once: by then it may give out the identities and join the subnets that it names."""
    own = [cloud.get(each) for each in flow.body.get("identity", {}).get("userAssignedIdentities", {})]
    for reference in set(references(flow.body["properties"])) - {each.id for each in own}:
        guarded = re.search("/(userAssignedIdentities|subnets)/", reference, re.IGNORECASE)
        if guarded and not any(_workflow_may_use(cloud, flow, outputs.principal(each), reference) for each in own):
            raise ArmError("AuthorizationFailed", f"The workflow may not use '{reference}'.")


def _workflow_may_use(cloud: Cloud, flow: Resource, principal: str, reference: str) -> bool:
    if "/userassignedidentities/" in reference.lower():
        return holds(cloud, principal, ASSIGN_IDENTITY, reference)
    group = flow.id.partition("/providers/")[0]
    joins = holds(cloud, principal, "Microsoft.Network/virtualNetworks/subnets/join/action", reference)
    return joins and holds(cloud, principal, "Microsoft.ContainerInstance/containerGroups/write", group)


def _private_endpoint(cloud: Cloud, made: Resource) -> None:
    for connection in made.body["properties"]["privateLinkServiceConnections"]:
        target = cloud.get(connection["properties"]["privateLinkServiceId"])
        registry = target.request.type == "Microsoft.ContainerRegistry/registries"
        if registry and target.body["sku"]["name"] != "Premium":
            raise ArmError("PrivateEndpointNotSupported", "Only Premium registries take private endpoints.")


def _system_topic(cloud: Cloud, made: Resource) -> None:
    if str(at(made.body, "properties.source")).lower() in cloud.scanned:
        raise ArmError("InvalidRequest", "Only one system topic is allowed per source, and Microsoft Defender has made one.")
    for each in cloud.of_type(made.request.type):
        if each.id.lower() != made.id.lower() and at(each.body, "properties.source") == at(made.body, "properties.source"):
            raise ArmError("InvalidRequest", f"'{each.id}' exists: only one system topic is allowed per source.")


def _network(cloud: Cloud, made: Resource) -> None:
    """A subnet can't go while something is in it."""
    kept = {f"{made.id}/subnets/{subnet['name']}".lower() for subnet in made.body["properties"].get("subnets", [])}
    inside = f"{made.id}/subnets/".lower()
    for each in cloud:
        if each.request.type in WORLDWIDE:
            continue
        for reference in references(each.body):
            if reference.lower().startswith(inside) and reference.lower() not in kept:
                raise ArmError("InUseSubnetCannotBeDeleted", f"'{reference}' is in use by '{each.id}'.")


def _flow_log(cloud: Cloud, made: Resource) -> None:
    """Logs are written as an identity, where the account takes no key."""
    properties = made.body["properties"]
    account = cloud.get(properties["storageId"])
    if account.body["properties"].get("allowSharedKeyAccess") is not False:
        return
    container = f"{account.id}/blobServices/default/containers/insights-logs-flowlogflowevent"
    own = [cloud.get(each) for each in made.body.get("identity", {}).get("userAssignedIdentities", {})]
    if not any(holds(cloud, outputs.principal(each), WRITE, container) for each in own):
        raise ArmError("FlowLogStorageAccessDenied", f"The flow log may not write to '{container}'.")


def _batch_account(_: Cloud, made: Resource) -> None:
    _addresses(at(made.body, "properties.networkProfile.accountAccess.ipRules"), BATCH_ADDRESSES)


def _storage_account(_: Cloud, made: Resource) -> None:
    premium = str(at(made.body, "sku.name")).startswith("Premium")
    if (at(made.body, "kind") == "FileStorage") is not premium:
        raise ArmError("InvalidRequestPropertyValue", "Accounts of files alone are premium, and premium ones here of files.")
    _addresses(at(made.body, "properties.networkAcls.ipRules"), STORAGE_ADDRESSES)


def _workspace(cloud: Cloud, made: Resource) -> None:
    """It acts on what belongs to it as the identity that it names, with roles that count already.

    Sources: https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-service-authentication,
    https://learn.microsoft.com/azure/machine-learning/how-to-disable-local-auth-storage
    """
    properties = made.body["properties"]
    if missing := [each for each in ("storageAccount", "keyVault", "applicationInsights") if not properties.get(each)]:
        raise ArmError("ValidationError", f"A workspace needs {', '.join(missing)}.")
    primary = properties.get("primaryUserAssignedIdentity")
    if not primary or primary not in made.body.get("identity", {}).get("userAssignedIdentities", {}):
        raise ArmError("ValidationError", "primaryUserAssignedIdentity must be one of the workspace's own identities.")
    who = outputs.principal(cloud.get(primary))
    account = cloud.get(properties["storageAccount"])
    if account.body["kind"] != "StorageV2" or at(account.body, "properties.isHnsEnabled"):
        raise ArmError("ValidationError", f"'{account.id}' can't be a workspace's: it is premium or hierarchical.")
    if at(account.body, "properties.allowSharedKeyAccess") is False and properties.get("systemDatastoresAuthMode") != "Identity":
        raise ArmError("ValidationError", f"'{account.id}' takes no key: set systemDatastoresAuthMode to Identity.")
    for part in (account, cloud.get(properties["keyVault"]), cloud.get(properties["applicationInsights"])):
        if not allowed(cloud, who, f"{part.request.type}/write", part.id):
            raise ArmError("FailedIdentityOperation", f"The workspace's identity may not write '{part.id}' (yet).")
    if not allowed(cloud, who, WRITE, account.id):
        raise ArmError("FailedIdentityOperation", f"The workspace's identity may not write blobs of '{account.id}' (yet).")


def _compute(cloud: Cloud, made: Resource) -> None:
    """Source: https://learn.microsoft.com/azure/machine-learning/how-to-secure-training-vnet."""
    workspace = cloud.get(made.id.rpartition("/computes/")[0])
    properties = at(made.body, "properties.properties")
    cluster: Json = properties if isinstance(properties, dict) else {}
    if cluster.get("enableNodePublicIp") is False and not has_endpoint(cloud, workspace, "amlworkspace"):
        raise ArmError("BadRequest", "Nodes without public addresses need a private endpoint to the workspace.")
    if cluster.get("enableNodePublicIp") is False and not cluster.get("subnet"):
        raise ArmError("BadRequest", "Nodes without public addresses need a subnet.")
    scale = cluster.get("scaleSettings", {})
    if scale.get("minNodeCount", 0) > scale["maxNodeCount"]:
        raise ArmError("BadRequest", "minNodeCount is more than maxNodeCount.")


def _addresses(rules: object, most: int) -> None:
    """Of a firewall: each once, and no more than it takes."""
    known = [str(rule["value"]) for rule in rules] if isinstance(rules, list) else []
    if odd := next((each for each in known if not re.fullmatch(r"[\d.]+(/([1-9]|[12]\d|30))?", each, re.ASCII)), None):
        raise ArmError("InvalidValuesForRequestParameters", f"'{odd}' is no IPv4 address or range.")
    if twice := next((each for each in known if known.count(each) > 1), None):
        raise ArmError("InvalidValuesForRequestParameters", f"There are two rules for '{twice}'.")
    if len(known) > most:
        raise ArmError("InvalidValuesForRequestParameters", f"There are {len(known)} rules, and {most} may be.")


def _zone(_: Cloud, made: Resource) -> None:
    """Source: https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations."""
    tags = made.body.get("tags") or {}
    odd = [name for name in tags if not re.fullmatch(r"[^\d\s()][^\s()]*", name) or not name.isascii()]
    if odd or len(tags) > ZONE_TAGS:
        raise ArmError("BadRequest", f"A DNS zone can't have these tags: {', '.join(odd) or len(tags)}.")


NEEDS = {
    "Microsoft.MachineLearningServices/workspaces": _workspace,
    "Microsoft.MachineLearningServices/workspaces/computes": _compute,
    "Microsoft.Batch/batchAccounts": _batch_account,
    "Microsoft.Storage/storageAccounts": _storage_account,
    "Microsoft.Storage/storageAccounts/fileServices/shares": check_share,
    "Microsoft.Network/privateDnsZones": _zone,
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": _zone,
    "Microsoft.Network/networkWatchers/flowLogs": _flow_log,
    "Microsoft.Logic/workflows": _workflow,
    "Microsoft.EventGrid/systemTopics": _system_topic,
    "Microsoft.Network/virtualNetworks": _network,
    "Microsoft.Authorization/roleAssignments": check_assignment,
    "Microsoft.Batch/batchAccounts/pools": _pool,
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": _event_subscription,
    "Microsoft.Network/privateEndpoints": _private_endpoint,
}
