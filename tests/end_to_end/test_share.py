"""Outside users: links that make a blob and no more, links that read one and no more, and their page, done by AzCopy itself."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from emulator.blob.sas import at, link
from emulator.local_azure import LocalAzure
from emulator.logic_app.trigger import Trigger
from emulator.pulumi.engine import CACHE, ROOT
from tests.conftest import MakeClip, write_images
from tests.end_to_end.test_trigger_to_result import person

AZCOPY = CACHE / "azurite-3.37.0/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64"


def share(trigger: Trigger, folder: Path, *arguments: str) -> tuple[str, dict[str, str]]:
    """The job's id, and the links of its page by what they are for."""
    done = person(trigger, folder, "share", "short.mp4", "--sender", "acme", "--model", "painted", "--style", "7", *arguments)
    assert done.returncode == 0, done.stderr
    text = (folder / "share/README.md").read_text()
    links = {}
    for command in re.findall(r"^    (azcopy copy .*)$", text, re.MULTILINE):
        _, _, first, second = shlex.split(command)
        link, name = (first, second) if first.startswith("https") else (second, first)
        links[name] = link
    return done.stdout.strip(), links


@pytest.fixture
def outside(tmp_path: Path, trigger: Trigger) -> dict[str, str]:
    """The environment of somebody with AzCopy, the links, and no account."""
    if not AZCOPY.exists():
        raise FileNotFoundError(f"'{AZCOPY}' is missing: 'make azurite' installs it.")
    programs = tmp_path / "bin"
    programs.mkdir()
    # The address of the emulator doesn't tell AzCopy what it is, as Azure's own does.
    wrapper = programs / "azcopy"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$2" in https*) way=BlobLocal;; *) way=LocalBlob;; esac\nexec {AZCOPY} "$@" --from-to=$way\n'
    )
    wrapper.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path), "AZCOPY_LOG_LOCATION": str(tmp_path / "azcopy"),
        "AZCOPY_JOB_PLAN_LOCATION": str(tmp_path / "azcopy"), "AZCOPY_DISABLE_SYSLOG": "true",
        **trigger.azure.authority.environment(),
    }  # fmt: skip


