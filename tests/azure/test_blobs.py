"""Blob storage of the small Azure, by the real SDKs: who may do what, and what survives."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from scorer.errors import OutputError, ScorerError, StoreError
from scorer.store import sdk_errors
from scorer.upload import upload
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


LIST = """
import json, os, sys
from scorer.store import open_store
store = open_store(os.environ["SCORER_INPUT"])
lists = {folder: [sorted(each.path for each in way(folder)) for way in (store.list, store.walk)] for folder in sys.argv[1:]}
print(json.dumps(lists))
"""


def listed(azure: SmallAzure, *folders: str) -> dict[str, list[list[str]]]:
    """What is right inside each folder, and what is anywhere below it."""
    environment = azure.environment(azure.principal("submitter"))
    done = subprocess.run([sys.executable, "-c", LIST, *folders], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lists: dict[str, list[list[str]]] = json.loads(done.stdout)
    return lists


STRANGE = ("plain.json", "a%2eb.json", "%2e", "space.json ", " before", "ünï ☃.json", "a&b<c>.json", "#?+", "~[]{}|^`")


def test_a_list_bears_whatever_names_strangers_choose(azure: SmallAzure) -> None:
    inside = sorted(f"strange/{name}" for name in STRANGE)
    below = sorted([*inside, *(f"strange/{name}" for name in ("a//b.json", "/b.json", "folder/e.json"))])
    for name in below:
        azure.put(name, b"{}")
    assert listed(azure, "strange", "strange/", "strange/folder", "stran") == {
        "strange": [inside, below],
        "strange/": [inside, below],
        "strange/folder": [["strange/folder/e.json"]] * 2,
        "stran": [[], []],
    }


OPEN = """
import os, sys
from scorer.errors import ScorerError
from scorer.store import open_store
store = open_store(os.environ["SCORER_INPUT"])
for name in sys.argv[1:]:
    for read in (store.head, store.get):
        try:
            read(name)
        except ScorerError as error:
            print(error.exit_code, end=" ")
"""


def test_names_that_cant_be_opened_are_refused_at_once(azure: SmallAzure) -> None:
    environment = azure.environment(azure.principal("submitter"))
    command = [sys.executable, "-c", OPEN, "requests//x.json", "requests/../x.json", "requests/\t.json"]
    calls = len(azure.blobs.calls)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2 " * 6), done.stderr
    assert len(azure.blobs.calls) == calls


def test_more_blobs_than_a_page_holds_are_all_listed(azure: SmallAzure) -> None:
    for number in range(25):
        azure.put(f"many/{number:05d}.json", b"")
    azure.blobs.page = 10
    calls = len(azure.blobs.calls)
    assert listed(azure, "many") == {"many": [[f"many/{number:05d}.json" for number in range(25)]] * 2}
    assert len(azure.blobs.calls) - calls == 2 * 3


def test_who_may_not_is_told_so(azure: SmallAzure, tmp_path: Path) -> None:
    script = "import os; from scorer.store import open_store; list(open_store(os.environ['SCORER_INPUT']).walk('requests'))"
    environment = azure.environment("b7a5b6a4-35f6-4c62-8b5b-0d9f1b7d3c11")
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert "OutputError: 'az://" in done.stderr
    assert "can't be read: your account must be among 'operators'" in done.stderr
    # The same of an upload.
    path = tmp_path / "film.mp4"
    path.write_bytes(b"film")
    stranger = azure.container("input", "b7a5b6a4-35f6-4c62-8b5b-0d9f1b7d3c11").get_blob_client("film.mp4")
    with pytest.raises(OutputError, match=r"can't be written: your account must be among 'operators'"):
        upload(path, stranger)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (HttpResponseError("x", response=Mock(status_code=401, reason="", headers={})), OutputError, "can't be written: your"),
        (HttpResponseError("x", response=Mock(status_code=503, reason="", headers={})), StoreError, "answered 503: run"),
        (ServiceRequestError("x"), StoreError, "didn't answer: run"),
        (ServiceResponseError("x"), StoreError, "didn't answer: run"),
    ],
)
def test_the_sdks_errors_are_ours(error: Exception, kind: type[ScorerError], words: str) -> None:
    with pytest.raises(kind, match=f"'az://films/input' {words}"), sdk_errors("az://films/input", writing=True):
        raise error
