"""The emulator as a whole: what `pulumi up` declared, at work on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator import entra, forked, insights
from emulator.arm import outputs
from emulator.arm.cloud import Cloud
from emulator.batch import service as batch
from emulator.blob import service as blob
from emulator.blob.service import BlobService
from emulator.engines import Watched, WatchedBatch, WatchedLearning
from emulator.entra import Identities
from emulator.insights import Insights
from emulator.machine_learning import service as machine_learning
from emulator.machine_learning.usages import Usages
from emulator.rbac.access import allowed
from emulator.rbac.definitions import SEND_TELEMETRY
from emulator.tls import Authority
from scorer.documents.paths import STATUS
from stacks.submitter import SIGN_IN


@dataclass(frozen=True)
class LocalAzure:
    """One deployment that works."""

    cloud: Cloud
    identities: Identities
    authority: Authority
    blobs: BlobService
    _batch: batch.BatchService | None
    _learning: machine_learning.MachineLearning | None
    insights: Insights
    deployment: Mapping[str, Any]
    """The stack's output, with the addresses of the emulated services."""
    folder: Path

    @property
    def batch(self) -> batch.BatchService:
        """Its Batch account; a deployment whose engine is another has none."""
        assert self._batch is not None
        return self._batch

    @property
    def learning(self) -> machine_learning.MachineLearning:
        """Its Azure Machine Learning workspace; a deployment whose engine is another has none."""
        assert self._learning is not None
        return self._learning

    @property
    def engine(self) -> Watched:
        """Whichever of the two it has."""
        return WatchedLearning(self.learning) if self._batch is None else WatchedBatch(self._batch)

    def principal(self, what: str) -> str:
        """The object id of one of the stack's identities: nodes, submitter, workflow."""
        (found,) = (
            each
            for each in self.cloud.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")
            if f"-{what}" in each.request.name
        )
        return outputs.principal(found)

    def environment(self, principal: str, *, machine: bool | None = None) -> dict[str, str]:
        """What a process needs to be the principal and to find everything; the stack's own identities are machines'."""
        machine = principal in outputs.principals(self.cloud) if machine is None else machine
        variables = container_environment(self._container()["environmentVariables"])
        if not machine:
            variables = {name: value for name, value in variables.items() if name not in SIGN_IN}
        return {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            **variables,
            "SCORER_DEPLOYMENT": json.dumps(dict(self.deployment)),
            "SCORER_BLOB_ENDPOINT": self.blobs.endpoint,
            "SCORER_ARM_ENDPOINT": f"https://127.0.0.1:{self.blobs.port}",
            "SCORER_REGISTRY_ENDPOINT": f"https://127.0.0.1:{self.blobs.port}/{{server}}",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": self.insights.connection,
            **self.authority.environment(),
            **self.identities.environment(principal, machine=machine),
        }

    def _container(self) -> Any:
        """The container that the stack gave its workflow to put for each request."""
        workflow = self.cloud.of_type("Microsoft.Logic/workflows")[0]
        (only,) = workflow.body["properties"]["parameters"]["containerGroup"]["value"]["properties"]["containers"]
        return only["properties"]

    def container(self, name: str, principal: str) -> Any:
        """A container of the deployment, as the principal sees it."""
        _, _, account, container = self.deployment[name].split("/")
        return self.blobs.client(account, principal).get_container_client(container)

    def put(self, path: str, data: bytes) -> None:
        """Put a blob into input/, as one of the stack's people does."""
        self.container("input", PERSON).upload_blob(path, data, overwrite=True)

    def get(self, name: str, path: str) -> bytes:
        """A blob of one of the containers, as one of the stack's people reads it."""
        data: bytes = self.container(name, PERSON).download_blob(path).readall()
        return data

    def force(self, name: str, path: str, data: bytes = b"") -> None:
        """Put a blob anywhere, whoever may."""
        _, _, account, container = self.deployment[name].split("/")
        self.blobs.owner(account).get_blob_client(container, path).upload_blob(data, overwrite=True)

    def clear(self, name: str) -> None:
        """Take everything out of a container, whoever may."""
        _, _, account, container = self.deployment[name].split("/")
        client = self.blobs.owner(account).get_container_client(container)
        for each in client.list_blobs():
            client.delete_blob(each.name)

    def names(self, name: str, folder: str = "") -> list[str]:
        """The blobs below a folder of a container."""
        return [each.name for each in self.container(name, PERSON).list_blobs(name_starts_with=folder)]

    def dispatch(self, request: str, code: int = 0) -> str:
        """What the submitter's container group does with a request, which the workflow names by its address; the job's id."""
        command = [*self._container()["command"], f"{self.deployment['input']}/{request}" if "://" not in request else request]
        if command.pop(0) != "scorer":
            raise AssertionError("The image has no other program.")
        done = forked.run(command, self.environment(self.principal("submitter")), self.folder)
        if done.returncode != code:
            raise AssertionError(f"dispatch ended with {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    def wait(self, job: str, seconds: float = 600) -> dict[str, Any]:
        """Until the engine has ended the job; its status."""
        if self._batch is not None:
            self._batch.wait(lambda: self.batch.job(job).state == "completed", seconds)
        else:
            self.learning.wait(lambda: self.learning.is_over(job), seconds)
        status: dict[str, Any] = json.loads(self.get("output", f"{job}/{STATUS}"))
        return status


def container_environment(variables: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What a container finds in its environment: also the values that Azure shows to nobody else."""
    return {each["name"]: each["secureValue"] if "secureValue" in each else each["value"] for each in variables}


PERSON = "5f0c3f55-9b1a-4a51-9d52-2f0f3a0b7c11"


@contextmanager
def serve(cloud: Cloud, deployment: Mapping[str, Any], folder: Path, *, minute: float = 0.2) -> Iterator[LocalAzure]:
    """Bring what stands in the cloud to life until the block ends.

    Whoever deployed it has waited for a quarter of an hour, as the guide says: new roles and firewall rules count.
    """
    cloud.settle()
    with ExitStack() as stack:
        authority = Authority.make(folder / "tls")
        identities = stack.enter_context(entra.serve(cloud.clock))
        stores = stack.enter_context(blob.serve(cloud, identities, authority, folder / "azurite"))
        environment = {"SCORER_BLOB_ENDPOINT": stores.endpoint}
        known = dict(deployment)
        account = learning = None
        if cloud.of_type("Microsoft.Batch/batchAccounts"):
            account = stack.enter_context(batch.serve(cloud, identities, authority, minute=minute, environment=environment))
            stores.manager.quota = account.quota
            known["batchEndpoint"] = account.endpoint
        if cloud.of_type(machine_learning.WORKSPACE):
            manager = f"https://127.0.0.1:{stores.port}"
            learning = stack.enter_context(
                machine_learning.serve(cloud, identities, authority, manager, minute=minute, environment=environment)
            )
            stores.manager.services += [learning, Usages(learning, stores.manager)]
        (component,) = cloud.of_type("Microsoft.Insights/components")
        watching = stack.enter_context(
            insights.serve(identities, authority, lambda who: allowed(cloud, who, SEND_TELEMETRY, component.id))
        )
        known["telemetry"] = watching.connection
        (folder / "home").mkdir(exist_ok=True)
        yield LocalAzure(cloud, identities, authority, stores, account, learning, watching, known, folder / "home")
