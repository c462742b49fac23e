#!/usr/bin/env bash
# Push the image NAME:new into a registry, and sign it without a key: by the pipeline's own identity (OIDC), with its bill of materials
# as an attestation. Prints the image by digest, and hands it to GitHub as the step's output `reference`.
#
#     push_signed.sh NAME REGISTRY.azurecr.io
set -euo pipefail
name=$1 registry=$2

az acr login --name "${registry%%.*}"
docker tag "$name:new" "$registry/$name:new"
docker push --quiet "$registry/$name:new" >/dev/null
reference=$(docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$registry/$name:new" | grep "^$registry/$name@sha256:")

bill=$(mktemp)
trap 'rm -f "$bill"' EXIT
docker run --rm --entrypoint cat "$name:new" /usr/share/doc/batch-scoring/sbom.cdx.json >"$bill"
cosign sign --yes "$reference"
cosign attest --yes --type cyclonedx --predicate "$bill" "$reference"

echo "reference=$reference" >>"${GITHUB_OUTPUT:-/dev/null}"
echo "$reference"
