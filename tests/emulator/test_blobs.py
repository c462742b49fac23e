"""Blob storage of the emulator, by the real SDKs: who may do what, and what survives."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from azure.storage.blob import BlobClient

from emulator.blob.sas import at, link
from emulator.local_azure import PERSON, LocalAzure
from scorer.client.upload import upload
from scorer.errors import OutputError, ScorerError, StoreError
from scorer.store import sdk_errors


@pytest.fixture
def azure(local_azure: LocalAzure) -> LocalAzure:
    return local_azure


READS = {
    "nodes": {"input", "scripts", "output", "work", "logs"},
    "submitter": {"input", "scripts", "output", "work", "logs", "quarantine"},
    "person": {"input", "output", "scripts", "work", "logs", "quarantine"},
}
TRY = "work/job-1/failed/000000-0123456789abcdef.try-8"
CLAIM = "work/job-1/claims/000000-0123456789abcdef.json"
PART, LOG = "job-1/parts/000000-ab-cd.nut", "job-1/tasks/0/stdout.txt"
# Places by who may change what is there.
NODES = {
    TRY, CLAIM, f"work/{PART}", "work/job-1/failed/merge-ab.json", "work/job-1/result.json", "output/job-1/status.json",
    "output/job-1/report.html", "output/job-1/result.mp4", "output/job-1/result/a.png",
}  # fmt: skip
OUTPUT = {"output/job-1/status.json", "output/job-1/report.html", "output/job-1/rejected.json", "output/job-1/.writable"}
WORK = {each for each in NODES if each.startswith("work/")} | {
    f"work/{each}" for each in ("job-1/plan.json", "answered/a", "s/b")
}
PEOPLE = {"input/videos/acme/film.mp4", "input/requests/acme/a.json", "scripts/packages/a.whl"}
LOGS = {f"logs/{LOG}", "logs/job-1/000000.jsonl"}
QUARANTINE = {"quarantine/job-1/request.json", "quarantine/job-1/rejected.json"}
PLACES = sorted(NODES | OUTPUT | WORK | PEOPLE | LOGS | QUARANTINE)
CHANGES = {
    "nodes": NODES,
    "submitter": OUTPUT | WORK,
    "person": PEOPLE | {each for each in PLACES if each.startswith("output/")},
}
ADDS = {"nodes": CHANGES["nodes"] | LOGS, "submitter": CHANGES["submitter"] | QUARANTINE, "person": CHANGES["person"]}
DELETES = {
    "nodes": {TRY, CLAIM, f"work/{PART}", "output/job-1/result/a.png"},
    "submitter": CHANGES["submitter"] - {"output/job-1/status.json", "output/job-1/report.html"},
    "person": CHANGES["person"],
}
EVERY = ("input", "output", "scripts", "work", "logs", "quarantine")


@pytest.fixture(autouse=True)
def _nothing_is_left(azure: LocalAzure) -> Iterator[None]:
    """For the tests of other files, which share the deployment: blobs that say nothing are no rejections."""
    yield
    for name in EVERY:
        azure.clear(name)


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


@pytest.mark.parametrize("who", READS)
def test_everybody_may_do_their_work_and_no_more(azure: LocalAzure, who: str) -> None:
    principal = PERSON if who == "person" else azure.principal(who)
    own = {name: azure.container(name, principal) for name in EVERY}
    assert {name for name, each in own.items() if may(partial(each.download_blob, who))} == READS[who]
    blobs = {place: own[place.partition("/")[0]].get_blob_client(place.partition("/")[2]) for place in PLACES}

    def granted(call: Callable[[BlobClient], object]) -> set[str]:
        return {place for place, blob in blobs.items() if may(partial(call, blob))}

    for name in EVERY:
        azure.clear(name)
    assert granted(lambda blob: blob.upload_blob(b"", overwrite=True)) == ADDS[who]
    for place in PLACES:
        name, _, path = place.partition("/")
        azure.force(name, path)
    assert granted(lambda blob: blob.upload_blob(b"", overwrite=True)) == CHANGES[who]
    assert granted(lambda blob: blob.delete_blob()) == DELETES[who]


def test_a_hostile_node_stays_within_what_tasks_write(azure: LocalAzure) -> None:
    """Names that nearly fit, and other operations than a plain upload."""
    nodes = {name: azure.container(name, azure.principal("nodes")) for name in EVERY}
    for name, path in [
        ("work", "job-1/plan.json"), ("work", "parts"), ("work", "job-1/parts"), ("work", "answered/0123"), ("work", "parts/x"),
        ("work", "senders/acme/2026-11-28/job-1.json"), ("work", "attempts/x"), ("work", "job-1/PARTS/x"),
        ("output", "job-1/rejected.json"), ("output", "status.json"), ("output", "job-1/result"), ("output", "job-1/a.html"),
        ("input", "videos/acme/film.mp4"), ("scripts", "packages/a.whl"), ("quarantine", "job-1/request.json"),
    ]:  # fmt: skip
        blob = nodes[name].get_blob_client(path)
        azure.force(name, path)
        for call in (
            partial(blob.upload_blob, b"x", overwrite=True), partial(blob.stage_block, "AAAA", b"x"), blob.delete_blob,
            partial(blob.commit_block_list, []), partial(blob.set_blob_metadata, {"a": "b"}), partial(blob.create_snapshot),
            partial(blob.upload_blob_from_url, f"https://127.0.0.1/x/{path}"),
        ):  # fmt: skip
            assert not may(call), (name, path, call)
    # A log that is there stays as it is, by whatever operation.
    azure.force("logs", LOG, b"what happened")
    log = nodes["logs"].get_blob_client(LOG)
    for call in (
        partial(log.upload_blob, b"x", overwrite=True), log.delete_blob, partial(log.stage_block, "AAAA", b"x"),
        partial(log.commit_block_list, []), partial(log.set_blob_metadata, {"a": "b"}),
    ):  # fmt: skip
        assert not may(call), call
    assert azure.get("logs", LOG) == b"what happened"
    # Nor can it take many away at once: a batch isn't of any path.
    assert not may(partial(nodes["work"].delete_blobs, PART))


def test_strangers_may_nothing(azure: LocalAzure) -> None:
    for name in EVERY:
        container = azure.container(name, "b7a5b6a4-35f6-4c62-8b5b-0d9f1b7d3c11")
        assert not may(partial(container.download_blob, "x"))
        assert not may(partial(next, container.list_blobs(), None))


def test_links_give_what_they_say(azure: LocalAzure) -> None:
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


def test_shared_keys_are_refused(azure: LocalAzure) -> None:
    account = azure.deployment["input"].split("/")[2]
    url = f"{azure.blobs.endpoint.format(account=account)}/input/film.mp4"
    with pytest.raises(HttpResponseError, match="KeyBasedAuthenticationNotPermitted"):
        at(azure, url, credential={"account_name": account, "account_key": "a2V5"}).download_blob()


STORE = """
import os, sys
from scorer.errors import ScorerError
from scorer.store import open_store
store = open_store(os.environ["SCORER_WORK"] + "/own/parts")
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
assert store.create("big.bin", b"other") is None and store.get("big.bin") == b"swapped"
logs = open_store(os.environ["SCORER_LOGS"])
assert [logs.add("own/a.jsonl", each).size for each in (b"1", b"22", os.urandom(9_000_000))] == [1, 2, 9_000_000]
assert sorted(each.size for each in logs.list("own")) == [1, 2, 9_000_000] and logs.get("own/a.jsonl") == b"1"
try:
    logs.put("own/a.jsonl", b"")
