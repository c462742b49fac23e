"""What Azure refuses although a request is well-formed: the order of things, what can't be changed, and what is in use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from emulator.arm import outputs
from emulator.arm.requests import ArmError, Json, references
from emulator.rbac import conditions

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud, Resource

# Built-in roles by their GUID, from https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
BUILT_IN_ROLES = {
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "48e5e92e-a480-4e71-aa9c-2778f4c13781": "Azure Batch Job Submitter",
    "6aaa78f1-f7de-44ca-8722-c64a23943cae": "Azure Batch Data Contributor",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
}

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
    "Microsoft.Authorization/roleAssignments": ["properties.principalId", "properties.roleDefinitionId"],
    "Microsoft.ContainerRegistry/registries": ["location", "properties.zoneRedundancy"],
    "Microsoft.EventGrid/systemTopics": ["location", "properties.source", "properties.topicType"],
    "Microsoft.Network/privateEndpoints": ["location", "properties.subnet"],
    "Microsoft.Network/publicIPAddresses": ["location", "zones"],
    "Microsoft.Batch/batchAccounts": ["location", "properties.poolAllocationMode"],
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
EVENT_GRID = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
LOCK = "Microsoft.Authorization/locks"
# Names that nobody in the world may have twice.
WORLDWIDE = {"Microsoft.ContainerRegistry/registries", "Microsoft.Storage/storageAccounts"}


# Seconds until a role that was defined may be assigned (https://github.com/hashicorp/terraform-provider-azurerm/issues/19916),
# until one that was assigned counts (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting), and until a
# firewall lets in whom it names (https://learn.microsoft.com/azure/storage/common/storage-network-security-limitations).
ROLE_KNOWN, ROLE_COUNTS, FIREWALL_COUNTS = 90.0, 240.0, 60.0
# Consumption: https://learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-configuration
MOST_WAITING, WAITING_BESIDE_RUNS = 100, 10


def counts(cloud: Cloud, assignment: Resource) -> bool:
    """Whether a role assignment is known where services look."""
    return cloud.age(assignment) >= ROLE_COUNTS


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
    check = _NEEDS.get(made.request.type)
    if check:
        check(cloud, made)


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


def at(body: Json, path: str) -> object:
    """The value at a dotted path, None where there is none."""
    value: object = body
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def has_role(cloud: Cloud, principal: str, role: str, scope: str, *, now: bool = False) -> bool:
    """Whether a principal holds a built-in role on a scope or on what the scope is in; `now`: and whether it counts by now."""
    for each in cloud.of_type("Microsoft.Authorization/roleAssignments"):
        properties = each.body["properties"]
        if properties["principalId"] != principal or (now and not counts(cloud, each)):
            continue
        where = each.id.lower().partition("/providers/microsoft.authorization/")[0]
        guid = properties["roleDefinitionId"].rpartition("/")[2]
        if BUILT_IN_ROLES.get(guid) == role and (scope.lower() + "/").startswith(where + "/"):
            return True
    return False


def may(cloud: Cloud, principal: str, action: str, scope: str) -> bool:
    """Whether a role made here lets a principal do something to a scope or to what the scope is in."""
    for each in cloud.of_type("Microsoft.Authorization/roleAssignments"):
        where = each.id.lower().partition("/providers/microsoft.authorization/")[0]
        role = cloud.find(each.body["properties"]["roleDefinitionId"])
        if role and each.body["properties"]["principalId"] == principal and (scope.lower() + "/").startswith(where + "/"):
            granted = [one for permission in role.body["properties"]["permissions"] for one in permission.get("actions", [])]
            if action in granted:
                return True
    return False


def _role_assignment(cloud: Cloud, made: Resource) -> None:
    properties = made.body["properties"]
    role = properties["roleDefinitionId"]
    definition = cloud.find(role)
    if role.rpartition("/")[2] not in BUILT_IN_ROLES and (definition is None or cloud.age(definition) < ROLE_KNOWN):
        raise ArmError("RoleDefinitionDoesNotExist", f"There is no role '{role}'.")
    where = made.id.lower().partition("/providers/microsoft.authorization/")[0]
    own = cloud.find(role)
    scopes = own.body["properties"]["assignableScopes"] if own else ["/"]
    if not any(f"{where}/".startswith(scope.lower().rstrip("/") + "/") for scope in scopes):
        raise ArmError("RoleDefinitionNotAssignable", f"The role '{role}' can't be assigned at '{where}', only in {scopes}.")
    _condition(properties)
    _is_only_one(cloud, made)
    principal = properties["principalId"]
    if principal not in cloud.people and principal not in outputs.principals(cloud):
        raise ArmError("PrincipalNotFound", f"There is no principal '{principal}' in the tenant.")


def _condition(properties: Json) -> None:
    condition, version = properties.get("condition"), properties.get("conditionVersion")
    if version is not None and (not condition or version != conditions.VERSION):
        raise ArmError("InvalidRequest", f"conditionVersion is '{version}': '{conditions.VERSION}', beside a condition.")
    try:
        if condition:
            conditions.parse(condition)
    except conditions.ConditionError as error:
        raise ArmError("InvalidCondition", str(error)) from error


def _is_only_one(cloud: Cloud, made: Resource) -> None:
    """Whoever has a role on a scope can't have it there again under another condition."""

    def key(each: Resource) -> tuple[str, ...]:
        properties = each.body["properties"]
        where = each.id.lower().partition("/providers/microsoft.authorization/")[0]
        return where, properties["principalId"], properties["roleDefinitionId"].lower()

    for each in cloud.of_type(made.request.type):
        if each.id.lower() != made.id.lower() and key(each) == key(made):
            raise ArmError("RoleAssignmentExists", "The role assignment already exists.")


