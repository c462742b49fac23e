"""`scorer share --revoke`: links are taken back.

A link signed by a user delegation key can't be ended by itself: Azure ends all of an account's at once, or none. So one share is
taken back by what its links are for: its request is refused from then on, and what was uploaded is deleted unless the job has
begun.
Source: https://learn.microsoft.com/rest/api/storagerp/storage-accounts/revoke-user-delegation-keys
"""

from __future__ import annotations

import time

from scorer.azure import resource_manager
from scorer.client.client import Client
from scorer.documents.deployment import Deployment
from scorer.documents.paths import share
from scorer.errors import MissingError, OutputError, RequestError, StoreError
from scorer.store.errors import ACCESS_HINT
from scorer.submitter.senders import read_given

API_VERSION = "2025-06-01"


def revoke_share(client: Client, job: str) -> bool:
    """Have the share's request refused, and delete what was uploaded; False where its job has begun, and only the first is done.

    Raises MissingError where there is no such share.
    """
    store = client.stores.input
    try:
        given = read_given(job, store)
    except MissingError as error:
        raise MissingError(f"No share of this deployment has the job '{job}': 'scorer share' printed its id.") from error
    revoked = given.model_copy(update={"revoked": given.revoked or time.time()})
    store.put(share(job), revoked.model_dump_json(indent=1).encode())
    # Afterwards: whoever takes the request in meanwhile has begun by now, or finds that it is refused.
    found = client.find(job)
    if found.tasks is not None or found.status is not None:
        return False
    store.delete_all(given.uploads)
    return True


def revoke_all(target: Deployment) -> None:
    """End every link that was signed for the data account so far. It may take Azure minutes. Raises OutputError, StoreError."""
    from azure.core.exceptions import AzureError, HttpResponseError

    if not target.data_account:
        raise RequestError("The deployment's description doesn't name its data account: run 'pulumi up' of this version first.")
    try:
        resource_manager.call("POST", f"{target.data_account}/revokeUserDelegationKeys", API_VERSION)
    except HttpResponseError as error:
        if error.status_code in (401, 403):
            raise OutputError(f"The links of '{target.data_account}' can't be revoked: {ACCESS_HINT}.") from error
        raise StoreError(f"Azure answered {error.status_code}: no link is revoked yet; run the same command again.") from error
    except AzureError as error:
        raise StoreError("Azure didn't answer: no link may be revoked yet; run the same command again.") from error
