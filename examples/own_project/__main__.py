"""Two components in somebody else's project: our network and our storage, for an archive of films that scores nothing."""

import pulumi
from pulumi_azure_native import resources

from stacks.network import Network, NetworkArgs
from stacks.storage import Storage, StorageArgs

LOCATION = "northeurope"

group = resources.ResourceGroup("archive", location=LOCATION)
network = Network("archive", NetworkArgs(resource_group_name=group.name, location=LOCATION, address_space="10.20.0.0/16"))
storage = Storage(
    "archive", StorageArgs(resource_group_name=group.name, subnet_ids=[network.nodes_subnet_id], soft_delete_days=90)
)

pulumi.export("films", storage.urls["input"])
