"""What a setting's value may be: addresses, ids, references of images. Each says in a ValueError what would be right."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

PROJECT = "batch-scoring"
# In the place of a DNS zone's id: a policy of the company's adds the records of private endpoints.
BY_POLICY = "none"
EngineName = Literal["batch", "machine-learning"]
Trigger = Literal["events", "polling"]
NetworkIsolation = Literal["service-endpoints", "private-endpoints"]
Mount = Literal["none", "blob", "nfs"]
SubmitterEgress = Literal["named", "azure-cloud"]
RegistrySku = Literal["Basic", "Standard", "Premium"]


class SettingGroup(BaseModel):
    """Some of a stack's settings. A field's description is its documentation, its example what the example stack has."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)


def matches(pattern: str, right: str, *, or_empty: bool = True) -> AfterValidator:
    """Texts like `pattern`, or empty; `right` says what another should have been."""

    def check(text: str) -> str:
        if (text or not or_empty) and not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"is not {right}")
        return text

    return AfterValidator(check)


GROUP_ID = r"(?i:/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/)[\w().-]{0,89}[\w()-]"


def resource_id(kind: str, what: str, command: str, also: str = "") -> AfterValidator:
    """The resource id of a `kind`, which `command` of the Azure CLI shows; `also` is a word that may stand in its place."""
    provider = "/".join(("(?i:/providers", kind.replace(".", r"\."))) + r")/[\w().-]+"
    word = f"|{also}" if also else ""
    or_word = f", or '{also}'" if also else ""
    return matches(f"{GROUP_ID}{provider}{word}", f"{what}'s resource id: take it from 'az {command} show --query id'{or_word}")


# https://www.rfc-editor.org/rfc/rfc1918
_OWN = [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def address_range(text: str) -> str:
    """Check a VNet's range of addresses. Raises ValueError."""
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"is not an address range: write one such as {_such_as(text, '10.64.0.0/16')}") from error
    if str(network) != text:
        right = str(network) if "/" in text else "10.64.0.0/16"
        raise ValueError(f"is not an address range: write one such as {right}")
    if not (any(network.subnet_of(each) for each in _OWN) and 8 <= network.prefixlen <= 20):
        raise ValueError("is not a private range of /8 to /20: the nodes, the submitter and the endpoints need room in it")
    if network.overlaps(ipaddress.IPv4Network("172.17.0.0/16")):
        raise ValueError("overlaps 172.17.0.0/16, which containers on the nodes use: take another, such as 10.64.0.0/16")
    return text


_PUBLIC = "203.0.113.7 or 203.0.113.0/24"
# Carriers', a machine's own, and those that it gives itself; then what nobody comes from: unspecified, multicast, reserved.
_PRIVATE = [*_OWN, *(ipaddress.IPv4Network(text) for text in ("100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"))]
# Azure's own address inside of VNets and what benchmarks use are among the last: https://www.iana.org/assignments/iana-ipv4-special-registry
_NOBODYS = [
    ipaddress.IPv4Network(text)
    for text in ("0.0.0.0/8", "168.63.129.16/32", "192.0.0.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4")
]


def _such_as(text: str, otherwise: str) -> str:
    """The range that `text` is an address of, as Azure takes it; `otherwise` where it is none."""
    try:
        return str(ipaddress.ip_network(text, strict=False)).removesuffix("/32")
    except ValueError:
        return otherwise


def _public_address(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"is not an address or a range: write one such as {_such_as(text, _PUBLIC)}") from error
    if not isinstance(network, ipaddress.IPv4Network):
        raise ValueError("is no IPv4 address, and storage firewalls take no other")
    # Python takes a mask after the slash, and zeros before its number, too.
    if text not in (str(network), str(network.network_address)):
        raise ValueError(f"is not an address or a range: write one such as {_such_as(text, _PUBLIC)}")
    if network.prefixlen < 8:
        raise ValueError("is nearly everybody's address: write those that people come from, such as 203.0.113.7")
    if any(network.overlaps(private) for private in _PRIVATE):
        raise ValueError("is a private address, which storage firewalls don't take: write the one that the internet sees")
    if any(network.overlaps(nobodys) for nobodys in _NOBODYS):
        raise ValueError("is an address that nobody comes from: write the one that the internet sees, such as 203.0.113.7")
    if network.prefixlen > 30 and network.prefixlen != 32:
        raise ValueError("is a /31: storage firewalls take single addresses, and ranges of /30 or wider")
    return text.removesuffix("/32")


def _once(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(addresses))


# Firewalls refuse one address twice.
PublicAddresses = Annotated[tuple[Annotated[str, AfterValidator(_public_address)], ...], AfterValidator(_once)]
# What the firewall of a storage account takes: https://learn.microsoft.com/azure/storage/common/storage-network-security
STORAGE_ADDRESSES = 400
# And of a Batch account: https://learn.microsoft.com/azure/batch/public-network-access
BATCH_ADDRESSES = 200


