"""Azure Machine Learning: its quota, whether the workspace answers, what keeps clusters from having nodes, and a job on one.

Sources: https://learn.microsoft.com/rest/api/azureml/usages/list, https://learn.microsoft.com/rest/api/azureml/compute/get
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from scorer.check.engines import Wait
from scorer.check.findings import Finding, Stops, good, left_out, wrong
from scorer.check.judge import judge_node
from scorer.check.leftovers import empty, taken_away
from scorer.check.probe import Facts
from scorer.check.probe_answer import MOST_BYTES, read_facts
from scorer.check.resources import ask
from scorer.documents import Words
from scorer.documents.deployment import Deployment
from scorer.documents.paths import probe_folder
from scorer.engines.machine_learning.bodies import ENDED, USER, WAITS, probe_body
from scorer.engines.machine_learning.calls import API_VERSION, Calls, JobNotFoundError, job_path
from scorer.engines.machine_learning.compute import errors_of, problem
from scorer.errors import BatchError, ScorerError
from scorer.report.text import counted, duration

_ASK = "Studio > Quota, or the portal > Quotas > Machine Learning: ask for {needed}"
_PAGE = "its page in Studio says why: {page}"
END_SECONDS, POLL_SECONDS = 120.0, 2.0

Json = dict[str, Any]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class _Name(_Answer):
    value: Words = ""


class _Usage(_Answer):
    """Cores of a kind."""

    name: _Name = _Name()
    limit: int = Field(0)


class _Usages(_Answer):
    value: tuple[_Usage, ...] = ()


class _Resource(_Answer):
    location: Words = ""
    properties: dict[str, object] = {}


@dataclass(frozen=True)
class MachineLearningChecks:
    """Its answers to `scorer.check.engines`."""

    target: Deployment

    @property
    def _calls(self) -> Calls:
        return Calls(self.target.workspace, interactive=True)

    @property
    def _clusters(self) -> dict[str, str]:
        """By what each is called, the ids of those that there are."""
        known = {"Spot": self.target.spot_compute, "dedicated": self.target.dedicated_compute}
        return {kind: cluster for kind, cluster in known.items() if cluster}

    def quota(self, me: str) -> Iterator[Finding]:
        """Of the subscription in the workspace's region: Azure Machine Learning's own, beside Batch's and virtual machines'."""
        workspace = ask("quota", _Resource, self.target.workspace, API_VERSION, me)
        if isinstance(workspace, Finding):
            yield workspace
            return
        subscription = "/".join(self.target.workspace.split("/")[:3])
        where = f"{subscription}/providers/Microsoft.MachineLearningServices/locations/{workspace.location}/usages"
        usages = ask("quota", _Usages, where, API_VERSION, me)
        yield from (
            [usages] if isinstance(usages, Finding) else judge_usages({u.name.value: u.limit for u in usages.value}, self.target)
        )

    def answers(self, me: str) -> Iterator[Finding]:
        """The workspace, the environment's image, and a line for each cluster."""
        try:
            found = {kind: self._calls.find(cluster[len(self.target.workspace) :]) for kind, cluster in self._clusters.items()}
        except BatchError as error:
            yield wrong("workspace", str(error), "fix that first: nothing of Azure Machine Learning can be looked at", "nodes")
            return
        yield good("workspace", f"{self.target.workspace.rpartition('/')[2]} answers")
        yield self._environment(me)
        for kind, document in found.items():
            yield judge_cluster(kind, self._clusters[kind], document)

    def _environment(self, me: str) -> Finding:
        version = ask("environment", _Resource, self.target.environment, API_VERSION, me)
        if isinstance(version, Finding):
            return version
        image = str(version.properties.get("image") or "")
        if image != self.target.image:
            return wrong(
                "environment", f"it names {image or 'no image'}, and jobs are to run {self.target.image}", "pulumi up", "nodes"
            )
        return good("environment", "it names the nodes' image")

    def nodes(self, job: str, wait: Wait) -> Iterator[Finding]:
        """What a job of one node finds: on the Spot cluster, if there is one."""
        kind, cluster = next(iter(self._clusters.items()))
        with self._job(job, cluster, wait):
            facts = self._outcome(job, kind, cluster, wait)
            if isinstance(facts, Finding):
                yield facts
                return
            yield self._came(facts)
            yield from judge_node(facts, self.target)

    def _came(self, facts: Facts) -> Finding:
        if facts.uid != USER:
            todo = "set image to 'build' and pulumi up: the image's user, and whom the job's command becomes, must be one"
            return wrong("nodes", f"a node came, and ran the job as {facts.uid}:{facts.gid}, and not as {USER}", todo)
        return good("nodes", f"a node came, and ran a job as {facts.uid}:{facts.gid} in {self.target.image}")

    @contextmanager
    def _job(self, job: str, cluster: str, wait: Wait) -> Iterator[None]:
        """The job, for as long as the block runs."""
        try:
            self._calls.put(job_path(job), probe_body(job, self.target, cluster))
            yield
        finally:
            with taken_away(f"job {job}", wait.log):
                self._end(job)
            with taken_away(f"output/{job}/", wait.log):
                empty(self.target.stores().output, job)

    def _end(self, job: str) -> None:
        """Cancel the job, and delete it once it has ended. Raises BatchError."""
        until = time.monotonic() + END_SECONDS
        try:
            while self._state(self._calls.find(job_path(job))) not in ENDED:
                if time.monotonic() > until:
                    raise BatchError(f"Azure Machine Learning still ends job '{job}'")
                self._calls.post(f"{job_path(job)}/cancel")
                time.sleep(POLL_SECONDS)
            self._calls.delete(job_path(job))
        except JobNotFoundError:
            return

    def _state(self, document: Json | None) -> str:
        """Of a job; one that isn't there has ended."""
        return str(document["properties"].get("status") or "Unknown") if document else "Canceled"

    def _outcome(self, job: str, kind: str, cluster: str, wait: Wait) -> Facts | Finding:
        """What the job told, once it has ended; what is wrong where it doesn't in time, or told nothing."""
        began = time.monotonic()
        while True:
            document = self._calls.find(job_path(job))
            state = self._state(document)
            if state == "Completed":
                return self._facts(job)
            studio = ((document or {}).get("properties", {}).get("services") or {}).get("Studio") or {}
            page = _PAGE.format(page=studio.get("endpoint") or "Studio")
            if state in ENDED:
                return wrong(
                    "nodes", f"the job ended as {state.lower()} without a word", f"run it again: a node may have gone; {page}"
                )
            shown = judge_cluster(kind, cluster, self._calls.find(cluster[len(self.target.workspace) :]))
            if time.monotonic() >= wait.until:
                why = shown.text if shown.state == "wrong" else f"the job is {state.lower()}; {shown.text}"
                return wrong("nodes", f"no node did the job in the time it had: {why}", page)
            waits = f"the {kind} cluster is asked for a node" if state in WAITS else "a node is at the job"
            wait.log(f"{waits}: {state.lower()}, {shown.text} ({duration(time.monotonic() - began)})")
            time.sleep(wait.every)

    def _facts(self, job: str) -> Facts | Finding:
        try:
            data = self.target.stores().output.get(f"{probe_folder(job, 1)}/stdout.txt", most=MOST_BYTES)
        except ScorerError as error:
            return wrong(
                "nodes", f"what the job told can't be read ({error})", "run it again; nodes write to output by their role"
            )
        return read_facts(data, job, 1)


