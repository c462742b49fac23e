"""Plays Pulumi's azure-native provider: the engine talks to it by gRPC, it talks to a `Cloud`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from emulator.arm import builds, outputs
from emulator.arm.cloud import PRIVATE_ENDPOINT, Cloud, Resource, ThrottledError
from emulator.arm.requests import ArmError, Json, Kind, kind, named, takes_location

VERSION = "3.29.0"
# How an unknown value is written on the wire.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# Seconds that a creation takes at most: they overtake each other, as they do in Azure.
LATENCY = 0.05

# Seconds that azure-native waits between its four tries, where ARM answers 429:
# https://github.com/pulumi/pulumi-azure-native/blob/master/provider/pkg/azure/client_azcore.go
PAUSES = (20, 60, 120)

T = TypeVar("T")

# What azure-native itself replaces a resource for, beside its name, where it is and its location.
REPLACED_FOR = {
    "azure-native:authorization:RoleAssignment": ("principalId", "roleDefinitionId", "principalType"),
    "azure-native:eventgrid:SystemTopic": ("source", "topicType"),
    "azure-native:storage:StorageAccount": ("kind",),
    "azure-native:network:PrivateEndpoint": ("subnet",),
}


class Provider:
    """What the engine calls, one method an rpc."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._delays = random.Random(4)

    def get_plugin_info(self, _: empty_pb2.Empty) -> plugin_pb2.PluginInfo:
        """Which version of azure-native this stands in for."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def check_config(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Any configuration will do."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def diff_config(self, _: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """The provider itself never changes."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def configure(self, _: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        """Previews are known here; secrets are left to the engine, which keeps inputs that are secret so in its state."""
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def nothing(self, _: object) -> empty_pb2.Empty:
        """For Cancel and Attach."""
        return empty_pb2.Empty()

    def check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Fill in what azure-native fills in: an automatic name, the resource group's location."""
        news, olds = _plain(request.news), _plain(request.olds)
        what, logical_name = _urn(request.urn)
        key = what.address[-1]
        if key not in news and key in olds:
            news[key] = olds[key]
        letters = random.Random(request.randomSeed).getrandbits(32)
        news = named(what, news, logical_name, f"{letters:08x}")
        group = self._cloud.find(outputs.group_id(str(news.get("resourceGroupName"))))
        if takes_location(what) and "location" not in news and group:
            news["location"] = group.inputs["location"]
        return provider_pb2.CheckResponse(inputs=_wire(news))

    def diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """What changed, and whether azure-native would replace the resource for it."""
        olds, news = _plain(request.old_inputs), _plain(request.news)
        ignored = set(request.ignoreChanges)
        what, _ = _urn(request.urn)
        fixed = {*what.address, "location", "scope", "resourceUri", *REPLACED_FOR.get(what.token, ())}
        answer = provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE, hasDetailedDiff=True)
        for path in differences(olds, news):
            top = path.partition(".")[0].partition("[")[0]
            if path in ignored or top in ignored:
                continue
            kinds = provider_pb2.PropertyDiff
            replace = top in fixed
            answer.changes = provider_pb2.DiffResponse.DIFF_SOME
            answer.detailedDiff[path].CopyFrom(kinds(kind=kinds.UPDATE_REPLACE if replace else kinds.UPDATE, inputDiff=True))
            answer.diffs.append(top)
            if replace:
                answer.replaces.append(top)
        return answer

    def create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        """Make a resource; in a preview say what is known of it."""
        what, _ = _urn(request.urn)
        inputs = _plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=_wire(_foreseen(inputs)))
        with self._cloud.one_at_a_time(what.type, inputs):
            slow = what.type == PRIVATE_ENDPOINT
            time.sleep(self._cloud.endpoint_seconds if slow else self._delays.uniform(0, LATENCY))
            made = self._asking(lambda: self._cloud.create(what.token, inputs))
        return provider_pb2.CreateResponse(id=made.id, properties=self._outputs(made))

    def update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        """Change a resource; in a preview say what will be known of it."""
        what, _ = _urn(request.urn)
        if request.preview:
            known = {**_plain(request.olds), **_foreseen(_plain(request.news))}
            return provider_pb2.UpdateResponse(properties=_wire(known))
        changed = self._asking(lambda: self._cloud.update(request.id, what.token, _plain(request.news)))
        return provider_pb2.UpdateResponse(properties=self._outputs(changed))

    def read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        """What stands in the cloud, which may have drifted."""
        found = self._cloud.find(request.id)
        if found is None:
            return provider_pb2.ReadResponse(id="")
        return provider_pb2.ReadResponse(id=found.id, inputs=_wire(found.inputs), properties=self._outputs(found))

    def delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:
        """Delete a resource."""
        self._asking(lambda: self._cloud.delete(request.id))
        return empty_pb2.Empty()

    def invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        """Answer a call that makes nothing."""
        self._cloud.calls.append(request.tok)
        answer = outputs.invoke(self._cloud, request.tok, _plain(request.args))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(_wire(answer))
        return response

    def _asking(self, call: Callable[[], T]) -> T:
        """What ARM answers; where it wants to be asked later, that is done as often as azure-native does it."""
        for pause in PAUSES:
            try:
                self._cloud.throttle()
            except ThrottledError:
                self._cloud.clock.wait(pause)
            else:
                return call()
        self._cloud.throttle()
        return call()

    def _outputs(self, resource: Resource) -> struct_pb2.Struct:
        return _wire(outputs.outputs(resource))


