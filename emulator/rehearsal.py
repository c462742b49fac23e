"""The whole architecture on this machine, watched by a person: `make rehearsal`.

The real Pulumi engine brings the stack up on the emulator; a request is dropped; what was declared does the rest: event,
workflow, container group, nodes from 0, tasks, merge, back to 0 nodes; and `pulumi destroy` leaves nothing. A minute of
Azure's clock takes a second and a half, but work takes as long as it takes: nodes are this machine's processes.

ENGINE=machine-learning plays it with Azure Machine Learning in place of Batch, ENGINE=both with each, and compares them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from autoscale.gpu_sizes import SIZES
from emulator import forked, local_azure
from emulator.arm.cloud import Cloud
from emulator.batch.pool import Event
from emulator.local_azure import PERSON, LocalAzure
from emulator.logic_app import trigger
from emulator.logic_app.engine import Engine
from emulator.logic_app.trigger import Trigger
from emulator.pulumi import provider
from emulator.pulumi.engine import Deployment
from emulator.timeline_svg import Bar, draw
from scorer.documents.paths import REPORT, STATUS

STYLE = 7
SETTINGS = {"operators": [PERSON], "nodesMax": 4, "batchSize": 4, "chunkFrames": 12, "keepWarmMinutes": 0, "taskMinutes": 1440}
# Pixels of a second of Azure's clock, in which this machine gets next to nothing done: so that each node has minutes of work.
SLOW = {"pixelsPerSecond": {"painted": 2000}}
# The NAT gateway and its address, by the hour: what costs while the stack stands and nothing runs.
STANDING = 0.05
# What Azure Machine Learning's nodes reach their workspace by, likewise.
ENDPOINT = 0.01
ENGINES = ("batch", "machine-learning")
# Seconds that a minute of Azure's clock takes.
MINUTE = 1.5
POLL_MINUTES = 15

Say = Callable[[str], None]


@dataclass
class Rehearsal:
    """How it went."""

    resources: int
    """Made by `pulumi up`."""
    engine: str = ENGINES[0]
    left: int = 0
    """After `pulumi destroy`."""
    job: str = ""
    status: dict[str, Any] = field(default_factory=dict)
    result: bytes = b""
    report: bytes = b""
    minutes: float = 0.0
    """Of Azure's clock, from the request to the empty pool."""
    node_minutes: dict[str, float] = field(default_factory=dict)
    lines: list[tuple[float, str]] = field(default_factory=list)
    """The timeline: seconds of Azure's clock."""
    bars: list[Bar] = field(default_factory=list)
    nodes: list[tuple[float, int]] = field(default_factory=list)
    """How many there were from which second on."""
    began: float = 0.0
    """On Azure's clock."""
    runs: list[str] = field(default_factory=list)
    """How the workflow's runs ended."""
    checks: list[str] = field(default_factory=list)
    """What `scorer check` printed."""

    def bill(self, size: str = "Standard_NC4as_T4_v3") -> list[tuple[str, float]]:
        """What it would have cost, item by item, in dollars."""
        price, minutes = SIZES[size], self.node_minutes
        items = [
            (f"Spot {size}", minutes["spot"], price.spot),
            (f"dedicated {size}", minutes["dedicated"], price.on_demand),
            ("network that stands anyway", self.minutes, STANDING if self.engine == "batch" else STANDING + ENDPOINT),
        ]
        return [(f"{spent:.1f} minutes of {what} at ${cost:g}/h", spent / 60 * cost) for what, spent, cost in items]


@dataclass
class Watch:
    """Tells what happens, while it happens, by Azure's clock."""

    azure: LocalAzure
    trigger: Trigger
    made: Rehearsal
    say: Say
    began: float = 0.0
    seen: int = 0

    def start(self) -> None:
        """The clock begins now."""
        self.began = self.azure.engine.now
        self.trigger.on_happening = lambda happening: self.tell(self.azure.engine.now, f"{happening.what:9} {happening.about}")

    def tell(self, second: float, text: str) -> None:
        """A line of the timeline."""
        self.made.lines.append((second - self.began, text))
        self.say(f"{_clock(second - self.began)}  {text}")

    def poll(self) -> str | None:
        """Tell what has happened to the nodes meanwhile; the job, once there is one."""
        events = self.azure.engine.timeline[self.seen :]
        self.seen += len(events)
        for event in events:
            if text := _told(event):
                self.tell(event.second, text)
        return self.azure.engine.find("rehearsal-")


