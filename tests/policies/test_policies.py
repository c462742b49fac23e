"""The policy pack in Pulumi's real engine: what each rule refuses, what it lets pass, and what a preview can't know yet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pulumi
import pytest
from pulumi import automation
from pulumi_azure_native import authorization, batch, containerregistry, logic, monitor, network, storage

from policies.pack import RULES, STACK_RULES
from tests.policies import bricks
from tests.policies.cases import BAD, GOOD, Case, Make
from tests.policies.engine import Trial, Violation, any_azure


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

    def program() -> None:
        for case in [*GOOD, *BAD]:
            case.make(case.name)

    violations = Trial(tmp_path_factory.mktemp("trial"), azure).preview(program, all_advisory=True)
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
        assert bricks.KEY not in violation.message
        assert "hunter2" not in violation.message


def made(make: Make, name: str) -> None:
    make(name)


def test_a_broken_rule_stops_the_update(trial: Trial) -> None:
    with pytest.raises(automation.CommandError, match=r"\[mandatory\] +storage-tls"):
        trial.up(partial(made, bricks.account(minimum_tls_version="TLS1_0"), "old"))


def test_what_isnt_known_in_a_preview_is_judged_in_the_update(trial: Trial) -> None:
    def program() -> None:
        vnet = network.VirtualNetwork("vnet", resource_group_name="trial")
        bricks.pool(
            network_configuration={"subnet_id": pulumi.Output.concat(vnet.id, "/subnets/nodes")},
            inter_node_communication="Enabled",
        )("known-is-judged")
        bricks.pool(network_configuration={"subnet_id": vnet.id.apply(lambda _: "")})("found-later")

    assert [(found.policy, found.resource) for found in trial.preview(program, all_advisory=True)] == [
        ("pool-inter-node", "known-is-judged")
    ]
    found = {(each.policy, each.resource) for each in trial.up(program, all_advisory=True)}
    assert found == {("pool-inter-node", "known-is-judged"), ("pool-in-subnet", "found-later")}


def test_unknown_values_never_count_as_wrong(trial: Trial) -> None:
    def program() -> None:
        vnet = network.VirtualNetwork("vnet", resource_group_name="trial")
        later = vnet.id
        bricks.account(minimum_tls_version=later, network_rule_set=later.apply(lambda _: {}))("account")
        bricks.batch_account(allowed_authentication_modes=[later])("batch")
        bricks.pool(
            identity={"type": later, "user_assigned_identities": [later]},
            scale_settings={"auto_scale": {"formula": later}},
            deployment_configuration=bricks.machine(identity_reference={"resource_id": later}, registry_server=later),
        )("pool")
        bricks.subnet(network_security_group={"id": later}, nat_gateway={"id": later}, default_outbound_access=later)("subnet")
        bricks.subscription(retry_policy=later.apply(lambda _: {}), dead_letter_with_resource_identity=later)("subscription")
        bricks.assignment(scope=later, role_definition_id=later)("assignment")
        bricks.workflow(bricks.call({"type": "ManagedServiceIdentity", "identity": later}))("workflow")

    assert {each.policy for each in trial.preview(program, all_advisory=True)} == {"logs-kept"}


def test_other_clouds_and_components_are_none_of_our_business(trial: Trial) -> None:
    def program() -> None:
        pulumi.ComponentResource("batch-scoring:stacks:Storage", "component", {"password": "x"})

    assert trial.preview(program) == []


def parts() -> dict[str, pulumi.CustomResource]:
    """One of each that must be logged."""
    return {
        "account": storage.StorageAccount("account", resource_group_name="trial", kind="StorageV2", sku={"name": "Standard_LRS"}),
        "batch": batch.BatchAccount("batch", resource_group_name="trial"),
        "registry": containerregistry.Registry("registry", resource_group_name="trial", sku={"name": "Basic"}),
        "workflow": logic.Workflow("workflow", resource_group_name="trial"),
    }


def log(name: str, about: pulumi.Input[str], *, enabled: bool = True, to: str | None = "workspace") -> None:
    """A diagnostic setting of something."""
    logs = [monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=enabled)]
    monitor.DiagnosticSetting(f"{name}-log", resource_uri=about, workspace_id=to, logs=logs)


def unlogged(violations: list[Violation]) -> set[str]:
    """The resources whose logs aren't kept."""
    return {violation.resource for violation in violations if violation.policy == "logs-kept"}


@pytest.mark.parametrize("command", ["preview", "up"])
def test_parts_with_diagnostic_settings_are_logged(trial: Trial, command: str) -> None:
    def program() -> None:
        for name, part in parts().items():
            log(name, pulumi.Output.concat(part.id, "/blobServices/default") if name == "account" else part.id)

    assert unlogged(getattr(trial, command)(program, all_advisory=True)) == set()


@pytest.mark.parametrize("command", ["preview", "up"])
def test_parts_without_diagnostic_settings_are_not(trial: Trial, command: str) -> None:
    def program() -> None:
        made = parts()
        log("batch", made["batch"].id, enabled=False)
        log("registry", made["registry"].id, to=None)
        log("workflow", bricks.GROUP)  # of something else

    assert unlogged(getattr(trial, command)(program, all_advisory=True)) == {"account", "batch", "registry", "workflow"}


def test_a_subscriptions_scope_is_found_out_in_the_update(trial: Trial) -> None:
    def program() -> None:
        first = authorization.RoleAssignment("first", principal_id="1", role_definition_id=bricks.ACR_PULL, scope=bricks.GROUP)
        bricks.assignment(scope=first.id.apply(lambda _: bricks.SUBSCRIPTION))("second")

    assert trial.preview(program) == []
    with pytest.raises(automation.CommandError, match="role-scope"):
        trial.up(program)
