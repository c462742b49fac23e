"""`scorer share`: links with which somebody without an account hands in one video, and takes its result out.

Each link is for one blob, signed by the person's own login (a user delegation key), and ends by itself. Those into the input
store can make a blob and nothing else: neither read, list, replace nor delete. Those out of the output store can read. The
request is the operator's: its blob's name has its digest, and nothing else is taken there.
Source: https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from scorer import models
from scorer.azure.identity import credential, sign_in
from scorer.cli.arguments import number
from scorer.cli.console import AsJson, answer, errors
from scorer.cli.options import ScoringOptions, sender_name, with_scoring_options
from scorer.cli.target import DeploymentText, StackName, find_deployment
from scorer.documents import paths
from scorer.documents.deployment import Deployment
from scorer.documents.paths import REJECTED, REPORT, REQUEST, RESULT_IMAGES, RESULT_VIDEOS, STATUS
from scorer.documents.request import Request, job_id
from scorer.errors import OutputError, RequestError
from scorer.media.image_names import result_name
from scorer.store import open_store, storage_errors
from scorer.store.blob import blob_endpoint
from scorer.store.errors import ACCESS_HINT
from scorer.submitter.senders import Given, bound_path

if TYPE_CHECKING:
    from azure.storage.blob import UserDelegationKey

# What a link may do, as signatures say it.
CREATE, READ = "c", "r"
# Clocks differ.
EARLIER = timedelta(minutes=15)
PAGE = "README.md"
# What the sender will have beside their own files.
TAKEN = {PAGE, REQUEST, *RESULT_VIDEOS, REPORT, STATUS, REJECTED}


@dataclass(frozen=True)
class Share:
    """What somebody outside is given."""

    job: str
    request: bytes
    places: tuple[str, ...]
    """In the input store, of what is uploaded, the request's own last."""
    uploads: Mapping[str, str]
    """Links to upload by, by the names of their files, the request's own last."""
    downloads: Mapping[str, str]
    """Links to read by, by the names of their blobs."""
    until: datetime


