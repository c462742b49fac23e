"""What a sender may ask for in a day: counted before the job is submitted, once a job, told with what is left and until when."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from autoscale.estimate import OPERATIONS, Workload, least_pixels, speed
from autoscale.gpu_sizes import SIZES
from autoscale.pool import Pool
from scorer.documents.request import make_request
from scorer.documents.sender_limits import SenderLimits
from scorer.errors import RequestError
from scorer.job.dispatch import dispatch
from scorer.submitter.ledger import Cost, charge, cost_of
from tests.conftest import MakeClip, write_images
from tests.folders import FolderStores
from tests.scorer.submitter.intake_harness import IntakeHarness

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
LIMITS = SenderLimits(frames=100, gigapixels=3, gpu_minutes=10, gigabytes=2)


def spent(stores: FolderStores) -> set[str]:
    return {entry.path for entry in stores.work.walk("senders")}


def test_a_job_counts_once_and_what_is_left_is_told(stores: FolderStores) -> None:
    for _ in range(3):  # dispatch was killed and tried again
        charge(stores.work, "acme", "a-0", Cost(60, 500, 60, 10), LIMITS, NOON)
    assert spent(stores) == {"senders/acme/2026-11-28/a-0.60.500.60.10"}
    with pytest.raises(RequestError) as caught:
        charge(stores.work, "acme", "b-0", Cost(41), LIMITS, NOON)
    assert str(caught.value) == (
        "This job takes 41 frames, and of the 100 that 'acme' may ask for in a day 40 are left: "
        "upload the request again after 2026-11-29 00:00 UTC, or give less."
    )
    assert len(spent(stores)) == 1, "what is refused isn't counted"
    charge(stores.work, "acme", "c-0", Cost(40), LIMITS, NOON)
    charge(stores.work, "bolt", "d-0", Cost(100), LIMITS, NOON)  # has a day of its own
    charge(stores.work, "acme", "b-0", Cost(41), LIMITS, NOON.replace(day=29))
    charge(stores.work, "acme", "e-0", Cost(10**9), SenderLimits(), NOON)  # no limit


def test_a_job_that_is_planned_anew_counts_what_either_plan_takes_most(stores: FolderStores) -> None:
    charge(stores.work, "acme", "a-0", Cost(60, 10, 60, 10), LIMITS, NOON)
    charge(stores.work, "acme", "a-0", Cost(1, 2900, 60, 10), LIMITS, NOON)  # its video was replaced by one of larger frames
    with pytest.raises(RequestError, match=r"0\.1 are left"):
        charge(stores.work, "acme", "b-0", Cost(1, 101), LIMITS, NOON)
    with pytest.raises(RequestError, match="40 are left"):
        charge(stores.work, "acme", "b-0", Cost(41), LIMITS, NOON)


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (Cost(megapixels=3001), "3.001 gigapixels, and of the 3 "), (Cost(gpu_seconds=601), "GPU minutes, and of the 10 "),
        (Cost(megabytes=2001), "2.001 GB, and of the 2 "), (Cost(frames=101), "101 frames, and of the 100 "),
    ],
)  # fmt: skip
def test_each_limit_holds(stores: FolderStores, cost: Cost, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        charge(stores.work, "acme", "a-0", cost, LIMITS, NOON)
    charge(stores.work, "acme", "a-0", Cost(*(max(0, each - 1) for each in vars(cost).values())), LIMITS, NOON)


def test_what_isnt_an_entry_counts_nothing(stores: FolderStores) -> None:
    for name in ("a", "a.1.2.3", "a.-1.0.0.0", "a.99999999999999999999.0.0.0", "x/a.100.0.0.0", "a.100.0.0.0.json"):
        stores.work.put(f"senders/acme/2026-11-28/{name}", b"")
    charge(stores.work, "acme", "b-0", Cost(100), LIMITS, NOON)


def test_a_job_planned_anew_counts_as_its_dearer_plan(stores: FolderStores) -> None:
    for frames in (90, 20):
        charge(stores.work, "acme", "a-0", Cost(frames), LIMITS, NOON)
    with pytest.raises(RequestError, match="10 are left"):
        charge(stores.work, "acme", "b-0", Cost(11), LIMITS, NOON)


def test_the_cost_of_a_plan(stores: FolderStores, make_clip: MakeClip) -> None:
    data = make_clip(frames=30, size="128x96").read_bytes()
    stores.input.put("videos/a.mp4", data)
    small = dispatch("a", make_request({"name": "a", "input": "videos/a.mp4", "model": "invert", "size": 64}), stores)
    large = dispatch("a", make_request({"name": "a", "input": "videos/a.mp4", "model": "invert", "size": 1024}), stores)
    rates = {"adaptive": 10**6, "painted": 10**5}
    megabytes = -(-len(data) // 10**6)
    # Decoding counts where frames are made smaller; a model that nobody has counted is as slow as the slowest.
    assert cost_of(small, rates) == Cost(30, 1, -(-30 * 64 * 48 // 10**5), megabytes)
    assert cost_of(large, rates) == Cost(30, -(-30 * 1024 * 768 // 10**6), -(-30 * 1024 * 768 // 10**5), megabytes)
    assert cost_of(large, {}).gpu_seconds == 0
    fine, coarse = (
        dispatch("a", make_request({"name": "a", "input": "videos/a.mp4", "model": "invert", "stroke_size": size}), stores)
        for size in (0.25, 4)
    )
    # The model works on 16 times the pixels; of fewer the processor has as many to code as ever.
    assert cost_of(fine, rates) == Cost(30, -(-30 * 512 * 384 // 10**6), -(-30 * 512 * 384 // 10**5), megabytes)
    assert cost_of(coarse, rates) == Cost(30, 1, -(-30 * 128 * 96 // 10**5), megabytes)
    write_images(stores.input.root / "shots", ["a.png", "b.png"])
    shots = dispatch("b", make_request({"name": "b", "input": "shots/", "model": "invert"}), stores)
    assert cost_of(shots, {}).frames == 2
    assert shots.input_bytes == sum(path.stat().st_size for path in (stores.input.root / "shots").iterdir())


@pytest.mark.parametrize("size", SIZES)
def test_gpu_minutes_are_those_of_the_plan(size: str) -> None:
    for model in OPERATIONS:
        pool = Pool(gpu_size=size, slots_per_gpu=1, nodes_min=0, nodes_max=1, spot_percent=100, keep_warm_minutes=0)
        slow = speed(Workload(chunks=[1], pixels=1920 * 1080, model=model), pool).slow
        assert least_pixels(SIZES[size])[model] == pytest.approx(slow * 1920 * 1080, rel=1e-6)


def limited(harness: IntakeHarness, **limits: int) -> IntakeHarness:
    target = harness.intake.target.model_copy(update={"sender_limits": SenderLimits(**limits)})
    return replace(harness, intake=replace(harness.intake, target=target))


def test_intake_refuses_what_is_too_much_for_today(harness: IntakeHarness) -> None:
    few = limited(harness, frames=5)
    write_images(harness.stores.input.root / "frames/acme", ["a.png", "b.png", "c.png"])
    ask = {"name": "a", "input": "frames/acme/", "model": "invert"}
    first = few.intake.take(few.put(ask, "requests/acme/1.json"))
    assert few.intake.take("requests/acme/1.json") == first  # the event comes again
    error, rejection = few.refused(few.put(ask, "requests/acme/2.json"))
    assert "2 are left: upload the request again after" in rejection.error
    assert error.exit_code == 2
    assert list(few.cluster.senders) == [first]
    write_images(harness.stores.input.root / "frames/bolt", ["a.png"])
    few.intake.take(few.put({**ask, "input": "frames/bolt/"}, "requests/bolt/1.json"))
    for number in range(3):  # operators' own aren't counted
        few.intake.take(few.put(ask, f"requests/{number}.json"))
    assert len(few.cluster.senders) == 5


def test_a_senders_priority_has_an_end(harness: IntakeHarness) -> None:
    some = limited(harness, priority=10)
    write_images(harness.stores.input.root / "frames/acme", ["a.png"])
    ask = {"name": "a", "input": "frames/acme/", "model": "invert"}
    some.intake.take(some.put(json.dumps({**ask, "priority": 10}).encode(), "requests/acme/1.json"))
    some.intake.take(some.put({**ask, "priority": 100}))  # an operator's
    error, _ = some.refused(some.put({**ask, "priority": 11}, "requests/acme/2.json"))
    assert str(error) == "The request's priority is 11, and a sender's may be 10 at most: ask for no more."