Faults = Callable[[Trigger], None]


def rehearse(
    folder: Path, clip: Path, say: Say, faults: Faults = lambda _: None, *, check_nodes: bool = False, engine: str = ENGINES[0]
) -> Rehearsal:
    """Play it; `faults` is called before the request is dropped.

    An operator's first command comes before, and where `check_nodes` says so another time afterwards, with nodes.
    """
    cloud = Cloud()
    cloud.people.add(PERSON)
    with provider.serve(cloud) as port, Engine() as workflows:
        settings = SETTINGS | ({} if engine == ENGINES[0] else {"engine": engine})
        deployment = Deployment(folder=folder, port=port, stack="dev", settings=settings)
        say("pulumi up: dev")
        outputs = deployment.up().outputs
        made = Rehearsal(len(cloud), engine)
        say(f"{made.resources} resources are there")
        with (
            local_azure.serve(cloud, {**outputs["deployment"], **SLOW}, folder / "small", minute=MINUTE) as azure,
            trigger.serve(azure, workflows, folder / "groups") as starting,
        ):
            starting.pause = MINUTE / 60
            _check(azure, made, say, "--quick")
            faults(starting)
            _play(Watch(azure, starting, made, say), clip)
            _collect(azure, made)
            if check_nodes:
                _check(azure, made, say, "--every", "1")
        say("pulumi destroy")
        deployment.destroy()
        made.left = len(cloud)
        say(f"{made.left} resources are left")
    return made


def _check(azure: LocalAzure, made: Rehearsal, say: Say, *options: str) -> None:
    """`scorer check`, as whoever deployed types it. Raises RuntimeError where it finds anything wrong."""
    azure.blobs.manager.readers.add(PERSON)
    say(f"scorer check {' '.join(options)}")
    done = forked.run(("check", *options), azure.environment(PERSON), azure.folder)
    lines = done.stdout.splitlines()
    made.checks += lines
    for line in lines:
        say(line)
    if done.returncode:
        raise RuntimeError(done.stderr)


def _play(watch: Watch, clip: Path) -> None:
    """Drop the request, and watch until the pool is empty again."""
    azure = watch.azure
    azure.put(f"videos/{clip.name}", clip.read_bytes())
    request = {
        "name": "rehearsal",
        "input": f"videos/{clip.name}",
        "model": "painted",
        "styles": [{"source": STYLE}],
        "size": 320,
    }
    watch.start()
    watch.tell(watch.began, "request   requests/rehearsal.json is dropped into input/")
    azure.put("requests/rehearsal.json", json.dumps(request).encode())
    looked = watch.began
    deadline = time.monotonic() + 600
    while (job := watch.poll()) is None or not azure.engine.is_over(job) or azure.engine.nodes:
        if (job is None or not azure.engine.is_over(job)) and azure.engine.now - looked > POLL_MINUTES * 60:
            looked = azure.engine.now
            watch.trigger.poll()
        if time.monotonic() > deadline:
            raise TimeoutError("The rehearsal doesn't end.")
        time.sleep(0.1)
    watch.poll()
    watch.trigger.wait()
    watch.made.job = job
    watch.made.began = watch.began
    watch.made.minutes = (azure.engine.now - watch.began) / 60
    watch.made.runs = [f"{run.status} {run.error.get('code', '')}".strip() for run in watch.trigger.runs]


def _told(event: Event) -> str:
    """A line of the timeline, where there is something to tell."""
    if event.what == "start":
        return f"task      {event.task} begins on {event.node}"
    if event.what.startswith("end "):
        return f"task      {event.task} ends with {event.what.removeprefix('end ')}"
    if event.node and not event.job:
        return f"node      {event.node} {event.what}"
    if event.what == "job ended" or event.what.startswith("targets"):
        return f"pool      {event.what}"
    return ""


