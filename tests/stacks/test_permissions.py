"""Roles: what nodes and submitter may write is said by conditions that Azure takes, also where nodes mount work/."""

from __future__ import annotations

import pytest

from emulator.arm import outputs
from emulator.arm.cloud import Cloud, Resource
from emulator.rbac.access import allowed
from emulator.rbac.conditions import LONGEST
from emulator.rbac.definitions import ADD, DELETE, READ, WRITE
from scorer.submitter.senders import TAKEN, is_sender
from stacks.identity import Role
from stacks.permissions import MOUNTED_WORK, NODE_WORK, NODE_WORK_DELETE
from tests.azure_fixtures import Deploy

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
WRITERS = {Role.BLOB_CONTRIBUTOR.value}


def principal(azure: Cloud, what: str) -> str:
    identities = azure.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")
    (found,) = (each for each in identities if f"-{what}" in each.request.name)
    return outputs.principal(found)


def container(azure: Cloud, name: str) -> str:
    found: list[Resource] = azure.of_type("Microsoft.Storage/storageAccounts/blobServices/containers")
    (only,) = (each.id for each in found if each.request.name == name)
    return only


@pytest.mark.parametrize("mount", ["none", "blob"])
def test_who_writes_where(mount: str, azure: Cloud, deploy: Deploy) -> None:
    # The ids of two people may begin alike.
    people = [f"11111111-1111-1111-1111-{number:012d}" for number in (1, 2)]
    azure.people.update(people)
    deploy("dev", mount=mount, operators=people).up()
    assert {each.body["properties"]["principalId"] for each in azure.of_type(ASSIGNMENT)} >= set(people)
    nodes, submitter = principal(azure, "nodes"), principal(azure, "submitter")
    for each in azure.of_type(ASSIGNMENT):
        properties = each.body["properties"]
        role, condition = properties["roleDefinitionId"].rpartition("/")[2], properties.get("condition", "")
        assert properties.get("conditionVersion") == ("2.0" if condition else None)
        assert len(condition) <= LONGEST
        if properties["principalId"] == nodes and role in WRITERS:
            assert condition, "no node writes everywhere"

    def may(who: str, action: str, name: str, path: str) -> bool:
        return allowed(azure, who, action, container(azure, name), path)

    assert may(nodes, WRITE, "work", "job/parts/a.nut")
    assert may(nodes, WRITE, "output", "job/result.mp4")
    for path in ("job/plan.json", "answered/a", "senders/acme/day/a", "attempts/a"):
        assert not may(nodes, WRITE, "work", path), path
        assert not may(nodes, DELETE, "work", path), path
        assert may(submitter, WRITE, "work", path), path
    named = {part for pattern in (*NODE_WORK, *NODE_WORK_DELETE, *MOUNTED_WORK) for part in pattern.split("/")}
    for sender in ("acme", *TAKEN, *filter(str.isalpha, named)):  # what leads into a node's folders is no sender's, and no more
        assert may(nodes, WRITE, "work", f"senders/{sender}/2026-11-28/job.1.1.1.1") != is_sender(sender), sender
    # By blobfuse a file is first another one, and a folder is a blob.
    assert may(nodes, WRITE, "work", "job/parts") == (mount == "blob")
    assert may(nodes, DELETE, "work", "job/result.json") == (mount == "blob")
    assert not may(submitter, WRITE, "output", "job/result.mp4")
    for who, name in ((nodes, "logs"), (submitter, "quarantine")):
        assert [may(who, action, name, "job/a") for action in (READ, ADD, WRITE, DELETE)] == [True, True, False, False]
    assert not any(may(nodes, action, "quarantine", "job/a") for action in (READ, ADD, WRITE, DELETE))
    assert not any(may(submitter, action, "logs", "job/a") for action in (ADD, WRITE, DELETE))
