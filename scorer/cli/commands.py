"""All commands by name: where each one is, and what lists say of it. Its module is loaded when it is used, not before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

_RUN_EXAMPLES = """
Examples:

    scorer run clip.mp4 --style painting.jpg

    scorer run clip.mp4 --style night.png@0.7 --style waves.png@0.3 --strength 0.8

    scorer run clip.mp4 --model painted --style 7 --out clip-7.mp4

    scorer run photos/ --style painting.jpg --out painted/

The same command again goes on where it was stopped, and does nothing that is done.
"""

_PREVIEW_EXAMPLES = """
Examples:

    scorer preview film.mp4 --style night.jpg --style waves.jpg

    scorer preview film.mp4 --model painted --style 7 --strengths 0.4,0.7,1 --frames 5 --out look.png
"""

_WORK_EXAMPLES = """
Examples:

    scorer run film.mp4 --style painting.jpg --dispatch-only

    scorer work film-5dd6e32f0b6b

    scorer work film-5dd6e32f0b6b --stack dev --processes 2
"""

_SUBMIT_EXAMPLES = """
Examples:

    scorer submit film.mp4 --style painting.jpg --stack dev

    scorer submit photos/ --model painted --style 7 --stack prod --no-wait

The same command again goes on: what is uploaded isn't sent again, and the same request is the same job.
"""
_SHARE_EXAMPLE = "Example: `scorer share film.mp4 --style painting.jpg --sender acme --hours 48 --stack dev`"
_PUBLISH_EXAMPLE = "Example: `scorer publish dist/our_model-1.0-py3-none-any.whl --weights net.safetensors --stack dev`"
_BENCH_EXAMPLE = "Example: `scorer bench --model adaptive --size 640x360 --peers`"

_CLOUD = "With a deployment"
_STEPS = "Steps, for machines"


@dataclass(frozen=True)
class Entry:
    """A command, without its module."""

    function: str
    """As MODULE:FUNCTION, the module being one of scorer.cli."""
    summary: str
    """The first sentence of the function's docstring."""
    panel: str | None = None
    """Under which of the lists it stands, if not the first."""
    epilog: str | None = None

    @property
    def module(self) -> str:
        """Where the function is."""
        return self.function.partition(":")[0]

    def load(self) -> Callable[..., None]:
        """The function."""
        function: Callable[..., None] = getattr(import_module(self.module), self.function.partition(":")[2])
        return function


COMMANDS = {
    "run": Entry("scorer.cli.run:run", "Score a video, a folder of images or one image on this machine.", None, _RUN_EXAMPLES),
    "preview": Entry(
        "scorer.cli.preview:preview",
        "Show some frames as `scorer run` would make them, by style and strength, and estimate what all of it takes.",
        None,
        _PREVIEW_EXAMPLES,
    ),
    "report": Entry(
        "scorer.cli.run:report",
        "Write the page of all jobs that `scorer run` did, where two results of one input can be compared; print where it is.",
        None,
        "Example: `scorer report --work demo/work`",
    ),
    "work": Entry(
        "scorer.cli.work:work",
        "Help with a job that is planned, beside any other workers, until it is done; whoever finds nothing left merges.",
        None,
        _WORK_EXAMPLES,
    ),
    "models": Entry(
        "scorer.cli.models:list_models", "List the models that are installed, their options, and whether they can run here."
    ),
    "styles": Entry(
        "scorer.cli.styles:styles",
        "Show the trained styles of the model `painted`, by their numbers, on one picture each.",
        None,
        "Example: `scorer styles --on photo.jpg`",
    ),
    "bench": Entry(
        "scorer.cli.bench:measure",
        "Measure how fast models are here: every runtime that is installed, side by side.",
        None,
        _BENCH_EXAMPLE,
    ),
    "submit": Entry(
        "scorer.cli.jobs:submit",
        "Upload a video or a folder of images, ask for a job, follow it, and fetch its result.",
        _CLOUD,
        _SUBMIT_EXAMPLES,
    ),
    "status": Entry("scorer.cli.jobs:status", "Show where a job stands, or list the jobs that there are.", _CLOUD),
    "fetch": Entry("scorer.cli.jobs:fetch", "Fetch a finished job's result and its report.", _CLOUD),
    "cancel": Entry("scorer.cli.jobs:cancel", "End a job. What is scored stays: `scorer restart` goes on from there.", _CLOUD),
    "restart": Entry(
        "scorer.cli.jobs:restart", "Begin a failed, refused, cancelled or stuck job anew: only what is missing is done.", _CLOUD
    ),
    "check": Entry(
        "scorer.cli.check:check",
        "See whether a deployment works: access, quota, images, pool, workflows; then a node, and a request's whole way.",
        _CLOUD,
        "Example: `scorer check --stack dev`",
    ),
    "share": Entry(
        "scorer.cli.share:share",
        "Make links with which somebody outside hands in a video and its style, and takes the result out.",
        _CLOUD,
        _SHARE_EXAMPLE,
    ),
    "plan": Entry(
        "scorer.cli.estimate:plan",
        "Estimate what a request takes: chunks, nodes, minutes, dollars, and what would change that. Nothing runs.",
        _CLOUD,
        "Example: `scorer plan request.json --stack dev`",
    ),
    "publish": Entry(
        "scorer.cli.publish:publish",
        "Put a model package where a deployment's nodes find it; print the id that requests name it by.",
        _CLOUD,
        _PUBLISH_EXAMPLE,
    ),
    "dispatch": Entry(
        "scorer.cli.steps:dispatch",
        "Plan the job that a request file asks for, and submit it if there is a deployment; print its id.",
        _STEPS,
    ),
    "prepare": Entry("scorer.cli.steps:prepare", "Fetch what all tasks of a job need, once a machine.", _STEPS),
    "score": Entry("scorer.cli.steps:score", "Score one chunk of a planned job, or all of them.", _STEPS),
    "merge": Entry("scorer.cli.steps:merge", "Merge a job's parts into its result, and report on it.", _STEPS),
    "release": Entry("scorer.cli.steps:release", "Delete what `prepare` fetched: the job has ended.", _STEPS),
    "probe": Entry("scorer.cli.steps:probe", "Tell what a task finds on its node, as `scorer check` asks for it.", _STEPS),
}
"""In the order in which they are listed."""
