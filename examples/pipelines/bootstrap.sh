#!/usr/bin/env bash
# What a team's deployment stands on, made once by a person who may assign roles: state in a storage account, encrypted by a key in a
# vault, and one identity for each thing that a pipeline does. No password, key or token is made. Run it again as often as you like.
#
#     bootstrap.sh state LOCATION NAME                     NAME: 3 to 20 lower-case letters and digits, unique in all of Azure
#     bootstrap.sh identities NAME STACK OWNER/REPOSITORY  after the stack's first `pulumi up`; for GitHub Actions
#     bootstrap.sh signing NAME IMAGES_ID UP_ID            for Azure DevOps: the key of images; object ids of who signs, who verifies
set -euo pipefail
usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
[[ $# -ge 3 ]] || usage

# $1: principal id, $2: its type, $3: role, $4: scope. A new principal takes a while to be known everywhere.
grant() {
  local try
  for try in 1 2 3 4 5 6; do
    if az role assignment create --assignee-object-id "$1" --assignee-principal-type "$2" --role "$3" --scope "$4" --output none; then
      return
    fi
    echo "not yet ($try of 6)" >&2
    sleep 20
  done
  return 1
}

make_state() {
  local location=$1 name=$2 account vault me
  [[ $name =~ ^[a-z][a-z0-9]{2,19}$ ]] || usage
  az group create --name "$name" --location "$location" --output none
  # Entra ID alone: no account key works. Each version of the state is kept for a while, so that yesterday's can be had back.
  account=$(az storage account create --resource-group "$name" --name "$name" --location "$location" --sku Standard_ZRS \
    --kind StorageV2 --allow-shared-key-access false --allow-blob-public-access false --https-only true --min-tls-version TLS1_2 \
    --query id --output tsv)
  az storage account blob-service-properties update --resource-group "$name" --account-name "$name" --enable-versioning true \
    --enable-delete-retention true --delete-retention-days 30 --enable-container-delete-retention true \
    --container-delete-retention-days 30 --output none
  az storage container-rm create --resource-group "$name" --storage-account "$name" --name state --output none
  if ! az keyvault show --resource-group "$name" --name "$name" --output none 2>/dev/null; then
    az keyvault create --resource-group "$name" --name "$name" --location "$location" --enable-rbac-authorization true \
      --enable-purge-protection true --retention-days 90 --output none
  fi
  vault=$(az keyvault show --resource-group "$name" --name "$name" --query id --output tsv)
  me=$(az ad signed-in-user show --query id --output tsv)
  grant "$me" User "Storage Blob Data Contributor" "$account/blobServices/default/containers/state"
  grant "$me" User "Key Vault Crypto Officer" "$vault"
  if ! az keyvault key show --vault-name "$name" --name pulumi --output none 2>/dev/null; then
    az keyvault key create --vault-name "$name" --name pulumi --kty RSA --size 3072 --ops encrypt decrypt --output none
  fi
  cat <<EOF
pulumi login 'azblob://state?storage_account=$name'
pulumi stack init STACK --secrets-provider 'azurekeyvault://$name.vault.azure.net/keys/pulumi'
EOF
}

# $1: NAME, $2: purpose, which is the name of GitHub's environment, too, $3: OWNER/REPOSITORY. Prints the identity's principal id.
identity() {
  az identity create --resource-group "$1" --name "$1-$2" --output none
  az identity federated-credential create --resource-group "$1" --identity-name "$1-$2" --name github \
    --issuer https://token.actions.githubusercontent.com --subject "repo:$3:environment:$2" \
    --audiences api://AzureADTokenExchange --output none
  az identity show --resource-group "$1" --name "$1-$2" --query principalId --output tsv
}

make_identities() {
  local name=$1 stack=$2 repository=$3 account vault group registry preview images up purpose
  [[ $repository =~ ^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$ ]] || usage
  account=$(az storage account show --resource-group "$name" --name "$name" --query id --output tsv)/blobServices/default/containers/state
  vault=$(az keyvault show --resource-group "$name" --name "$name" --query id --output tsv)/keys/pulumi
  group=$(az group show --name "$(pulumi stack output resourceGroup --stack "$stack")" --query id --output tsv)
  registry=$(az acr show --name "$(pulumi stack output registry --stack "$stack")" --query id --output tsv)

  # A preview reads: the state, what is encrypted in it, the resources. It takes no lock.
  preview=$(identity "$name" preview "$repository")
  grant "$preview" ServicePrincipal "Storage Blob Data Reader" "$account"
  grant "$preview" ServicePrincipal "Key Vault Crypto User" "$vault"
  grant "$preview" ServicePrincipal Reader "$group"
  # Images are pushed, and their signatures beside them.
  images=$(identity "$name" images "$repository")
  grant "$images" ServicePrincipal AcrPush "$registry"
  # An update changes what is in the one group, roles on it included.
  up=$(identity "$name" "$stack" "$repository")
  grant "$up" ServicePrincipal "Storage Blob Data Contributor" "$account"
  grant "$up" ServicePrincipal "Key Vault Crypto User" "$vault"
  grant "$up" ServicePrincipal Contributor "$group"
  grant "$up" ServicePrincipal "User Access Administrator" "$group"
  grant "$up" ServicePrincipal AcrPull "$registry"

  echo "# Variables of GitHub's repository:"
  echo "STACK=$stack"
  echo "STATE_ACCOUNT=$name"
  echo "REGISTRY=$(az acr show --name "$(pulumi stack output registry --stack "$stack")" --query loginServer --output tsv)"
  echo "AZURE_TENANT_ID=$(az account show --query tenantId --output tsv)"
  echo "AZURE_SUBSCRIPTION_ID=$(az account show --query id --output tsv)"
  for purpose in preview images "$stack"; do
    echo "# Variable of its environment '$purpose':"
    echo "AZURE_CLIENT_ID=$(az identity show --resource-group "$name" --name "$name-$purpose" --query clientId --output tsv)"
  done
  echo "# One of the stack's operators, so that 'scorer check' may look: $up"
}

# $1: NAME, $2: object id of the connection that signs, $3: of the one that updates. Who updates reads the public part, and can't sign.
make_signing() {
  local name=$1 key
  if ! az keyvault key show --vault-name "$name" --name images --output none 2>/dev/null; then
    az keyvault key create --vault-name "$name" --name images --kty EC --curve P-256 --ops sign verify --output none
  fi
  key=$(az keyvault show --resource-group "$name" --name "$name" --query id --output tsv)/keys/images
  grant "$2" ServicePrincipal "Key Vault Crypto User" "$key"
  grant "$3" ServicePrincipal "Key Vault Reader" "$key"
  echo "signingKey=azurekms://$name.vault.azure.net/images"
}

case $1 in
  state) make_state "$2" "$3" ;;
  identities)
    [[ $# -eq 4 ]] || usage
    make_identities "$2" "$3" "$4"
    ;;
  signing)
    [[ $# -eq 4 ]] || usage
    make_signing "$2" "$3" "$4"
    ;;
  *) usage ;;
esac
