"""Microsoft Defender for Storage, emulated: it lets itself into an account, and tags each blob with what it found.

Sources: https://learn.microsoft.com/azure/defender-for-cloud/introduction-malware-scanning,
https://learn.microsoft.com/azure/defender-for-cloud/understand-malware-scan-results
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from emulator.arm.requests import SUBSCRIPTION, TENANT, Json

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud, Resource

SETTINGS = "Microsoft.Security/defenderForStorageSettings"
TOPICS = "Microsoft.EventGrid/systemTopics"
SCANNER = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Security/datascanners/StorageDataScanner"
RESULT, TIME = "Malware Scanning scan result", "Malware Scanning scan time UTC"
CLEAN, MALICIOUS = "No threats found", "Malicious"


def switch_on(cloud: Cloud, made: Resource) -> None:
    """What the account has then beside the setting: a rule of its firewall, and an event topic."""
    if made.request.type != SETTINGS:
        return
    account = cloud.get(made.id.lower().partition(f"/providers/{SETTINGS.lower()}/")[0])
    if not lets_in(account):
        firewall = account.body.setdefault("properties", {}).setdefault("networkAcls", {})
        firewall.setdefault("resourceAccessRules", []).append({"resourceId": SCANNER, "tenantId": TENANT})
    if not any(each.body["properties"]["source"].lower() == account.id.lower() for each in cloud.of_type(TOPICS)):
        cloud.scanned.add(account.id.lower())


def lets_in(account: Resource) -> bool:
    """Whether the account's firewall lets the scanner in."""
    properties = account.body.get("properties", {})
    rules = properties.get("networkAcls", {}).get("resourceAccessRules") or []
    named = any(rule["resourceId"].lower() == SCANNER.lower() and rule["tenantId"] == TENANT for rule in rules)
    return named and properties.get("publicNetworkAccess") != "Disabled"


def scans(cloud: Cloud, account: Resource) -> bool:
    """Whether what is put into the account is scanned."""
    setting = cloud.find(f"{account.id}/providers/{SETTINGS}/current")
    upload: Json = setting.body["properties"].get("malwareScanning", {}).get("onUpload", {}) if setting else {}
    return upload.get("isEnabled") is True and upload.get("capGBPerMonth") != 0 and lets_in(account)


def tags(result: str, at: float | None = None) -> dict[str, str]:
    """What a blob is tagged with."""
    return {RESULT: result, TIME: time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))}
