"""Who we are to Azure: the developer's login on a laptop, the managed identity on a node. No key, no password."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenCredential, TokenRequestOptions
from azure.core.exceptions import ClientAuthenticationError

from scorer.azure.retries import on_machine, patience
from scorer.errors import LoginError

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential

T = TypeVar("T")

STORAGE = "https://storage.azure.com/.default"


@cache
def credential() -> TokenCredential:
    """The credential that all of Azure is asked with.

    AZURE_CLIENT_ID says which of a machine's identities is meant.
    Source: https://learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
    """
    from azure.identity import DefaultAzureCredential  # takes half a second, which work on folders needn't wait for

    own = DefaultAzureCredential()
    return _Machine(own) if on_machine() else own


@dataclass(frozen=True)
class _Machine:
    """A machine's identity, which may come after the machine. Raises LoginError where it doesn't come in time."""

    own: DefaultAzureCredential

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token, as the SDKs ask for one."""
        return self._in_time(partial(self.own.get_token, *scopes, **options))

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """The same, and when it is to be renewed."""
        return self._in_time(partial(self.own.get_token_info, *scopes, options=options))

    def _in_time(self, ask: Callable[[], T]) -> T:
        try:
            return patience.granted(ask, lambda error: isinstance(error, ClientAuthenticationError))
        except ClientAuthenticationError as error:
            raise LoginError(
                "Azure gave this machine no token within two minutes: look in the portal whether its container group or pool has "
                "the identity that AZURE_CLIENT_ID names, then run the step again."
            ) from error


def sign_in() -> None:
    """See, before a person's command asks anything else of Azure, that somebody is signed in. Raises LoginError."""
    # It lists each way that it tried, which is of no use to whoever only forgot to sign in.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    try:
        credential().get_token(STORAGE)
    except ClientAuthenticationError as error:
        raise LoginError("Nobody is signed in to Azure here: run 'az login', then this command again.") from error
