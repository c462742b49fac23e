"""`scorer bench --stages` and `--gpu-check`, and plans by what they measured: against records and processor time of real jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autoscale.estimate import CODING, OPERATIONS, STEADY, Rates, Workload, estimate, speed
from autoscale.pool import CONTAINER_STARTS, Pool
from emulator.pulumi.engine import ROOT
from scorer.cli import bench, bench_stages, gpu_check, main
from scorer.cli.bench_ceilings import least_bytes, measured_ceilings, operations
from scorer.cli.measured_rates import rates_of, source_of
from scorer.documents.measured import Measured, read_measured
from scorer.documents.records import TaskRecord
from scorer.documents.request import make_request
from scorer.errors import RequestError
from scorer.job.dispatch import dispatch
from scorer.job.merge import records
from scorer.job.score import load_model, score_chunk
from scorer.store import FolderStore, Stores
from tests.scorer.documents.test_measured import measured, stages

DEV = str(ROOT / "stacks/Pulumi.dev.yaml")
SIZE = (160, 96)
POOL = Pool(
    gpu_size="Standard_NC4as_T4_v3", slots_per_gpu=1, nodes_min=1, nodes_max=1, spot_percent=0, keep_warm_minutes=0
)  # fmt: skip


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `--gpu-check --quick` leaves here."""
    path = tmp_path_factory.mktemp("measured") / "check.json"
    said: list[str] = []
    scope = replace(gpu_check.QUICK, batches=(2,), workers=(1,), frames=24)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_check, "QUICK", scope)
        patch.setattr(gpu_check, "print", said.append, raising=False)
        patch.setattr("sys.argv", ["gpu_check", "--quick", "--out", str(path)])
        gpu_check.main()
    assert said[-1] == f"{path}: give it to `scorer plan --measured`"
    assert "tests of CUDA: left out, there is no CUDA here" in said
    return path


def test_every_step_that_needs_no_gpu_is_taken(document: Path) -> None:
    found = read_measured(document)
    assert found.machine.device == "cpu"
    assert found.machine.versions["torch"]
    assert [(way.way, way.batch) for way in found.ways] == [
        ("float32 eager", 2), ("phases", 2), ("as jobs have it", 2), ("from pixels", 2), ("from planes", 2)
    ]  # fmt: skip
    assert all(way.ms > 0 for way in found.ways)
    assert found.ways[0].runtime.endswith("cpu float32 eager")
    (row,) = found.stages
    assert (row.model, row.width, row.height, row.frames) == ("painted", *SIZE, 24)
    assert 0 < row.busy <= 1.05
    assert all(took.core_ms > 0 for took in row.stages.values())
    (job,) = found.workers
    assert (job.workers, job.frames) == (1, 24)
    assert found.left_out == (
        "tests of CUDA: left out, there is no CUDA here",
        "half eager: left out, there is no CUDA here",
        "graph: left out, there is no CUDA here",
        "compiled: left out, it takes longer than the rest of --quick",
    )


