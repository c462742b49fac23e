"""Conditions on roles: those that the stack declares, and what Azure would refuse."""

import pytest

from emulator.arm import outputs
from emulator.rbac.access import allowed
from emulator.rbac.conditions import LONGEST, Access, ConditionError, parse
from emulator.rbac.definitions import ADD, DELETE, READ, WRITE
from stacks.conditions import VERSION, paths
from tests.emulator.sample_resources import CONTRIBUTE, SampleResources, refused

OWN = paths(["*/parts/*", "*/result.json"], ["*/parts/*"])
PATH = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path]"


@pytest.mark.parametrize(
    ("action", "path", "may"),
    [
        (WRITE, "job/parts/a.nut", True), (ADD, "job/parts/a/b", True), (DELETE, "job/parts/a", True),
        (WRITE, "job/result.json", True), (DELETE, "job/result.json", False), (WRITE, "job/plan.json", False),
        (ADD, "job/plan.json", False), (WRITE, "job/result.json.bak", False), (WRITE, "job/result-json", False),
        (WRITE, "parts/a", False), (WRITE, "job/Parts/a", False), (WRITE, None, False), (DELETE, None, False),
        (READ, "job/plan.json", True), (READ, None, True),
    ],
)  # fmt: skip
def test_paths_bind_writing_and_deleting(action: str, path: str | None, may: bool) -> None:
    assert parse(OWN)(Access(action, path)) is may


def test_without_patterns_nothing_is_deleted() -> None:
    assert not parse(paths(["*/a"]))(Access(DELETE, "job/a"))
    assert parse(paths(["*/a"]))(Access(WRITE, "job/a"))


@pytest.mark.parametrize(
    ("text", "true"),
    [
        (f"{PATH} StringEquals 'a' OR {PATH} StringEquals 'b' AND {PATH} StringEquals 'c'", {"a"}),
        (f"({PATH} StringEquals 'a' || {PATH} StringEquals 'b') && !({PATH} StringEquals 'b')", {"a"}),
        (f"{PATH} StringNotLike '?'", {"aa"}), (f"not {PATH} StringNotEquals 'b'", {"b"}),
        (f"{PATH} StringLike 'a*'", {"a", "aa"}),
    ],
)  # fmt: skip
def test_words_mean_what_they_mean_in_azure(text: str, true: set[str]) -> None:
    test = parse(text)
    assert {path for path in ("a", "aa", "b", "c") if test(Access(WRITE, path))} == true


@pytest.mark.parametrize(
    "text",
    [
        "(", f"{PATH} StringLike", f"{PATH} StringLike 'a", f"{PATH} Like 'a'", f"{PATH} StringLike 'a' {PATH} StringLike 'b'",
        "@Request[subOperation] StringEquals 'a'", "ActionMatches{'Microsoft.Storage/nothing'}", "ActionMatches{}", "job/*",
        f"{PATH} StringLike 'a' OR", "", f"{PATH} StringLike '{'a' * LONGEST}'",
    ],
)  # fmt: skip
def test_what_isnt_known_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        parse(text)


def test_an_assignment_with_a_condition(samples: SampleResources) -> None:
    principal = outputs.principal(samples.identity)
    for condition in ("job/*", f"{PATH} StringLike '{'a' * LONGEST}'"):
        with refused("InvalidCondition"):
            samples.assign(CONTRIBUTE, principal, samples.container.id, condition=condition, conditionVersion=VERSION)
    for other in ({"condition": OWN, "conditionVersion": "1.0"}, {"conditionVersion": VERSION}):
        with refused("InvalidRequest", "conditionVersion"):
            samples.assign(CONTRIBUTE, principal, samples.container.id, **other)
    made = samples.given(CONTRIBUTE, principal, samples.container.id, condition=OWN, conditionVersion=VERSION)
    assert allowed(samples.cloud, principal, WRITE, samples.container.id, "job/parts/a")
    assert not allowed(samples.cloud, principal, WRITE, samples.container.id, "job/plan.json")
    # A condition changes in place; a second assignment that differs in it alone is refused.
    with refused("RoleAssignmentExists"):
        samples.assign(CONTRIBUTE, principal, samples.container.id)
    samples.change(made, condition=paths(["*/plan.json"]))
    samples.cloud.settle()
    assert allowed(samples.cloud, principal, WRITE, samples.container.id, "job/plan.json")