def _pool(cloud: Cloud, made: Resource) -> None:
    account = cloud.get(made.id.rpartition("/pools/")[0])
    if _closed_to_nodes(account) and not _has_endpoint(cloud, account, "nodeManagement"):
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
        if not held or not has_role(cloud, principal, "AcrPull", held[0].id):
            raise ArmError("AccessDenied", f"The nodes may not pull from '{registry['registryServer']}'.")
    for mount in made.body["properties"].get("mountConfiguration", []):
        _mount(cloud, mount)


def _links_may_be_made(cloud: Cloud, network: Json) -> None:
    """Nodes without public addresses are reached by a private link in their subnet.

    Source: https://learn.microsoft.com/azure/batch/simplified-node-communication-pool-no-public-ip
    """
    if at(network, "publicIPAddressConfiguration.provision") != "NoPublicIPAddresses":
        return
    vnet, _, name = str(network["subnetId"]).partition("/subnets/")
    (subnet,) = (each for each in cloud.get(vnet).body["properties"]["subnets"] if each["name"] == name)
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


def _mount(cloud: Cloud, mount: Json) -> None:
    if blob := mount.get("azureBlobFileSystemConfiguration"):
        account = _account(cloud, blob["accountName"])
        container = f"{account.id}/blobServices/default/containers/{blob['containerName']}"
        principal = outputs.principal(cloud.get(blob["identityReference"]["resourceId"]))
        cloud.get(container)
        if not has_role(cloud, principal, "Storage Blob Data Contributor", container):
            raise ArmError("AccessDenied", f"The nodes may not write to '{container}'.")


def _account(cloud: Cloud, name: str) -> Resource:
    for each in cloud.of_type("Microsoft.Storage/storageAccounts"):
        if each.request.name == name:
            return each
    raise ArmError("ResourceNotFound", f"There is no storage account '{name}'.")


def _has_endpoint(cloud: Cloud, target: Resource, service: str) -> bool:
    for each in cloud.of_type("Microsoft.Network/privateEndpoints"):
        for connection in each.body["properties"]["privateLinkServiceConnections"]:
            properties = connection["properties"]
            if properties["privateLinkServiceId"].lower() == target.id.lower() and service in properties["groupIds"]:
                return True
    return False


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
        if not has_role(cloud, outputs.principal(topic), "Storage Blob Data Contributor", container, now=True):
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
    policies = at(flow.body, "properties.accessControl.triggers.openAuthenticationPolicies.policies")
    wanted = [{each["name"]: each["value"] for each in policy["claims"]} for policy in dict(policies or {}).values()]  # type: ignore[call-overload]  # Json's values are of any type
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
        return has_role(cloud, principal, "Managed Identity Operator", reference)
    group = flow.id.partition("/providers/")[0]
    joins = may(cloud, principal, "Microsoft.Network/virtualNetworks/subnets/join/action", reference)
    return joins and may(cloud, principal, "Microsoft.ContainerInstance/containerGroups/write", group)


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
    if not any(has_role(cloud, outputs.principal(each), "Storage Blob Data Contributor", container) for each in own):
        raise ArmError("FlowLogStorageAccessDenied", f"The flow log may not write to '{container}'.")


_NEEDS = {
    "Microsoft.Network/networkWatchers/flowLogs": _flow_log,
    "Microsoft.Logic/workflows": _workflow,
    "Microsoft.EventGrid/systemTopics": _system_topic,
    "Microsoft.Network/virtualNetworks": _network,
    "Microsoft.Authorization/roleAssignments": _role_assignment,
    "Microsoft.Batch/batchAccounts/pools": _pool,
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": _event_subscription,
    "Microsoft.Network/privateEndpoints": _private_endpoint,
}