def _collect(azure: LocalAzure, made: Rehearsal) -> None:
    """The result, and for the picture bars of tasks and the number of nodes, out of what happened."""
    made.status = json.loads(azure.get("output", f"{made.job}/{STATUS}"))
    made.report = azure.get("output", f"{made.job}/{REPORT}")
    made.result = azure.get("output", f"{made.job}/{made.status['result']}")
    made.node_minutes = azure.engine.node_minutes
    timeline = [replace(event, second=event.second - made.began) for event in azure.engine.timeline]
    made.bars = _bars(timeline)
    made.nodes = _nodes(timeline, azure.engine.allocation)


def _bars(timeline: list[Event]) -> list[Bar]:
    """One for each try of each task: until it ended, or lost its node."""
    bars: list[Bar] = []
    running: dict[str, Event] = {}
    for event in timeline:
        if event.what == "start":
            running[event.task] = event
            continue
        lost = [task for task, start in running.items() if start.node == event.node and event.what in ("left", "preempted")]
        for task in [event.task] if event.what.startswith("end ") else lost:
            if start := running.pop(task, None):
                bars.append(Bar(start.node, start.second, event.second, task, event.what == "end 0"))
    return bars


def _nodes(timeline: list[Event], allocation: float) -> list[tuple[float, int]]:
    """How many there were from which second on."""
    ready: dict[str, float] = {}
    changes: list[tuple[float, int]] = []
    for event in timeline:
        if event.what.startswith("asked for"):
            ready[event.node] = event.second + allocation
        elif event.what in ("left", "preempted") and ready[event.node] < event.second:
            changes += [(ready[event.node], 1), (event.second, -1)]
    moments = sorted(changes)
    return [(second, sum(change for _, change in moments[: number + 1])) for number, (second, _) in enumerate(moments)]


def _clock(second: float) -> str:
    minutes, rest = divmod(int(second), 60)
    return f"{minutes:4}:{rest:02}"


def main(arguments: list[str]) -> None:
    """Rehearse, with `clip` and into `folder`, on one engine or on both."""
    clip, target, chosen = Path(arguments[0]), Path(arguments[1]), (arguments[2:] or [ENGINES[0]])[0]
    if chosen not in (*ENGINES, "both"):
        sys.exit(f"ENGINE is '{chosen}': {', '.join(ENGINES)} or both.")
    console = Console(highlight=False)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    played = []
    for engine in ENGINES if chosen == "both" else (chosen,):
        with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch:
            played.append(rehearse(Path(scratch), clip, say, check_nodes=True, engine=engine))
        _keep(played[-1], target, say)
    if len(played) > 1:
        for line in compared(played):
            say(line)
    say(f"Look at {target}/: the video, its report, and timeline.svg.")


def _keep(made: Rehearsal, target: Path, say: Say) -> None:
    """Put what came of it into a folder, and tell what it took."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "timeline.svg").write_text(draw(made.nodes, made.bars, made.minutes * 60))
    (target / "report.html").write_bytes(made.report)
    (target / f"rehearsal{Path(made.status['result']).suffix}").write_bytes(made.result)
    say(f"\n{made.status['frames']} frames in {len(made.bars)} runs of tasks, {made.minutes:.0f} minutes of Azure's clock")
    for what, dollars in made.bill():
        say(f"  ${dollars:.4f}  {what}")
    say(f"  ${sum(dollars for _, dollars in made.bill()):.4f}  in all")


def compared(played: Sequence[Rehearsal]) -> list[str]:
    """A table of what one job took on each engine."""
    lines = [
        "",
        "| engine | nodes at most | runs of tasks | node minutes | minutes from request to no nodes | dollars |",
        "|---|---|---|---|---|---|",
    ]
    for made in played:
        most, spent = max(count for _, count in made.nodes), sum(made.node_minutes.values())
        dollars = sum(each for _, each in made.bill())
        lines.append(f"| `{made.engine}` | {most} | {len(made.bars)} | {spent:.0f} | {made.minutes:.0f} | {dollars:.3f} |")
    return lines


if __name__ == "__main__":
    main(sys.argv[1:])
