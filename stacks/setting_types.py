"""What a setting's value may be: addresses, ids, references of images. Each says in a ValueError what would be right."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

PROJECT = "batch-scoring"
# In the place of a DNS zone's id: a policy of the company's adds the records of private endpoints.
BY_POLICY = "none"
Trigger = Literal["events", "polling"]
NetworkIsolation = Literal["service-endpoints", "private-endpoints"]
Mount = Literal["none", "blob"]
SubmitterEgress = Literal["named", "azure-cloud"]
RegistrySku = Literal["Basic", "Standard", "Premium"]


def matches(pattern: str, right: str) -> AfterValidator:
    """Texts like `pattern`, or empty; `right` says what another should have been."""

    def check(text: str) -> str:
        if text and not re.fullmatch(pattern, text):
            raise ValueError(f"is not {right}")
        return text

    return AfterValidator(check)


def address_range(text: str) -> str:
    """Check a VNet's range of addresses. Raises ValueError."""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ValueError("is not an address range: write one such as 10.64.0.0/16") from error
    if not (network.is_private and 8 <= network.prefixlen <= 20):
        raise ValueError("is not a private range of /8 to /20: the nodes, the submitter and the endpoints need room in it")
    if network.overlaps(ipaddress.IPv4Network("172.17.0.0/16")):
        raise ValueError("overlaps 172.17.0.0/16, which containers on the nodes use: take another, such as 10.64.0.0/16")
    return text


_PRIVATE = [
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
]


def _such_as(text: str) -> str:
    """The range that `text` is an address of, if it is one."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return "203.0.113.7 or 203.0.113.0/24"


def _public_address(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"is not an address or a range: write one such as {_such_as(text)}") from error
    if not isinstance(network, ipaddress.IPv4Network):
        raise ValueError("is no IPv4 address, and storage firewalls take no other")
    if network.prefixlen < 8:
        raise ValueError("is nearly everybody's address: write those that people come from, such as 203.0.113.7")
    if any(network.overlaps(private) for private in _PRIVATE):
        raise ValueError("is a private address, which storage firewalls don't take: write the one that the internet sees")
    if network.prefixlen > 30 and network.prefixlen != 32:
        raise ValueError("is a /31: storage firewalls take single addresses, and ranges of /30 or wider")
    return text.removesuffix("/32")


PublicAddress = Annotated[str, AfterValidator(_public_address)]
# What the firewall of a storage account takes: https://learn.microsoft.com/azure/storage/common/storage-network-security
STORAGE_ADDRESSES = 400


def _node_image(text: str) -> str:
    if text == "latest":
        return text
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise ValueError(f"is not 'latest' or a version such as 24.04.2026MMDDNN: {_NODE_IMAGES} tells which there are")
    # As in 24.04.2025090801. The first with a driver of 580 or newer, which CUDA 13 needs, is of January 2026:
    # https://github.com/Azure/azhpc-images/pull/478
    if (day := text.rpartition(".")[2]) < "20260101" and len(day) >= 8:
        raise ValueError(f"is older than 2026, so its NVIDIA driver is too old for CUDA 13: {_NODE_IMAGES} tells newer ones")
    return text


_NODE_IMAGES = "'az vm image list --publisher microsoft-dsvm --offer ubuntu-hpc --sku 2404 --all --output table'"
NodeImage = Annotated[str, AfterValidator(_node_image)]

_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
Guid = Annotated[
    str,
    matches(
        _GUID,
        "an object id: take it from 'az ad user show' or 'az ad group show'; 'az ad signed-in-user show --query id' tells yours",
    ),
]
ApplicationId = Annotated[
    str, matches(_GUID, "an application's client id: take it from 'az ad app show --id NAME --query appId'")
]
_DIGEST = r"@sha256:[0-9a-f]{64}"
_IMAGE = rf"[\w.-]+(:\d+)?(/[\w.-]+)+((:[\w.-]{{1,128}})?{_DIGEST}|:(?!latest$)[\w.-]{{1,128}})"
Reference = Annotated[
    str,
    matches(
        f"build|{_IMAGE}",
        "an image: write 'build', or a reference with a tag other than latest, such as docker.io/acme/scorer:1.4",
    ),
]
Base = Annotated[
    str,
    matches(
        f"|{_IMAGE}",
        "an image: write a reference such as mirror.example/python:3.11.15-slim-bookworm, best with @sha256: and its digest, "
        "or leave it empty",
    ),
]
Tag = Annotated[str, Field(max_length=256)]