@with_scoring_options
def share(
    scoring: ScoringOptions,
    source: Annotated[str, typer.Argument(metavar="NAME", help="What the sender's video or image is called: film.mp4.")] = "",
    sender: Annotated[
        str, typer.Option(metavar="NAME", help="Whose it is: a folder of their own, and their turn in the queue.")
    ] = "",
    stack: StackName = "",
    deployment: DeploymentText = "",
    hours: Annotated[
        float, typer.Option(metavar="N", parser=number(0.1, 168), help="How long the links work; a week at most.")
    ] = 24.0,
    ip: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Where the sender comes from, an address or a range: links work from there alone."),
    ] = "",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the request and the page of links go.")] = Path("share"),
    revoke: Annotated[
        str, typer.Option(metavar="JOB|all", help="Take a share back by its job's id; all: end every link signed so far.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make links with which somebody outside hands in a video and its style, and takes the result out."""
    target = find_deployment(stack, deployment)
    if revoke:
        _revoke(target, revoke)
        answer({"revoked": revoke}, [], as_json=as_json)
        return
    if not source or not sender:
        raise RequestError(
            "Say what is shared and with whom: scorer share NAME --sender NAME; or what is taken back: --revoke JOB."
        )
    addresses = link_addresses(ip, target.sender_ips)
    if (out / PAGE).exists():
        raise RequestError(f"'{out}' holds the links of an earlier share: give this one another folder with --out.")
    kind = models.spec(scoring.model).style
    folder = f"{sender_name(sender)}/{secrets.token_hex(4)}"
    names: dict[str, Path] = {}
    files: dict[str, str] = {}

    def put(path: Path, kind_of_file: str = paths.STYLES) -> str:
        if path.name in TAKEN or names.setdefault(path.name, path) != path:
            raise RequestError(f"'{path}' can't be shared under that name, which another of the sender's files has: rename it.")
        return files.setdefault(path.name, f"{kind_of_file}/{folder}/{path.name}")

    request = scoring.request(Path(source), put(Path(source), paths.VIDEOS), kind, put, here=False)
    target.check(request)
    sign_in()
    made = make_share(target, request, sender, files, timedelta(hours=hours), addresses)
    given = Given(job=made.job, sender=sender, uploads=made.places, until=made.until.timestamp())
    open_store(target.input).put(paths.share(made.job), given.model_dump_json(indent=1).encode())
    with storage_errors(str(out), writing=True):
        out.mkdir(parents=True, exist_ok=True)
        (out / REQUEST).write_bytes(made.request)
        (out / PAGE).write_text(page(made))
    errors.print(f"Give them {out}/: its page says how, until {made.until:%Y-%m-%d %H:%M} UTC.", soft_wrap=True)
    facts = {"job": made.job, "until": made.until.timestamp(), "page": str((out / PAGE).absolute())}
    answer(facts, [made.job], as_json=as_json)


def _revoke(target: Deployment, job: str) -> None:
    from scorer.client.client import Client
    from scorer.client.revoke import revoke_all, revoke_share

    sign_in()
    if job == "all":
        revoke_all(target)
        errors.print("Every link that was signed so far ends, within some minutes.")
    elif revoke_share(Client(target), job):
        errors.print(f"{job}: its request is refused from now on, and what was uploaded is deleted.")
    else:
        errors.print(f"{job}: it has begun, or come to its end: 'scorer cancel {job}' ends it.")


def link_addresses(ip: str, senders: Sequence[str]) -> str | None:
    """What links are bound to: an address, or the first and the last of a range; None for everywhere.

    A link takes one of them, so that whoever shares says which where the deployment lets several in. Raises RequestError.
    """
    try:
        chosen = ip_network(ip or (senders[0] if len(senders) == 1 else ""))
    except ValueError as error:
        if ip:
            raise RequestError(f"--ip '{ip}' is no address or range: write one such as 203.0.113.7 or 203.0.113.0/24.") from error
        if senders:
            raise RequestError(f"Links work from one place alone: say with --ip which it is of {', '.join(senders)}.") from None
        return None
    if chosen.version != 4:
        raise RequestError(f"--ip '{ip}' is no IPv4 address, and links take no other.")
    if senders and not any(chosen.subnet_of(IPv4Network(each)) for each in senders):
        raise RequestError(f"--ip '{ip}' isn't where the deployment lets senders in from: name one of {', '.join(senders)}.")
    return str(chosen[0]) if chosen.num_addresses == 1 else f"{chosen[0]}-{chosen[-1]}"


def make_share(
    target: Deployment, request: Request, sender: str, files: Mapping[str, str], last: timedelta, addresses: str | None = None
) -> Share:
    """Links for the request and the files it names, by their names and places. Raises OutputError where nobody may sign."""
    data = json.dumps(request.model_dump(mode="json", exclude_defaults=True), indent=1).encode()
    path = bound_path(sender, request.name, data)
    job = job_id(request.name, f"{target.input}/{path}", data)
    now = datetime.now(UTC)
    signer = _Signer.of(target.input, now - EARLIER, now + last, addresses)
    uploads = {name: signer.link(target.input, place, CREATE) for name, place in files.items()}
    uploads[REQUEST] = signer.link(target.input, path, CREATE)
    blobs = {**_results(request), **{name: name for name in (REPORT, STATUS, REJECTED)}}
    downloads = {name: signer.link(target.output, f"{job}/{blob}", READ) for name, blob in blobs.items()}
    return Share(job, data, (*files.values(), path), uploads, downloads, now + last)


def _results(request: Request) -> dict[str, str]:
    """What the result may be called for the sender, and its blob's name below the job's."""
    if not request.is_photo:
        # Which one it is depends on the video and its codec: an .mp4 can't hold all that an .mkv can.
        return {name: name for name in RESULT_VIDEOS}
    name = result_name(request.input.removeprefix(request.folder), request.image_format)
    return {f"result{Path(name).suffix}": f"{RESULT_IMAGES}{name}"}


@dataclass(frozen=True)
class _Signer:
    key: UserDelegationKey
    start: datetime
    end: datetime
    addresses: str | None

    @classmethod
    def of(cls, url: str, start: datetime, end: datetime, addresses: str | None) -> _Signer:
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import BlobServiceClient

        account = url.removeprefix("az://").split("/")[0]
        service = BlobServiceClient(blob_endpoint(account), credential=credential())
        try:
            return cls(service.get_user_delegation_key(start, end), start, end, addresses)
        except HttpResponseError as error:
            raise OutputError(f"Account '{account}' lets you sign no links: {ACCESS_HINT}.") from error

    def link(self, url: str, blob: str, permission: str) -> str:
        from azure.storage.blob import generate_blob_sas

        account, container = url.removeprefix("az://").split("/")
        signature = generate_blob_sas(
            account, container, blob, user_delegation_key=self.key, permission=permission, start=self.start, expiry=self.end,
            protocol="https", ip=self.addresses,
        )  # fmt: skip
        return f"{blob_endpoint(account)}/{container}/{quote(blob)}?{signature}"


def page(made: Share) -> str:
    """What the sender does, command by command, as a page of Markdown."""
    uploads = "\n".join(f"    azcopy copy {shlex.quote(name)} '{link}'" for name, link in made.uploads.items())
    report, status, rejected = (made.downloads[name] for name in (REPORT, STATUS, REJECTED))
    result, *others = (f"    azcopy copy '{link}' {name}" for name, link in made.downloads.items() if name.startswith("result."))
    text = "\nWhere `result` is another than `result.mp4` there, it is one of these:\n\n"
    wide = text + "\n".join(others) + "\n" if others else ""
    return f"""# Hand in a video, take the result out

These links work until {made.until:%Y-%m-%d %H:%M} UTC, for whoever has them: keep them to yourself. Needed:
[AzCopy](https://learn.microsoft.com/azure/storage/common/storage-use-azcopy-v10), no account. Each upload link works once.

Upload the files, `request.json` last: it starts the job.

{uploads}

See where it stands (the file is there once the request is taken in):

    azcopy copy '{status}' status.json

Where `state` is `done`, take the result out, and its report:

{result}
    azcopy copy '{report}' report.html
{wide}
If there is no `status.json` after some minutes, the request may have been refused, and this says why:

    azcopy copy '{rejected}' rejected.json
"""
