"""Settings that are refused: the sentences, and ids of what exists for those that name it."""

import pulumi
import pytest

from stacks.settings import parse

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/hub"
PROVIDERS = f"{GROUP}/providers"
NETWORK = f"{PROVIDERS}/Microsoft.Network/virtualNetworks/hub"
GUID = "aaaaaaaa-1111-1111-1111-111111111111"
REGISTRY = f"{PROVIDERS}/Microsoft.ContainerRegistry/registries/images"
ACCOUNT = f"{PROVIDERS}/Microsoft.Batch/batchAccounts/b"
PRIVATE = {"networkIsolation": "private-endpoints", "registrySku": "Premium"}
KEY_USER = f"{PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/key"


def refusals(**raw: str) -> list[str]:
    with pytest.raises(pulumi.RunError) as refused:
        parse({"location": "westeurope", **raw})
    first, *sentences = str(refused.value).splitlines()
    assert first == "These settings need another value:"
    return [sentence.removeprefix("  - ") for sentence in sentences]
