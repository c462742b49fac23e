"""Settings that name what a company has already, by resource id, and what can't work together of them.

Names follow Azure Verified Modules: https://azure.github.io/Azure-Verified-Modules/specs/shared/interfaces/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from pydantic.alias_generators import to_camel

from scorer.azure.clouds import CLOUDS
from stacks import patterns
from stacks.setting_types import BATCH_ADDRESSES, BY_POLICY, GROUP_ID, PublicAddresses, SettingGroup, matches, resource_id

if TYPE_CHECKING:
    from stacks.settings import Settings


def _subnet(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([\w.-]{0,78}\w)?", text, re.ASCII):
        raise ValueError("is not a subnet's name: 'az network vnet subnet list --query [].name' tells those that there are")
    return text


def _zone(text: str, kind: str) -> str:
    names = [cloud.zones[kind] for cloud in CLOUDS.values()]
    if text not in ("", BY_POLICY) and text.rpartition("/")[2].lower() not in names:
        raise ValueError(f"is another zone than private endpoints need there: name that of {' or '.join(names)}")
    return text


_Subnet = Annotated[str, AfterValidator(_subnet)]
_ZONE = resource_id("Microsoft.Network/privateDnsZones", "a private DNS zone", "network private-dns zone", BY_POLICY)
_LINKED = "that exists and is linked to the VNet; 'none': a policy adds the records; empty: one is made"


# Which zones the names of each service are in, a key of a cloud's zones each.
ZONES_OF = {
    "blob": ("blob",),
    "file": ("file",),
    "registry": ("registry",),
    "batchAccount": ("batch",),
    "nodeManagement": ("batch",),
    # https://learn.microsoft.com/azure/machine-learning/how-to-custom-dns
    "amlworkspace": ("workspace", "notebooks"),
}


class ExistingSettings(SettingGroup):
    """Names by a company's pattern, and what it has already."""

    name_pattern: Annotated[str, AfterValidator(patterns.checked)] = Field(
        "",
        description="Names of what stands in the resource group, of {type} (as in Azure's Cloud Adoption Framework), {project}, "
        "{stack}, {location} and {kind}; empty: scoring-STACK-KIND and random letters",
    )
    existing_resource_group_resource_id: Annotated[
        str, matches(GROUP_ID, "a resource group's resource id: take it from 'az group show --query id'")
    ] = Field("", description="Resource group that exists, to deploy into; empty: one is made")
    existing_virtual_network_resource_id: Annotated[
        str, resource_id("Microsoft.Network/virtualNetworks", "a virtual network", "network vnet")
    ] = Field("", description="VNet that exists, with its subnets, rules and ways out; empty: one is made of addressSpace")
    nodes_subnet_name: _Subnet = Field("nodes", description="Name of the nodes' subnet in existingVirtualNetworkResourceId")
    submitter_subnet_name: _Subnet = Field(
        "submitter", description="Name of the subnet there that is delegated to Microsoft.ContainerInstance/containerGroups"
    )
    endpoints_subnet_name: _Subnet = Field("endpoints", description="Name of the subnet there that takes private endpoints")
    egress_ips: PublicAddresses = Field(
        (), max_length=100, description="Public addresses that existingVirtualNetworkResourceId calls the internet from"
    )
    blob_private_dns_zone_resource_id: Annotated[str, _ZONE, AfterValidator(partial(_zone, kind="blob"))] = Field(
        "", description=f"Private DNS zone for blobs {_LINKED}"
    )
    file_private_dns_zone_resource_id: Annotated[str, _ZONE, AfterValidator(partial(_zone, kind="file"))] = Field(
        "", description=f"Private DNS zone for the share of mount nfs {_LINKED}"
    )
    registry_private_dns_zone_resource_id: Annotated[str, _ZONE, AfterValidator(partial(_zone, kind="registry"))] = Field(
        "", description=f"Private DNS zone for the registry {_LINKED}"
    )
    batch_private_dns_zone_resource_id: Annotated[str, _ZONE, AfterValidator(partial(_zone, kind="batch"))] = Field(
        "", description=f"Private DNS zone for Batch {_LINKED}"
    )
    workspace_private_dns_zone_resource_id: Annotated[str, _ZONE, AfterValidator(partial(_zone, kind="workspace"))] = Field(
        "", description=f"Private DNS zone for Azure Machine Learning workspaces {_LINKED}"
    )
    notebooks_private_dns_zone_resource_id: Annotated[str, _ZONE, AfterValidator(partial(_zone, kind="notebooks"))] = Field(
        "", description=f"Private DNS zone for their notebooks, which their endpoint is in, too, {_LINKED}"
    )
    existing_log_analytics_workspace_resource_id: Annotated[
        str,
        resource_id("Microsoft.OperationalInsights/workspaces", "a Log Analytics workspace", "monitor log-analytics workspace"),
    ] = Field("", description="Log Analytics workspace that exists, for all logs; empty: one is made")
    existing_batch_account_resource_id: Annotated[
        str, resource_id("Microsoft.Batch/batchAccounts", "a Batch account", "batch account")
    ] = Field("", description="Batch account that exists, for instance because it has the quota; empty: one is made")
    existing_registry_resource_id: Annotated[
        str, resource_id("Microsoft.ContainerRegistry/registries", "a container registry", "acr")
    ] = Field("", description="Container registry that exists, for the images; empty: one is made")

    @property
    def private_dns_zones(self) -> dict[str, str]:
        """What is said of each kind of zone."""
        return {
            "blob": self.blob_private_dns_zone_resource_id,
            "file": self.file_private_dns_zone_resource_id,
            "registry": self.registry_private_dns_zone_resource_id,
            "batch": self.batch_private_dns_zone_resource_id,
            "workspace": self.workspace_private_dns_zone_resource_id,
            "notebooks": self.notebooks_private_dns_zone_resource_id,
        }


