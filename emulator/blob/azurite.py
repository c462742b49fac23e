"""Azurite: the Blob protocol behind the front, on data that outlive it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

from emulator.arm import outputs
from emulator.arm.cloud import Cloud
from emulator.entra import Identities
from emulator.pulumi.engine import CACHE
from emulator.tls import Authority

AZURITE_VERSION = "3.37.0"
AZURITE = CACHE / f"azurite-{AZURITE_VERSION}" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNTS = "Microsoft.Storage/storageAccounts"
CONTAINERS = f"{ACCOUNTS}/blobServices/containers"


@dataclass
class Azurite:
    """One process for all accounts of a cloud."""

    cloud: Cloud
    identities: Identities
    authority: Authority
    folder: Path
    _port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it on the data that it left, if it did."""
        if not AZURITE.exists():
            raise FileNotFoundError(f"'{AZURITE}' is missing: 'make azurite' installs it.")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = self._port or free.getsockname()[1]
        names = [each.request.name for each in self.cloud.of_type(ACCOUNTS)]
        command = [
            str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(self._port), "--location", str(self.folder), "--silent",
            "--skipApiVersionCheck", "--disableTelemetry", "--oauth", "basic",
            "--cert", str(self.authority.certificate), "--key", str(self.authority.key),
        ]  # fmt: skip
        # Nobody knows these keys, and the front takes none.
        accounts = ";".join(f"{name}:{os.urandom(32).hex()}" for name in names)
        self._process = subprocess.Popen(
            command, env={**os.environ, "AZURITE_ACCOUNTS": accounts}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()
        self._make_containers()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.05)
        raise TimeoutError("Azurite doesn't answer.")

    def stop(self) -> None:
        """Stop it; its data stay."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _make_containers(self) -> None:
        for each in self.cloud.of_type(CONTAINERS):
            account = re.search(r"/storageAccounts/([^/]+)/", each.id, re.IGNORECASE)
            if account is None:
                continue
            with self.owner(account[1]) as client, suppress(ResourceExistsError):
                client.create_container(each.request.name)

    def owner(self, account: str) -> BlobServiceClient:
        """The account behind the front, where nobody is refused."""
        credential = self.identities.credential(outputs.guid("owner"))
        return BlobServiceClient(f"{self.address}/{account}", credential=credential, connection_verify=str(self.authority.bundle))
