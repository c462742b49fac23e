"""No key, password, token or SAS in any input of any resource, marked secret or not: the stack needs none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.rule import EVERY_TYPE, Resource, Rule
from policies.values import Value, walk

# What a secret looks like, whatever the input is called.
LOOKS = {
    "a SAS (sig=)": re.compile(r"\bsig(=|%3D)", re.IGNORECASE),
    "a connection string with a key": re.compile(r"\b(AccountKey|SharedAccessKey)\s*=", re.IGNORECASE),
    "a SharedAccessSignature": re.compile(r"SharedAccessSignature", re.IGNORECASE),
    "a storage or Batch account key": re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a signed token (JWT)": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\."),
    "a client secret of Entra ID": re.compile(r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{34}(?![\w~.-])"),
}
# What a secret is called, whatever it looks like.
CALLED = re.compile(
    r"password|passphrase|(account|sas|shared|api|access|private|workspace)_?-?key|sas_?token|client_?secret", re.IGNORECASE
)

# The address of a workflow's trigger carries its own signature, and there's no other way to tell Event Grid of it.
# Pulumi keeps it encrypted; Event Grid never shows it again.
ADDRESS_IS_SIGNED = {"destination.endpointUrl", "deliveryWithResourceIdentity.destination.endpointUrl"}


def _no_secrets(resource: Resource) -> Iterator[str]:
    for path, value in walk(resource.props):
        where = ".".join(path)
        if not isinstance(value, str) or (resource.kind.startswith("eventgrid:") and where in ADDRESS_IS_SIGNED):
            continue
        for look, pattern in LOOKS.items():
            if pattern.search(value):
                yield f"{where} holds what looks like {look}: remove it, and let an identity with a role sign in."
        if path and CALLED.search(path[-1]) and _holds_secret(value):
            yield f"{where} holds a secret: remove it, and let an identity with a role sign in."


def _holds_secret(value: Value) -> bool:
    """Not empty, and not an expression that a workflow evaluates."""
    return isinstance(value, str) and value != "" and not value.startswith("@")


RULES = [Rule(name="no-secrets", demands="No input of any resource holds a secret.", kinds=EVERY_TYPE, check=_no_secrets)]
