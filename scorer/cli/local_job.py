"""A whole job on this machine: what `scorer run` does, and `scorer.run` in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from scorer import models
from scorer.cli.arguments import check_input, path_below
from scorer.cli.options import ScoringOptions
from scorer.cli.pipes import PIPE
from scorer.cli.results import deliveries, result_path, show_original, with_ending
from scorer.client.placed import Placed
from scorer.client.placing import place
from scorer.documents.paths import REPORT
from scorer.documents.plan import Plan
from scorer.documents.request import Request, job_id
from scorer.engines.base import Progress
from scorer.engines.local import LocalEngine
from scorer.engines.process_start import make_ready
from scorer.engines.run import begin_job, run_job
from scorer.errors import RequestError
from scorer.job.finish import Outcome
from scorer.job.overview import indexed
from scorer.models import Device
from scorer.models.devices import device_of
from scorer.store import FolderStore, Stores

OnPlan = Callable[[Plan], None]
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Done:
    """A job that is done, and where what it made is."""

    outcome: Outcome
    target: Path
    """The result: a video, an image, or a folder of images."""
    files: tuple[Path, ...]
    """All files of the result."""
    report: Path


@dataclass(frozen=True)
class LocalJob:
    """What a person asked for, looked up on this machine."""

    id: str
    request: Request
    stores: Stores
    device: Device
    work: Path
    target: Path | None
    """Where the result goes, without its ending where nobody named it; None: it stays in the output store."""
    is_named: bool
    placed: Placed

    @classmethod
    def of(
        cls, source: Path, scoring: ScoringOptions, *, out: Path | None, device: str, work: Path, overwrite: bool
    ) -> Self:  # fmt: skip
        """The job of `source`, whose result stays where it is made if `out` is PIPE.

        Raises ScorerError for what can't be meant so, or isn't there.
        """
        root, request = request_here(source, scoring, None if out == PIPE else out)
        if out == PIPE and source.is_dir():
            raise RequestError("A folder's images can't go through standard output: name a folder for them with --out.")
        stores = local_stores(root, work)
        content = request.model_dump_json(exclude_defaults=True).encode() + device_of(device).encode()
        job = job_id(request.name, "local", content)
        placed = Placed(work, job, overwrite=overwrite, inputs=[source, *style_files(root, request)])
        target = None if out == PIPE else result_path(source, scoring.style or [scoring.model], out, job)
        return cls(job, request, stores, device_of(device), work, target, out is not None, placed)

    def run(self, workers: int | None, on_plan: OnPlan, on_progress: OnProgress) -> Done:
        """Do all of it that isn't done, and put the result in its place. Raises ScorerError; what is done is kept."""
        with indexed(self.work):
            make_ready()  # workers, while the job is planned
            runner = LocalEngine(self.stores, workers)
            outcome = run_job(
                self.id, self.request, self.stores, runner, self.device, on_plan=self._checked(on_plan), on_progress=on_progress
            )
        files = []
        for name, path in self._deliveries(outcome.plan):
            if self.target is not None:
                place(self.stores.output, name, path, self.placed)
            files.append(path)
        show_original(self.stores, outcome.plan)
        report = Path(self.stores.output.where(f"{self.id}/{REPORT}"))
        target = files[0] if self.target is None else with_ending(self.target, outcome.plan, asked=self.is_named)
        return Done(outcome, target, tuple(files), report)

    def begin(self, on_plan: OnPlan) -> tuple[Plan, bool]:
        """Plan it, and leave it to workers; whether there is something left for them. Raises ScorerError."""
        with indexed(self.work):
            return begin_job(self.id, self.request, self.stores, self.device, self._checked(on_plan))

    def _deliveries(self, plan: Plan) -> Iterator[tuple[str, Path]]:
        """Each file of the result, in the output store, and where it goes. Raises RequestError for a wrong ending."""
        if self.target is not None:
            yield from deliveries(plan, with_ending(self.target, plan, asked=self.is_named))
        else:
            yield from ((name, Path(self.stores.output.where(name))) for name, _ in deliveries(plan, Path()))

    def _checked(self, on_plan: OnPlan) -> OnPlan:
        """Refuse a wrong name, and to replace what is there, before the work, not after it."""

        def check(plan: Plan) -> None:
            for _, path in self._deliveries(plan) if self.target is not None else ():
                self.placed.check(path)
            on_plan(plan)

        return check


def request_here(source: Path, scoring: ScoringOptions, out: Path | None) -> tuple[Path, Request]:
    """What is asked for of a file or folder here, and the folder that all its paths are below. Raises ScorerError."""
    check_input(source)
    return request_of(source, scoring, out)


def request_of(source: Path, scoring: ScoringOptions, out: Path | None) -> tuple[Path, Request]:
    """The same of an input that may not be there yet."""
    root = Path(source.resolve().anchor)  # the root of all, or of a drive
    kind = models.spec(scoring.model).style
    return root, scoring.request(source, path_below(root, source), kind, partial(path_below, root), out)


def local_stores(root: Path, work: Path) -> Stores:
    """Files below `root` as the input, and all else below `work`."""
    folder = work.absolute()
    return Stores(FolderStore(root), *(FolderStore(folder / name) for name in ("output", "work", "logs")))


def style_files(root: Path, request: Request) -> list[Path]:
    """What the request names beside its input, which is below `root`."""
    return [root / path for what, path in request.files if what != "input"]
