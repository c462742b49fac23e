"""What a base's tag means today: its digest, as the registry says, and as the manifest's own bytes do.

`make bases` writes it into the Dockerfiles, so that every later build begins with the same bytes, whoever moves the tag.
`python -m stacks.image_base mirror.example/python:3.11.15-slim-bookworm` prints what the setting `baseImage` should be.
Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md (pulling manifests)
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from stacks.image_build import opened, request_to, retrying

ROOT = Path(__file__).resolve().parent.parent
_DEFAULT = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
# Docker's short name for its own registry, and where that answers.
_HOSTS = {"docker.io": "registry-1.docker.io"}
# Lists of images for several machines first: their digest holds on all of them.
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MANIFEST_BYTES = 4 * 2**20  # what registries take at most


class BaseError(RuntimeError):
    """The registry doesn't tell; the message says what to do."""


def pinned(reference: str) -> str:
    """`reference` (host/repository:tag, with or without a digest) with the digest that its tag has today.

    Raises BaseError.
    """
    named = re.fullmatch(r"([\w.-]+(?::\d+)?)/([\w./-]+):([\w.-]+)(?:@sha256:[0-9a-f]{64})?", reference)
    if not named:
        raise BaseError(f"'{reference}' names no image: write one such as docker.io/library/python:3.11.15-slim-bookworm.")
    host, repository, tag = named.groups()
    local = host.startswith(("127.0.0.1:", "localhost:"))
    url = f"{'http' if local else 'https'}://{_HOSTS.get(host, host)}/v2/{repository}/manifests/{tag}"
    try:
        manifest, claimed = _manifest(url)
    except urllib.error.HTTPError as error:
        raise BaseError(
            f"The registry refused '{reference}' ({error.code} {error.reason}): check its name. Of a registry that wants a "
            "sign-in, 'docker buildx imagetools inspect' tells the digest."
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise BaseError(f"The registry of '{reference}' can't be asked ({getattr(error, 'reason', error)}): try again.") from None
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    if claimed not in (None, digest):
        raise BaseError(f"The registry's answer for '{reference}' isn't what it says it is: {claimed} is {digest}. Ask another.")
    return f"{host}/{repository}:{tag}@{digest}"


def _manifest(url: str) -> tuple[bytes, str | None]:
    """The manifest's bytes, and the digest that the registry says they have."""
    headers = {"Accept": ", ".join(_MANIFESTS)}
    try:
        return retrying(_read, request_to("GET", url, headers=headers))
    except urllib.error.HTTPError as error:
        challenge = error.headers.get("WWW-Authenticate", "")
        if error.code != 401 or not challenge.startswith("Bearer "):
            raise
    # Public images want a token, too, which everybody gets: https://distribution.github.io/distribution/spec/auth/token/
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({key: asked[key] for key in ("service", "scope") if key in asked})
    answer, _ = retrying(_read, request_to("GET", f"{asked['realm']}?{query}"))
    token = json.loads(answer)
    headers["Authorization"] = f"Bearer {token.get('token') or token['access_token']}"
    return retrying(_read, request_to("GET", url, headers=headers))


def _read(request: urllib.request.Request) -> tuple[bytes, str | None]:
    with opened(request) as answer:
        return answer.read(_MANIFEST_BYTES), answer.headers.get("Docker-Content-Digest")


def pin(dockerfiles: Sequence[Path]) -> list[str]:
    """Write today's digests into the Dockerfiles, all of them or none; what each names now. Raises BaseError."""
    texts = {path: path.read_text(encoding="utf-8") for path in dockerfiles}
    bases = {path: _DEFAULT.findall(text)[0] for path, text in texts.items()}
    digests = {base: pinned(base) for base in dict.fromkeys(bases.values())}
    for path, text in texts.items():
        path.write_text(_DEFAULT.sub(f"ARG BASE={digests[bases[path]]}", text), encoding="utf-8")
    return [f"{path.parent.name}: {digests[base]}" for path, base in bases.items()]


def main(arguments: Sequence[str]) -> int:
    """Pin what is named, or the Dockerfiles' own base; the exit code."""
    try:
        lines = [pinned(each) for each in arguments] if arguments else pin(sorted(ROOT.glob("images/*/Dockerfile")))
    except BaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