def test_it_runs_where_there_is_little_else_than_torch(tmp_path: Path) -> None:
    """No command line, no images, no videos: what needs those says so in a line, and the models are measured all the same."""
    program = (
        "import sys\n"
        "for name in ('typer', 'rich', 'cv2', 'av', 'PIL', 'jinja2', 'openvino', 'azure.identity', 'azure.batch'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = ['gpu_check', '--quick', '--out', 'check.json']\n"
        "from dataclasses import replace\n"
        "from scorer.cli import gpu_check\n"
        "gpu_check.QUICK = replace(gpu_check.QUICK, batches=(1,))\n"
        "gpu_check.main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    found = read_measured(tmp_path / "check.json")
    assert {way.way for way in found.ways} == {"float32 eager", "phases"}
    assert found.ceilings is not None
    assert any(line.startswith("stages of painted: left out, the package '") for line in found.left_out)
    assert any(line.startswith("from planes: left out, the package '") for line in found.left_out)
    assert any(line.startswith("a job by 1 workers: left out, the package '") for line in found.left_out)


def test_no_step_begins_after_the_last_minute() -> None:
    said: list[str] = []
    found = gpu_check.check(quick=True, minutes=0, say=said.append)
    assert found.ceilings is None
    assert (found.ways, found.stages, found.workers) == ((), (), ())
    assert "ceilings: left out, no time is left" in found.left_out


def test_operations_and_ceilings_by_hand() -> None:
    for model in ("adaptive", "painted"):
        assert operations(model) == OPERATIONS[model]  # which a test counts by torch
        assert least_bytes(model, 4) == 2 * least_bytes(model, 2)
    assert operations("gatys") == 0
    # 3 in and 8 out, 8 in and 16 out at a quarter of the pixels, ...: channels are 3, 8, 16, 32 (Ghiasi et al., 2017).
    quarter, sixteenth = 1 / 4, 1 / 16
    contract = 3 + 8 + 8 + 16 * quarter + 16 * quarter + 32 * sixteenth
    expand = 32 * sixteenth + 16 * quarter + 16 * quarter + 8 + 8 + 3
    residual = 10 * (32 + 32) * sixteenth
    assert least_bytes("adaptive", 2) == pytest.approx(2 * (contract + residual + expand))
    found = measured_ceilings("cpu")
    assert found.matmul > 1e8
    assert found.copy_bytes > 1e7


def test_a_plan_is_near_what_a_job_takes_of_a_processor(document: Path, tmp_path: Path) -> None:
    """A worker's chunks of frames like those: core time by the operating system, what computed by the job's own records."""
    found = read_measured(document)
    bench_stages.drawn(tmp_path / "film.mp4", 96, SIZE)
    stores = Stores(FolderStore(tmp_path), *(FolderStore(tmp_path / name) for name in ("output", "work", "logs")))
    wish = {"name": "film", "input": "film.mp4", "model": "painted", "styles": [{"source": 7}], "chunk_frames": 48}
    plan = dispatch("film", make_request(wish), stores)
    model = load_model(plan, stores)
    before = time.process_time()
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model)
    spent = time.process_time() - before
    (row,) = found.stages
    rates = rates_of(found, row)
    cores = POOL.size.cores
    workload = Workload(chunks=[48, 48], pixels=SIZE[0] * SIZE[1], model="painted", rates=rates)
    reckoned = 96 * cores / speed(workload, POOL).slow
    assert 1 / 3 < reckoned / spent < 3
    tasks = [each for each in records(plan, stores) if isinstance(each, TaskRecord)]
    assert [(task.frames, task.runtime) for task in tasks] == [(48, row.runtime)] * 2


def test_measured_rates_replace_the_arithmetic() -> None:
    pixels = 1280 * 720
    rates = Rates(model_seconds=1e-8, on_gpu=True, coding_seconds=4e-8, start_seconds=5.0)
    workload = Workload(chunks=[240] * 10, pixels=pixels, model="edges", rates=rates)
    cores = POOL.size.cores
    assert speed(workload, POOL).slow == speed(workload, POOL).quick == pytest.approx(1 / (pixels * 1e-8))
    slower = replace(workload, codec="prores", steady="full")
    assert speed(slower, POOL).slow == pytest.approx(cores / pixels / (4e-8 / CODING["prores"] + STEADY["full"]))
    assert speed(replace(workload, stroke_size=2.0), POOL).slow == pytest.approx(cores / pixels / 4e-8)
    alone = replace(workload, rates=replace(rates, on_gpu=False))
    assert speed(alone, POOL).slow == pytest.approx(cores / pixels / 5e-8)
    # A task begins with its container, by estimate, and its process, as measured.
    course = estimate(replace(workload, chunks=[240]), POOL).slow
    other = estimate(replace(workload, chunks=[240], rates=replace(rates, start_seconds=65.0)), POOL).slow
    assert other.minutes - course.minutes == pytest.approx(1)
    assert course.minutes * 60 > CONTAINER_STARTS + 5 + 240 * pixels * 1e-8


