"""Which deployment a person's command is about: a stack's name, or the document itself."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from scorer.azure.clouds import enter
from scorer.cli.completion import stacks
from scorer.documents.deployment import Deployment, read_deployment
from scorer.errors import RequestError

StackName = Annotated[
    str,
    typer.Option(
        "--stack", envvar="SCORER_STACK", metavar="NAME", autocompletion=stacks, help="Pulumi stack, in the project's checkout."
    ),
]
DeploymentText = Annotated[
    str,
    typer.Option(
        "--deployment", envvar="SCORER_DEPLOYMENT", metavar="JSON", help="The stack's output `deployment`, instead of --stack."
    ),
]


def find_deployment(stack: str, text: str) -> Deployment:
    """The deployment that the options name. Raises RequestError."""
    if stack:
        text = _stack_output(stack)
    if text:
        target = read_deployment(text)
        enter(target.cloud, target.blob_endpoint)
        return target
    raise RequestError("No deployment was named: give --stack, or the stack's output 'deployment' in SCORER_DEPLOYMENT.")


def _stack_output(stack: str) -> str:
    command = ["pulumi", "stack", "output", "deployment", "--json", "--non-interactive", "--stack", stack]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # the name is one argument
    except FileNotFoundError:
        raise RequestError("Pulumi isn't installed here: give the stack's output 'deployment' in SCORER_DEPLOYMENT.") from None
    if done.returncode:
        reason = " ".join(done.stderr.split()).removeprefix("error: ")
        raise RequestError(
            f"Stack '{stack}' can't be read from this folder: run this in the project's checkout, or set SCORER_DEPLOYMENT to "
            f"what 'pulumi stack output deployment --json' prints there ({reason[:300]})."
        )
    return done.stdout
