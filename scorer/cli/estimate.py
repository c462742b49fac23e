"""`scorer plan`: what a request will take on a deployment, before anything runs."""

from __future__ import annotations

import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorer import models
from scorer.azure.identity import sign_in
from scorer.cli import arrivals_answer, arrivals_picture, estimate_answer
from scorer.cli.arguments import Overwrite, a_place, check_input, number, path_below, whole
from scorer.cli.arrivals import DAYS, MOST_DAYS, read_arrivals
from scorer.cli.console import AsJson, print_json
from scorer.cli.measured_rates import Source, source_of
from scorer.cli.options import ScoringOptions, with_scoring_options
from scorer.cli.results import check_ending, check_place
from scorer.cli.target import DeploymentText, StackName, find_deployment
from scorer.client.placed import Placed
from scorer.client.placing import place
from scorer.documents import MOST_BYTES
from scorer.documents.deployment import Deployment
from scorer.documents.plan import Plan
from scorer.documents.request import Request, parse_request
from scorer.engines.task_count import how_many
from scorer.errors import RequestError
from scorer.job.budget import encoding
from scorer.job.dispatch import cluster_chunk_length, make_plan
from scorer.store import FolderStore, Store, Stores, open_store

if TYPE_CHECKING:  # an image of the scorer has no stacks
    from autoscale.estimate import Workload
    from autoscale.pool import Pool