def _urn(urn: str) -> tuple[Kind, str]:
    types, name = urn.split("::")[-2:]
    return kind(types.rpartition("$")[2]), name


def _foreseen(inputs: Json) -> Json:
    """What a preview knows of a resource: its inputs. Who it will be, if it has an identity, only Azure knows."""
    if isinstance(inputs.get("identity"), dict):
        return {**inputs, "identity": UNKNOWN}
    return inputs


def _plain(struct: struct_pb2.Struct) -> Json:
    plain = json_format.MessageToDict(struct)
    return {key: value for key, value in plain.items() if not key.startswith("__") and value is not None}


def _wire(values: Json) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


def differences(old: object, new: object, path: str = "") -> Iterator[str]:
    """The paths at which two values differ, as Pulumi writes them: a.b[0].c."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif old != new:
        yield path


@contextmanager
def serve(cloud: Cloud) -> Iterator[int]:
    """Let engines attach to a provider of `cloud`: the port on loopback."""
    with builds.serve(cloud):
        provider = Provider(cloud)
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pulumirpc.ResourceProvider", _rpcs(provider)),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(grace=0).wait()


def _rpcs(provider: Provider) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    p = provider_pb2
    methods: dict[str, tuple[Callable[..., Any], Any]] = {
        "GetPluginInfo": (provider.get_plugin_info, empty_pb2.Empty),
        "CheckConfig": (provider.check_config, p.CheckRequest),
        "DiffConfig": (provider.diff_config, p.DiffRequest),
        "Configure": (provider.configure, p.ConfigureRequest),
        "Check": (provider.check, p.CheckRequest),
        "Diff": (provider.diff, p.DiffRequest),
        "Create": (provider.create, p.CreateRequest),
        "Update": (provider.update, p.UpdateRequest),
        "Read": (provider.read, p.ReadRequest),
        "Delete": (provider.delete, p.DeleteRequest),
        "Invoke": (provider.invoke, p.InvokeRequest),
        "Cancel": (provider.nothing, empty_pb2.Empty),
        "Attach": (provider.nothing, plugin_pb2.PluginAttach),
    }
    return {name: _rpc(method, request) for name, (method, request) in methods.items()}


def _rpc(method: Callable[..., Any], request_type: Any) -> grpc.RpcMethodHandler[Any, Any]:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(request)
        except ArmError as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"Code={error.code!r} Message={str(error)!r}")

    return grpc.unary_unary_rpc_method_handler(
        answer, request_deserializer=request_type.FromString, response_serializer=lambda message: message.SerializeToString()
    )
