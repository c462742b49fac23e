#!/usr/bin/env bash
# Inside a signed-in Azure CLI session: what `up` would change, or the update and a look at what stands there. An update takes the images
# SCORER and SUBMITTER, by digest, once their signatures are those of SIGNING_KEY.
#
#     STACK=dev STATE_ACCOUNT=name PULUMI_VERSION=3.259.0 deploy.sh preview
#     STACK=... SIGNING_KEY=azurekms://VAULT.vault.azure.net/KEY COSIGN_VERSION=v... SCORER=... SUBMITTER=... deploy.sh up
set -euo pipefail
: "${STACK:?}" "${STATE_ACCOUNT:?}" "${PULUMI_VERSION:?}"
export PULUMI_BACKEND_URL="azblob://state?storage_account=$STATE_ACCOUNT"
export PATH="$HOME/.pulumi/bin:$PATH"

# Pulumi's own installer; it takes the one version that is named.
curl --fail --silent --show-error --location https://get.pulumi.com | sh -s -- --version "$PULUMI_VERSION"
make infra
case $1 in
  preview)
    # The images that run stay.
    pulumi stack output images --stack "$STACK" --json | jq --raw-output 'to_entries[] | "\(.key) \(.value)"' |
      while read -r setting reference; do pulumi config set --stack "$STACK" "$setting" "$reference"; done
    pulumi preview --stack "$STACK" --policy-pack policies --diff --suppress-outputs --non-interactive
    ;;
  up)
    : "${SIGNING_KEY:?}" "${COSIGN_VERSION:?}" "${SCORER:?}" "${SUBMITTER:?}"
    go install "github.com/sigstore/cosign/v3/cmd/cosign@$COSIGN_VERSION"
    PATH="$(go env GOPATH)/bin:$PATH"
    # With the public part, which whoever updates may read: signing is not theirs. cosign asks the vault as who is signed in here.
    public=$(mktemp)
    AZURE_TOKEN_CREDENTIALS=AzureCLICredential cosign public-key --key "$SIGNING_KEY" >"$public"
    az acr login --name "${SCORER%%.*}"
    for image in "$SCORER" "$SUBMITTER"; do cosign verify --key "$public" "$image"; done
    pulumi config set --stack "$STACK" image "$SCORER"
    pulumi config set --stack "$STACK" submitterImage "$SUBMITTER"
    pulumi up --stack "$STACK" --policy-pack policies --yes --suppress-outputs --non-interactive
    trap 'examples/pipelines/runner_address.sh remove "$STACK"' EXIT
    examples/pipelines/runner_address.sh add "$STACK"
    .venv/bin/scorer check --stack "$STACK"
    ;;
  *)
    echo "'$1' is neither 'preview' nor 'up'." >&2
    exit 2
    ;;
esac
