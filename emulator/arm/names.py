"""Azure's rules for names, from https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules."""

from __future__ import annotations

import re

from emulator.arm.requests import TEACH, ArmError, ArmRequest

_GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NETWORK = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?"
_DOMAIN = r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})+"

RULES = {
    "Microsoft.Authorization/locks": r"[\w.()-]{1,90}",
    "Microsoft.Authorization/roleAssignments": _GUID,
    "Microsoft.Authorization/roleDefinitions": _GUID,
    "Microsoft.Batch/batchAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Batch/batchAccounts/pools": r"[A-Za-z0-9_-]{1,64}",
    "Microsoft.Consumption/budgets": r"[A-Za-z0-9_-]{1,63}",
    "Microsoft.ContainerRegistry/registries": r"[A-Za-z0-9]{5,50}",
    "Microsoft.ContainerRegistry/registries/taskRuns": r"[A-Za-z0-9_-]{5,50}",
    "Microsoft.EventGrid/systemTopics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": r"[A-Za-z0-9-]{3,64}",
    "Microsoft.Insights/actionGroups": r"[^/&%?#<>:\\]{0,259}[^/&%?#<>:\\ .]",
    "Microsoft.Insights/components": r"[^%&\\?/]{0,259}[^%&\\?/ .]",
    "Microsoft.Insights/diagnosticSettings": r"[^*<>%:&?\\/]{1,260}",
    "Microsoft.Insights/metricAlerts": r"[^*#&+:<>?@%{}\\/]{0,259}[^*#&+:<>?@%{}\\/ .]",
    "Microsoft.Insights/scheduledQueryRules": r"[^*<>%{}&:\\?/#@]{0,259}[^*<>%{}&:\\?/#@ .]",
    "Microsoft.Insights/workbooks": _GUID,
    "Microsoft.KeyVault/vaults": r"(?=.{3,24}$)[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*",
    "Microsoft.Logic/workflows": r"[A-Za-z0-9_().-]{1,43}",
    "Microsoft.MachineLearningServices/workspaces": r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}",
    "Microsoft.MachineLearningServices/workspaces/computes": r"(?![A-Za-z0-9-]*-\d+$)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "Microsoft.MachineLearningServices/workspaces/environments/versions": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "Microsoft.Network/natGateways": _NETWORK,
    "Microsoft.Network/networkWatchers/flowLogs": _NETWORK,
    "Microsoft.Network/networkSecurityGroups": _NETWORK,
    "Microsoft.Network/privateDnsZones": _DOMAIN,
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": _NETWORK,
    "Microsoft.Network/privateEndpoints": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}[A-Za-z0-9_]",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": _NETWORK,
    "Microsoft.Network/publicIPAddresses": _NETWORK,
    "Microsoft.Network/virtualNetworks": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}[A-Za-z0-9_]",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Resources/resourceGroups": r"[\w().-]{0,89}[\w()-]",
    "Microsoft.Security/defenderForStorageSettings": r"current",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices": r"default",
    "Microsoft.Storage/storageAccounts/blobServices/containers": r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    "Microsoft.Storage/storageAccounts/fileServices/shares": r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    "Microsoft.Storage/storageAccounts/managementPolicies": r"default",
}


def name_errors(request: ArmRequest) -> list[str]:
    """What Azure would say of the name. Raises ArmError where the form of the type's names isn't known."""
    if (rule := RULES.get(request.type)) is None:
        raise ArmError("InvalidResourceType", f"The emulator doesn't know the names of '{request.type}': {TEACH}.")
    if re.fullmatch(rule, request.name):
        return []
    return [f"'{request.name}' is no name for {request.type}"]
