"""A team's own model on the cluster: who may publish it, and that it scores there."""

import subprocess
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from azure.core.exceptions import HttpResponseError

from emulator import forked
from emulator.blob.sas import at, link
from emulator.local_azure import PERSON, LocalAzure
from tests.end_to_end.job_helpers import ask, put_images
from tests.scorer.packages.wheels import shade


def publish(azure: LocalAzure, principal: str, folder: Path, value: int) -> subprocess.CompletedProcess[str]:
    wheel, weights = shade(folder, value)
    return forked.run(["publish", str(wheel), "--weights", str(weights)], azure.environment(principal), folder)


def test_a_published_model_scores_on_every_node(local_azure: LocalAzure, tmp_path: Path) -> None:
    done = publish(local_azure, PERSON, tmp_path, 77)
    assert (done.returncode, done.stderr) == (0, "model 'shade': one shade\n")
    package = done.stdout.strip()
    media = put_images(local_azure, tmp_path / "shades", 16)
    local_azure.batch.pool.fixed = 2  # each installs it, and its tasks begin anew with it, which takes a processor seconds
    job = local_azure.dispatch(ask(local_azure, "shades", media, model="shade", package=package, chunk_frames=2))
    status = local_azure.wait(job)
    assert (status["state"], status["failed"]) == ("done", 0)
    for name in local_azure.names("output", f"{job}/result/"):
        frame = cv2.imdecode(np.frombuffer(local_azure.get("output", name), np.uint8), cv2.IMREAD_COLOR)
        assert frame is not None
        assert (frame == 77).all()
    # Each node took it out of scripts/ once, however many tasks it had.
    nodes = {event.node for event in local_azure.batch.pool.timeline if event.job == job and event.what == "prepare"}
    account = local_azure.deployment["scripts"].split("/")[2]
    wheel = f"packages/{package}/files/our_shade-1.0-py3-none-any.whl"
    size = len(local_azure.get("scripts", wheel))
    assert local_azure.blobs.reads[f"{account}/scripts/{wheel}"] == (len(nodes) + 1) * size  # and this test, just now
    # The same model by a name of the request's alone is refused before anything is planned.
    local_azure.dispatch(ask(local_azure, "wrong", media, model="edges", package=package), code=2)
    local_azure.dispatch(ask(local_azure, "none", media, model="shade", package=package[:-1] + "x"), code=7)


@pytest.mark.parametrize("who", ["nodes", "submitter", "stranger"])
def test_only_people_publish(local_azure: LocalAzure, tmp_path: Path, who: str) -> None:
    principal = "b7a5b6a4-35f6-4c62-8b5b-0d9f1b7d3c11" if who == "stranger" else local_azure.principal(who)
    before = local_azure.names("scripts")
    done = publish(local_azure, principal, tmp_path, 78)
    assert done.returncode == 8, done.stderr
    assert not done.stdout
    assert local_azure.names("scripts") == before


def test_outside_users_neither_see_nor_replace_it(local_azure: LocalAzure, tmp_path: Path) -> None:
    package = publish(local_azure, PERSON, tmp_path, 79).stdout.strip()
    path = f"packages/{package}/files/shade.txt"
    own = link(local_azure, "input", "outside/request.json", read=True, write=True, create=True)
    at(local_azure, own).upload_blob(b"{}", overwrite=True)
    account = local_azure.deployment["scripts"].split("/")[2]
    address = f"{local_azure.blobs.endpoint.format(account=account)}/scripts/{path}"
    for query in (own.partition("?")[2], ""):  # their own link's signature, or none
        blob = at(local_azure, f"{address}?{query}")
        for call in (blob.download_blob, partial(blob.upload_blob, b"0", overwrite=True)):
            with pytest.raises(HttpResponseError) as caught:
                call()
            assert caught.value.status_code in (401, 403)
    assert local_azure.get("scripts", path) == b"79"