def misfits(chosen: Settings) -> list[str]:
    """A sentence for each combination that can't work."""
    network = chosen.existing_virtual_network_resource_id
    return [*_network_misfits(chosen, network), *_zone_misfits(chosen, network), *_idle(chosen), *_subscription_misfits(chosen)]


def _idle(chosen: Settings) -> Iterator[str]:
    """What is set of something that isn't made: nobody is left to believe that it counts."""
    network, registry = chosen.existing_virtual_network_resource_id, chosen.existing_registry_resource_id
    account = chosen.existing_batch_account_resource_id
    endpoints = "has the endpoints that its owner gave it"
    for name, named, why in (
        ("address_space", network, "existingVirtualNetworkResourceId has addresses of its own"),
        ("submitter_egress", network, "the rules of existingVirtualNetworkResourceId are its owner's"),
        ("registry_sku", registry, "existingRegistryResourceId is of the kind that its owner chose"),
        ("nfs_gb", not chosen.shares, f"mount is '{chosen.mount}', which makes no share"),
        ("registry_private_dns_zone_resource_id", chosen.private and registry, f"existingRegistryResourceId {endpoints}"),
        ("batch_private_dns_zone_resource_id", chosen.private and account, f"existingBatchAccountResourceId {endpoints}"),
    ):
        value, usual = getattr(chosen, name), type(chosen).model_fields[name].default
        if named and value != usual:
            yield f"{to_camel(name)} is '{value}', and {why}: leave it out."


def _subscription_misfits(chosen: Settings) -> list[str]:
    """One deployment is in one subscription; logs and DNS zones may be in another."""
    ids = {
        "existingResourceGroupResourceId": chosen.existing_resource_group_resource_id,
        "existingVirtualNetworkResourceId": chosen.existing_virtual_network_resource_id,
        "existingBatchAccountResourceId": chosen.existing_batch_account_resource_id,
        "existingRegistryResourceId": chosen.existing_registry_resource_id,
    }
    named = {key: value.split("/")[2].lower() for key, value in ids.items() if value}
    if len(set(named.values())) < 2:
        return []
    told = ", ".join(f"{key} in {subscription}" for key, subscription in named.items())
    return [f"What exists is in several subscriptions ({told}): name what is in the one that is deployed to."]


