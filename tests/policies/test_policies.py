"""The policy pack in Pulumi's real engine: what each rule refuses, what it lets pass, and what a preview can't know yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.pulumi.engine import EngineError, Violation
from policies.pack import RULES, STACK_RULES
from tests.policies import programs, resource_samples
from tests.policies.cases import BAD, GOOD, Case
from tests.policies.engine import Trial, any_azure


@pytest.fixture(scope="module")
def azure() -> Iterator[int]:
    with any_azure() as port:
        yield port


@pytest.fixture
def trial(azure: int, tmp_path: Path) -> Trial:
    return Trial(tmp_path, azure)


@pytest.fixture(scope="module")
def said(azure: int, tmp_path_factory: pytest.TempPathFactory) -> list[Violation]:
    """What the pack says of all good and bad resources, in one preview."""

    violations = Trial(tmp_path_factory.mktemp("trial"), azure).preview(programs.all_cases, all_advisory=True)
    return [violation for violation in violations if violation.policy not in {rule.name for rule in STACK_RULES}]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_good_resources_pass(case: Case, said: list[Violation]) -> None:
    assert [violation for violation in said if violation.resource == case.name] == []


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case.rule}-{case.name}")
def test_bad_resources_break_one_rule_and_are_told_what_to_do(case: Case, said: list[Violation]) -> None:
    about = [violation for violation in said if violation.resource == case.name]
    assert {violation.policy for violation in about} == {case.rule}
    demands = next(rule.demands for rule in RULES if rule.name == case.rule)
    for violation in about:
        first, sentence = violation.message.strip().split("\n")
        assert first == demands
        wrong, _, advice = sentence.partition(": ")
        assert wrong
        assert advice.endswith(".")


def test_names_are_unique_and_every_rule_has_resources_that_break_it() -> None:
    names = [case.name for case in [*GOOD, *BAD]]
    assert len(set(names)) == len(names)
    assert {case.rule for case in BAD} == {rule.name for rule in RULES}


def test_secrets_are_not_repeated(said: list[Violation]) -> None:
    for violation in said:
        assert resource_samples.KEY not in violation.message
        assert "hunter2" not in violation.message


def test_a_broken_rule_stops_the_update(trial: Trial) -> None:
    with pytest.raises(EngineError, match=r"\[mandatory\] +storage-tls"):
        trial.up(programs.old_tls)


def test_what_isnt_known_in_a_preview_is_judged_in_the_update(trial: Trial) -> None:
    assert [(found.policy, found.resource) for found in trial.preview(programs.found_later, all_advisory=True)] == [
        ("pool-inter-node", "known-is-judged")
    ]
    found = {(each.policy, each.resource) for each in trial.up(programs.found_later, all_advisory=True)}
    assert found == {("pool-inter-node", "known-is-judged"), ("pool-in-subnet", "found-later")}


def test_unknown_values_never_count_as_wrong(trial: Trial) -> None:
    assert {each.policy for each in trial.preview(programs.unknown_values, all_advisory=True)} == {"logs-kept"}


def test_other_clouds_and_components_are_none_of_our_business(trial: Trial) -> None:
    assert trial.preview(programs.component) == []


def unlogged(violations: list[Violation]) -> set[str]:
    """The resources whose logs aren't kept."""
    return {violation.resource for violation in violations if violation.policy == "logs-kept"}


@pytest.mark.parametrize("command", ["preview", "up"])
def test_parts_with_diagnostic_settings_are_logged(trial: Trial, command: str) -> None:
    assert unlogged(getattr(trial, command)(programs.logged, all_advisory=True)) == set()


@pytest.mark.parametrize("command", ["preview", "up"])
def test_parts_without_diagnostic_settings_are_not(trial: Trial, command: str) -> None:
    violations = getattr(trial, command)(programs.unlogged, all_advisory=True)
    assert unlogged(violations) == {"account", "batch", "registry", "vault", "workflow", "workspace"}


def test_contributors_are_workspaces_on_what_belongs_to_them(trial: Trial) -> None:
    violations = trial.preview(programs.contributors, all_advisory=True)
    found = {each.resource for each in violations if each.policy == "role-contributor"}
    assert found == {"elsewhere", "somebody", "anybody"}


def test_a_subscriptions_scope_is_found_out_in_the_update(trial: Trial) -> None:
    assert trial.preview(programs.wide_scope) == []
    with pytest.raises(EngineError, match="role-scope"):
        trial.up(programs.wide_scope)


@pytest.mark.parametrize(
    ("program", "found"),
    [(programs.kept, set()), (programs.half_kept, {("lock-all-accounts", "ops"), ("scan-reached", "data")})],
    ids=["all", "half"],
)
def test_locks_and_scans_hold_for_accounts_together(
    program: Callable[[], None], found: set[tuple[str, str]], trial: Trial
) -> None:
    violations = trial.preview(program, all_advisory=True)
    about = {"lock-all-accounts", "scan-reached"}
    assert {(each.policy, each.resource) for each in violations if each.policy in about} == found
