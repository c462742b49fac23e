#!/usr/bin/env bash
# Let this machine's public address through the firewalls of a stack's stores and of its Batch account, or shut them again.
# Pulumi's state knows nothing of it: should the second call never come, `pulumi refresh` shows the address, and `pulumi up` takes it away.
#
#     runner_address.sh add|remove STACK
set -euo pipefail
action=$1 stack=$2

case $action in
  add | remove) ;;
  *) echo "'$action' is neither 'add' nor 'remove'." >&2 && exit 2 ;;
esac
output() { pulumi stack output "$1" --stack "$stack" --non-interactive; }
group=$(output resourceGroup)
batch=$(output batchAccount)
# The runner's address as a web service sees it; a self-hosted runner inside the VNet needs none of this.
address=${RUNNER_ADDRESS:-$(curl --fail --silent --show-error --max-time 20 https://api.ipify.org)}
if ! [[ $address =~ ^[0-9]+(\.[0-9]+){3}$ ]]; then
  echo "'$address' is no IPv4 address: set RUNNER_ADDRESS." >&2
  exit 1
fi

failed=0
for account in $(az storage account list --resource-group "$group" --query '[].name' --output tsv); do
  az storage account network-rule "$action" --resource-group "$group" --account-name "$account" --ip-address "$address" --output none || failed=1
done
az batch account network-profile network-rule "$action" --resource-group "$group" --name "$batch" --profile BatchAccount \
  --ip-address "$address" --output none || failed=1
# What was let in takes some seconds to be known everywhere.
if [[ $action == add ]]; then sleep 60; fi
exit "$failed"
