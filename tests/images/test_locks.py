"""The locks that images are made of: whole, of the versions that the tests ran with, and refusing another file."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.scorer.packages.wheels import make_wheel

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD = "images/build.lock"
IMAGES = {
    "images/scorer/requirements.lock": [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["scorer"]],
    "images/submitter/requirements.lock": PROJECT["dependencies"],
}
LOCKS = [*IMAGES, BUILD]
# What a Debian image with Python 3.11 is, to the conditions of dependencies.
IMAGE = {
    "python_version": "3.11",
    "python_full_version": "3.11.15",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}


@cache
def entries(lock: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Version and hashes by canonical name."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    found = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        pin, *hashes = line.split()
        name, _, version = pin.partition("==")
        found[str(canonicalize_name(name))] = (version, tuple(hashes))
    return found


@cache
def constraints() -> dict[str, str]:
    lines = (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))
    return {str(canonicalize_name(name)): version for name, _, version in lines}


def needed(requirements: list[str]) -> set[str]:
    """All that the requirements lead to in an image, as the packages that are installed here say themselves."""
    waiting = [(Requirement(text), {""}) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement, of = waiting.pop()
        if requirement.marker and not any(requirement.marker.evaluate({**IMAGE, "extra": extra}) for extra in of):
            continue
        what = (str(canonicalize_name(requirement.name)), frozenset(requirement.extras))
        if what not in seen:
            seen.add(what)
            waiting += [(Requirement(text), {"", *requirement.extras}) for text in distribution(what[0]).requires or ()]
    return {name for name, _ in seen}


@pytest.mark.parametrize("lock", LOCKS)
def test_each_file_is_of_the_version_that_is_tested_and_known_by_its_hash(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text, "a lock names no registry"
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE), "nor options"
    for name, (version, hashes) in entries(lock).items():
        assert version == constraints()[name], name
        assert hashes, name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), name


@pytest.mark.parametrize("lock", IMAGES)
def test_a_lock_is_just_what_its_image_needs(lock: str) -> None:
    assert set(entries(lock)) == needed(IMAGES[lock])


def test_images_are_built_with_what_is_named() -> None:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "images/build.in").read_text().splitlines())
    assert {str(canonicalize_name(name)) for name in lines if name} <= set(entries(BUILD))


def test_nodes_and_submitter_have_the_same_files_of_what_both_have() -> None:
    scorer, submitter = (entries(lock) for lock in IMAGES)
    assert submitter.items() <= scorer.items()


def test_another_file_ends_a_build(tmp_path: Path) -> None:
    """pip with the very options of the Dockerfiles, against a registry in which a wheel was swapped."""
    options = set()
    for name in ("scorer", "submitter"):
        dockerfile = (ROOT / "images" / name / "Dockerfile").read_text().replace("\\\n", " ")
        commands = re.findall(r"-m pip install (--require-hashes [^&\n]*?)--requirement (\S+)", dockerfile)
        assert [lock for _, lock in commands] == ["build.lock", "requirements.lock"]
        options |= {option for option, _ in commands}
    (each,) = options
    wheel = make_wheel(tmp_path, "small", "", "")
    lock = tmp_path / "small.lock"
    lock.write_text(f"small==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    where = ["--isolated", "--no-index", f"--find-links={tmp_path}", "--dry-run", f"--requirement={lock}"]
    command = [sys.executable, "-m", "pip", "install", *each.split(), *where]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    make_wheel(tmp_path, "small", "import os", "")
    swapped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert swapped.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in swapped.stderr
