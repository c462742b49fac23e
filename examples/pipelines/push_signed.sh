#!/usr/bin/env bash
# Push the image NAME:new into a registry, and sign it, with its bill of materials as an attestation. Without a key the pipeline's own
# identity (OIDC) signs; with SIGNING_KEY=azurekms://VAULT.vault.azure.net/KEY a key that never leaves its vault.
# Prints the image by digest, and hands it to GitHub as the step's output `reference`.
#
#     push_signed.sh NAME REGISTRY.azurecr.io
set -euo pipefail
name=$1 registry=$2
signer=(--yes)
if [[ -n ${SIGNING_KEY:-} ]]; then signer+=(--key "$SIGNING_KEY"); fi

az acr login --name "${registry%%.*}" >&2
docker tag "$name:new" "$registry/$name:new"
docker push --quiet "$registry/$name:new" >/dev/null
reference=$(docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$registry/$name:new" | grep "^$registry/$name@sha256:")

bill=$(mktemp)
trap 'rm -f "$bill"' EXIT
docker run --rm --entrypoint cat "$name:new" /usr/share/doc/batch-scoring/sbom.cdx.json >"$bill"
cosign sign "${signer[@]}" "$reference" >&2
cosign attest "${signer[@]}" --type cyclonedx --predicate "$bill" "$reference" >&2

echo "reference=$reference" >>"${GITHUB_OUTPUT:-/dev/null}"
echo "$reference"
