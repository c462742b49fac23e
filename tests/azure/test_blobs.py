"""Blob storage of the small Azure, by the real SDKs: who may do what, and what survives."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from tests.azure.links import at, link
from tests.azure.small import PERSON, SmallAzure


@pytest.fixture
def azure(small_azure: SmallAzure) -> SmallAzure:
    return small_azure


WRITES = {
    "nodes": {"output", "work", "logs"},
    "submitter": {"output", "work", "logs", "quarantine"},
    "person": {"input", "output", "scripts"},
}
READS = {
    "nodes": {"input", "scripts", "output", "work", "logs"},
    "submitter": {"input", "scripts", "output", "work", "logs", "quarantine"},
    "person": {"input", "output", "scripts", "work", "logs", "quarantine"},
}
EVERY = ("input", "output", "scripts", "work", "logs", "quarantine")


def may(call: Callable[[], object]) -> bool:
    try:
        call()
    except ResourceNotFoundError:
        return True
    except HttpResponseError as error:
        if error.status_code == 403:
            return False
        raise
    return True


@pytest.mark.parametrize("who", WRITES)
def test_everybody_may_do_their_work_and_no_more(azure: SmallAzure, who: str) -> None:
    principal = PERSON if who == "person" else azure.principal(who)
    containers = {name: azure.container(name, principal) for name in EVERY}
    writes = {name for name, each in containers.items() if may(partial(each.upload_blob, who, b"", overwrite=True))}
    reads = {name for name, each in containers.items() if may(partial(each.download_blob, who))}
    assert (writes, reads) == (WRITES[who], READS[who])


def test_strangers_may_nothing(azure: SmallAzure) -> None:
    for name in EVERY:
        container = azure.container(name, "b7a5b6a4-35f6-4c62-8b5b-0d9f1b7d3c11")
        assert not may(partial(container.download_blob, "x"))
        assert not may(partial(next, container.list_blobs(), None))


def test_links_give_what_they_say(azure: SmallAzure) -> None:
    azure.put("film.mp4", b"film")
    reading = at(azure, link(azure, "input", "film.mp4", read=True))
    assert reading.download_blob().readall() == b"film"
    with pytest.raises(HttpResponseError) as caught:
        reading.upload_blob(b"other", overwrite=True)
    assert caught.value.status_code == 403
    with pytest.raises(HttpResponseError):
        at(azure, link(azure, "input", "film.mp4", read=True).replace("film.mp4?", "other.mp4?")).download_blob()
    with pytest.raises((HttpResponseError, ClientAuthenticationError)):
        at(azure, link(azure, "input", "film.mp4", minutes=-5, read=True)).download_blob()


def test_shared_keys_are_refused(azure: SmallAzure) -> None:
    account = azure.deployment["input"].split("/")[2]
    url = f"{azure.blobs.endpoint.format(account=account)}/input/film.mp4"
    with pytest.raises(HttpResponseError, match="KeyBasedAuthenticationNotPermitted"):
        at(azure, url, credential={"account_name": account, "account_key": "a2V5"}).download_blob()


STORE = """
import os, sys
from scorer.errors import ScorerError
from scorer.store import open_store
store = open_store(os.environ["SCORER_WORK"] + "/own/folder")
big = os.urandom(40_000_000)
with store.writing("big.bin") as path:
    path.write_bytes(big)
entry = store.head("big.bin")
assert store.fetch("big.bin", entry.etag).read_bytes() == big
(listed,) = store.list("")
assert listed == entry, (listed, entry)
strange = "a/ünï # 100%25 +&=.txt"
assert store.get(strange, store.put(strange, b"text").etag) == b"text"
assert [each.path for each in store.list("a")] == [strange]
store.delete(strange)
store.delete(strange)
assert store.find(strange) is None and list(store.list("nowhere")) == []
store.put("big.bin", b"swapped")
for read in (store.get, store.fetch):
    try:
        read("big.bin", entry.etag + "x")
    except ScorerError as error:
        print(error.exit_code, end=" ")
store.release("big.bin", entry.etag)
store.delete("big.bin")
try:
    open_store(os.environ["SCORER_INPUT"]).put("x", b"")
except ScorerError as error:
    print(error.exit_code)
"""


def test_our_store_through_faults_by_managed_identity(azure: SmallAzure) -> None:
    count = 0

    def moody(*_: str) -> int | None:
        nonlocal count
        count += 1
        return [503, 429, 0][count % 3] if count % 4 == 0 else None

    azure.blobs.fault = moody
    environment = {**azure.environment(azure.principal("nodes")), "SCORER_NODE_DIR": str(azure.folder / "cache")}
    done = subprocess.run([sys.executable, "-c", STORE], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "5 5 8\n"), done.stderr
    assert not list((azure.folder / "cache/blobs").glob("*.bin")), "what was released is gone"


def test_data_outlive_a_restart(azure: SmallAzure) -> None:
    azure.put("kept.txt", b"kept")
    azure.blobs.stop()
    azure.blobs.start()
    assert azure.get("input", "kept.txt") == b"kept"


def test_one_fetch_a_machine(azure: SmallAzure, tmp_path: Path) -> None:
    azure.put("shared.bin", os.urandom(3_000_000))
    script = "import os; from scorer.store import open_store; s = open_store(os.environ['SCORER_INPUT']); "
    script += "s.fetch('shared.bin', s.head('shared.bin').etag)"
    environment = {**azure.environment(azure.principal("nodes")), "SCORER_NODE_DIR": str(tmp_path)}
    tasks = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(4)]
    assert [task.wait(60) for task in tasks] == [0, 0, 0, 0]
    account = azure.deployment["input"].split("/")[2]
    assert azure.blobs.reads[f"{account}/input/shared.bin"] == 3_000_000
