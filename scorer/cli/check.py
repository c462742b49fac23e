"""`scorer check`: an operator's first command after `pulumi up`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer

from scorer.azure.identity import sign_in
from scorer.check.findings import Finding
from scorer.check.leftovers import Log
from scorer.cli.arguments import number
from scorer.cli.console import AsJson, errors, facts_of, print_json, screen
from scorer.cli.target import DeploymentText, StackName, find_deployment
from scorer.errors import CheckError, StoppedError
from scorer.report.text import counted

EVERY = 30.0
"""Seconds between two lines of what is waited for, where there is no terminal."""


def check(
    stack: StackName = "",
    deployment: DeploymentText = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what needs nodes: they take minutes, and cost cents.")
    ] = False,
    minutes: Annotated[
        float,
        typer.Option(metavar="N", parser=number(0.01, 1440), help="How long to wait for a node, and as long for the request."),
    ] = 45.0,
    every: Annotated[float, typer.Option(metavar="SECONDS", parser=number(0.1, 3600), help="How often to look.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """See whether a deployment works: access, quota, images, pool, workflows; then a node, and a request's whole way."""
    target = find_deployment(stack, deployment)
    sign_in()
    from scorer.check.everything import Everything  # Azure's SDKs take a second to load

    found: list[Finding] = []
    try:
        with _waiting() as log:
            every_check = Everything(target=target, log=log, quick=quick, minutes=minutes, every=every)
            with closing(every_check.findings()) as findings:
                for finding in findings:
                    found.append(finding)
                    if not as_json:
                        screen.print(finding.line, soft_wrap=True, style="red" if finding.state == "wrong" else None)
    except KeyboardInterrupt:
        raise StoppedError("Stopped. What the check had made is taken away again, unless something else is told above.") from None
    _end(found, as_json=as_json)


def _end(found: list[Finding], *, as_json: bool) -> None:
    """What it all means. Raises CheckError where anything is wrong."""
    states = [finding.state for finding in found]
    bad, out = states.count("wrong"), states.count("left out")
    left = f", {out} left out" if out else ""
    error = (
        CheckError(f"{counted(bad, 'check')} of {len(found)} found something wrong{left}: each line says what to do.")
        if bad
        else None
    )
    if as_json:
        facts = {"ok": not bad, "checks": [finding.facts for finding in found]}
        print_json(facts | ({"error": facts_of(error)} if error else {}))
        if error:
            raise typer.Exit(error.exit_code)
    elif error:
        raise error
    else:
        screen.print(f"{states.count('ok')} checks are well{left}", soft_wrap=True)


@contextmanager
def _waiting() -> Iterator[Log]:
    """What tells on standard error what is waited for: in one changing line on a terminal, else now and then."""
    if errors.is_terminal:
        with errors.status("") as spinner:
            yield spinner.update
        return
    told = {"": -EVERY}

    def log(text: str) -> None:
        what, now = text.partition(" (")[0], time.monotonic()
        if now - told.get(what, -EVERY) >= EVERY:
            told[what] = now
            errors.print(text, soft_wrap=True)

    yield log