except ScorerError as error:
    print(error.exit_code, end=" ")
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


def test_our_store_through_faults_by_managed_identity(azure: LocalAzure) -> None:
    count = 0

    def moody(*_: str) -> int | None:
        nonlocal count
        count += 1
        return [503, 429, 0][count % 3] if count % 4 == 0 else None

    azure.blobs.fault = moody
    nodes = azure.environment(azure.principal("nodes"), machine=False)  # a machine would ask again what it may not do
    environment = {**nodes, "SCORER_NODE_DIR": str(azure.folder / "cache")}
    done = subprocess.run([sys.executable, "-c", STORE], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "8 5 5 8\n"), done.stderr
    assert not list((azure.folder / "cache/blobs").glob("*.bin")), "what was released is gone"


def test_data_outlive_a_restart(azure: LocalAzure) -> None:
    azure.put("kept.txt", b"kept")
    azure.blobs.stop()
    azure.blobs.start()
    assert azure.get("input", "kept.txt") == b"kept"


def test_one_fetch_a_machine(azure: LocalAzure, tmp_path: Path) -> None:
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


def listed(azure: LocalAzure, *folders: str) -> dict[str, list[list[str]]]:
    """What is right inside each folder, and what is anywhere below it."""
    environment = azure.environment(azure.principal("submitter"))
    done = subprocess.run([sys.executable, "-c", LIST, *folders], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lists: dict[str, list[list[str]]] = json.loads(done.stdout)
    return lists


STRANGE = ("plain.json", "a%2eb.json", "%2e", "space.json ", " before", "ünï ☃.json", "a&b<c>.json", "#?+", "~[]{}|^`")


def test_a_list_bears_whatever_names_strangers_choose(azure: LocalAzure) -> None:
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


def test_names_that_cant_be_opened_are_refused_at_once(azure: LocalAzure) -> None:
    environment = azure.environment(azure.principal("submitter"))
    command = [sys.executable, "-c", OPEN, "requests//x.json", "requests/../x.json", "requests/\t.json"]
    calls = len(azure.blobs.calls)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2 " * 6), done.stderr
    assert len(azure.blobs.calls) == calls


def test_more_blobs_than_a_page_holds_are_all_listed(azure: LocalAzure) -> None:
    for number in range(25):
        azure.put(f"many/{number:05d}.json", b"")
    azure.blobs.page = 10
    calls = len(azure.blobs.calls)
    assert listed(azure, "many") == {"many": [[f"many/{number:05d}.json" for number in range(25)]] * 2}
    assert len(azure.blobs.calls) - calls == 2 * 3


def test_who_may_not_is_told_so(azure: LocalAzure, tmp_path: Path) -> None:
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
