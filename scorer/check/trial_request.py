"""A request of a few frames on the whole way: event, workflow, container group, job, nodes, result."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction

import av

from scorer.check.findings import Finding, good, wrong
from scorer.check.known import MODEL, STYLE, drawn
from scorer.check.leftovers import Log, empty, taken_away
from scorer.client.client import Client, Standing
from scorer.client.describe import describe
from scorer.documents.paths import REQUESTS
from scorer.documents.request import job_id
from scorer.errors import MissingError
from scorer.report.text import counted, duration

FRAMES = 8


@dataclass(frozen=True)
class TrialRequest:
    """One request, from its upload to its result."""

    client: Client
    name: str
    until: float
    """Of time.monotonic()."""
    every: float
    log: Log

    @property
    def request(self) -> str:
        """Where in the input store the request is; its clip is beside it by name."""
        return f"{REQUESTS}/{self.name}.json"

    @property
    def clip(self) -> str:
        """Where the clip is."""
        return f"check/{self.name}.mp4"

    def findings(self) -> Iterator[Finding]:
        """How it went."""
        body = {"name": self.name, "input": self.clip, "model": MODEL, "styles": [{"source": STYLE}]}
        data = json.dumps(body).encode()
        stores = self.client.stores
        job = job_id(self.name, f"{stores.input.url}/{self.request}", data)
        with self._taken_away(job):
            stores.input.put(self.clip, clip())
            stores.input.put(self.request, data)
            began = time.monotonic()
            yield self._outcome(job, began)

    def _outcome(self, job: str, began: float) -> Finding:
        while True:
            standing = self.client.known(job)
            spent = duration(time.monotonic() - began)
            if (error := standing.error) is not None:
                return wrong(
                    "request",
                    f"it ended with {error.exit_code}: {error}",
                    f"output/{job}/ and the README's table of traces say more",
                )
            if standing.status is not None and standing.status.state == "done":
                return self._done(job, standing, spent)
            if time.monotonic() >= self.until:
                return _not_done(standing, spent)
            self.log(f"{describe(standing)} ({spent})")
            time.sleep(self.every)

    def _done(self, job: str, standing: Standing, spent: str) -> Finding:
        status = standing.status
        if status is None or not status.result or self.client.stores.output.find(f"{job}/{status.result}") is None:
            return wrong("request", "it is done, and its result isn't there", "output/JOB/ of the data account: who deleted it?")
        if (status.frames, status.failed) != (FRAMES, 0):
            text = f"{status.failed} of {counted(status.frames, 'frame')} failed, and {FRAMES} went in"
            return wrong("request", text, f"logs/{job}/ of the ops account has a line for each frame")
        return good("request", f"{counted(FRAMES, 'frame')} came back styled in {spent}")

    @contextmanager
    def _taken_away(self, job: str) -> Iterator[None]:
        """All that people may delete goes with the block; plan and logs, which they may not, after workDays and logDays."""
        store = self.client.stores.input
        try:
            yield
        finally:
            with taken_away(f"request {self.name}", self.log):
                with suppress(MissingError):  # it has come to its end
                    self.client.cancel(job)
                store.delete(self.request)
                store.delete(self.clip)
            with taken_away(f"job {job}", self.log):
                self.client.delete(job)
            with taken_away(f"output/{job}/", self.log):
                empty(self.client.stores.output, job)


def _not_done(standing: Standing, spent: str) -> Finding:
    if standing.tasks is not None:
        return wrong(
            "request", f"not done after {spent}: {describe(standing)}", "its tasks wait: see the lines of quota, pool and nodes"
        )
    return wrong(
        "request", f"nobody has taken it in after {spent}",
        "portal > Logic App > Runs history: no run means that the event is on its way, or in dead-letters/; with trigger "
        "'polling' it takes up to pollMinutes",
    )  # fmt: skip


def clip() -> bytes:
    """A short H.264 video of the drawn frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        frame = drawn()
        stream.height, stream.width = frame.shape[:2]
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()
