"""Who we are to Azure: the developer's login on a laptop, the managed identity on a node. No key, no password."""

from __future__ import annotations

from functools import cache

from azure.core.credentials import TokenCredential


@cache
def credential() -> TokenCredential:
    """The credential that all of Azure is asked with.

    AZURE_CLIENT_ID says which of a machine's identities is meant.
    Source: https://learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
    """
    from azure.identity import DefaultAzureCredential  # takes half a second, which work on folders needn't wait for

    return DefaultAzureCredential()