def plan(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    monkeypatch.chdir(folder)
    command = ["scorer", "plan", "film.mp4", "--model", "painted", "--style", "7", "--settings", DEV, *arguments]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


@pytest.fixture
def film_here(tmp_path: Path) -> Path:
    bench_stages.drawn(tmp_path / "film.mp4", 60, SIZE)
    return tmp_path


def write(path: Path, document: Measured) -> None:
    path.write_text(document.model_dump_json())


def test_a_plan_says_what_was_measured_and_where(
    film_here: Path, document: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(film_here / "t4.json", measured(stages(width=160, height=96)))
    assert plan(monkeypatch, film_here, "--measured", "t4.json") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Standard_NC4as_T4_v3: 500 frames/s a GPU" in said, "2 ms a frame"
    assert "Measured ('t4.json', 2026-11-18, Tesla T4): frames/s of painted at 160x96 with torch 2.15 cuda float16 eager" in said
    assert "Reckoned: the start of nodes and containers, the merge" in said
    assert "Speeds are arithmetic" not in said
    assert plan(monkeypatch, film_here, "--measured", "t4.json", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frames_per_second"] == [500, 500]
    assert facts["measured"]["machine"]["name"] == "Tesla T4"

    write(film_here / "h100.json", measured(stages(), name="NVIDIA H100 NVL"))
    assert plan(monkeypatch, film_here, "--measured", "h100.json") == 0
    assert "The nodes' GPU is another one: T4 16 GB." in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr("autoscale.advice.LADDER", ())
    assert plan(monkeypatch, film_here, "--measured", str(document), "--arrivals", "5/day", "--days", "1") == 0
    assert "frames/s are of the nodes' cores without their GPU" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("content", "more", "code", "words"),
    [
        (None, (), 4, "There is no 'bench.json': `scorer bench --stages --json bench.json` makes one."),
        ("[]", (), 2, "'bench.json' holds no measurements"),
        ('{"kind": "batch-scoring measurements", "version": 9}', (), 2, "has measurements of version 9, not 1"),
        ("adaptive", (), 2, "has no stages of model 'painted' (it has adaptive): `scorer bench --stages --model painted"),
        ("painted", ("--frames-per-second", "3"), 2, "leave out --frames-per-second"),
    ],
)
def test_what_a_plan_cannot_take(
    content: str | None, more: tuple[str, ...], code: int, words: str, film_here: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if content in ("adaptive", "painted"):
        write(film_here / "bench.json", measured(stages(content)))
    elif content is not None:
        (film_here / "bench.json").write_text(content)
    assert plan(monkeypatch, film_here, "--measured", "bench.json", *more) == code
    assert words in " ".join(capsys.readouterr().err.split())


def test_stages_as_a_person_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "clip_here", lambda: None)
    monkeypatch.setattr(bench_stages, "FRAMES", 8)
    path = tmp_path / "bench.json"
    bench.measure(model=["painted"], size=["160x96"], stages=True, gpu_size="Standard_NC4as_T4_v3", json_path=path)
    found = source_of(path, "painted", 100)
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if "160x96" in line and "%" in line)
    assert f"{found.stages.frames_per_second:,.1f}" in row
    assert "$ for 1,000 frames" in said
    hours = 1000 / found.rates.speed(POOL.size.cores, 160 * 96, 160 * 96) / 3600
    assert f"{hours * POOL.size.spot:.4f} to {hours * POOL.size.on_demand:.4f}" in row


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stages": True, "gpu_check": True}, "--stages and --gpu-check measure different things"),
        ({"peers": True, "steady": True}, "--peers and --steady measure different things"),
        ({"quick": True}, "--quick belongs to --gpu-check"),
        ({"gpu_size": "Standard_NC4as_T4_v3"}, "--gpu-size belongs to --stages"),
        (
            {"stages": True, "gpu_size": "Standard_NC6"},
            "--gpu-size 'Standard_NC6' was retired by Azure: take Standard_NC4as_T4_v3",
        ),
        ({"stages": True, "model": ["gatys"]}, "The model 'gatys' can't be measured"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError) as raised:
        bench.measure(**options)  # type: ignore[arg-type]  # of many kinds
    assert words in str(raised.value)
