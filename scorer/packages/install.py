"""A published package on a node: installed once, from the store of scripts alone, beside what the image has.

Its wheels go into a folder of their own, which comes first where Python looks; the image itself stays as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from scorer.documents.plan import Plan
from scorer.errors import ModelError
from scorer.packages.manifest import Package, find_package
from scorer.store import Store, open_store
from scorer.store.cache import is_own, locked, node_folder, open_tree, scratch, take_away
from scorer.store.errors import storage_errors

WEIGHTS = "SCORER_WEIGHTS"
ENTERED = "SCORER_PACKAGE"


def enter(plan: Plan, scripts: str) -> None:
    """Go on as a process that has the plan's package, if it names one; `scripts` is the address of its store.

    Raises ModelError.
    """
    package = plan.request.package
    if package is not None and os.environ.get(ENTERED) != package:
        _go_on(install(package, open_store(scripts)), package)


def _go_on(folder: Path, package: str) -> NoReturn:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH")])),
        WEIGHTS: str(folder / "weights"),
        ENTERED: package,
    }
    # The same process: whoever started it sees its exit code, and stops it by its number.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "scorer", *sys.argv[1:]], environment)  # noqa: S606  # its own command line


def install(package: str, scripts: Store) -> Path:
    """The folder of the installed package: site/ and weights/. Done once a node, however many tasks want it.

    Raises ModelError, OutputError.
    """
    target = node_folder() / "packages" / package
    with storage_errors(str(target), writing=True), locked(target.with_name(f"{package}.lock")):
        if not is_own(target, stat.S_ISDIR):
            take_away(target)
            unfinished = target.with_name(f".{package}.part")
            take_away(unfinished)  # what a killed task left
            _fill(unfinished, find_package(package, scripts), scripts)
            open_tree(unfinished)
            unfinished.replace(target)
    return target


def uninstall(package: str) -> None:
    """Delete the installed package: its job has ended."""
    target = node_folder() / "packages" / package
    with locked(target.with_name(f"{package}.lock")):
        shutil.rmtree(target, ignore_errors=True)


def _fill(folder: Path, package: Package, scripts: Store) -> None:
    for kind, names in (("wheels", package.wheels), ("weights", package.weights)):
        (folder / kind).mkdir(parents=True)
        for name in names:
            data = scripts.get(package.path(name))
            if hashlib.sha256(data).hexdigest() != package.sha256[name]:
                raise ModelError(f"'{scripts.where(package.path(name))}' isn't what was published: publish it again.")
            (folder / kind / Path(name).name).write_bytes(data)
    install_wheels([folder / "wheels" / name for name in package.wheels], folder / "site")


def install_wheels(wheels: Sequence[Path], site: Path) -> None:
    """Install exactly these wheels into `site`, without a network. Raises ModelError."""
    done = pip("install", "--no-index", "--no-deps", "--target", str(site), *map(str, wheels))
    if done.returncode:
        raise ModelError(f"'{wheels[0].name}' can't be installed: {' '.join(done.stderr.split())[-300:]}")


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python's pip, quietly, with no settings but these."""
    command = [sys.executable, "-m", "pip", "--isolated", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    with scratch() as folder:  # wheels are unpacked there, weights among them
        variables = {**os.environ, "TMPDIR": str(folder)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)  # noqa: S603  # paths that we chose
