"""What happens to data, images and nodes is logged, whoever does it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from policies.rule import Node, Resource, Rule, StackRule, kinds
from policies.values import UNKNOWN, at, elements, expect

# The parts whose logs tell who did what.
LOGGED = kinds(
    "batch:BatchAccount",
    "containerregistry:Registry",
    "keyvault:Vault",
    "logic:Workflow",
    "machinelearningservices:Workspace",
    "storage:StorageAccount",
)


def _logged(nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
    settings = [node for node in nodes if node.kind == "monitor:DiagnosticSetting" and _keeps_logs(node)]
    for node in nodes:
        # Whatever a setting is about, Azure's answer doesn't repeat: it's told by what its address was made from.
        if node.kind in LOGGED and not any(node.urn in setting.origins.get("resourceUri", ()) for setting in settings):
            yield node.urn, f"{node.name} has no diagnostic setting that keeps its logs: add a monitor.DiagnosticSetting."


def _keeps_logs(setting: Node) -> bool:
    logs = at(setting.props, "logs")
    some = logs is UNKNOWN or any(log is UNKNOWN or at(log, "enabled") in (True, UNKNOWN) for log in elements(logs))
    return some and bool(at(setting.props, "workspaceId") or at(setting.props, "storageAccountId"))


def _of_blobs(resource: Resource) -> Iterator[str]:
    """Source: https://learn.microsoft.com/azure/storage/blobs/monitor-blob-storage."""
    address = at(resource.props, "resourceUri")
    if isinstance(address, str) and re.search(r"/Microsoft\.Storage/storageAccounts/[^/]+/?$", address, re.IGNORECASE):
        yield "resourceUri is a storage account, which logs nothing itself: add /blobServices/default to it."


def _of_flows(resource: Resource) -> Iterator[str]:
    """Source: https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview."""
    target = at(resource.props, "targetResourceId")
    if isinstance(target, str) and re.search(r"/networkSecurityGroups/", target, re.IGNORECASE):
        yield "targetResourceId is a security group, of which Azure makes no new logs: log the virtual network."
    yield from expect(resource.props, "enabled", (True,), "set it to true, or leave the flow log out")
    yield from expect(
        resource.props, "identity.type", ("UserAssigned",), "name an identity that may write to the account, which takes no key"
    )


RULES = [
    Rule(
        name="logs-of-blobs",
        demands="The logs of storage are those of its blobs.",
        kinds=kinds("monitor:DiagnosticSetting"),
        check=_of_blobs,
    ),
    Rule(
        name="logs-of-flows",
        demands="Flows are those of a VNet, and are logged as an identity.",
        kinds=kinds("network:FlowLog"),
        check=_of_flows,
    ),
]
STACK_RULES = [
    StackRule(name="logs-kept", demands="The logs of storage, vault, engine, registry and workflow are kept.", check=_logged)
]
