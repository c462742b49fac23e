"""Who we are to Azure: the developer's login on a laptop, the managed identity on a node. No key, no password."""

from __future__ import annotations

import logging
from functools import cache

from azure.core.credentials import TokenCredential

from scorer.errors import LoginError

STORAGE = "https://storage.azure.com/.default"


@cache
def credential() -> TokenCredential:
    """The credential that all of Azure is asked with.

    AZURE_CLIENT_ID says which of a machine's identities is meant.
    Source: https://learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
    """
    from azure.identity import DefaultAzureCredential  # takes half a second, which work on folders needn't wait for

    return DefaultAzureCredential()


def sign_in() -> None:
    """See, before a person's command asks anything else of Azure, that somebody is signed in. Raises LoginError."""
    from azure.core.exceptions import ClientAuthenticationError

    # It lists each way that it tried, which is of no use to whoever only forgot to sign in.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    try:
        credential().get_token(STORAGE)
    except ClientAuthenticationError as error:
        raise LoginError("Nobody is signed in to Azure here: run 'az login', then this command again.") from error
