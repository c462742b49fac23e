"""Private endpoints: storage, registry and Batch by addresses inside the VNet, and the DNS zones that lead their names there.

Source: https://learn.microsoft.com/azure/private-link/private-endpoint-dns
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network, privatedns

ZONES = {
    "blob": "privatelink.blob.core.windows.net",
    "registry": "privatelink.azurecr.io",
    "batchAccount": "privatelink.batch.azure.com",
    "nodeManagement": "privatelink.batch.azure.com",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing to reach: what we call it, its resource id, and which of its services (a key of ZONES)."""

    name: str
    id: pulumi.Input[str]
    service: str


@dataclass(frozen=True, kw_only=True)
class EndpointsArgs:
    """What the endpoints are made of."""

    resource_group_name: pulumi.Input[str]
    vnet_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    targets: Sequence[Target]


class Endpoints(pulumi.ComponentResource):
    """A private endpoint for each target. `ready` is what must wait for them waits for."""

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Endpoints", name, None, opts)
        self._name, self._args = name, args
        self.ready: list[pulumi.Resource] = []
        zones = {zone: self._zone(zone) for zone in sorted({ZONES[target.service] for target in args.targets})}
        last: dict[str, pulumi.Resource] = {}
        for target in args.targets:
            # One after another in each zone: Azure may refuse two of one account that are made at the same time.
            zone = ZONES[target.service]
            last[zone] = self._endpoint(target, zones[zone], [last[zone]] if zone in last else [])
            self.ready.append(last[zone])
        self.register_outputs({})

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

    def _endpoint(self, target: Target, zone: privatedns.PrivateZone, after: list[pulumi.Resource]) -> pulumi.Resource:
        endpoint = network.PrivateEndpoint(
            f"{self._name}-{target.name}",
            resource_group_name=self._args.resource_group_name,
            subnet={"id": self._args.subnet_id},
            private_link_service_connections=[
                {"name": target.name, "private_link_service_id": target.id, "group_ids": [target.service]},
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        return network.PrivateDnsZoneGroup(
            f"{self._name}-{target.name}",
            resource_group_name=self._args.resource_group_name,
            private_endpoint_name=endpoint.name,
            private_dns_zone_group_name="default",
            private_dns_zone_configs=[{"name": target.service, "private_dns_zone_id": zone.id}],
            opts=pulumi.ResourceOptions(parent=endpoint),
        )
