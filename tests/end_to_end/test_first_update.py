"""The first update gets through whatever Azure's resource manager does to it, and wouldn't without what waits for it."""

from __future__ import annotations

import copy
import json
import textwrap
from pathlib import Path

import pytest

from emulator.arm.cloud import Cloud
from emulator.arm.requests import Json
from emulator.pulumi.engine import PROGRAM, ROOT, Deployment, EngineError
from emulator.rbac import access, assignments
from stacks import patience
from stacks.workflow_definition import acting_as
from tests.azure_fixtures import Deploy
from tests.emulator.sample_resources import SampleResources, refused

DEFINITION = ROOT / "logicapp" / "workflow.json"

# A role of our own, given at once.
ROLE = """
    from pulumi_azure_native import managedidentity, resources
    from stacks import identity, patience
    STRIPPED
    group = resources.ResourceGroup("trial", location="westeurope")
    who = managedidentity.UserAssignedIdentity("who", resource_group_name=group.name)
    role = identity.define("trial", "groups", "run container groups", group.id, group, actions=["*/read"])
    identity.assign("trial", role.id, who.principal_id, group.id, group)
"""
# Three private endpoints in one subnet, as the deployment makes them.
ENDPOINTS = """
    import pulumi
    from pulumi_azure_native import resources, storage
    from scorer.azure import clouds
    from stacks import endpoints, network
    STRIPPED
    group = resources.ResourceGroup("trial", location="westeurope")
    net = network.Network("trial", network.NetworkArgs(
        resource_group_name=group.name, location="westeurope", address_space="10.0.0.0/16"))
    accounts = [
        storage.StorageAccount(f"films{number}", resource_group_name=group.name, kind="StorageV2", sku={"name": "Standard_LRS"})
        for number in range(3)
    ]
    every = pulumi.Output.all(*[each.id for each in accounts])
    endpoints.Endpoints("trial", endpoints.EndpointsArgs(
        resource_group_name=group.name, vnet_id=net.id, subnet_id=net.endpoints_subnet_id,
        zone_names=clouds.named("public").zones,
        targets=[endpoints.Target(name=f"t{n}", id=every.apply(lambda ids, n=n: ids[n]), service="blob") for n in range(3)]))
"""
# The whole deployment.
ALL = f"""
    import runpy
    from stacks import patience
    STRIPPED
    runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""
NO_SECOND_TRY = "patience.TRIES = 1"
NO_WAIT = "patience.SETTLED = 0"
SIDE_BY_SIDE = (
    "one = endpoints.Endpoints._endpoint; "
    "endpoints.Endpoints._endpoint = lambda self, target, zone, after: one(self, target, zone, [])"
)


@pytest.fixture
def write(tmp_path: Path, deploy: Deploy) -> Deploy:
    """Deployments of a program, with or without what it is to be stripped of."""

    def make(source: str, stripped: str = "", **settings: object) -> Deployment:
        folder = tmp_path / "program"
        folder.mkdir(exist_ok=True)
        text = textwrap.dedent(source).replace("STRIPPED", stripped)
        (folder / "__main__.py").write_text(text)
        (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text() if settings else "name: trial\nruntime: python\n")
        return deploy("trial", program=folder / "__main__.py", **settings)

    return make


def test_a_role_is_given_before_azure_knows_it(azure: Cloud, write: Deploy) -> None:
    with pytest.raises(EngineError, match=patience.UNKNOWN_ROLE):
        write(ROLE, NO_SECOND_TRY).up()
    azure.renew("Microsoft.Authorization/roleDefinitions")
    began = azure.clock.now
    deployment = write(ROLE)
    assert "retrying create" in deployment.up().log
    assert assignments.ROLE_KNOWN <= azure.clock.now - began < 2 * assignments.ROLE_KNOWN
    assert deployment.up().is_unchanged
    deployment.destroy()
    assert len(azure) == 0


def test_a_refusal_for_good_is_told_after_the_last_try(azure: Cloud, write: Deploy) -> None:
    azure.fail("Microsoft.Authorization/roleAssignments", "AuthorizationFailed", "You may not.")
    with pytest.raises(EngineError, match="You may not"):
        write(ROLE).up()
    azure.fail("Microsoft.Authorization/roleAssignments", patience.UNKNOWN_ROLE, "Never heard of it.", times=patience.TRIES)
    began = azure.clock.now
    with pytest.raises(EngineError, match="Never heard of it"):
        write(ROLE).up()
    assert 600 < azure.clock.now - began < 900


def test_an_event_subscription_is_looked_at_before_the_topics_role_counts(azure: Cloud, write: Deploy) -> None:
    ready = {"location": "westeurope", "image": "docker.io/films/scorer:1", "submitterImage": "docker.io/films/submitter:1"}
    with pytest.raises(EngineError, match="Managed Identity Authorization Error"):
        write(ALL, NO_WAIT, **ready).up()
    # The next update can't know how long ago the role was given, and waits as well: it needs no third one.
    before = azure.clock.now
    deployment = write(ALL, **ready)
    deployment.up()
    assert azure.clock.now - before > access.ROLE_COUNTS / 2
    assert deployment.up().is_unchanged


def test_private_endpoints_of_one_subnet_are_made_one_by_one(azure: Cloud, write: Deploy) -> None:
    usual, azure.endpoint_seconds = azure.endpoint_seconds, 2.0
    with pytest.raises(EngineError, match="RetryableError"):
        write(ENDPOINTS, SIDE_BY_SIDE).up()
    azure.endpoint_seconds = usual
    deployment = write(ENDPOINTS)
    deployment.up()
    assert len(azure.of_type("Microsoft.Network/privateEndpoints")) == 3
    assert deployment.up().is_unchanged


def test_arm_that_is_asked_too_often_is_asked_later(azure: Cloud, write: Deploy) -> None:
    azure.throttle_every = 1
    with pytest.raises(EngineError, match="TooManyRequests"):
        write(ROLE).up()
    azure.throttle_every = 2
    write(ROLE).up()


POLICIES = ("privateEndpointNetworkPolicies", "privateLinkServiceNetworkPolicies")


@pytest.mark.parametrize("forgotten", POLICIES)
def test_nodes_without_addresses_need_a_subnet_for_links(forgotten: str, samples: SampleResources) -> None:
    closed = {"subnetId": samples.subnet, "publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"}}
    subnet = {"name": "nodes", "addressPrefix": "10.0.0.0/24", **dict.fromkeys(POLICIES, "Disabled")}
    samples.change(samples.network, subnets=[{key: value for key, value in subnet.items() if key != forgotten}])
    with refused("InvalidSubnet", forgotten):
        samples.pool(networkConfiguration=closed)
    samples.change(samples.network, subnets=[subnet])
    samples.pool(networkConfiguration=closed)


def test_a_workflow_says_literally_who_it_is_and_how_many_wait(samples: SampleResources) -> None:
    whole: Json = json.loads(DEFINITION.read_text())
    identity: Json = {"type": "UserAssigned", "userAssignedIdentities": [samples.identity.id]}
    parameters = {"identity": {"value": samples.identity.id}}

    def make(name: str, definition: Json) -> None:
        samples.make("logic:Workflow", workflowName=name, definition=definition, identity=identity, parameters=parameters)

    with refused("InvalidTemplate", "identity"):
        make("computed", whole)
    definition = acting_as(whole, samples.identity.id)
    for runs, waiting in ((10, 101), (95, 100), (50, 50)):
        crowded = copy.deepcopy(definition)
        crowded["triggers"]["Request_uploaded"]["runtimeConfiguration"]["concurrency"] = {
            "runs": runs,
            "maximumWaitingRuns": waiting,
        }
        with refused("InvalidTemplate", "maximumWaitingRuns"):
            make("crowded", crowded)
    make("literal", definition)
