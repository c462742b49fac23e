"""Calls that make nothing, over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from emulator.arm import outputs
from emulator.arm.requests import SUBSCRIPTION, Json
from emulator.pulumi import provider
from emulator.pulumi.provider import differences
from tests.emulator.sample_resources import SampleResources, refused, workflow


@pytest.fixture
def call(samples: SampleResources) -> Iterator[Any]:
    with provider.serve(samples.cloud) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)

        def invoke(token: str, **args: Any) -> Json:
            struct = struct_pb2.Struct()
            struct.update({"resourceGroupName": "g", **args})
            answer = stub.Invoke(provider_pb2.InvokeRequest(tok=f"azure-native:{token}", args=struct))
            return json_format.MessageToDict(getattr(answer, "return"))

        yield invoke


def test_a_workflow_tells_its_address(samples: SampleResources, call: Any) -> None:
    with pytest.raises(grpc.RpcError, match="flow"):
        call("logic:listWorkflowTriggerCallbackUrl", workflowName="flow", triggerName="request")
    flow = workflow(samples)
    told = call("logic:listWorkflowTriggerCallbackUrl", workflowName="flow", triggerName="request")
    assert told["value"] == outputs.callback_url(flow.id)
    with pytest.raises(grpc.RpcError, match="other"):
        call("logic:listWorkflowTriggerCallbackUrl", workflowName="flow", triggerName="other")


def test_the_engines_client_is_known(call: Any) -> None:
    assert call("authorization:getClientConfig")["subscriptionId"] == SUBSCRIPTION


def test_an_unknown_call_or_type_is_an_error(samples: SampleResources, call: Any) -> None:
    with pytest.raises(grpc.RpcError, match="listKeys"):
        call("storage:listKeys")
    with refused("NoRegisteredProviderFound", "compute:VirtualMachine"):
        samples.make("compute:VirtualMachine", vmName="v")


def test_differences_are_named_as_pulumi_names_them() -> None:
    old = {"a": 1, "b": {"c": [{"d": 1}, {"d": 2}]}, "e": [1]}
    new = {"a": 1, "b": {"c": [{"d": 1}, {"d": 3}]}, "e": [1, 2], "f": 0}
    assert list(differences(old, new)) == ["b.c[1].d", "e", "f"]
