"""Names by a company's pattern: what Azure takes, or a sentence before anything is made."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.arm.names import RULES
from emulator.arm.requests import kind as arm_kind
from stacks.patterns import NAMED, Names, checked
from stacks.settings import Settings

stack_names = st.from_regex(r"[A-Za-z0-9_.-]{1,40}", fullmatch=True)
pieces = st.lists(st.sampled_from(["{project}", "{stack}", "{location}", "acme", "7", "-", "Film-"]), max_size=6)


@given(stack_names, pieces, pieces)
def test_azure_takes_the_names_or_a_sentence_says_why_not(stack: str, before: list[str], after: list[str]) -> None:
    names = Names(checked("{type}" + "".join(before) + "{kind}" + "".join(after)), stack, "westeurope")
    faults = list(names.faults())
    for token, named in NAMED.items():
        made = [names.of(named, kind) for kind in named.kinds]
        assert len(set(made)) == len(made)
        rule = RULES[arm_kind(f"azure-native:{token}").type]
        if not any(f"of the {named.what}:" in fault for fault in faults):
            assert all(re.fullmatch(rule, name) for name in made), made


@pytest.mark.parametrize("pattern", ["", "{type}-{project}-{stack}-{kind}", "acme-{type}-{kind}-{location}"])
def test_a_pattern_that_will_do(pattern: str) -> None:
    assert Settings(location="westeurope", name_pattern=pattern).name_pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{type}-{kind", "has a brace without its other one"),
        ("{type}-{kind}-{app}", "has a place that isn't known: there are {type}, {project}, {stack}, {location}, {kind}"),
        ("{type!r}-{kind}", "has a place that isn't known"),
        ("{type.x}-{kind}", "has a place that isn't known"),
        ("{type}_{kind}", "has characters that not every name may have"),
        ("{type}-{stack}", "needs {type} and {kind}"),
        ("1-{type}-{kind}", "begins with what no name may begin with"),
        ("{kind}{type}", "begins with what no name may begin with"),
    ],
)
def test_a_pattern_that_will_not_do(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        checked(pattern)


def test_a_name_that_is_too_long_is_told_with_its_length() -> None:
    faults = list(Names("{type}-{project}-{stack}-{kind}", "production", "westeurope").faults())
    assert faults == [
        "namePattern '{type}-{project}-{stack}-{kind}' makes 'stbatchscoringproductiondata' of the storage account: "
        "28 characters, and Azure takes 24; shorten it.",
        "namePattern '{type}-{project}-{stack}-{kind}' makes 'babatchscoringproductionbatch' of the Batch account: "
        "29 characters, and Azure takes 24; shorten it.",
        "namePattern '{type}-{project}-{stack}-{kind}' makes 'kv-batch-scoring-production-vault' of the key vault: "
        "33 characters, and Azure takes 24; shorten it.",
    ]