def _node_image(text: str) -> str:
    if text == "latest":
        return text
    if not re.fullmatch(r"\d+\.\d+\.\d+", text, re.ASCII):
        raise ValueError(f"is not 'latest' or a version such as 24.04.2026MMDDNN: {_NODE_IMAGES} tells which there are")
    # As in 24.04.2025090801. The first with a driver of 580 or newer, which CUDA 13 needs, is of January 2026:
    # https://github.com/Azure/azhpc-images/pull/478
    if (day := text.rpartition(".")[2]) < "20260101" and len(day) >= 8:
        raise ValueError(f"is older than 2026, so its NVIDIA driver is too old for CUDA 13: {_NODE_IMAGES} tells newer ones")
    return text


_NODE_IMAGES = "'az vm image list --publisher microsoft-dsvm --offer ubuntu-hpc --sku 2404 --all --output table'"
NodeImage = Annotated[str, AfterValidator(_node_image)]

_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_OBJECT = "an object id: take it from 'az ad user show' or 'az ad group show'; 'az ad signed-in-user show --query id' tells yours"
# The same in every tenant, in which its object id is another one: https://learn.microsoft.com/azure/batch/batch-account-create-portal
_BATCH = "ddbf3205-c6bd-46ae-8127-60eb93363864"


def _service_principal(text: str) -> str:
    if text.lower() == _BATCH:
        raise ValueError(
            "is MicrosoftAzureBatch's application id, the same in every tenant: take the object id, "
            f"from 'az ad sp show --id {_BATCH} --query id'"
        )
    return text


def _application(text: str) -> str:
    if text.lower() == EVENT_GRID:
        raise ValueError("is Event Grid's own application: make one for it, as the deployment's guide says under Hardening")
    return text


# Event Grid's own application, the same in every tenant: https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery
EVENT_GRID = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
BatchPrincipal = Annotated[str, matches(_GUID, _OBJECT), AfterValidator(_service_principal)]


def _each_once(ids: tuple[str, ...]) -> tuple[str, ...]:
    known = [each.lower() for each in ids]
    if twice := next((each for each in known if known.count(each) > 1), None):
        raise ValueError(f"has {twice} twice: a role is given once, so take one of them out")
    return ids


People = Annotated[tuple[Annotated[str, matches(_GUID, _OBJECT, or_empty=False)], ...], AfterValidator(_each_once)]
ApplicationId = Annotated[
    str,
    matches(_GUID, "an application's client id: take it from 'az ad app show --id NAME --query appId'"),
    AfterValidator(_application),
]
_DIGEST = r"@sha256:[0-9a-f]{64}"
# Docker's own grammar, which has no capital letters in repositories: https://github.com/distribution/reference/blob/main/reference.go
_HOST = r"[a-zA-Z0-9]+(-+[a-zA-Z0-9]+)*"
_PART = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"
_TAG = r"\w[\w.-]{0,127}"
_IMAGE = rf"{_HOST}(\.{_HOST})*(:\d{{1,5}})?(/{_PART})+((:{_TAG})?{_DIGEST}|:(?!latest$){_TAG})"


def _with_small_host(reference: str) -> str:
    """The host's name in small letters: by them it is known whose registry it is, and with what sign-in it is pulled from."""
    host, slash, rest = reference.partition("/")
    return f"{host.lower()}{slash}{rest}"


Reference = Annotated[
    str,
    matches(
        f"build|{_IMAGE}",
        "an image: write 'build', or a reference with a tag other than latest, such as docker.io/acme/scorer:1.4",
        or_empty=False,
    ),
    AfterValidator(_with_small_host),
]
Base = Annotated[
    str,
    matches(
        f"|{_IMAGE}",
        "an image: write a reference such as mirror.example/python:3.11.15-slim-bookworm, best with @sha256: and its digest, "
        "or leave it empty",
    ),
    AfterValidator(_with_small_host),
]


def _as_text(value: object) -> object:
    """`pulumi config set --path tags.NAME 1234` keeps a number, and true and false as such."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def _tags(tags: dict[str, str]) -> dict[str, str]:
    """Check the names together, of which Azure doesn't tell capital letters."""
    known = [name.lower() for name in tags]
    if twice := next((name for name in tags if known.count(name.lower()) > 1), None):
        raise ValueError(f"have '{twice}' twice, as Azure doesn't tell capital letters in names: take one of them out")
    return tags


# https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources
_TagName = Annotated[
    str,
    matches(
        r"(?!(?i:azure|microsoft|windows))[^<>%&\\?/\x00-\x1f]{1,128}",
        "a tag's name: it may not hold < > % & \\ ? or /, nor begin with azure, microsoft or windows",
        or_empty=False,
    ),
]
_TagValue = Annotated[str, BeforeValidator(_as_text), Field(max_length=256)]
Tags = Annotated[dict[_TagName, _TagValue], AfterValidator(_tags)]
