"""`scorer plan`: what a request will take on a deployment, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from scorer.console import screen
from scorer.deployment import Deployment
from scorer.documents import MOST_BYTES
from scorer.errors import RequestError
from scorer.identity import sign_in
from scorer.ledger import pixels
from scorer.named import number
from scorer.plan import Plan, cluster_chunk_length, make_plan
from scorer.request import Request, parse_request
from scorer.store import Stores, open_store
from scorer.target import DeploymentText, StackName, find_deployment

if TYPE_CHECKING:  # an image of the scorer has no stacks
    from stacks.estimate import Estimate, Pool, Workload


def plan(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="A request file here, or its path in the input store.")],
    stack: StackName = "",
    deployment: DeploymentText = "",
    input_url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Where its media are, if not in the deployment's input store yet: file://$PWD is this folder."
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
) -> None:
    """Estimate what a request takes: chunks, nodes, minutes, dollars, and what would change that. Nothing runs."""
    try:
        from stacks.estimate import alternatives, estimate
    except ImportError:
        raise RequestError("Plans are made where the deployment's code is: in a checkout, or with the whole package.") from None
    target = find_deployment(stack, deployment)
    stores = target.stores()
    if not input_url:
        sign_in()
    else:
        stores = Stores(open_store(input_url), stores.output, stores.work, stores.logs)
    most = max(MOST_BYTES, target.limits.request_bytes)
    data = Path(request).read_bytes() if Path(request).is_file() else stores.input.get(request, most=most)
    parsed = target.fill_in(parse_request(data, target.limits))
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
    try:
        found = estimate(_workload(parsed, made), _pool(target), frames_per_second)
        others = [(text, estimate(found.workload, other, frames_per_second)) for text, other in alternatives(found.pool)]
        show(made, found, others)
    except ValueError as error:
        raise RequestError(str(error)) from error


def _pool(target: Deployment) -> Pool:
    from stacks.estimate import Pool

    return Pool(
        gpu_size=target.gpu_size, slots_per_gpu=target.slots_per_node // target.gpus_per_node, nodes_min=target.nodes_min,
        nodes_max=target.nodes_max, spot_percent=target.spot_percent, keep_warm_minutes=target.keep_warm_minutes,
    )  # fmt: skip


def _workload(request: Request, made: Plan) -> Workload:
    from stacks.estimate import Workload

    chunks = tuple(chunk.frames for chunk in made.chunks)
    return Workload(chunks=chunks, pixels=pixels(made, request)[1], model=request.model)


def show(made: Plan, found: Estimate, others: list[tuple[str, Estimate]]) -> None:
    """Print the estimate, and the others below it."""
    frames = [chunk.frames for chunk in made.chunks]
    size = (
        f"{made.video.width}x{made.video.height}" if made.video else "taken to be 1920x1080 (give --frames-per-second otherwise)"
    )
    what = Text(f": {made.frames} frames, {size}, model {made.request.model}")
    screen.print(Text(made.request.name, "bold").append_text(what))
    length = f"{_range(min(frames), max(frames), 'd')} {'frame' if max(frames) == 1 else 'frames'}"
    screen.print(f"{len(frames)} {'chunk' if len(frames) == 1 else 'chunks'} of {length}, then a merge")
    screen.print(f"{found.pool.gpu_size}: {_range(found.speed.slow, found.speed.quick, '.0f')} frames/s a GPU")
    screen.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("if")
    for name in ("nodes", "minutes", "dollars", "idle day"):
        table.add_column(name, justify="right", no_wrap=True)
    for text, each in [("as set", found), *others]:
        cells = (text, str(each.nodes), _range(*each.minutes, ".0f"), _range(*each.dollars, ".2f"))
        table.add_row(*cells, f"{each.pool.idle_dollars:.2f}", style="bold" if each is found else "")
    screen.print(table)
    screen.print()
    screen.print(
        "Minutes to the result; dollars for nodes alone, East US, November 2026. "
        "The low end has Spot nodes at once, the high end none. "
        "Speeds are arithmetic, unless --frames-per-second says what was measured.",
        style="dim",
    )


def _range(low: float, high: float, form: str) -> str:
    first, last = format(low, form), format(high, form)
    return first if first == last else f"{first} to {last}"
