"""What a platform team has: a network with a way out, DNS zones, logs, a registry, and the Batch account that has the quota.

Names are fixed here, so that the ids in Pulumi.films.yaml are theirs once the subscription's stands in them.
"""

import pulumi
from pulumi_azure_native import batch, containerregistry, network, operationalinsights, privatedns, resources

LOCATION = "westeurope"
ZONE = "privatelink.blob.core.windows.net"

hub = resources.ResourceGroup("hub", resource_group_name="hub", location=LOCATION)
shared = resources.ResourceGroup("shared", resource_group_name="shared", location=LOCATION)
# Empty, and the film team's to fill.
films = resources.ResourceGroup("films", resource_group_name="films", location=LOCATION)

address = network.PublicIPAddress(
    "way-out",
    resource_group_name=hub.name,
    public_ip_address_name="way-out",
    public_ip_allocation_method="Static",
    sku={"name": "Standard"},
)
gateway = network.NatGateway(
    "way-out",
    resource_group_name=hub.name,
    nat_gateway_name="way-out",
    public_ip_addresses=[{"id": address.id}],
    sku={"name": "Standard"},
)
vnet = network.VirtualNetwork(
    "hub",
    resource_group_name=hub.name,
    virtual_network_name="hub",
    address_space={"address_prefixes": ["10.200.0.0/20"]},
    subnets=[
        {
            "name": "gpu-nodes",
            "address_prefix": "10.200.0.0/24",
            "nat_gateway": {"id": gateway.id},
            "service_endpoints": [{"service": "Microsoft.Storage"}],
            "private_endpoint_network_policies": "Disabled",
            "private_link_service_network_policies": "Disabled",
        },
        {
            "name": "containers",
            "address_prefix": "10.200.1.0/27",
            "nat_gateway": {"id": gateway.id},
            "service_endpoints": [{"service": "Microsoft.Storage"}],
            "delegations": [{"name": "containers", "service_name": "Microsoft.ContainerInstance/containerGroups"}],
        },
        {"name": "private-endpoints", "address_prefix": "10.200.2.0/26"},
    ],
)
zone = privatedns.PrivateZone("blobs", resource_group_name=hub.name, private_zone_name=ZONE, location="global")
privatedns.VirtualNetworkLink(
    "hub",
    resource_group_name=hub.name,
    private_zone_name=zone.name,
    virtual_network_link_name="hub",
    location="global",
    registration_enabled=False,
    virtual_network={"id": vnet.id},
)

logs = operationalinsights.Workspace("logs", resource_group_name=shared.name, workspace_name="logs", sku={"name": "PerGB2018"})
registry = containerregistry.Registry(
    "images", resource_group_name=shared.name, registry_name="examplecompanyimages", sku={"name": "Premium"}
)
account = batch.BatchAccount(
    "batch",
    resource_group_name=shared.name,
    account_name="examplecompanybatch",
    allowed_authentication_modes=["AAD"],
    pool_allocation_mode="BatchService",
)

pulumi.export("existingResourceGroupResourceId", films.id)
pulumi.export("existingVirtualNetworkResourceId", vnet.id)
pulumi.export("blobPrivateDnsZoneResourceId", zone.id)
pulumi.export("existingLogAnalyticsWorkspaceResourceId", logs.id)
pulumi.export("existingBatchAccountResourceId", account.id)
pulumi.export("existingRegistryResourceId", registry.id)
