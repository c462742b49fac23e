"""Storage: how long what was deleted is kept."""

from __future__ import annotations

from emulator.arm.cloud import Cloud
from emulator.arm.requests import Json
from tests.azure_fixtures import Deploy

SERVICES = "Microsoft.Storage/storageAccounts/blobServices"
POLICIES = "Microsoft.Storage/storageAccounts/managementPolicies"


def kept(azure: Cloud, kind: str) -> tuple[Json, Json, bool]:
    """What an account keeps of deleted blobs and of deleted containers, and whether it keeps versions."""
    (service,) = (each for each in azure.of_type(SERVICES) if kind in each.id.split("/")[-3])
    properties = service.body["properties"]
    return (
        properties["deleteRetentionPolicy"],
        properties["containerDeleteRetentionPolicy"],
        properties["isVersioningEnabled"],
    )


def test_deleted_blobs_are_kept_only_where_people_put_and_fetch_them(azure: Cloud, deploy: Deploy) -> None:
    deploy("dev", softDeleteDays=14).up()
    two_weeks = {"enabled": True, "days": 14}
    assert kept(azure, "data") == (two_weeks, two_weeks, True)
    assert kept(azure, "ops") == ({"enabled": False}, two_weeks, False)


def rules(azure: Cloud, kind: str) -> dict[str, tuple[list[str], int]]:
    """What an account deletes by itself: where, and after how many days."""
    (policy,) = (each for each in azure.of_type(POLICIES) if kind in each.id.split("/")[-3])
    return {
        rule["name"]: (rule["definition"]["filters"]["prefixMatch"], blob["delete"]["daysAfterModificationGreaterThan"])
        for rule in policy.body["properties"]["policy"]["rules"]
        if (blob := rule["definition"]["actions"].get("baseBlob"))
    }


def test_what_people_put_and_fetch_is_deleted_where_a_setting_says_so(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("dev", inputDays=0, outputDays=0)
    deployment.up()
    assert rules(azure, "data") == {}
    deployment.settings |= {"inputDays": 90, "outputDays": 365}
    deployment.up()
    assert rules(azure, "data") == {"old-input": (["input/"], 90), "old-output": (["output/"], 365)}
