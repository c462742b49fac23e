"""A request that ends whoever looks at it is refused after some times, and no other waits for it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scorer.errors import InputError, InternalError
from scorer.submitter import attempts
from scorer.submitter.attempts import MOST, attempt
from scorer.submitter.pending import ATTEMPTS, waiting
from tests.conftest import write_images
from tests.scorer.submitter.intake_harness import Office

SWEEP = """
import os, signal, sys
from pathlib import Path
import scorer.job.dispatch
from tests.folders import FolderStores
from tests.scorer.submitter.intake_harness import Office

def killed(*asked):
    os.kill(os.getpid(), signal.SIGKILL)

scorer.job.dispatch.probe_video = killed
folder = Path(sys.argv[1])
Office.open(FolderStores.below(folder), folder).intake.sweep(float("inf"))
"""


def put_good(office: Office, name: str) -> str:
    write_images(office.stores.input.root / "shots", ["a.png"])
    return office.put({"name": name, "input": "shots/", "model": "invert"}, f"requests/{name}.json")


def put_killer(office: Office) -> str:
    office.stores.input.put("videos/killer.mp4", b"what ends whoever looks at it")
    return office.put({"name": "killer", "input": "videos/killer.mp4", "model": "invert"}, "requests/killer.json")


def left(office: Office) -> list[str]:
    return [entry.path for entry in waiting(office.stores, 7, {})]


def marks(office: Office) -> int:
    return len(list(office.stores.work.list(ATTEMPTS)))


def test_a_request_that_ends_its_container_is_refused_in_the_end(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer, good = put_killer(office), [put_good(office, "second")]
    for number in range(MOST):
        assert left(office) == ([killer, *good] if number == 0 else [*good, killer])
        done = subprocess.run([sys.executable, "-c", SWEEP, str(tmp_path)], check=False)
        assert done.returncode == -9
        assert marks(office) == number + 1
        assert left(office) == ([*good, killer] if number == 0 else [killer])
        good = [*(good if number == 0 else []), put_good(office, f"later{number}")]
    monkeypatch.setattr(attempts, "BEAT", 0.1)
    assert left(office) == [*good, killer]
    assert office.intake.sweep(float("inf")) == 0
    assert left(office) == []
    (refused,) = office.stores.output.root.glob("*/rejected.json")
    assert f"'{killer}' ended whatever looked at its files {MOST} times" in refused.read_text()
    # Uploaded anew, it is another one.
    office.stores.input.delete(killer)
    put_killer(office)
    assert office.intake.sweep(float("inf")) == 0
    assert any("is not a video" in told for told in office.told)


def test_whoever_comes_to_an_end_leaves_no_mark(office: Office) -> None:
    put_good(office, "good")
    office.intake.take("requests/good.json")
    with pytest.raises(InputError, match="is not a video"):
        office.intake.take(put_killer(office))
    assert marks(office) == 0


def test_others_at_work_on_the_same_request_arent_counted(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "BEAT", 0.1)
    entry = office.stores.input.head(put_good(office, "good"))
    inside, done = threading.Barrier(MOST + 1), threading.Event()

    def look() -> None:
        with attempt(entry, office.stores):
            inside.wait()
            done.wait()

    others = [threading.Thread(target=look) for _ in range(MOST)]
    for other in others:
        other.start()
    inside.wait()
    assert marks(office) == MOST
    with attempt(entry, office.stores):
        assert marks(office) == MOST + 1
    done.set()
    for other in others:
        other.join()
    assert marks(office) == 0


def test_what_nobody_foresaw_ends_a_request_as_well(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(attempts, "BEAT", 0.01)
    path = put_good(office, "odd")
    with monkeypatch.context() as patch:
        patch.setattr("scorer.submitter.intake.dispatch", faulty)
        for number in range(MOST):
            assert left(office) == [path]
            with pytest.raises(InternalError, match="a fault of ours"):
                office.intake.sweep(float("inf"))
            assert marks(office) == number + 1
    assert office.intake.sweep(float("inf")) == 0
    (refused,) = office.stores.output.root.glob("*/rejected.json")
    assert f"{MOST} times" in refused.read_text()
