"""A request that ends whoever looks at it is refused after some times, and no other waits for it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scorer.documents.paths import ATTEMPTS
from scorer.errors import InputError, InternalError
from scorer.submitter import attempts
from scorer.submitter.attempts import MOST, attempt
from scorer.submitter.pending import waiting
from tests.conftest import write_images
from tests.scorer.submitter.intake_harness import IntakeHarness

POLL = """
import os, signal, sys
from pathlib import Path
import scorer.job.dispatch
from tests.folders import FolderStores
from tests.scorer.submitter.intake_harness import IntakeHarness

def killed(*asked):
    os.kill(os.getpid(), signal.SIGKILL)

scorer.job.dispatch.probe_video = killed
folder = Path(sys.argv[1])
IntakeHarness.open(FolderStores.below(folder), folder).intake.poll(float("inf"))
"""


def put_good(harness: IntakeHarness, name: str) -> str:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    return harness.put({"name": name, "input": "shots/", "model": "invert"}, f"requests/{name}.json")


def put_killer(harness: IntakeHarness) -> str:
    harness.stores.input.put("videos/killer.mp4", b"what ends whoever looks at it")
    return harness.put({"name": "killer", "input": "videos/killer.mp4", "model": "invert"}, "requests/killer.json")


def left(harness: IntakeHarness) -> list[str]:
    return [entry.path for entry in waiting(harness.stores, 7, {})]


def marks(harness: IntakeHarness) -> int:
    return len(list(harness.stores.work.list(ATTEMPTS)))


def test_a_request_that_ends_its_container_is_refused_in_the_end(
    harness: IntakeHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer, good = put_killer(harness), [put_good(harness, "second")]
    for number in range(MOST):
        assert left(harness) == ([killer, *good] if number == 0 else [*good, killer])
        done = subprocess.run([sys.executable, "-c", POLL, str(tmp_path)], check=False)
        assert done.returncode == -9
        assert marks(harness) == number + 1
        assert left(harness) == ([*good, killer] if number == 0 else [killer])
        good = [*(good if number == 0 else []), put_good(harness, f"later{number}")]
    monkeypatch.setattr(attempts, "BEAT", 0.1)
    assert left(harness) == [*good, killer]
    assert harness.intake.poll(float("inf")) == 0
    assert left(harness) == []
    (refused,) = harness.stores.output.root.glob("*/rejected.json")
    assert f"'{killer}' ended whatever looked at its files {MOST} times" in refused.read_text()
    # Uploaded anew, it is another one.
    harness.stores.input.delete(killer)
    put_killer(harness)
    assert harness.intake.poll(float("inf")) == 0
    assert any("is not a video" in told for told in harness.told)


def test_whoever_comes_to_an_end_leaves_no_mark(harness: IntakeHarness) -> None:
    put_good(harness, "good")
    harness.intake.take("requests/good.json")
    with pytest.raises(InputError, match="is not a video"):
        harness.intake.take(put_killer(harness))
    assert marks(harness) == 0


def test_others_at_work_on_the_same_request_arent_counted(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "BEAT", 0.1)
    entry = harness.stores.input.head(put_good(harness, "good"))
    inside, done = threading.Barrier(MOST + 1), threading.Event()

    def look() -> None:
        with attempt(entry, harness.stores):
            inside.wait()
            done.wait()

    others = [threading.Thread(target=look) for _ in range(MOST)]
    for other in others:
        other.start()
    inside.wait()
    assert marks(harness) == MOST
    with attempt(entry, harness.stores):
        assert marks(harness) == MOST + 1
    done.set()
    for other in others:
        other.join()
    assert marks(harness) == 0


def test_what_nobody_foresaw_ends_a_request_as_well(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(attempts, "BEAT", 0.01)
    path = put_good(harness, "odd")
    with monkeypatch.context() as patch:
        patch.setattr("scorer.submitter.intake.dispatch", faulty)
        for number in range(MOST):
            assert left(harness) == [path]
            with pytest.raises(InternalError, match="a fault of ours"):
                harness.intake.poll(float("inf"))
            assert marks(harness) == number + 1
    assert harness.intake.poll(float("inf")) == 0
    (refused,) = harness.stores.output.root.glob("*/rejected.json")
    assert f"{MOST} times" in refused.read_text()
