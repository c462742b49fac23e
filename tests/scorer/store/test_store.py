"""A store on a folder: whole writes, ETags, and errors that name the file."""

import errno
import fcntl
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient
from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore

from scorer.errors import ChangedError, MissingError, OutputError, RequestError, StorageFullError
from scorer.store import FolderStore, open_store
from scorer.store.errors import sdk_errors, storage_errors


def test_put_and_get(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "new")
    entry = store.put("a/ünï # 100%.txt", b"hello")
    assert store.get("a/ünï # 100%.txt", entry.etag) == b"hello"
    assert (tmp_path / "new/a/ünï # 100%.txt").read_bytes() == b"hello"
    assert store.head("a/ünï # 100%.txt") == entry
    assert [listed.path for listed in store.list("a")] == ["a/ünï # 100%.txt"]
    assert list(store.list("nowhere")) == []
    store.delete("a/ünï # 100%.txt")
    store.delete("a/ünï # 100%.txt")
    assert store.find("a/ünï # 100%.txt") is None


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    entry = store.put("style.png", b"one")
    store.put("style.png", b"two")
    for read in (store.get, store.fetch):
        with pytest.raises(ChangedError, match=r"style\.png' has changed"):
            read("style.png", entry.etag)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "folder",
        "file://host/x",
        "az://a/b",
        "az://films",
        "az://films/in--put",
        "az://films/in?x",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(RequestError, match="is no store"):
        open_store(url)


def test_missing_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nothing/here\.mp4"):
        FolderStore(tmp_path).head("nothing/here.mp4")
    with pytest.raises(MissingError):
        FolderStore(tmp_path / "no-folder").get("x")


def test_what_is_no_file_is_not_listed(tmp_path: Path) -> None:
    """Nobody writes to the pipe: whoever read it would wait for ever."""
    (tmp_path / "shots/folder.png").mkdir(parents=True)
    os.mkfifo(tmp_path / "shots/pipe.png")
    (tmp_path / "shots/device.png").symlink_to("/dev/zero")
    (tmp_path / "shots/empty.png").touch()
    assert [entry.path for entry in FolderStore(tmp_path).list("shots")] == ["shots/empty.png"]


@pytest.mark.parametrize("name", [b"two\nlines.png", b"half\xff.png", b"\x1b[2J.png"])
def test_names_that_no_list_holds_keep_no_others_from_it(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "shots/sub").mkdir(parents=True)
    (tmp_path / "shots" / os.fsdecode(name)).touch()
    (tmp_path / "shots/a.png").write_bytes(b"a")
    store = FolderStore(tmp_path)
    assert list(store.list("shots/")) == [store.head("shots/a.png")]
    assert sorted(store.others("shots/")) == sorted([os.fsdecode(name), "sub/"])


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(MissingError):
        FolderStore(tmp_path).head("folder")


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "way").write_text("")
    with pytest.raises(OutputError, match="in the way"):
        FolderStore(tmp_path / "way").put("x", b"")
    with pytest.raises(OutputError, match="in the way"):
        FolderStore(tmp_path).put("way/x", b"")


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    """A limit on file sizes is the full disk that any user can have; it answers EFBIG, so a real ENOSPC comes from /dev/full."""
    (tmp_path / "part").symlink_to("/dev/full")
    store = FolderStore(tmp_path)
    with pytest.raises(StorageFullError, match="No space is left"), store.writing("part") as path, path.open("wb") as file:
        file.write(b"x" * 100_000)


def test_a_put_that_is_killed_leaves_the_old_bytes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("plan.json", b"old")
    program = """
        import os, sys, threading, time
        from pathlib import Path
        from scorer.store import FolderStore
        store = FolderStore(Path(sys.argv[1]))
        threading.Timer(0.02, lambda: os.kill(os.getpid(), 9)).start()
        while True:
            store.put("plan.json", b"new" * 5_000_000)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], check=False)
    assert done.returncode == -9
    assert store.get("plan.json") in (b"old", b"new" * 5_000_000)
    assert [entry.path for entry in store.list("")] == ["plan.json"]


def test_an_unwritable_folder() -> None:
    """/proc can't be written by anybody, root among them."""
    with pytest.raises(OutputError, match="/proc/nothing"):
        FolderStore(Path("/proc/nothing")).put("x", b"")
    assert not os.path.exists("/proc/nothing")  # noqa: PTH110 - the shortest way to say it