def _network_misfits(chosen: Settings, network: str) -> list[str]:
    broken = []
    subnets = {
        "nodesSubnetName": (chosen.nodes_subnet_name, "nodes"),
        "submitterSubnetName": (chosen.submitter_subnet_name, "submitter"),
        "endpointsSubnetName": (chosen.endpoints_subnet_name, "endpoints"),
    }
    names = [name for name, _ in subnets.values()]
    if len({name.lower() for name in names}) < len(names):
        broken.append(f"{', '.join(subnets)} are {', '.join(names)}: each takes a subnet of its own.")
    makes_account = not (chosen.existing_batch_account_resource_id or chosen.machine_learning)
    if network and makes_account and not (chosen.egress_ips or chosen.private):
        broken.append(
            "existingVirtualNetworkResourceId is set, and a Batch account lets in only addresses that it knows: "
            "set egressIps to those of the VNet's way out, or networkIsolation to private-endpoints."
        )
    addresses = len({*chosen.egress_ips, *chosen.allowed_ips})
    if makes_account and not chosen.private and addresses > BATCH_ADDRESSES:
        broken.append(
            f"allowedIps and egressIps are {addresses} addresses together, and a Batch account takes {BATCH_ADDRESSES}: "
            "write ranges instead of single addresses."
        )
    if network and chosen.flow_logs:
        broken.append("flowLogs is set, and the flow logs of existingVirtualNetworkResourceId are its owner's: leave it out.")
    if network:
        return broken
    named = [f"{key} is '{name}'" for key, (name, usual) in subnets.items() if name != usual]
    named += [f"egressIps is '{', '.join(chosen.egress_ips)}'"] if chosen.egress_ips else []
    return broken + [f"{each}, of a VNet that exists: set existingVirtualNetworkResourceId, too." for each in named]


def makes_zones(chosen: Settings) -> bool:
    """Whether a private DNS zone is made."""
    return not all(chosen.private_dns_zones[kind] for service in private_services(chosen) for kind in ZONES_OF[service])


def private_services(chosen: Settings) -> list[str]:
    """The service of each private endpoint that is made.

    Nodes reach a file share, and those of Azure Machine Learning their workspace, by no other way.
    """
    own = ["blob", "blob"] if chosen.private else []
    own += ["file"] if chosen.shares else []
    if chosen.machine_learning:
        own += ["blob", "amlworkspace"] if chosen.private else ["amlworkspace"]
    elif chosen.private and not chosen.existing_batch_account_resource_id:
        own += ["batchAccount", "nodeManagement"]
    return [*own, "registry"] if chosen.private and not chosen.existing_registry_resource_id else own


def _zone_misfits(chosen: Settings, network: str) -> list[str]:
    broken = []
    for kind, value in chosen.private_dns_zones.items():
        key = f"{kind}PrivateDnsZoneResourceId"
        if value and kind == "file" and not chosen.shares:
            broken.append(f"{key} is '{value}': only mount nfs has use for it.")
        elif value and not (chosen.private or kind == "file" or kind in ZONES_OF["amlworkspace"]):
            broken.append(f"{key} is '{value}': only networkIsolation private-endpoints has use for it.")
        elif value and not network:
            broken.append(
                f"{key} is '{value}', and its owner links it to VNets that exist: set existingVirtualNetworkResourceId, too."
            )
    workspace, notebooks = (chosen.private_dns_zones[kind] for kind in ZONES_OF["amlworkspace"])
    if BY_POLICY in (workspace, notebooks) and workspace != notebooks:
        broken.append(
            f"workspacePrivateDnsZoneResourceId is '{workspace}' and notebooksPrivateDnsZoneResourceId is '{notebooks}', and one "
            f"endpoint is in both zones: set both to '{BY_POLICY}', or neither."
        )
    return broken