@with_scoring_options
def plan(
    scoring: ScoringOptions,
    request: Annotated[
        str,
        typer.Argument(metavar="REQUEST", help="A request file here or in the input store, or a video, folder or image here."),
    ],
    settings: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A stack's settings, instead of a stack that is there: stacks/Pulumi.dev.yaml."),
    ] = None,
    stack: StackName = "",
    deployment: DeploymentText = "",
    input_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where its media are, if not in the deployment's input store: file://$PWD is this folder, as with --settings.",
        ),
    ] = "",
    frames_per_second: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            parser=number(0.001, 100_000),
            help="Of one GPU: what the report of an earlier job has of a worker, times slotsPerGpu.",
        ),
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Reckon with what `scorer bench --stages --json FILE`, or --gpu-check, measured on a machine like the nodes.",
        ),
    ] = None,
    arrivals: Annotated[
        str | None,
        typer.Option(
            metavar="RATE|FILE",
            help="Play days of such requests: 40/day, 3/hour, a file of 24 or 168 rates by the hour, or a trace of times.",
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(metavar="N", parser=whole(1, MOST_DAYS), help=f"How many days of a rate; {DAYS} if not given.")
    ] = None,
    hour_worth: Annotated[
        float,
        typer.Option(metavar="DOLLARS", parser=number(0, 10_000), help="What an hour of waiting for one result is worth."),
    ] = 1.0,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", parser=a_place, help="Draw what --arrivals finds there, as SVG.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Estimate what a request takes: chunks, nodes, minutes, dollars, and what would change that. Nothing runs.

    With `--arrivals`: what days of such requests take, how long they wait, and whether scaling to zero pays.
    """
    if find_spec("autoscale") is None:
        raise RequestError("Plans are made where the deployment's code is: in a checkout, or with the whole package.")
    if settings is None and not (stack or deployment):
        raise RequestError(
            "No deployment was named: give --stack, or its settings without one: --settings stacks/Pulumi.dev.yaml."
        )
    placed = _picture(arrivals, days, picture, overwrite=overwrite)
    target = find_deployment(stack, deployment) if settings is None else _deployment_of(settings)
    if request.endswith(".json"):
        parsed, stores = _asked(request, scoring, target, input_url or (Path.cwd().as_uri() if settings is not None else ""))
    else:
        parsed, stores = _wished(Path(request), scoring, target)
    made = _made(parsed, stores, target)
    if measured is not None and frames_per_second is not None:
        raise RequestError("--measured says how many frames a second there are: leave out --frames-per-second.")
    source = source_of(measured, parsed.model, made.pixels[1]) if measured is not None else None
    if arrivals is None:
        _estimate(made, parsed, target, frames_per_second, source, as_json=as_json)
        return
    told = _play(arrivals, days, made, parsed, target, frames_per_second, source, hour_worth)
    if picture is not None and placed is not None:
        _draw(told, picture, placed)
    if as_json:
        print_json(told.facts())
    else:
        arrivals_answer.show(told)


def _made(parsed: Request, stores: Stores, target: Deployment) -> Plan:
    """The plan that dispatch would make there. Raises ScorerError where it would refuse."""
    target.check(parsed)
    made = make_plan(
        "plan",
        parsed,
        stores,
        "auto",
        target.limits,
        lambda frames: cluster_chunk_length(frames, target.slots),
        target.batch_size,
    )
    for path, etag in made.shared_inputs:
        stores.input.release(path, etag)
    return made


def _estimate(
    made: Plan, parsed: Request, target: Deployment, frames_per_second: float | None, source: Source | None, *, as_json: bool
) -> None:  # fmt: skip
    """Print what the plan takes, and what would change that. Raises RequestError."""
    from autoscale.estimate import estimate
    from autoscale.pool import alternatives

    try:
        found = estimate(_workload(parsed, made, source), _pool(target), frames_per_second)
        others = [(text, estimate(found.workload, other, frames_per_second)) for text, other in alternatives(found.pool)]
    except ValueError as error:
        raise RequestError(str(error)) from error
    if as_json:
        print_json(estimate_answer.facts(made, found, others, source))
    else:
        estimate_answer.show(made, found, others, source)


def _picture(arrivals: str | None, days: int | None, picture: Path | None, *, overwrite: bool) -> Placed | None:
    """Where the picture may stand, if there is to be one. Raises RequestError, OutputError."""
    if arrivals is None and (days is not None or picture is not None):
        name = "--days" if days is not None else "--picture"
        raise RequestError(f"{name} belongs to --arrivals: say when requests come, such as --arrivals 40/day.")
    if picture is None:
        return None
    check_ending(picture, ".svg")
    check_place(picture, folder=False)
    placed = Placed(Path(".scorer"), "arrivals", overwrite=overwrite, inputs=[Path(arrivals or "")])
    placed.check(picture)
    return placed


def _draw(told: arrivals_answer.Answer, picture: Path, placed: Placed) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        store.put("picture.svg", arrivals_picture.draw(told).encode())
        place(store, "picture.svg", picture, placed)


def _play(
    arrivals: str, days: int | None, made: Plan, request: Request, target: Deployment, frames_per_second: float | None,
    source: Source | None, hour_worth: float,
) -> arrivals_answer.Answer:  # fmt: skip
    """Days of such requests on the deployment's nodes. Raises RequestError, InputError, MissingError."""
    from autoscale.advice import ladder
    from autoscale.arrivals import Trace, choices, compare, some_weeks

    workload, pool = _workload(request, made, source), _pool(target)
    requests, length = read_arrivals(arrivals, days, made.frames, workload.pixels, target.limits)
    trace = Trace(
        requests=requests, days=length, model=workload.model, codec=workload.codec, steady=workload.steady,
        stroke_size=workload.stroke_size, frames_per_second=frames_per_second, rates=workload.rates,
        chunks=partial(_chunks, request.chunk_frames), share=how_many,
    )  # fmt: skip
    played = some_weeks(trace)
    try:
        settings, rungs = compare(played, choices(pool)), ladder(played, pool)
    except ValueError as error:
        raise RequestError(str(error)) from error
    return arrivals_answer.Answer(made.request.name, trace, played.days, settings, rungs, hour_worth, source)


def _chunks(asked: int | None, frames: int, slots: int) -> list[int]:
    """Frames of each chunk of a video, as dispatch cuts it for a cluster that runs so many tasks at once."""
    length = asked or cluster_chunk_length(frames, slots)
    whole_ones, rest = divmod(frames, length)
    return [length] * whole_ones + [rest] * (rest > 0)


def _asked(request: str, scoring: ScoringOptions, target: Deployment, input_url: str) -> tuple[Request, Stores]:
    """What a request file asks for, and the stores that its media are in."""
    if scoring != ScoringOptions():
        raise RequestError(f"'{request}' says itself how frames are scored: write that there, or name a video instead.")
    if not input_url:
        sign_in()
    stores = target.stores() if not input_url else _reading(open_store(input_url))
    most = max(MOST_BYTES, target.limits.request_bytes)
    data = Path(request).read_bytes() if Path(request).is_file() else stores.input.get(request, most=most)
    return target.fill_in(parse_request(data, target.limits)), stores


def _wished(source: Path, scoring: ScoringOptions, target: Deployment) -> tuple[Request, Stores]:
    """The request that `scorer submit` would make of files that are here."""
    check_input(source)
    root = Path(source.resolve().anchor)
    below = partial(path_below, root)
    request = scoring.request(source, below(source), models.spec(scoring.model).style, below)
    return target.fill_in(request), _reading(FolderStore(root))


def _reading(media: Store) -> Stores:
    """Stores of which the first alone is asked for anything."""
    return Stores(media, media, media, media)


def _deployment_of(path: Path) -> Deployment:
    """The deployment that a stack with these settings would be: its limits, and no address. Raises RequestError."""
    try:
        from pulumi import RunError

        from stacks.chosen import of_settings, read_settings
    except ImportError:
        raise RequestError("Settings are read with Pulumi's package, which isn't installed: pip install '.[infra]'.") from None
    try:
        found = of_settings(read_settings(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RequestError(
            f"'{path}' can't be read as a stack's settings ({reason}): name one such as stacks/Pulumi.dev.yaml."
        ) from error
    except RunError as error:
        first, *rest = str(error).splitlines()
        raise RequestError(f"'{path}': {first} {' '.join(each.strip(' -') for each in rest)}") from error
    nowhere = {name: "" for name, field in Deployment.model_fields.items() if field.annotation is str}
    return Deployment.model_validate(nowhere | found)


def _pool(target: Deployment) -> Pool:
    from autoscale.pool import Pool

    return Pool(
        gpu_size=target.gpu_size, slots_per_gpu=target.slots_per_node // target.gpus_per_node, nodes_min=target.nodes_min,
        nodes_max=target.nodes_max, spot_percent=target.spot_percent, keep_warm_minutes=target.keep_warm_minutes,
        engine=target.engine,
    )  # fmt: skip


def _workload(request: Request, made: Plan, source: Source | None) -> Workload:
    from autoscale.estimate import Workload

    chunks = tuple(chunk.frames for chunk in made.chunks)
    codec = encoding(request, made.video).codec if made.video else "h264"  # images take about as long
    return Workload(
        chunks=chunks, pixels=made.pixels[1], model=request.model, codec=codec, steady=request.steady,
        stroke_size=request.stroke_size, share=how_many, rates=source.rates if source else None,
    )  # fmt: skip
