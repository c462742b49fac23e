"""Azure's resource manager, emulated: keeps resources as ARM would, and refuses what ARM refuses."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from emulator.arm import names, schemas
from emulator.arm.requests import ArmError, ArmRequest, Json, Kind, arm_request, kind, references
from emulator.clock import Clock

PRIVATE_ENDPOINT = "Microsoft.Network/privateEndpoints"
THROTTLE_EVERY = 40
# Longer than anything takes to be known everywhere.
SETTLED = 900.0

Verb = Literal["create", "update", "delete"]


@dataclass
class Resource:
    """What stands in the cloud under one id."""

    kind: Kind
    request: ArmRequest
    inputs: Json
    """What Pulumi asked for; a test that changes it makes drift."""
    since: float = 0.0
    """When it was made, or last changed, by the cloud's clock."""

    @property
    def id(self) -> str:
        """The ARM id."""
        return self.request.id

    @property
    def body(self) -> Json:
        """What ARM was sent."""
        return self.request.body


@dataclass(frozen=True)
class Event:
    """One request that changed something."""

    verb: Verb
    id: str
    type: str
    body: Json = field(default_factory=dict)


@dataclass
class Fault:
    """The next `times` creations of a type fail."""

    type: str
    error: ArmError
    times: int


class ThrottledError(ArmError):
    """ARM answers 429, and when to come again.

    Source: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
    """

    def __init__(self) -> None:
        super().__init__("TooManyRequests", "429: the subscription's writes are used up for now.")