def test_the_page_by_azcopy_alone(trigger: Trigger, tmp_path: Path, make_clip: MakeClip, outside: dict[str, str]) -> None:
    clip = make_clip("short.mp4", frames=10, size="64x48")
    job, links = share(trigger, tmp_path)
    assert list(links)[:2] == ["short.mp4", "request.json"]
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "short.mp4").write_bytes(clip.read_bytes())
    (theirs / "request.json").write_bytes((tmp_path / "share/request.json").read_bytes())
    commands = re.findall(r"^    (azcopy copy .*)$", (tmp_path / "share/README.md").read_text(), re.MULTILINE)
    uploads, downloads = commands[:2], commands[2:5]

    def run(command: str) -> None:
        done = subprocess.run(["sh", "-c", command], env=outside, cwd=theirs, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    for command in uploads:
        run(command)
    trigger.wait()
    assert trigger.azure.wait(job)["state"] == "done"
    assert {"name": "sender", "value": "acme"} in trigger.azure.batch.job(job).body["metadata"]
    for command in downloads:
        run(command)
    assert json.loads((theirs / "status.json").read_text())["state"] == "done"
    assert (theirs / "result.mp4").read_bytes() == trigger.azure.get("output", f"{job}/result.mp4")
    assert b"<html" in (theirs / "report.html").read_bytes()


def test_the_guides_way(trigger: Trigger, tmp_path: Path, make_clip: MakeClip, outside: dict[str, str]) -> None:
    """As logicapp/README.md has it, but for the login: links of an operator stand for that."""
    text = (ROOT / "logicapp/README.md").read_text().partition("## With AzCopy alone")[2].partition("\n## ")[0]
    (tmp_path / "film.mp4").write_bytes(make_clip(frames=5, size="64x48").read_bytes())
    write_images(tmp_path, ["painting.jpg"])
    (request,) = re.findall(r"^    (\{.*\})$", text, re.MULTILINE)
    (tmp_path / "request.json").write_text(request)

    def run(command: str) -> None:
        for address in re.findall(r"https://ACCOUNT\S+", command):
            container, _, blob = address.removeprefix("https://ACCOUNT.blob.core.windows.net/").partition("/")
            rights = {"read": True} if container == "output" else {"create": True, "write": True}
            command = command.replace(address, f"'{link(trigger.azure, container, blob, **rights)}'")
        done = subprocess.run(["sh", "-c", command], env=outside, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    commands = re.findall(r"^    (azcopy copy .*)$", text, re.MULTILINE)
    assert len(commands) == 4
    there = set(trigger.azure.batch.ledger.jobs)
    for command in commands[:3]:
        run(command)
    trigger.wait()
    (job,) = set(trigger.azure.batch.ledger.jobs) - there
    assert trigger.azure.wait(job)["state"] == "done"
    run(commands[3].replace("JOB", job))
    assert (tmp_path / "result.mp4").read_bytes() == trigger.azure.get("output", f"{job}/result.mp4")


def test_links_do_nothing_else(trigger: Trigger, tmp_path: Path) -> None:
    azure: LocalAzure = trigger.azure
    trigger.deliveries = lambda _: []
    job, links = share(trigger, tmp_path)
    mine = at(azure, links["short.mp4"])
    mine.upload_blob(b"video")
    azure.container("output", azure.principal("nodes")).upload_blob(f"{job}/result.mp4", b"result")
    theirs = at(azure, links["result.mp4"])
    assert theirs.download_blob().readall() == b"result"
    elsewhere = links["result.mp4"].replace(f"/{job}/result.mp4", "/other-job/result.mp4")
    refused = (
        lambda: mine.upload_blob(b"other video", overwrite=True), mine.delete_blob, lambda: mine.download_blob().readall(),
        lambda: theirs.upload_blob(b"", overwrite=True), theirs.delete_blob, lambda: at(azure, elsewhere).download_blob(),
        lambda: at(azure, links["short.mp4"].replace("short.mp4?", "long.mp4?")).upload_blob(b""),
    )  # fmt: skip
    for call in refused:
        with pytest.raises((HttpResponseError, ClientAuthenticationError)) as caught:
            call()
        assert caught.value.status_code in (403, 409), caught.value
    assert azure.get("input", mine.blob_name) == b"video"


def test_a_links_request_is_the_operators_and_no_other(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    azure: LocalAzure = trigger.azure
    azure.put("videos/bolt/secret.mp4", make_clip(frames=5, size="64x48").read_bytes())
    job, links = share(trigger, tmp_path)
    forged = {"name": "forged", "input": "videos/bolt/secret.mp4", "model": "invert", "size": 8192, "priority": 100}
    at(azure, links["request.json"]).upload_blob(json.dumps(forged).encode())
    trigger.wait()
    (told,) = (name for name in azure.names("output", "forged-") if name.endswith("/rejected.json"))
    assert "isn't the one that its link was made for" in json.loads(azure.get("output", told))["error"]
    assert not [each for each in azure.batch.ledger.jobs if each.startswith(("forged-", job))]
    with pytest.raises(HttpResponseError) as caught:  # nor is there a second try
        at(azure, links["request.json"]).upload_blob(b"{}", overwrite=True)
    assert caught.value.status_code in (403, 409)


def test_links_end(trigger: Trigger, tmp_path: Path) -> None:
    _, links = share(trigger, tmp_path, "--hours", "100")
    late = re.search(r"[?&]se=([^&]*)", links["short.mp4"])
    early = re.search(r"[?&]st=([^&]*)", links["short.mp4"])
    assert late
    assert early
    assert "sp=c&" in links["short.mp4"]
    assert "sp=r&" in links["result.mp4"]
    assert all("spr=https" in link for link in links.values())
    too_long = person(
        trigger, tmp_path, "share", "a.mp4", "--sender", "acme", "--model", "painted", "--style", "7", "--hours", "169"
    )
    assert too_long.returncode == 64


@pytest.mark.parametrize("sender", ["../acme", "a/b", "", "é"])
def test_a_sender_is_a_plain_name(trigger: Trigger, tmp_path: Path, sender: str) -> None:
    done = person(trigger, tmp_path, "share", "a.mp4", "--sender", sender, "--model", "painted", "--style", "7")
    assert done.returncode == 2
    assert not (tmp_path / "share").exists()
