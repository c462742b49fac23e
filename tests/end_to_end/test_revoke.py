"""Links that are taken back, and links that work from one place alone."""

import json
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from emulator.arm import outputs
from emulator.blob.sas import at
from emulator.logic_app.trigger import Trigger
from tests.conftest import MakeClip
from tests.end_to_end.test_share import share
from tests.end_to_end.test_trigger_to_result import person


def test_a_share_is_taken_back_before_its_job_begins(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    azure = trigger.azure
    trigger.deliveries = lambda _: []
    job, links = share(trigger, tmp_path)
    kept = json.loads(azure.get("input", f"shares/{job}.json"))
    assert (kept["job"], kept["sender"], kept["revoked"]) == (job, "acme", None)
    at(azure, links["short.mp4"]).upload_blob(make_clip(frames=5, size="64x48").read_bytes())
    done = person(trigger, tmp_path, "share", "--revoke", job)
    assert (done.returncode, "is refused from now on" in done.stderr) == (0, True), done.stderr
    assert not [name for name in azure.names("input", "videos/acme/") if name in kept["uploads"]]
    # The links still make blobs, and nothing comes of it.
    request = (tmp_path / "share/request.json").read_bytes()
    for name, data in [("short.mp4", b"film"), ("request.json", request)]:
        at(azure, links[name]).upload_blob(data)
    assert trigger.poll().status == "Succeeded"
    assert "were revoked on" in json.loads(azure.get("output", f"{job}/rejected.json"))["error"]
    assert "were revoked on" in person(trigger, tmp_path, "status", job).stderr
    assert job not in azure.batch.ledger.jobs
    assert person(trigger, tmp_path, "share", "--revoke", job).returncode == 0


def test_a_share_whose_job_has_begun(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    azure = trigger.azure
    job, links = share(trigger, tmp_path)
    at(azure, links["short.mp4"]).upload_blob(make_clip(frames=5, size="64x48").read_bytes())
    at(azure, links["request.json"]).upload_blob((tmp_path / "share/request.json").read_bytes())
    trigger.wait()
    assert azure.wait(job)["state"] == "done"
    done = person(trigger, tmp_path, "share", "--revoke", job)
    assert (done.returncode, "'scorer cancel" in done.stderr) == (0, True), done.stderr
    assert at(azure, links["result.mp4"]).exists()


@pytest.mark.parametrize(("job", "code"), [("none-0123456789abcdef0123", 4), ("../requests/x", 2)])
def test_a_share_that_nobody_made(trigger: Trigger, tmp_path: Path, job: str, code: int) -> None:
    assert person(trigger, tmp_path, "share", "--revoke", job).returncode == code


def test_all_links_end_at_once(trigger: Trigger, tmp_path: Path) -> None:
    azure = trigger.azure
    trigger.deliveries = lambda _: []
    _, links = share(trigger, tmp_path)
    done = person(trigger, tmp_path, "share", "--revoke", "all")
    assert done.returncode == 0, done.stderr
    for name in ("short.mp4", "request.json"):
        with pytest.raises(HttpResponseError) as caught:
            at(azure, links[name]).upload_blob(b"")
        assert caught.value.status_code == 403
    (tmp_path / "again").mkdir()
    _, fresh = share(trigger, tmp_path / "again")
    at(azure, fresh["short.mp4"]).upload_blob(b"film")


def test_who_is_no_operator_revokes_nothing(trigger: Trigger, tmp_path: Path) -> None:
    azure = trigger.azure
    for each in azure.cloud.of_type("Microsoft.Authorization/roleAssignments"):
        role = azure.cloud.find(each.body["properties"]["roleDefinitionId"])
        if role is not None and "revoke" in role.body["properties"]["roleName"]:
            break
    else:
        raise AssertionError("Nobody may revoke.")
    properties = each.body["properties"]
    properties["principalId"], kept = outputs.guid("somebody"), properties["principalId"]
    done = person(trigger, tmp_path, "share", "--revoke", "all")
    properties["principalId"] = kept
    assert (done.returncode, "must be among 'operators'" in done.stderr) == (8, True), done.stderr


def test_links_work_from_where_senders_come_from(trigger: Trigger, tmp_path: Path) -> None:
    azure = trigger.azure
    trigger.deliveries = lambda _: []
    places = {
        "one": (["203.0.113.0/24"], (), "sip=203.0.113.0-203.0.113.255", False),
        "here": (["127.0.0.1"], (), "sip=127.0.0.1&", True),
        "several": (["203.0.113.0/24", "127.0.0.0/30"], ("--ip", "127.0.0.0/30"), "sip=127.0.0.0-127.0.0.3", True),
    }  # fmt: skip
    for name, (senders, options, said, works) in places.items():
        document = json.dumps({**azure.deployment, "senderIps": senders})
        (tmp_path / name).mkdir()
        _, links = share(trigger, tmp_path / name, "--deployment", document, *options)
        assert all(said in link for link in links.values()), name
        link = at(azure, links["short.mp4"])
        if works:
            link.upload_blob(b"film")
        else:
            with pytest.raises(HttpResponseError, match="AuthorizationSourceIPMismatch"):
                link.upload_blob(b"film")
