#!/usr/bin/env bash
# Inside a signed-in Azure CLI session: build both images, scan them, push and sign them, and hand them on by digest as the step's
# output variables `scorer` and `submitter`.
#
#     REGISTRY=NAME.azurecr.io SIGNING_KEY=azurekms://VAULT.vault.azure.net/KEY COSIGN_VERSION=v... GRYPE_VERSION=v... images.sh
set -euo pipefail
: "${REGISTRY:?}" "${SIGNING_KEY:?}" "${COSIGN_VERSION:?}" "${GRYPE_VERSION:?}"
here=$(dirname "$0")
# cosign asks the vault as who is signed in here.
export AZURE_TOKEN_CREDENTIALS=AzureCLICredential

# From source: Go holds what it fetches against the public database of modules' hashes.
go install "github.com/sigstore/cosign/v3/cmd/cosign@$COSIGN_VERSION"
go install "github.com/anchore/grype/cmd/grype@$GRYPE_VERSION"
PATH="$(go env GOPATH)/bin:$PATH"
export PATH

# The agent's disk holds both images, if what it brings and nobody needs here is gone.
sudo rm -rf /usr/share/dotnet /usr/local/lib/android /opt/ghc
for name in scorer submitter; do
  docker build --pull --file "images/$name/Dockerfile" --tag "$name:new" .
  grype "docker:$name:new" --only-fixed --fail-on high
done
for name in scorer submitter; do
  reference=$("$here/../push_signed.sh" "$name" "$REGISTRY")
  echo "##vso[task.setvariable variable=$name;isOutput=true]$reference"
done
