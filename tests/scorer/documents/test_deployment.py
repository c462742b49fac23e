"""The deployment's description: read as a whole, or refused in a sentence."""

import json
from typing import Any

import pytest

from scorer.documents.deployment import read_deployment
from scorer.documents.request import make_request
from scorer.errors import RequestError

DOCUMENT: dict[str, Any] = {
    **{name: f"az://films/{name}" for name in ("input", "output", "scripts", "work", "logs", "quarantine")},
    "batchEndpoint": "https://films.westeurope.batch.azure.com", "pool": "gpu", "image": "acme/scorer:1",
    "nodeIdentity": "/subscriptions/1/nodes", "nodeClientId": "0", "telemetry": "", "gpuSize": "Standard_NC64as_T4_v3",
    "gpusPerNode": 4, "slotsPerNode": 8, "nodesMin": 0, "nodesMax": 3, "spotPercent": 100, "keepWarmMinutes": 10,
    "batchSize": 16, "chunkFrames": None, "taskRetries": 3, "taskMinutes": 240, "jobsMax": 10,
    "submitMinutes": 30, "workDays": 7, "mount": "none",
    "limits": {"requestBytes": 1000, "maxFrames": 2000, "maxPixels": 3000},
}  # fmt: skip


def test_what_it_says() -> None:
    found = read_deployment(json.dumps(DOCUMENT))
    assert found.slots == 24
    assert found.limits.max_frames == 2000
    assert found.stores().work.url == "az://films/work"


def test_a_request_comes_first_and_the_stack_fills_in() -> None:
    found = read_deployment(json.dumps({**DOCUMENT, "chunkFrames": 100}))
    request = make_request({"name": "a", "input": "a/", "model": "invert"})
    assert (found.fill_in(request).batch_size, found.fill_in(request).chunk_frames) == (None, 100)
    own = make_request({"name": "a", "input": "a/", "model": "invert", "batch_size": 2, "chunk_frames": 7})
    assert found.fill_in(own) == own


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "invalid JSON"),
        ("{}", "input: field required"),
        (json.dumps({**DOCUMENT, "slotsPerNode": "many"}), "slotsPerNode: should be a valid integer"),
    ],
)
def test_what_cant_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        read_deployment(text)
