"""Private endpoints: services by addresses inside the VNet, and the DNS zones that lead their names there.

Source: https://learn.microsoft.com/azure/private-link/private-endpoint-dns
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import network, privatedns

from stacks.existing import ExistingRegistry
from stacks.existing_settings import ZONES_OF
from stacks.registry import Registry
from stacks.setting_types import BY_POLICY
from stacks.storage import Storage


@dataclass(frozen=True)
class Target:
    """One thing to reach: what we call it, its resource id, and which of its services (a key of ZONES_OF)."""

    name: str
    id: pulumi.Input[str]
    service: str


def storage_targets(storage: Storage, registry: Registry | ExistingRegistry, *, private: bool) -> list[Target]:
    """What every deployment has, where it is `private`. A registry that existed before has those that its owner gave it."""
    if not private:
        return []
    own = [Target("data", storage.data.id, "blob"), Target("ops", storage.ops.id, "blob")]
    return [*own, Target("registry", registry.id, "registry")] if isinstance(registry, Registry) else own


@dataclass(frozen=True, kw_only=True)
class EndpointsArgs:
    """What the endpoints are made of."""

    resource_group_name: pulumi.Input[str]
    vnet_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    targets: Sequence[Target]
    zone_names: Mapping[str, str]
    """By kind, what the cloud calls the zones."""
    existing_zones: Mapping[str, str] = field(default_factory=dict)
    """By kind, the id of a zone that is there and linked, or BY_POLICY; a zone is made for the others."""


class Endpoints(pulumi.ComponentResource):
    """A private endpoint for each target. `ready` is what must wait for them waits for."""

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Endpoints", name, None, opts)
        self._name, self._args = name, args
        self.ready: list[pulumi.Resource] = []
        zones = {
            kind: self._zone_id(kind) for kind in sorted({kind for target in args.targets for kind in ZONES_OF[target.service]})
        }
        before: list[pulumi.Resource] = []
        for target in args.targets:
            # One after another: Azure changes a subnet once at a time, and answers 429 to the others more often than azure-native
            # asks again: https://github.com/pulumi/pulumi-azure-native/issues/4509,
            # https://github.com/hashicorp/terraform-provider-azurerm/issues/21293
            before = [self._endpoint(target, {kind: zones[kind] for kind in ZONES_OF[target.service]}, before)]
            self.ready += before
        self.register_outputs({})

    def _zone_id(self, kind: str) -> pulumi.Input[str]:
        return self._args.existing_zones.get(kind) or self._zone(self._args.zone_names[kind]).id

    def _zone(self, zone_name: str) -> privatedns.PrivateZone:
        # DNS zones are global, and the name is what they are for.
        zone = privatedns.PrivateZone(
            f"{self._name}-{zone_name}",
            resource_group_name=self._args.resource_group_name,
            private_zone_name=zone_name,
            location="global",
            opts=pulumi.ResourceOptions(parent=self),
        )
        link = privatedns.VirtualNetworkLink(
            f"{self._name}-{zone_name}",
            resource_group_name=self._args.resource_group_name,
            private_zone_name=zone.name,
            location="global",
            registration_enabled=False,
            virtual_network={"id": self._args.vnet_id},
            opts=pulumi.ResourceOptions(parent=zone),
        )
        # Before, whoever is in the VNet finds the public address.
        self.ready.append(link)
        return zone

    def _endpoint(self, target: Target, zones: Mapping[str, pulumi.Input[str]], after: list[pulumi.Resource]) -> pulumi.Resource:
        # A group of zones is one thing, of ours or of a policy's.
        by_policy = any(zone == BY_POLICY for zone in zones.values())
        endpoint = network.PrivateEndpoint(
            f"{self._name}-{target.name}",
            resource_group_name=self._args.resource_group_name,
            subnet={"id": self._args.subnet_id},
            private_link_service_connections=[
                {"name": target.name, "private_link_service_id": target.id, "group_ids": [target.service]},
            ],
            # What a policy adds is its own business.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=after, ignore_changes=["customDnsConfigs"] if by_policy else None
            ),
        )
        if by_policy:
            return endpoint
        return network.PrivateDnsZoneGroup(
            f"{self._name}-{target.name}",
            resource_group_name=self._args.resource_group_name,
            private_endpoint_name=endpoint.name,
            private_dns_zone_group_name="default",
            private_dns_zone_configs=[
                {"name": target.service if len(zones) == 1 else kind, "private_dns_zone_id": zone} for kind, zone in zones.items()
            ],
            opts=pulumi.ResourceOptions(parent=endpoint),
        )
