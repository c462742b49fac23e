"""What a job will take: against reckoning by hand, and what must hold of any."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from autoscale.estimate import (
    CODING,
    MERGE_STARTS,
    MERGED_FRAMES,
    OPERATIONS,
    PEAK,
    Workload,
    estimate,
    simulate,
    speed,
    tasks_of,
)
from autoscale.gpu_sizes import SIZES
from autoscale.pool import NODE_STARTS, TASK_STARTS, Pool, alternatives
from scorer.engines.task_count import how_many
from scorer.media.coding import Codec
from scorer.models.feedforward_network import TransformerNet
from scorer.models.networks import StylisationNetwork
from scorer.models.weights import adaptive_weights, painted_weights

T4 = "Standard_NC4as_T4_v3"
POOL = Pool(gpu_size=T4, slots_per_gpu=1, nodes_min=0, nodes_max=4, spot_percent=100, keep_warm_minutes=0)
MERGE = MERGE_STARTS / 60


def pool(**changes: Any) -> Pool:
    return replace(POOL, **changes)


def job(chunks: int, frames: int = 100) -> Workload:
    return Workload(chunks=[frames] * chunks, pixels=1280 * 720, model="adaptive")


def test_operations_are_those_that_torch_counts() -> None:
    def count(network: torch.nn.Module, *more: torch.Tensor) -> float:
        with FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 3, 64, 96), *more)
        return int(counter.get_total_flops()) / (64 * 96)

    for name, weights in (("adaptive", adaptive_weights()), ("painted", painted_weights())):
        network = StylisationNetwork(weights)
        assert count(network, torch.zeros(1, len(network.dense_weight))) == OPERATIONS[name]
    assert count(TransformerNet()) == OPERATIONS["feedforward"]


def test_every_size_of_the_table_can_be_reckoned_with() -> None:
    assert {size.gpu for size in SIZES.values()} == set(PEAK)


@pytest.mark.parametrize(("chunks", "nodes", "slots"), [(1, 1, 1), (8, 4, 1), (9, 4, 1), (100, 3, 2)])
def test_nodes_that_are_there_take_the_tasks_in_rounds(chunks: int, nodes: int, slots: int) -> None:
    there = pool(nodes_min=nodes, nodes_max=nodes, spot_percent=0, slots_per_gpu=slots)
    course = simulate(job(chunks), there, 50.0)
    rounds = math.ceil(chunks / (nodes * slots))
    task = TASK_STARTS + 100 / (50 / slots)
    merge = MERGE_STARTS + chunks * 100 / MERGED_FRAMES
    assert course.minutes * 60 == pytest.approx(rounds * task + merge)
    assert course.nodes == nodes


def test_start_up_is_paid_once_a_task() -> None:
    there = pool(nodes_min=2, nodes_max=2, spot_percent=0)
    long = replace(job(40, 240), share=how_many)
    assert tasks_of(long, there) == 1, "eight seconds of work on a T4, in three minutes by the least speed"
    longer = replace(job(400, 240), share=how_many)
    assert tasks_of(longer, there) == 2
    course = simulate(longer, there, 50.0)
    merge = MERGE_STARTS + 400 * 240 / MERGED_FRAMES
    assert course.minutes * 60 == pytest.approx(TASK_STARTS + 200 * 240 / 50 + merge)
    alone = simulate(replace(longer, share=None), there, 50.0)
    assert (alone.minutes - course.minutes) * 60 == pytest.approx(199 * TASK_STARTS)


def test_a_film_costs_half_of_what_a_task_a_chunk_costs() -> None:
    """3,000 frames in the chunks that dispatch made for two nodes when each was a task, at both ends."""
    film = replace(job(13, 240), chunks=[240] * 12 + [120], share=how_many)
    before = Workload(chunks=[375] * 8, pixels=film.pixels, model=film.model)
    for speed_of, spot_nodes in ((speed(film, POOL).quick, 10), (speed(film, POOL).slow, 0)):
        own, other = (simulate(each, pool(nodes_max=2), speed_of, spot_nodes) for each in (film, before))
        assert own.dollars <= other.dollars / 1.7


def test_a_pool_of_none_starts_with_the_next_evaluation() -> None:
    course = simulate(job(1), POOL, 50.0)
    alone = simulate(job(1), pool(nodes_min=1, spot_percent=0), 50.0)
    late = course.minutes - alone.minutes
    # Two and a half minutes on average until the formula runs, a node's start, and what Batch needs to look.
    assert 2.5 + NODE_STARTS / 60 <= late <= 2.5 + NODE_STARTS / 60 + 6


def test_dollars_are_minutes_of_nodes_by_their_prices() -> None:
    course = simulate(job(40, 2000), POOL, 20.0)
    minutes = sum((after.second - before.second) * before.spot / 60 for before, after in pairwise(course.moments))
    assert course.dedicated_minutes == 0
    assert course.dollars == pytest.approx(minutes / 60 * 0.063)
    without = simulate(job(40, 2000), POOL, 20.0, spot_nodes=0)
    assert without.spot_minutes == 0
    assert without.dollars == pytest.approx(without.dedicated_minutes / 60 * 0.526)
    assert without.minutes > course.minutes  # the formula waits for Spot nodes first


def test_idle_days() -> None:
    assert POOL.idle_dollars == 0
    assert pool(nodes_min=1).idle_dollars == pytest.approx(24 * 0.063)
    assert pool(nodes_min=2, spot_percent=50).idle_dollars == pytest.approx(48 * 0.526)


@settings(max_examples=15, deadline=None)
@given(chunks=st.integers(1, 60), frames=st.integers(1, 3000), nodes=st.integers(1, 8), warm=st.integers(0, 30))
def test_what_holds_of_any_job(chunks: int, frames: int, nodes: int, warm: int) -> None:
    own = pool(nodes_max=nodes, keep_warm_minutes=warm)
    work = job(chunks, frames)
    found = estimate(work, own)
    assert found.dollars[0] <= found.dollars[1]
    assert found.minutes[0] <= found.minutes[1]
    assert found.nodes <= nodes
    # More nodes are never slower, a quicker GPU isn't either, and Spot nodes that are there are never dearer.
    assert simulate(work, pool(nodes_max=nodes + 1, keep_warm_minutes=warm), 50).minutes <= simulate(work, own, 50).minutes + 1e-6
    assert simulate(work, own, 60).minutes <= simulate(work, own, 50).minutes + 1e-6
    dedicated = pool(nodes_max=nodes, keep_warm_minutes=warm, spot_percent=0)
    assert simulate(work, own, 50).dollars <= simulate(work, dedicated, 50).dollars + 1e-6


def test_steadying_takes_the_processor_what_bench_measured() -> None:
    """A pixel's time on the processor is the sum of what coding takes and what steadying does; a GPU's is no other."""
    cores = POOL.size.cores / POOL.size.gpus / job(10).pixels
    plain, light, full = (speed(replace(job(10), codec="prores", steady=steady), POOL) for steady in ("off", "light", "full"))
    assert plain.slow > light.slow > full.slow
    assert cores / full.slow - cores / plain.slow == pytest.approx(48e-9)
    assert cores / light.slow - cores / plain.slow == pytest.approx(36e-9)


def test_larger_strokes_take_less_of_a_gpu_and_finer_ones_more() -> None:
    """By the pixels that the model works on; a processor codes as many as ever."""
    plain, large, fine = (speed(replace(job(10), stroke_size=size), POOL) for size in (1.0, 2.0, 0.5))
    assert fine.slow == pytest.approx(plain.slow / 4)
    assert plain.slow < large.slow <= 4 * plain.slow
    pixels = job(10).pixels * POOL.size.gpus / POOL.size.cores
    assert 1 / large.slow >= pixels / 25e6 - 1e-9
    assert tasks_of(replace(job(10), share=how_many, stroke_size=0.25), POOL) >= tasks_of(replace(job(10), share=how_many), POOL)


def test_a_codec_that_takes_longer_slows_what_the_processor_bounds() -> None:
    assert set(CODING) == set(get_args(Codec))
    speeds = {codec: speed(replace(job(10), codec=codec), POOL) for codec in CODING}
    assert speeds["prores"].slow < speeds["hevc"].slow < speeds["av1"].slow <= speeds["h264"].slow


def test_a_measured_speed_replaces_the_arithmetic() -> None:
    found = estimate(job(10), POOL, 12.0)
    assert (found.speed.slow, found.speed.quick) == (12, 12)
    unknown = Workload(chunks=[100], pixels=1000, model="edges")
    with pytest.raises(ValueError, match="what model 'edges' computes: give --frames-per-second"):
        estimate(unknown, POOL)
    assert estimate(unknown, POOL, 5.0).minutes[0] > 0


def test_a_job_of_more_than_two_weeks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="after two weeks"):
        simulate(job(1, 10_000_000), pool(nodes_max=1), 1.0)
    monkeypatch.setattr("autoscale.pool.LONGEST", 30.0)
    simulate(job(1, 600), pool(nodes_max=1), 1.0)  # 10 minutes and the start
    with pytest.raises(ValueError, match="after two weeks"):
        simulate(job(1, 1700), pool(nodes_max=1), 1.0)


def test_alternatives_change_one_thing_each() -> None:
    found = dict(alternatives(pool(gpu_size="Standard_NC64as_T4_v3", nodes_max=2, keep_warm_minutes=10)))
    assert "keepWarmMinutes 0: nodes leave at once" in found
    assert found["8 Standard_NC4as_T4_v3"].nodes_max == 8  # as many GPUs
    assert not any("spotPercent 100" in text for text in found)
    assert "nodesMin 1: one node always there" in found
    assert all(
        sum(a != b for a, b in zip(POOL.__dict__.values(), other.__dict__.values(), strict=True)) for other in found.values()
    )
