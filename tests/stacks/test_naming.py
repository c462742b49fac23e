"""Names: whatever the stack is called, Azure takes what is made of it."""

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from stacks import naming

# What Pulumi allows for a stack's name.
stack_names = st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True)
RANDOM_LETTERS = "0a1b2c3d"


@given(stack_names)
def test_a_prefix_begins_any_resource_name(stack: str) -> None:
    prefix = naming.prefix(stack)
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", prefix)
    assert len(prefix) <= 24


@given(stack_names, st.sampled_from(["data", "ops", "batch", "registry"]))
def test_an_account_has_a_name_that_azure_takes(stack: str, kind: str) -> None:
    name = naming.account(naming.prefix(stack), kind)
    assert re.fullmatch(r"[a-z0-9]{3,24}", name + RANDOM_LETTERS)
    assert name.endswith(kind)


@given(stack_names)
def test_accounts_of_one_stack_differ(stack: str) -> None:
    prefix = naming.prefix(stack)
    assert len({naming.account(prefix, kind) for kind in ("data", "ops", "batch", "registry")}) == 4


def test_guids_are_made_of_their_words() -> None:
    assert naming.guid("scope", "role") == naming.guid("scope", "role") == str(uuid.UUID(naming.guid("scope", "role")))
    assert len({naming.guid("a", "b"), naming.guid("b", "a"), naming.guid("a", "b", "c")}) == 3
