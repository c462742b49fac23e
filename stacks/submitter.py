"""The submitter: what the workflow makes one container group of for each request.

A container group lives for one request, so it is no resource of the stack: the stack declares its body, and the workflow puts it.
Source: https://learn.microsoft.com/azure/templates/microsoft.containerinstance/containergroups
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

Body = dict[str, object]

# What the body below is written for; the workflow asks Azure in this version, the newest that is no preview.
# https://github.com/Azure/azure-rest-api-specs/tree/main/specification/containerinstance/resource-manager
API_VERSION = "2025-09-01"
CONTAINER = "submitter"
# Azure's own resolver, which knows the private zones that are linked to the VNet. A container group doesn't take over the VNet's
# servers: https://learn.microsoft.com/azure/container-instances/container-instances-custom-dns,
# https://github.com/hashicorp/terraform-provider-azurerm/issues/10518
RESOLVER = "168.63.129.16"
# The workflow adds the request's address.
COMMAND = ("scorer", "dispatch")
# The SDKs ask for the machine's identity, and try no other way. It may come after the machine:
# scorer/azure/retries.py waits for it.
# https://learn.microsoft.com/python/api/overview/azure/identity-readme#defaultazurecredential
SIGN_IN = {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}
# Who may read the container group doesn't read these: where everything is, and where telemetry goes.
UNREADABLE = ("APPLICATIONINSIGHTS_CONNECTION_STRING", "SCORER_DEPLOYMENT")
# Dispatch reads a request, probes a video and adds tasks: it computes next to nothing. ARM's schema has whole numbers.
CORES = 1
MEMORY_GB = 2


@dataclass(frozen=True, kw_only=True)
class SubmitterArgs:
    """What a container group is made of."""

    location: pulumi.Input[str]
    image: pulumi.Input[str]
    registry_server: pulumi.Input[str]
    """Our registry, from which images are pulled with the identity; images of others are pulled without."""
    identity_id: pulumi.Input[str]
    identity_client_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    deployment: pulumi.Input[str]
    """The deployment's description as JSON."""
    urls: Mapping[str, pulumi.Input[str]]
    """az:// addresses of the containers by their names: input, output, work, logs."""
    cloud: Mapping[str, pulumi.Input[str]]
    """What the SDKs and the scorer need to know of Azure's cloud, as variables of the environment."""
    telemetry: pulumi.Input[str]
    """Application Insights' connection string."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every container group, so that its costs are found under them."""


def container_group(args: SubmitterArgs) -> pulumi.Output[Body]:
    """The container group's ARM body, without its name and without the request's address in its command."""
    return pulumi.Output.all(
        location=args.location,
        image=args.image,
        registry_server=args.registry_server,
        identity_id=args.identity_id,
        subnet_id=args.subnet_id,
        environment=pulumi.Output.all(
            SCORER_DEPLOYMENT=args.deployment,
            SCORER_INPUT=args.urls["input"],
            SCORER_OUTPUT=args.urls["output"],
            SCORER_WORK=args.urls["work"],
            SCORER_LOGS=args.urls["logs"],
            # Which of the identities that a machine may have the SDKs are to take.
            AZURE_CLIENT_ID=args.identity_client_id,
            **SIGN_IN,
            APPLICATIONINSIGHTS_CONNECTION_STRING=args.telemetry,
            **args.cloud,
        ),
    ).apply(lambda known: body(**known, tags=args.tags))


def body(
    *,
    location: str,
    image: str,
    registry_server: str,
    identity_id: str,
    subnet_id: str,
    environment: Mapping[str, str],
    tags: Mapping[str, str],
) -> Body:
    """The ARM body made of known values. It asks for no log workspace, as Azure would want that one's key in it."""
    resources = {"cpu": CORES, "memoryInGB": MEMORY_GB}
    container = {
        "name": CONTAINER,
        "properties": {
            "image": image,
            "command": list(COMMAND),
            "resources": {"requests": resources, "limits": resources},
            "environmentVariables": [
                {"name": name, "secureValue" if name in UNREADABLE else "value": value}
                for name, value in sorted(environment.items())
            ],
        },
    }
    ours = image.startswith(f"{registry_server}/")
    return {
        "location": location,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity_id: {}}},
        "tags": dict(tags),
        "properties": {
            "osType": "Linux",
            "sku": "Standard",
            # A second try is a new event or a person's decision, never a loop.
            "restartPolicy": "Never",
            "subnetIds": [{"id": subnet_id}],
            "dnsConfig": {"nameServers": [RESOLVER]},
            "imageRegistryCredentials": [{"server": registry_server, "identity": identity_id}] if ours else [],
            "containers": [container],
        },
    }
