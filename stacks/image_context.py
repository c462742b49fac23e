"""What an image is built from: the files that its Dockerfile copies and no others, as one archive and one tag.

The tag is the content's, so an image is built once for each content: the same checkout has the same tag on every machine; after a
change of anything that goes into the image, its Dockerfile included, it has another. Where images are to be built anew by their
age, the first day of the current period stands in the tag, too.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path, PurePosixPath

# Files, and folders of code, that both Dockerfiles copy; each copies the lock beside it, too.
SOURCES = ("LICENSE", "images/build.lock", "pyproject.toml", "scorer")
# Of a folder, only what the package is made of, whatever editors, tests and operating systems leave beside it.
CODE_SUFFIXES = (".py", ".html", ".css", ".js")
CODE_NAMES = ("py.typed",)

# Images that are another one of ours and a Dockerfile, which copies nothing.
BUILT_ON = {"scorer-ml": "scorer"}

_TAG_LENGTH = 16
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


class ImageContextError(ValueError):
    """A file that the image is made of isn't there."""


@dataclass(frozen=True)
class ImageContext:
    """The build context of one image."""

    name: str
    """The image's folder in `images`, and its repository in the registry: scorer, scorer-ml or submitter."""
    root: Path = Path(__file__).resolve().parent.parent
    """The checkout."""
    base: str | None = None
    """The image to build on, if not the Dockerfile's own: a mirror of it, say."""
    since: date | None = None
    """The day from which on an older image of the same content won't do."""

    @property
    def built_on(self) -> ImageContext | None:
        """The image of ours that it is built on."""
        name = BUILT_ON.get(self.name)
        return ImageContext(name, self.root, self.base, self.since) if name else None

    @property
    def dockerfile(self) -> str:
        """The Dockerfile's path in the context."""
        return f"images/{self.name}/Dockerfile"

    @property
    def lock(self) -> str:
        """The path of the list of all packages in it, with versions and hashes."""
        return f"images/{self.name}/requirements.lock"

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Contents by path in the context, sorted, read once. Raises ImageContextError if one is missing.

        Lines end as they do on Linux, however the checkout ends them: all files are text.
        """
        found: dict[str, bytes] = {}
        for source in (self.dockerfile,) if self.built_on else (self.dockerfile, self.lock, *SOURCES):
            path = self.root / source
            paths = sorted(file for file in path.rglob("*") if _is_code(file, path)) if path.is_dir() else [path]
            try:
                found |= {file.relative_to(self.root).as_posix(): file.read_bytes().replace(b"\r\n", b"\n") for file in paths}
            except FileNotFoundError as error:
                raise ImageContextError(f"The image '{self.name}' is made of {error.filename}, which isn't there.") from error
        return dict(sorted(found.items()))

    @cached_property
    def tag(self) -> str:
        """16 hexadecimal digits made of all names, modes and bytes, each told apart from the next by its length; then `since`."""
        digest = hashlib.sha256((self.built_on.tag if self.built_on else self.base or "").encode())
        for name, content in self.files.items():
            encoded = name.encode()
            digest.update(struct.pack(">QIQ", len(encoded), _FILE_MODE, len(content)) + encoded + content)
        return digest.hexdigest()[:_TAG_LENGTH] + (f"-{self.since:%Y%m%d}" if self.since else "")

    def archive(self) -> bytes:
        """The context as a .tar.gz, whose contents don't depend on who owns the files and when they were changed."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for folder in sorted({str(parent) for name in self.files for parent in PurePosixPath(name).parents} - {"."}):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, _FOLDER_MODE
                archive.addfile(entry)
            for name, content in self.files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), _FILE_MODE
                archive.addfile(entry, io.BytesIO(content))
        return gzip.compress(buffer.getvalue(), mtime=0)


def _is_code(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in file.relative_to(folder).parts)
    return not hidden and (file.suffix in CODE_SUFFIXES or file.name in CODE_NAMES) and file.is_file()