class Cloud:
    """All resources of one subscription, and a record of what was done to them."""

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}
        self.events: list[Event] = []
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        """Calls that made nothing, in order."""
        self.uploads: dict[str, bytes] = {}
        """Build contexts by their relative path."""
        self.images: list[str] = []
        """What was built: registry/repository:tag."""
        self.people: set[str] = set()
        """Object ids in the tenant that no resource here has."""
        self.new_keys: Counter[str] = Counter()
        """How often a workflow's access key was made anew, by its id in small letters."""
        self.scanned: set[str] = set()
        """Accounts that Microsoft Defender made an event topic of its own for, by their ids in small letters."""
        self.kept_names: dict[str, float] = {}
        """Until when, by the clock, names of what was deleted stay taken."""
        self.clock = Clock()
        self.throttle_every = THROTTLE_EVERY
        """Of so many writes ARM wants one later."""
        self.endpoint_seconds = 0.05
        """Of the wall's clock, that a private endpoint takes: two overlap if they aren't made one after the other."""
        self._writes = 0
        self._changing: set[str] = set()
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[Resource]:
        with self._lock:
            return iter(list(self._resources.values()))

    def __len__(self) -> int:
        return len(self._resources)

    def find(self, resource_id: str) -> Resource | None:
        """The resource of this id; ids are case-insensitive."""
        return self._resources.get(resource_id.lower())

    def get(self, resource_id: str) -> Resource:
        """Like `find`. Raises ArmError where there is none."""
        if (found := self.find(resource_id)) is None:
            raise ArmError("ResourceNotFound", f"The resource '{resource_id}' was not found.")
        return found

    def of_type(self, arm_type: str) -> list[Resource]:
        """All resources of a type."""
        return [each for each in self if each.request.type == arm_type]

    def bodies(self) -> list[ArmRequest]:
        """The requests that made what there is, in order of their ids."""
        return sorted((each.request for each in self), key=lambda request: request.id)

    def done(self, verb: Verb) -> list[str]:
        """The types of what was created, updated or deleted, in order."""
        return [event.type for event in self.events if event.verb == verb]

    def fail(self, arm_type: str, code: str, message: str, times: int = 1) -> None:
        """Let the next creations of a type fail."""
        self.faults.append(Fault(arm_type, ArmError(code, message), times))

    def age(self, resource: Resource) -> float:
        """Seconds since a resource was made or changed."""
        return self.clock.now - resource.since

    def settle(self) -> None:
        """Wait until all that was made counts everywhere."""
        self.clock.wait(SETTLED)

    def renew(self, arm_type: str) -> None:
        """Everything of a type is as if it had just been made."""
        for each in self.of_type(arm_type):
            each.since = self.clock.now

    @contextmanager
    def one_at_a_time(self, arm_type: str, inputs: Json) -> Iterator[None]:
        """While a resource is made that changes its subnet. Raises ArmError where another one does.

        Source: https://github.com/pulumi/pulumi-azure-native/issues/3720, https://github.com/pulumi/pulumi-azure-native/issues/4509
        """
        subnet = str(inputs["subnet"]["id"]).lower() if arm_type == PRIVATE_ENDPOINT else ""
        with self._lock:
            if subnet in self._changing:
                raise ArmError("RetryableError", f"429: another operation is changing '{subnet}'.")
            if subnet:
                self._changing.add(subnet)
        try:
            yield
        finally:
            self._changing.discard(subnet)

    def throttle(self) -> None:
        """Raise ThrottledError where ARM has had too many writes."""
        with self._lock:
            self._writes += 1
            if self._writes % self.throttle_every == 0:
                raise ThrottledError

    @contextmanager
    def fresh_record(self) -> Iterator[list[Event]]:
        """What happens from here on."""
        self.events = []
        yield self.events

    def create(self, token: str, inputs: Json) -> Resource:
        """Make a resource. Raises ArmError for whatever Azure would refuse."""
        from emulator.arm import rules
        from emulator.blob import defender

        made = declared(token, inputs)
        with self._lock:
            self.fault(made.request.type)
            if self.find(made.id):
                raise ArmError("Conflict", f"'{made.id}' exists already.")
            self._check(made)
            rules.may_exist(self, made)
            made.since = self.clock.now
            self._resources[made.id.lower()] = made
            self.events.append(Event("create", made.id, made.request.type, made.body))
            defender.switch_on(self, made)
        return made

    def regenerate_key(self, workflow_id: str) -> None:
        """What POST regenerateAccessKey does: addresses that were signed before work no longer."""
        self.new_keys[self.get(workflow_id).id.lower()] += 1

    def update(self, resource_id: str, token: str, inputs: Json) -> Resource:
        """Change a resource in place. Raises ArmError for whatever Azure would refuse."""
        from emulator.arm import rules

        changed = declared(token, inputs)
        with self._lock:
            old = self.get(resource_id)
            if changed.id.lower() != old.id.lower():
                raise ArmError("InvalidRequest", f"'{old.id}' can't become '{changed.id}'.")
            self._check(changed)
            rules.keep(old, changed)
            rules.may_change(old, changed)
            rules.may_exist(self, changed)
            changed.since = self.clock.now if rules.is_slow(old, changed) else old.since
            self._resources[changed.id.lower()] = changed
            self.events.append(Event("update", changed.id, changed.request.type, changed.body))
        return changed

    def delete(self, resource_id: str) -> None:
        """Delete a resource and what is in it. Raises ArmError where it is in use; none at all is fine."""
        from emulator.arm import rules

        with self._lock:
            if (gone := self.find(resource_id)) is None:
                return
            rules.may_go(self, gone)
            inside = [each for each in self if each.id.lower().startswith(gone.id.lower() + "/")]
            for each in (gone, *inside):
                rules.keep_name(self, each)
            for inner in [each for each in inside if each.request.type not in rules.OUTLIVING]:
                del self._resources[inner.id.lower()]
            del self._resources[gone.id.lower()]
            self.events.append(Event("delete", gone.id, gone.request.type))

    def _check(self, made: Resource) -> None:
        errors = [*schemas.body_errors(made.request), *names.name_errors(made.request)]
        if errors:
            raise ArmError("InvalidRequestContent", f"{made.request.type}: " + "; ".join(errors))
        for reference in [*references(made.body), *_parents(made.id)]:
            if reference.lower() != made.id.lower() and not self.knows(reference):
                raise ArmError("InvalidResourceReference", f"{made.request.type}: '{reference}' doesn't exist.")

    def knows(self, resource_id: str) -> bool:
        """Whether an id leads to something: also to subnets inside their network, and to what accounts are born with."""
        low = resource_id.lower().rstrip("/")
        if low in self._resources or "/" not in low.removeprefix("/subscriptions/"):
            return True
        parent, _, last = low.rpartition("/")
        if parent.endswith("/subnets"):
            network = self.find(parent.removesuffix("/subnets"))
            subnets = network.body["properties"].get("subnets", []) if network else []
            return any(subnet["name"].lower() == last for subnet in subnets)
        if parent.endswith("/environments"):  # made with its first version
            return self.find(parent.removesuffix("/environments")) is not None
        for service in ("/blobservices/default", "/fileservices/default"):
            if low.endswith(service):
                return self.find(low.removesuffix(service)) is not None
        # What the settings may name that others made, and what Azure makes of itself in a subscription.
        return any(part in low for part in ("/resourcegroups/keys/", "/resourcegroups/networkwatcherrg", "/datascanners/"))

    def fault(self, arm_type: str) -> None:
        """Raise the ArmError that a test wants for this type, if it does."""
        for fault in self.faults:
            if fault.type == arm_type and fault.times > 0:
                fault.times -= 1
                raise fault.error


def declared(token: str, inputs: Json) -> Resource:
    """The resource that Pulumi asks for."""
    own = copy.deepcopy(inputs)
    what = kind(token)
    return Resource(kind=what, request=arm_request(what, own), inputs=own)


def _parents(resource_id: str) -> list[str]:
    """The ids that a resource stands in: its group, its account, ... An extension stands in what it extends."""
    scope, marker, own = resource_id.rpartition("/providers/")
    if not marker:
        return []
    parts = own.split("/")
    # <namespace>/<type>/<name>/<type>/<name>...
    return [scope, *(f"{scope}/providers/{'/'.join(parts[:end])}" for end in range(3, len(parts), 2))]
