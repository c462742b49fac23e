"""Storage: how long what was deleted is kept."""

from __future__ import annotations

from tests.azure.arm import Json
from tests.azure.cloud import Cloud
from tests.azure.fixtures import Deploy

SERVICES = "Microsoft.Storage/storageAccounts/blobServices"


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