def judge_usages(cores: dict[str, int], target: Deployment) -> Iterator[Finding]:
    """What cores, by what Azure calls their kind, mean for these settings. How it calls them no page says: they are likened."""
    wanted = {
        "Spot quota": ("lowpriority", target.spot_percent > 0),
        "dedicated quota": (_bare(target.gpu_family), target.spot_percent < 100),
    }
    needed = target.nodes_max * target.gpu_cores
    for name, (like, asked) in wanted.items():
        if not asked:
            continue
        found = [
            limit for kind, limit in cores.items() if like in _bare(kind) and (name == "Spot quota" or "dedicated" in _bare(kind))
        ]
        if not found:
            yield left_out(name, f"Azure Machine Learning tells of none ({target.gpu_family}): see Studio > Quota")
            continue
        nodes = max(found) // target.gpu_cores
        text = f"{max(found)} cores: {min(nodes, target.nodes_max)} of {target.nodes_max} nodes of {target.gpu_size}"
        stops: Stops = "" if nodes or 0 < target.spot_percent < 100 else "nodes"
        if max(found) >= needed:
            yield good(name, text)
        else:
            lower = f", or pulumi config set nodesMax {nodes}" if nodes else ""
            yield wrong(name, text, _ASK.format(needed=needed) + lower, stops)


def judge_cluster(kind: str, cluster: str, document: Json | None) -> Finding:
    """What a cluster says of itself."""
    name = f"{kind} cluster"
    if document is None:
        return wrong(name, f"'{cluster}' isn't there", "pulumi refresh, then pulumi up", "nodes")
    properties = document.get("properties") or {}
    nodes = properties.get("properties") or {}
    counts = nodes.get("nodeStateCounts") or {}
    if problems := [problem(error) for error in errors_of(document)]:
        return wrong(name, "; ".join(dict.fromkeys(problems)), "see the line of quota; Studio > Compute > the cluster says more")
    if properties.get("provisioningState") == "Failed":
        return wrong(name, "Azure couldn't make it", "pulumi refresh, then pulumi up", "nodes")
    here, unusable = int(nodes.get("currentNodeCount") or 0), int(counts.get("unusableNodeCount") or 0)
    text = (
        f"{counted(here, 'node')} of {nodes.get('targetNodeCount') or 0}, {str(nodes.get('allocationState') or 'there').lower()}"
    )
    if unusable:
        stops: Stops = "nodes" if unusable >= here else ""
        todo = "see that the workspace has its private endpoint, and that the VNet lets nodes out as the guide's table says"
        return wrong(name, f"{text}; {unusable} unusable", todo, stops)
    return good(name, text)


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
