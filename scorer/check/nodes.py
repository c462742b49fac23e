"""A job of tasks that only examine their node, on the deployment's pool: it makes a node come, and takes itself away again."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure.batch import BatchClient
from azure.batch import models as batch

from scorer.check.findings import Finding, good, wrong
from scorer.check.judge import judge
from scorer.check.leftovers import Log, empty, taken_away
from scorer.check.options import set_options, without_named
from scorer.check.pool import check_nodes
from scorer.check.probe import Facts
from scorer.check.probe_answer import AGAIN, MOST_BYTES, read_facts
from scorer.documents.deployment import Deployment
from scorer.documents.paths import probe_folder
from scorer.engines import open_cluster
from scorer.engines.azure_batch.bodies import probe_job_body, probe_task
from scorer.engines.azure_batch.calls import Calls
from scorer.engines.azure_batch.pool import PoolState, find_pool
from scorer.errors import ScorerError, UsageError
from scorer.report.text import counted, duration
from scorer.text import clean

_NOBODY = "portal > Batch account > pool: Overview says what Azure tells of it; run this again later, or with --minutes"


@dataclass(frozen=True)
class NodeCheck:
    """What the wait for a node goes by."""

    client: BatchClient
    calls: Calls
    target: Deployment
    job: str
    until: float
    """Of time.monotonic()."""
    every: float
    """Seconds between two polls."""
    log: Log
    """Told what it waits for."""

    def findings(self) -> Iterator[Finding]:
        """What two tasks find on one node, and whatever keeps them from it."""
        with self._job():
            first = yield from self._run(1, None)
            if first is None:
                return
            near = first.node_info.affinity_id if first.node_info else None
            facts = self._facts(first)
            if isinstance(facts, Finding):
                yield facts
                return
            yield good("nodes", f"a node came, and ran a task as {facts.uid}:{facts.gid} in {self.target.image}")
            second = yield from self._run(2, near)
            again = self._facts(second) if second is not None else None
            if isinstance(again, Finding):
                yield again
            elif again is not None and second is not None:
                yield from judge(facts, again, self.target, same_node=_node(first) == _node(second))

    @contextmanager
    def _job(self) -> Iterator[None]:
        """The job, for as long as the block runs."""
        try:
            self.calls(lambda: self.client.create_job(probe_job_body(self.job, self.target)))
            yield
        finally:
            with taken_away(f"job {self.job}", self.log):
                open_cluster(self.target, interactive=True).delete(self.job)
            with taken_away(f"output/{self.job}/", self.log):
                empty(self.target.stores().output, self.job)

    def _run(self, number: int, near: str | None) -> Generator[Finding, None, batch.BatchTask | None]:
        """The task once it has ended, near another one if that can be; None where it doesn't in time, which is told."""
        self.calls(lambda: self.client.create_task(self.job, probe_task(self.job, number, self.target, near)))
        began = time.monotonic()
        while True:
            task = self.calls(lambda: self.client.get_task(self.job, str(number)))
            if task.state == batch.BatchTaskState.COMPLETED:
                return task
            pool = find_pool(self.client, self.calls, self.target.pool)
            bad = list(check_nodes(self.client, self.calls, pool)) if pool.nodes else []
            if any(each.stops for each in bad):
                yield from bad
                return None
            if time.monotonic() >= self.until:
                yield _no_node(task, pool)
                return None
            self.log(f"{_waits_for(task, pool)} ({duration(time.monotonic() - began)})")
            time.sleep(self.every)

    def _facts(self, task: batch.BatchTask) -> Facts | Finding:
        """What the task told; what is wrong where it told nothing."""
        if problem := failure(task, self.target):
            return problem
        number = int(task.id or 0)
        try:
            data = self.target.stores().output.get(f"{probe_folder(self.job, number)}/stdout.txt", most=MOST_BYTES)
        except ScorerError as error:
            return wrong("nodes", f"what task {number} told can't be read ({error})", AGAIN)
        return read_facts(data, self.job, number)


def _node(task: batch.BatchTask) -> str:
    return (task.node_info.node_id if task.node_info else None) or ""


def _waits_for(task: batch.BatchTask, pool: PoolState) -> str:
    """Which of the waits it is: for the formula, for a machine, for the image, for the task."""
    if task.state == batch.BatchTaskState.RUNNING:
        return f"task {task.id} looks at its node"
    if pool.nodes:
        return "a node is there: it starts, and pulls the image"
    why = f": {'; '.join(pool.held_up)}" if pool.held_up else ""
    if pool.wanted:
        return f"Azure is asked for {counted(pool.wanted, 'node')}{why}"
    return f"the pool looks for work every 5 minutes{why}"


def _no_node(task: batch.BatchTask, pool: PoolState) -> Finding:
    if pool.held_up:
        return wrong("nodes", f"no node came: {'; '.join(pool.held_up)}", _NOBODY)
    what = "a node came and didn't end the task" if pool.nodes else "no node came"
    return wrong("nodes", f"{what} in the time it had; {_waits_for(task, pool)}", _NOBODY)


# What is wrong and what to do, by a word in what Batch says; the first that is found counts.
_SAID = {
    "fileupload": (
        "Batch can't keep what tasks print",
        "pulumi refresh, then pulumi up: nodes need their role on output and logs",
    ),
    "option": ("Batch or Docker refuses an option of the container", "{options}"),
    "setting": ("Batch refuses a setting of the container", "{options}"),
    "image": ("the image can't be pulled", "see the image's line above; nodes pull by their identity, with the role AcrPull"),
    "": ("the task failed", "portal > Batch account > jobs: the job's stderr.txt, while the node is there"),
}
_BROKEN = (
    "node {node} starts no container",
    "run it again: Spot nodes that return may fail so; if it stays, portal > Batch account > pool > nodes: remove {node}; if "
    "others fail so, too, set image to 'build' and pulumi up",
)
_EXITS = {
    UsageError.exit_code: (
        "the image is older than this command, and knows no probe",
        "pulumi up, or build your image from this checkout",
    ),
    # https://github.com/Azure/Batch/issues/157, https://docs.docker.com/engine/containers/run/#exit-status
    **dict.fromkeys((125, 126, 127), _BROKEN),
    137: ("the task was killed, most likely for want of memory", "set taskMemoryGb higher, or a larger gpuSize, then pulumi up"),
}


def failure(task: batch.BatchTask, target: Deployment) -> Finding | None:
    """What keeps a task from telling anything, in Batch's words."""
    info = task.execution_info
    failed = info.failure_info if info else None
    if info is None or failed is None:
        return None
    details = "; ".join(f"{each.name}: {each.value}" for each in failed.details or [] if each.value)
    said = clean(" ".join(f"{failed.code}: {failed.message} {details}".split()), 500)
    found = _EXITS.get(info.exit_code or 0) or next(each for word, each in _SAID.items() if word in said.lower())
    node = clean(_node(task), 80) or "it"
    text, todo = (each.replace("{node}", node).replace("{options}", _fewer(said, target)) for each in found)
    return wrong("nodes", f"{text} ({said})", todo)


def _fewer(said: str, target: Deployment) -> str:
    """What to type for options without those that Batch names; where it names none of them, it may be any."""
    options = target.container_options.strip()
    fewer = without_named(options, said)
    if fewer != options:
        return set_options(fewer)
    return f"leave out what it names, or all options: {set_options('')}"
