"""Pulumi's real engine with the policy pack, and a provider that takes any input of azure-native's and makes nothing.

The engine starts Python policy packs with a small program of Pulumi's installer, which only finds a Python and runs
`pulumi.policy` in it. Here a script of two lines stands in for that program; everything after it is real.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from emulator.pulumi.engine import Deployment, Outcome, Violation

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "policies"
SUBSCRIPTION = "/subscriptions/00000000-0000-4000-8000-000000000001"


def _configure(_request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
    return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True)


def _check(request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
    return provider_pb2.CheckResponse(inputs=request.news)


def _create(request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
    kind, name = request.urn.split("::")[-2:]
    number = "" if request.preview else f"{SUBSCRIPTION}/resourceGroups/trial/{kind}/{name}"
    outputs = struct_pb2.Struct()
    outputs.CopyFrom(request.properties)
    # Azure doesn't repeat what the address said, and answers a list of identities with more about each.
    for left_out in ("resourceUri", "scope"):
        outputs.fields.pop(left_out, None)
    identities = outputs.fields["identity"].struct_value.fields if "identity" in outputs.fields else {}
    if "userAssignedIdentities" in identities:
        each: dict[str, dict[str, str]] = {str(identity): {} for identity in identities["userAssignedIdentities"].list_value}
        identities["userAssignedIdentities"].struct_value.update(each)
    return provider_pb2.CreateResponse(id=number, properties=outputs)


CALLS: dict[str, tuple[type[Message], Callable[..., Message]]] = {
    "Attach": (plugin_pb2.PluginAttach, lambda _: empty_pb2.Empty()),
    "Cancel": (empty_pb2.Empty, lambda _: empty_pb2.Empty()),
    "GetPluginInfo": (empty_pb2.Empty, lambda _: plugin_pb2.PluginInfo(version="3.29.0")),
    "CheckConfig": (provider_pb2.CheckRequest, _check),
    "DiffConfig": (provider_pb2.DiffRequest, lambda _: provider_pb2.DiffResponse()),
    "Configure": (provider_pb2.ConfigureRequest, _configure),
    "Check": (provider_pb2.CheckRequest, _check),
    "Diff": (provider_pb2.DiffRequest, lambda _: provider_pb2.DiffResponse()),
    "Create": (provider_pb2.CreateRequest, _create),
}


def _handler(message: type[Message], call: Callable[..., Message]) -> grpc.RpcMethodHandler[Message, Message]:
    return grpc.unary_unary_rpc_method_handler(
        lambda request, _context: call(request),
        request_deserializer=message.FromString,
        response_serializer=lambda reply: reply.SerializeToString(),
    )


@contextmanager
def any_azure() -> Iterator[int]:
    """A provider that accepts every resource, as long as the context lasts; its port."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers = {name: _handler(message, call) for name, (message, call) in CALLS.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pulumirpc.ResourceProvider", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def starter(folder: Path) -> Path:
    """Put what starts Python policy packs into a folder, for the PATH of Pulumi's engine; the folder.

    The pack runs in this Python, whatever virtual environment its file names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "pulumi-analyzer-policy-python"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u -m pulumi.policy "$1" "$2"\n')
    script.chmod(0o755)
    return folder


class Trial:
    """Runs programs of `tests.policies.programs` in the real engine, with the pack, in a folder of their own."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port

    def preview(self, program: Callable[[], None], *, all_advisory: bool = False) -> list[Violation]:
        """What the pack says in a preview; as advice, the engine goes on after the first. Raises EngineError."""
        return self._perform(Deployment.preview, program, all_advisory)

    def up(self, program: Callable[[], None], *, all_advisory: bool = False) -> list[Violation]:
        """What the pack says in an update. Raises EngineError."""
        return self._perform(Deployment.up, program, all_advisory)

    def _perform(
        self, command: Callable[[Deployment], Outcome], program: Callable[[], None], all_advisory: bool
    ) -> list[Violation]:
        (self._folder / "Pulumi.yaml").write_text("name: policies\nruntime: python\n")
        name = program.__name__
        (self._folder / "__main__.py").write_text(f"from tests.policies.programs import {name}\n\n{name}()\n")
        deployment = Deployment(
            folder=self._folder / "state", port=self._port, stack="trial", program=self._folder / "__main__.py",
            policies=[PACK], all_advisory=all_advisory,
        )  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", os.pathsep.join([str(starter(self._folder / "bin")), os.environ["PATH"]]))
            return list(command(deployment).violations)