def test_a_name_that_is_written_once_needs_no_etag(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("parts/1.nut", b"part")
    assert store.fetch("parts/1.nut").read_bytes() == b"part"
    with pytest.raises(MissingError, match=r"parts/2\.nut"):
        store.fetch("parts/2.nut")


def test_a_name_that_no_store_takes_is_refused(tmp_path: Path) -> None:
    for name in ("a//b.json", "a/../b.json", "a/\t.json"):
        with pytest.raises(RequestError, match="is no name that can be used"):
            FolderStore(tmp_path).get(name)


@pytest.mark.parametrize("code", [400, 414])
def test_a_name_that_azure_refuses_is_the_requests_fault(code: int) -> None:
    """The same answer would come at every look, each after a minute of asking again."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}/films"
        store = AzureStore(
            "input", account_name="films", endpoint=endpoint, skip_signature=True, client_options={"allow_http": True}
        )
        service = ContainerClient(endpoint, "input")
        calls: list[Callable[[], object]] = [
            lambda: store.head("a"),
            lambda: store.get("a"),
            lambda: list(service.walk_blobs("a/")),
        ]
        for call in calls:
            with pytest.raises(RequestError, match="is no name that can be used"), sdk_errors("a"), storage_errors("a"):
                call()
        server.shutdown()


@pytest.mark.parametrize("writing", [False, True])
def test_who_isnt_let_in_hears_of_role_and_firewall(writing: bool) -> None:
    """Azure answers 403 to both, by whichever library it is asked."""
    refused = HttpResponseError("not authorized")
    refused.status_code = 403
    for error in (PermissionDeniedError("403"), UnauthenticatedError("401"), refused):
        with (
            pytest.raises(OutputError) as caught,
            sdk_errors("az://films/input/a.mp4", writing=writing),
            storage_errors("az://films/input/a.mp4", writing=writing),
        ):
            raise error
        assert str(caught.value) == (
            f"'az://films/input/a.mp4' can't be {'written' if writing else 'read'}: your account must be among 'operators', "
            "and your public address among 'allowedIps', of the deployment: ask whoever runs it."
        )


def test_a_version_is_replaced_once_and_no_other_is(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.replace("claim.json", b"none", "0-0-0") is None
    assert store.find("claim.json") is None
    first = store.put("claim.json", b"one")
    second = store.replace("claim.json", b"two", first.etag)
    assert second is not None
    assert second.etag != first.etag
    assert store.replace("claim.json", b"three", first.etag) is None
    assert store.get("claim.json", second.etag) == b"two"
    store.delete("claim.json")
    assert store.replace("claim.json", b"four", second.etag) is None
    assert list(store.list("")) == []


def test_somebody_who_stops_while_replacing_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    entry = store.put("claim.json", b"one")
    file = os.open(tmp_path / "claim.json", os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert store.replace("claim.json", b"two", entry.etag) is None
    finally:
        os.close(file)
    assert store.replace("claim.json", b"two", entry.etag) is not None


def test_of_processes_that_replace_the_same_version_one_succeeds(tmp_path: Path) -> None:
    """Each counts up by what it read: a version that two had replaced would be counted once."""
    program = """
        import sys
        from pathlib import Path
        from scorer.store import FolderStore
        store, done = FolderStore(Path(sys.argv[1])), 0
        while done < 100:
            entry = store.head("count")
            try:
                count = int(store.get("count", entry.etag))
            except Exception:
                continue
            done += store.replace("count", b"%d" % (count + 1), entry.etag) is not None
    """
    FolderStore(tmp_path).put("count", b"0")
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    started = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert (tmp_path / "count").read_bytes() == b"300"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_hard_links_is_said_so(code: int) -> None:
    """In obstore's words, which has the system's error number in them: a FAT disk, a share of Windows, a mounted container."""
    words = f"Generic LocalFileSystem error: Unable to rename file: {os.strerror(code)} (os error {code})"
    with pytest.raises(OutputError, match="has no hard links"), storage_errors("/mnt/work/claims/a.json", writing=True):
        raise GenericError(words)
