"""Storage accounts: Entra ID only, nothing anonymous, encrypted on the way, closed by default."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Resource, Rule, kinds
from policies.values import at, expect

ACCOUNT = kinds("storage:StorageAccount")


def _no_shared_key(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props,
        "allowSharedKeyAccess",
        (False,),
        "set it to false, so that Entra ID is the only way in and user-delegation SAS the only SAS",
    )


def _no_public_blobs(resource: Resource) -> Iterator[str]:
    if resource.kind == "storage:BlobContainer":
        yield from expect(
            resource.props, "publicAccess", (None, "None"), "leave it out, so that nobody reads blobs without signing in"
        )
    else:
        yield from expect(
            resource.props, "allowBlobPublicAccess", (False,), "set it to false, so that no container can ever be made public"
        )


def _tls(resource: Resource) -> Iterator[str]:
    yield from expect(resource.props, "minimumTlsVersion", ("TLS1_2", "TLS1_3"), "set it to TLS1_2, older versions are broken")


def _https_only(resource: Resource) -> Iterator[str]:
    plain = at(resource.props, "enableHttpsTrafficOnly") is False
    if plain and at(resource.props, "kind") == "FileStorage":
        # For shares of NFS, which Azure refuses to mounts without TLS where it is on: stacks/parts_share.py. Nobody but private
        # endpoints leads to such an account, so that nothing crosses another network.
        yield from expect(
            resource.props,
            "publicNetworkAccess",
            ("Disabled",),
            "set it to Disabled, as plain NFS is for private endpoints alone, or enableHttpsTrafficOnly to true",
        )
        return
    yield from expect(
        resource.props, "enableHttpsTrafficOnly", (True,), "set it to true, so that no blob crosses a network in the clear"
    )


def _closed(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props,
        "networkRuleSet.defaultAction",
        ("Deny",),
        "set it to Deny and list the subnets and addresses that may come in",
    )


RULES = [
    Rule(name="storage-no-shared-key", demands="Storage accounts accept no account key.", kinds=ACCOUNT, check=_no_shared_key),
    Rule(
        name="storage-no-public-blobs",
        demands="Storage accounts and blob containers are never public.",
        kinds=ACCOUNT | kinds("storage:BlobContainer"),
        check=_no_public_blobs,
    ),
    Rule(name="storage-tls", demands="Storage accounts speak TLS 1.2 or newer.", kinds=ACCOUNT, check=_tls),
    Rule(
        name="storage-https-only",
        demands="Storage accounts refuse plain HTTP, and plain NFS but by private endpoints.",
        kinds=ACCOUNT,
        check=_https_only,
    ),
    Rule(name="storage-closed", demands="Storage accounts deny every network that isn't listed.", kinds=ACCOUNT, check=_closed),
]
