"""Azure Machine Learning: a workspace and a vault that know no keys, and nodes nobody can reach, which cost nothing at rest."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Resource, Rule, kinds
from policies.values import UNKNOWN, at, expect

CLUSTER = kinds("machinelearningservices:Compute")
WORKSPACE = kinds("machinelearningservices:Workspace")
VAULT = kinds("keyvault:Vault")
NODES = "properties.properties"


def _entra_only(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props, "systemDatastoresAuthMode", ("Identity",), "set it to Identity, so that no key of the account is kept"
    )


def _no_sign_in(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props, "properties.disableLocalAuth", (True,), "set it to true, so that nobody signs in on a node with a key"
    )
    if at(resource.props, *NODES.split("."), "userAccountCredentials") is not None:
        yield f"{NODES}.userAccountCredentials makes an account that somebody could sign in with: leave it out."


def _no_inbound(resource: Resource) -> Iterator[str]:
    yield from expect(resource.props, f"{NODES}.enableNodePublicIp", (False,), "set it to false, so that nodes have no address")
    yield from expect(
        resource.props, f"{NODES}.remoteLoginPortPublicAccess", ("Disabled",), "set it to Disabled, nobody signs in on a node"
    )


def _in_subnet(resource: Resource) -> Iterator[str]:
    if not at(resource.props, *NODES.split("."), "subnet", "id"):
        yield f"{NODES}.subnet.id is missing: join the nodes' subnet, outside it no firewall guards them."


def _identity(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props, "identity.type", ("UserAssigned",), "give the cluster the nodes' user-assigned identity, jobs act as it"
    )


def _scales(resource: Resource) -> Iterator[str]:
    idle = at(resource.props, *NODES.split("."), "scaleSettings", "nodeIdleTimeBeforeScaleDown")
    if idle is not UNKNOWN and not idle:
        yield f"{NODES}.scaleSettings.nodeIdleTimeBeforeScaleDown is missing: say after which time idle nodes go."


def _vault(resource: Resource) -> Iterator[str]:
    for name, wanted, advice in (
        ("enableRbacAuthorization", True, "set it to true, so that roles alone open the vault"),
        ("enablePurgeProtection", True, "set it to true, so that nobody empties the vault for good"),
        ("publicNetworkAccess", "Disabled", "set it to Disabled, only the workspace has use for the vault"),
    ):
        yield from expect(resource.props, f"properties.{name}", (wanted,), advice)


RULES = [
    Rule(name="workspace-entra-only", demands="Workspaces keep no account key.", kinds=WORKSPACE, check=_entra_only),
    Rule(name="cluster-no-sign-in", demands="Nobody can sign in on a cluster's node.", kinds=CLUSTER, check=_no_sign_in),
    Rule(name="cluster-no-inbound", demands="Nobody can connect to a cluster's node.", kinds=CLUSTER, check=_no_inbound),
    Rule(name="cluster-in-subnet", demands="Clusters are in a subnet of the stack's network.", kinds=CLUSTER, check=_in_subnet),
    Rule(name="cluster-identity", demands="Clusters have a user-assigned identity.", kinds=CLUSTER, check=_identity),
    Rule(name="cluster-scales", demands="Clusters let idle nodes go.", kinds=CLUSTER, check=_scales),
    Rule(name="vault-closed", demands="Vaults are opened by roles, and from no public network.", kinds=VAULT, check=_vault),
]
