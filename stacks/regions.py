"""Azure's regions, as far as they tell a slip of the pen: one that Azure opened since isn't among them, and is taken.

Source: https://learn.microsoft.com/azure/reliability/regions-list
"""

from __future__ import annotations

REGIONS = (
    "australiacentral", "australiaeast", "australiasoutheast", "austriaeast", "belgiumcentral", "brazilsouth", "brazilsoutheast",
    "canadacentral", "canadaeast", "centralindia", "centralus", "chilecentral", "denmarkeast", "eastasia", "eastus", "eastus2",
    "francecentral", "francesouth", "germanynorth", "germanywestcentral", "indonesiacentral", "israelcentral", "italynorth",
    "japaneast", "japanwest", "koreacentral", "koreasouth", "malaysiawest", "mexicocentral", "newzealandnorth", "northcentralus",
    "northeurope", "norwayeast", "norwaywest", "polandcentral", "qatarcentral", "southafricanorth", "southafricawest",
    "southcentralus", "southeastasia", "southindia", "spaincentral", "swedencentral", "switzerlandnorth", "switzerlandwest",
    "uaecentral", "uaenorth", "uksouth", "ukwest", "westcentralus", "westeurope", "westindia", "westus", "westus2", "westus3",
)  # fmt: skip

# Without availability zones when this was written. Azure adds zones to regions, so that this is told and not refused.
_NO_ZONES = (
    "australiacentral", "australiasoutheast", "brazilsoutheast", "canadaeast", "chinaeast", "chinaeast2", "chinanorth",
    "chinanorth2", "francesouth", "germanynorth", "koreasouth", "northcentralus", "norwaywest", "southafricawest",
    "southindia", "switzerlandwest", "uaecentral", "ukwest", "usdodcentral", "usdodeast", "usgovarizona", "usgovtexas",
    "westcentralus", "westindia", "westus",
)  # fmt: skip


def doubts(name: str, *, zone_redundant: bool) -> list[str]:
    """What Azure may refuse of a region, and how to find out."""
    if not zone_redundant or name not in _NO_ZONES:
        return []
    return [
        f"zoneRedundant: {name} has no availability zones, as far as is known here; see availabilityZoneMappings in "
        f"'az account list-locations --query \"[?name=='{name}']\" --output json'."
    ]


def check(name: str) -> str:
    """`name`, unless it is empty, or a slip of the pen away from a region that there is. Raises ValueError."""
    if not name:
        raise ValueError("is no region of Azure: write a short name such as westeurope")
    if name not in REGIONS and (meant := next((each for each in REGIONS if _is_a_slip(name, each)), None)):
        raise ValueError(f"is no region of Azure: did you mean '{meant}'?")
    return name


def _is_a_slip(word: str, right: str) -> bool:
    """Whether a letter is missing, too much or another one, or two have changed places. Digits tell regions apart."""
    if [char for char in word if char.isdigit()] != [char for char in right if char.isdigit()]:
        return False
    same = next((place for place, (one, other) in enumerate(zip(word, right, strict=False)) if one != other), None)
    if same is None:
        return abs(len(word) - len(right)) == 1
    mine, its = word[same:], right[same:]
    return mine[1:] == its[1:] or mine[1:] == its or mine == its[1:] or (mine[:2] == its[1::-1] and mine[2:] == its[2:])
