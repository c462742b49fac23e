"""Cancelling a job that comes to its end at that very moment, with a cluster that is a list."""

import json

import pytest

from scorer.client.client import Client
from scorer.documents.deployment import read_deployment
from scorer.documents.status import StatusWriter, read_status
from scorer.errors import MissingError
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT
from tests.scorer.submitter.intake_harness import List


class Ending(List):
    """Whose jobs are done before they can be ended."""

    stores: FolderStores

    def end(self, job: str) -> None:
        StatusWriter.resume(job, self.stores).state("done", result="result.mp4")


def test_a_job_that_is_done_by_then_stays_done(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts are gone: a restart of one that is called cancelled would score all of it again."""
    monkeypatch.setattr(Ending, "stores", stores, raising=False)
    client = Client(read_deployment(json.dumps(DOCUMENT)))
    client.stores = stores
    client._cluster = Ending(senders={"film": ""})
    StatusWriter("film", stores).state("merging", frames=8)
    with pytest.raises(MissingError, match="'film' is done by now"):
        client.cancel("film")
    assert read_status("film", stores).state == "done"
