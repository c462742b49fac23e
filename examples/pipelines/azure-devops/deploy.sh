#!/usr/bin/env bash
# Inside a signed-in Azure CLI session: what `up` would change, or the update and a look at what stands there.
#
#     STACK=dev STATE_ACCOUNT=name PULUMI_VERSION=3.259.0 deploy.sh preview|up
set -euo pipefail
: "${STACK:?}" "${STATE_ACCOUNT:?}" "${PULUMI_VERSION:?}"
export PULUMI_BACKEND_URL="azblob://state?storage_account=$STATE_ACCOUNT"
export PATH="$HOME/.pulumi/bin:$PATH"

# Pulumi's own installer; it takes the one version that is named.
curl --fail --silent --show-error --location https://get.pulumi.com | sh -s -- --version "$PULUMI_VERSION"
make infra
case $1 in
  preview)
    pulumi preview --stack "$STACK" --policy-pack policies --diff --suppress-outputs --non-interactive
    ;;
  up)
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
