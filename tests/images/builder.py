"""Builds the images on a machine without Docker, out of the very archive that Azure gets, and runs commands in them.

buildah needs no daemon; the base is Debian's own, with Debian's Python, because images can't be pulled everywhere. What is slow
and hardly ever changes (the base, the layers of installed packages) is kept in ~/.cache/batch-scoring.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from stacks.image_context import ImageContext

BASE = "localhost/debian-python:bookworm"
_SUITE = "bookworm"  # that of the Dockerfiles' own base
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_PIP_CONF = "/etc/pip.conf"
# What of the machine's pip settings a build may need to reach packages; none of it is left in an image.
_PIP_KEYS = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "timeout", "retries")

# A command that ends at once may be gone before buildah has passed on what it printed: one that printed nothing is run again.
_TRIES = 3


class Builder:
    """A store of images and layers, and what is done with it."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        # The gigabytes in here are those that the lock names: another lock, another store.
        scorer = ImageContext("scorer")
        self.store = cache / f"images-{hashlib.sha256(scorer.files[scorer.lock]).hexdigest()[:12]}"
        self._built: dict[str, str] = {}

    def image(self, name: str) -> str:
        """Build images/`name` once a session; its name in the store."""
        if name not in self._built:
            self._built[name] = self._build(name)
        return self._built[name]

    def base(self) -> str:
        """The base of both images, made by debootstrap once a store."""
        if not self._output("images", "--quiet", "--filter", f"reference={BASE}"):
            with tempfile.TemporaryDirectory(dir=self.cache) as folder:
                root = Path(folder, "root")
                _run("debootstrap", "--variant=minbase", "--include=python3-venv,ca-certificates", _SUITE, str(root))
                for leftover in (*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*_*")):
                    leftover.unlink()
                root.joinpath(_PIP_CONF[1:]).touch()  # so that builds can mount over it and leave nothing behind
                _run("tar", "-C", str(root), "-cf", f"{folder}/base.tar", ".")
                Path(folder, "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
                (Path(folder) / ".dockerignore").write_text("root\n")
                self._output("build", "--quiet", "--tag", BASE, folder)
        return BASE

    def config(self, image: str) -> dict[str, object]:
        """The image's configuration: Env, User, Entrypoint, ..."""
        config: dict[str, object] = json.loads(self._output("inspect", "--type", "image", image))["OCIv1"]["config"]
        return config

    def megabytes(self, image: str) -> float:
        """The image's size on a disk, in millions of bytes."""
        number, unit = self._output("images", "--format", "{{.Size}}", image).split()
        return float(number) * {"MB": 1, "GB": 1000}[unit]

    def run(self, image: str, *command: str, user: str | None = None, code: int = 0) -> str:
        """Run a command in a new container as the image's user, or another; its standard output."""
        return self._in_container(image, command, {}, [f"--user={user}"] if user else [], code).stdout

    def enter(self, image: str, *arguments: str, mounts: Mapping[Path, str] | None = None, options: Sequence[str] = ()) -> str:
        """Run the image's entry point, as a node does; its standard output. `options` are buildah's own."""
        return self._in_container(image, [*self._entrypoint(image), *arguments], mounts or {}, options, 0).stdout

    def refuse(self, image: str, *arguments: str, code: int, mounts: Mapping[Path, str] | None = None) -> str:
        """Run the image's entry point, which must end with the exit code; what it says on standard error."""
        return self._in_container(image, [*self._entrypoint(image), *arguments], mounts or {}, [], code).stderr

    def _entrypoint(self, image: str) -> list[str]:
        entrypoint = self.config(image)["Entrypoint"]
        assert isinstance(entrypoint, list)
        return entrypoint

    def _in_container(
        self, image: str, command: Sequence[str], mounts: Mapping[Path, str], options: Sequence[str], code: int
    ) -> subprocess.CompletedProcess[str]:
        volumes = [f"--volume={source}:{target}" for source, target in mounts.items()]
        for _ in range(_TRIES):
            container = self._output("from", "--pull-never", image)
            try:
                done = self._buildah("run", *volumes, *options, container, "--", *command)
            finally:
                self._output("rm", container)
            if done.stdout or done.stderr:
                break
        assert done.returncode == code, done.stderr
        return done

    def _build(self, name: str) -> str:
        context = ImageContext(name)
        base = self.image(context.built_on.name) if context.built_on else self.base()
        with tempfile.TemporaryDirectory() as folder, self._pip_settings() as pip_settings:
            archive = Path(folder, "context.tar.gz")
            archive.write_bytes(context.archive())
            source = Path(folder, "source")
            source.mkdir()
            _run("tar", "-xzf", str(archive), "-C", str(source))
            volumes = [f"--volume={path}:{target}:ro" for path, target in pip_settings.items()]
            image = f"localhost/{name}:{context.tag}"
            self._output(
                "build", "--layers", "--pull-never", "--network=host", f"--build-arg=BASE={base}", *volumes,
                f"--file={source / context.dockerfile}", f"--tag={image}", str(source),
            )  # fmt: skip
        # those of earlier code; the layers that they share with this one stay
        names = self._output("images", "--format", "{{.Name}}:{{.Tag}}", "--filter", f"reference=localhost/{name}").split()
        if earlier := [each for each in names if each != image]:
            self._output("rmi", *earlier)
        return image

    @contextmanager
    def _pip_settings(self) -> Iterator[dict[str, str]]:
        """How this machine reaches packages, for a build alone: mounted, so never in a layer."""
        settings: dict[str, str] = {}
        for line in _run(sys.executable, "-m", "pip", "config", "list").splitlines():
            key, _, value = line.partition("=")
            settings[key.rpartition(".")[2]] = value.strip("'\"")
        mounts = {}
        certificates = settings.get("cert", _CERTIFICATES)
        if Path(certificates).is_file():
            mounts[certificates] = _CERTIFICATES
            settings["cert"] = _CERTIFICATES
        with tempfile.NamedTemporaryFile("w", suffix=".conf", dir=self.cache) as file:
            lines = [f"{key} = {settings[key]}" for key in (*_PIP_KEYS, "cert") if key in settings]
            file.write("\n".join(["[global]", *lines, ""]))
            file.flush()
            Path(file.name).chmod(0o644)
            folders = {path: path for path in settings.get("find-links", "").split() if Path(path).is_dir()}
            yield {**mounts, **folders, file.name: _PIP_CONF}

    def _output(self, *arguments: str) -> str:
        done = self._buildah(*arguments)
        assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
        return done.stdout.strip()

    def _buildah(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["buildah", "--root", str(self.store), "--runroot", "/run/batch-scoring-images", "--storage-driver", "overlay"]
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, env=environment)

    def tidy(self) -> None:
        """Delete the stores of other constraints, gigabytes each, and what a session that was killed left running."""
        for other in self.cache.glob("images-*"):
            if other != self.store:
                _unmount(other)
                shutil.rmtree(other)
        self._output("rm", "--all")


def _unmount(store: Path) -> None:
    """What a build that was killed left mounted in there, the innermost first."""
    places = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed(places):
        if place.is_relative_to(store):
            _run("umount", str(place))


@contextmanager
def builder() -> Iterator[Builder]:
    """The one builder of a session; another session waits for it."""
    missing = [program for program in ("buildah", "debootstrap") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.fail(
            f"The images are built and run by buildah, as root; missing: {', '.join(missing) or 'root'}. "
            "On Debian or Ubuntu: apt-get install buildah debootstrap",
            pytrace=False,
        )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "batch-scoring")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = Builder(cache)
        made.tidy()
        yield made


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout
