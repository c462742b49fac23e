"""What `scorer submit` uploads, and where: names hold their content's digest, so nothing is ever overwritten."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from scorer.cli.console import errors
from scorer.documents import paths
from scorer.errors import InputError
from scorer.file_names import unfit
from scorer.job.listing import in_folder
from scorer.media.image_names import is_photo
from scorer.media.limits import Limits
from scorer.store import FolderStore

if TYPE_CHECKING:
    from scorer.client.client import Client


def place_file(folder: str, own: str, uploads: dict[str, Path], path: Path) -> str:
    """Where in the input store's `folder` the file will be, below the sender's `own` one; it is noted in `uploads`."""
    from scorer.client.upload import digest

    name = f"{folder}/{own}{digest(path)[:16]}/{path.name}"
    uploads[name] = path
    return name


def place_input(source: Path, own: str, uploads: dict[str, Path], limits: Limits) -> str:
    """Where in the input store the media will be, below the sender's `own` folder. Raises InputError where they can't be used."""
    from scorer.client.upload import digest

    if not source.is_dir():
        if is_photo(source.name) and (why := unfit(source.name)):
            raise InputError(f"The image {source.name!r} can't be used by its name: {why}. Rename it.")
        return place_file(paths.VIDEOS, own, uploads, source)
    entries, notes = in_folder(FolderStore(source), "", limits)
    for note in notes[:1]:  # the others are told of the job
        if note.startswith("passed over"):
            errors.print(f"{source}: {note}", soft_wrap=True)
    content = "".join(f"{digest(source / entry.path)} {entry.path}\n" for entry in entries)
    folder = f"{paths.FRAMES}/{own}{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    uploads.update({f"{folder}/{entry.path}": source / entry.path for entry in entries})
    return f"{folder}/"


def upload_all(client: Client, uploads: dict[str, Path], *, quiet: bool) -> None:
    """Upload the files by their names in the input store, and show how far it is."""
    from scorer.client.upload import upload

    size = sum(path.stat().st_size for path in uploads.values())
    columns = TextColumn("uploading"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=errors, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=size)
        for name, path in uploads.items():
            upload(path, client.blobs.get_blob_client(client.container, name), lambda count: bar.advance(task, count))
