"""Azure's clouds, and where each of them is: the one place that knows, for the scorer and for the deployment.

What a resource says of its own address (a storage account's endpoints, a registry's login server) is taken from there; this table
has the rest. Sources: `az cloud list`; https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure,
https://learn.microsoft.com/azure/china/resources-developer-guide, https://learn.microsoft.com/azure/private-link/private-endpoint-dns.
Not confirmed: of the other clouds, Batch's scopes, issuers, and tokens for the resource manager's own address.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from scorer.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Which cloud a process is in, by its name below, and the template of its storage accounts' addresses.
VARIABLE = "SCORER_CLOUD"
BLOB_ENDPOINT = "SCORER_BLOB_ENDPOINT"
# The SDKs' own name for where tokens come from.
AUTHORITY = "AZURE_AUTHORITY_HOST"


T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One of Azure's clouds. Addresses have no slash at their end."""

    name: str
    """What Pulumi's setting azure-native:environment calls it."""
    authority: str
    """Where tokens come from: a host without its scheme, as AZURE_AUTHORITY_HOST takes it."""
    issuer: str
    """Who signs version 1 tokens, in front of a tenant's id."""
    resource_manager: str
    portal: str
    batch_scope: str
    """What tokens for Azure Batch are for. The second slash is the SDK's own."""
    blobs: str
    """The Blob service of a storage account: a template."""
    registries: str
    """What the registries' login servers end with."""
    vaults: str
    """What the key vaults' hosts end with."""
    zones: Mapping[str, str]
    """The zones of private endpoints by what they are for: blob, file, registry, batch, workspace, notebooks."""
    regions: tuple[str, ...] = ()
    """What the names of its regions begin with; none for the cloud that has all the others."""


PUBLIC = Cloud(
    name="public",
    authority="login.microsoftonline.com",
    issuer="https://sts.windows.net",
    resource_manager="https://management.azure.com",
    portal="https://portal.azure.com",
    batch_scope="https://batch.core.windows.net//.default",
    blobs="https://{account}.blob.core.windows.net",
    registries=".azurecr.io",
    vaults=".vault.azure.net",
    zones={
        "blob": "privatelink.blob.core.windows.net",
        "file": "privatelink.file.core.windows.net",
        "registry": "privatelink.azurecr.io",
        "batch": "privatelink.batch.azure.com",
        "workspace": "privatelink.api.azureml.ms",
        "notebooks": "privatelink.notebooks.azure.net",
    },
)
US_GOVERNMENT = Cloud(
    name="usgovernment",
    authority="login.microsoftonline.us",
    issuer="https://sts.windows.net",
    resource_manager="https://management.usgovcloudapi.net",
    portal="https://portal.azure.us",
    batch_scope="https://batch.core.usgovcloudapi.net//.default",
    blobs="https://{account}.blob.core.usgovcloudapi.net",
    registries=".azurecr.us",
    vaults=".vault.usgovcloudapi.net",
    zones={
        "blob": "privatelink.blob.core.usgovcloudapi.net",
        "file": "privatelink.file.core.usgovcloudapi.net",
        "registry": "privatelink.azurecr.us",
        "batch": "privatelink.batch.usgovcloudapi.net",
        "workspace": "privatelink.api.ml.azure.us",
        "notebooks": "privatelink.notebooks.usgovcloudapi.net",
    },
    regions=("usgov", "usdod"),
)
CHINA = Cloud(
    name="china",
    authority="login.chinacloudapi.cn",
    issuer="https://sts.chinacloudapi.cn",
    resource_manager="https://management.chinacloudapi.cn",
    portal="https://portal.azure.cn",
    batch_scope="https://batch.chinacloudapi.cn//.default",
    blobs="https://{account}.blob.core.chinacloudapi.cn",
    registries=".azurecr.cn",
    vaults=".vault.azure.cn",
    zones={
        "blob": "privatelink.blob.core.chinacloudapi.cn",
        "file": "privatelink.file.core.chinacloudapi.cn",
        "registry": "privatelink.azurecr.cn",
        "batch": "privatelink.batch.chinacloudapi.cn",
        "workspace": "privatelink.api.ml.azure.cn",
        "notebooks": "privatelink.notebooks.chinacloudapi.cn",
    },
    regions=("china",),
)
CLOUDS = {cloud.name: cloud for cloud in (PUBLIC, US_GOVERNMENT, CHINA)}


def named(name: str) -> Cloud:
    """The cloud of that name. Raises RequestError."""
    if name not in CLOUDS:
        raise RequestError(f"'{name}' is none of Azure's clouds: those are {', '.join(CLOUDS)}.")
    return CLOUDS[name]


def of_region(location: str) -> Cloud:
    """The cloud that a region is in."""
    return next((cloud for cloud in CLOUDS.values() if location.startswith(cloud.regions or "?")), PUBLIC)


def current() -> Cloud:
    """The cloud that this process is in. Raises RequestError like `named`."""
    return named(os.environ.get(VARIABLE, PUBLIC.name))


def environment(cloud: Cloud, blob_endpoint: T) -> dict[str, str | T]:
    """What a process needs to know of its cloud; `blob_endpoint` is what the storage accounts say of their addresses."""
    return {VARIABLE: cloud.name, BLOB_ENDPOINT: blob_endpoint, AUTHORITY: cloud.authority}


def enter(name: str, blob_endpoint: str) -> None:
    """Let this process be in the cloud of a deployment; what its environment says already counts. Raises RequestError."""
    cloud, usual = named(name), environment(PUBLIC, PUBLIC.blobs)
    for variable, value in environment(cloud, blob_endpoint or cloud.blobs).items():
        if value != usual[variable]:
            os.environ.setdefault(variable, value)


def told() -> dict[str, str]:
    """What this process was told of its cloud, for those that it starts."""
    return {variable: os.environ[variable] for variable in (VARIABLE, BLOB_ENDPOINT, AUTHORITY) if variable in os.environ}
