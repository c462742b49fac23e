"""What images are built from: the same everywhere, all of what goes in, and nothing else; and what their Dockerfiles promise."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
from datetime import date
from pathlib import Path

import pytest

from stacks.image_context import BUILT_ON, ImageContext, ImageContextError

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.parent.name for path in ROOT.glob("images/*/Dockerfile"))
BOTH = pytest.mark.parametrize("name", NAMES)
WHOLE = pytest.mark.parametrize("name", [name for name in NAMES if name not in BUILT_ON])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout's files that images are made of."""
    for name in NAMES:
        for file in ImageContext(name).files:
            target = tmp_path / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, target)
    return tmp_path


def unpacked(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return tar.getmembers()


def instructions(name: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions: comments gone, continued lines joined."""
    lines = [line for line in (ROOT / "images" / name / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(first.upper(), rest) for first, rest in pairs]


def test_there_are_two_images_and_one_that_is_built_on_the_first() -> None:
    assert NAMES == ["scorer", "scorer-ml", "submitter"]
    assert BUILT_ON == {"scorer-ml": "scorer"}


@BOTH
def test_another_machine_makes_the_same_bytes(name: str, checkout: Path) -> None:
    first = ImageContext(name, checkout)
    bytes_before, tag = first.archive(), first.tag
    for file in checkout.rglob("*"):  # another clock, another umask
        os.utime(file, (1, 1))
        file.chmod(0o700)
    code = (
        "import hashlib, pathlib, sys; from stacks.image_context import ImageContext; "
        "c = ImageContext(sys.argv[1], pathlib.Path(sys.argv[2])); print(c.tag, hashlib.sha256(c.archive()).hexdigest())"
    )
    command = [sys.executable, "-c", code, name, str(checkout)]
    environment = {**os.environ, "TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [tag, hashlib.sha256(bytes_before).hexdigest()]
    assert re.fullmatch(r"[0-9a-f]{16}", tag)


@BOTH
def test_every_byte_counts(name: str, checkout: Path) -> None:
    tag = ImageContext(name, checkout).tag
    for file in ImageContext(name, checkout).files:
        path = checkout / file
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"#")
        assert ImageContext(name, checkout).tag != tag, file
        path.write_bytes(content)
    assert ImageContext(name, checkout).tag == tag


def test_names_count_and_don_t_run_into_contents(checkout: Path) -> None:
    tag = ImageContext("scorer", checkout).tag
    (checkout / "scorer/new.py").write_bytes(b"")
    added = ImageContext("scorer", checkout).tag
    (checkout / "scorer/new.py").rename(checkout / "scorer/old.py")
    assert len({tag, added, ImageContext("scorer", checkout).tag}) == 3


def test_another_base_is_another_image() -> None:
    assert ImageContext("scorer", base="mirror.example/python:3.11.15-slim-bookworm").tag != ImageContext("scorer").tag


def test_an_old_image_won_t_do_where_images_are_built_anew() -> None:
    first, second = (ImageContext("scorer", since=day) for day in (date(2026, 11, 23), date(2026, 11, 30)))
    assert first.tag == f"{ImageContext('scorer').tag}-20261123"
    assert first.tag != second.tag
    assert first.archive() == second.archive()


def test_images_differ_but_share_the_code() -> None:
    scorer, submitter = ImageContext("scorer"), ImageContext("submitter")
    assert scorer.tag != submitter.tag
    own = {scorer.dockerfile, scorer.lock, submitter.dockerfile, submitter.lock}
    assert scorer.files.keys() ^ submitter.files.keys() == own


@pytest.mark.parametrize(
    "junk",
    [
        "scorer/__pycache__/cli.cpython-311.pyc",
        "scorer/.cli.py.swp",
        "scorer/.#cli.py",
        "scorer/cli/main.py~",
        "scorer/cli.py.orig",
        "scorer/.ipynb_checkpoints/cli.py",
        "scorer/.DS_Store",
        "scorer/Thumbs.db",
        "scorer/models/weights.pth",
        "scorer/.env",
        ".git/config",
        ".venv/lib/site.py",
        "Pulumi.dev.yaml",
        "README.md",
        "tests/test_it.py",
    ],
)
def test_junk_neither_goes_in_nor_counts(junk: str, checkout: Path) -> None:
    before = ImageContext("scorer", checkout).tag
    path = checkout / junk
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0junk")
    after = ImageContext("scorer", checkout)
    assert junk not in after.files
    assert after.tag == before


def test_line_ends_of_another_system_are_ours(checkout: Path) -> None:
    context = ImageContext("scorer", checkout)
    tag, archive = context.tag, context.archive()
    for file in context.files:
        path = checkout / file
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert ImageContext("scorer", checkout).tag == tag
    assert ImageContext("scorer", checkout).archive() == archive


def test_a_missing_file_is_named(checkout: Path) -> None:
    (checkout / "images/build.lock").unlink()
    with pytest.raises(ImageContextError, match=r"'scorer' is made of .*build\.lock"):
        _ = ImageContext("scorer", checkout).tag
    with pytest.raises(ImageContextError, match=r"images/other/Dockerfile"):
        _ = ImageContext("other", checkout).tag


@BOTH
def test_the_archive_holds_the_files_for_everyone_to_read(name: str, tmp_path: Path) -> None:
    context = ImageContext(name)
    members = unpacked(context.archive())
    assert [member.name for member in members if member.isfile()] == sorted(context.files)
    assert {(m.mode, m.isdir()) for m in members} == {(0o644, False), (0o755, True)}
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    folders = {str(parent) for file in context.files for parent in Path(file).parents} - {"."}
    assert {member.name for member in members if member.isdir()} == folders
    # another program's opinion: that of GNU tar and gzip
    (tmp_path / "context.tar.gz").write_bytes(context.archive())
    subprocess.run(["gzip", "--test", "context.tar.gz"], cwd=tmp_path, check=True)
    subprocess.run(["tar", "-xzf", "context.tar.gz"], cwd=tmp_path, check=True)
    for file, content in context.files.items():
        assert (tmp_path / file).read_bytes() == content
    assert len(gzip.decompress(context.archive())) % tarfile.BLOCKSIZE == 0


def test_all_of_the_package_goes_in() -> None:
    """What setuptools' own settings call the package's data is code to the context too."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = {file.relative_to(ROOT).as_posix() for file in (ROOT / "scorer").rglob("*.py")}
    for pattern in settings["package-data"]["scorer"]:
        package |= {file.relative_to(ROOT).as_posix() for file in (ROOT / "scorer").glob(pattern)}
    assert package == {file for file in ImageContext("scorer").files if file.startswith("scorer/")}


@BOTH
def test_the_dockerfile_copies_just_what_is_in_the_context(name: str) -> None:
    context = ImageContext(name)
    copied: set[str] = set()
    for instruction, rest in instructions(name):
        if instruction == "COPY" and "--from=" not in rest:
            copied |= set(shlex.split(rest)[:-1])
    assert not {source for source in copied if "*" in source or source == "."}
    used = {file for file in context.files if any(file == source or file.startswith(f"{source}/") for source in copied)}
    assert set(context.files) - used == {context.dockerfile}
    assert {source for source in copied if not any(f == source or f.startswith(f"{source}/") for f in context.files)} == set()


def test_what_is_built_on_another_is_its_dockerfile_and_changes_with_it(checkout: Path) -> None:
    first = ImageContext("scorer-ml", checkout)
    tag = first.tag
    assert list(first.files) == ["images/scorer-ml/Dockerfile"]
    (checkout / "scorer/errors.py").write_text("other = 1\n")
    assert ImageContext("scorer-ml", checkout).tag != tag
    assert ImageContext("scorer-ml", checkout, "mirror.example/python:3.11").tag != ImageContext("scorer-ml", checkout).tag


def test_on_azure_machine_learning_the_command_leaves_root() -> None:
    """Its image is as the service wants it, and says the number that the scorer's image makes and the engine's command takes."""
    parts = instructions("scorer-ml")
    assert dict(parts)["FROM"] == "${BASE}"
    assert not [rest for instruction, rest in parts if instruction == "ARG" and "=" in rest], "only pulumi up knows the base"
    assert dict(parts)["USER"] == "root"
    assert dict(parts)["ENTRYPOINT"] == "[]"
    assert "useradd --uid 10001" in (ROOT / "images/scorer/Dockerfile").read_text()
    assert "setpriv --reuid 10001" in (ROOT / "images/scorer-ml/Dockerfile").read_text()


@WHOLE
def test_every_base_is_pinned(name: str) -> None:
    parts = instructions(name)
    defaults = dict(rest.split("=", 1) for instruction, rest in parts if instruction == "ARG" and "=" in rest)
    assert re.fullmatch(r"docker\.io/library/python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", defaults["BASE"])
    stages = [rest.split() for instruction, rest in parts if instruction == "FROM"]
    names = {words[2] for words in stages[:-1]}
    assert {words[0] for words in stages} == {"${BASE}", "installed"}
    assert "installed" in names


@WHOLE
def test_the_last_user_is_a_number_that_is_not_root(name: str) -> None:
    parts = instructions(name)
    users = [rest for instruction, rest in parts if instruction == "USER"]
    assert users == ["10001:10001"]  # a number: a platform that forbids root can't judge a name
    position = {instruction: index for index, (instruction, _) in enumerate(parts)}
    assert position["USER"] > max(position["RUN"], position["FROM"])
    assert dict(parts)["ENTRYPOINT"] == '["scorer"]'  # the exec form, so that a signal arrives


@BOTH
def test_nothing_comes_from_elsewhere_than_the_pinned_packages(name: str) -> None:
    parts = instructions(name)
    assert {instruction for instruction, _ in parts} <= {
        "ARG", "FROM", "LABEL", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT",
    }  # fmt: skip  # no ADD: it fetches addresses
    runs = " && ".join(rest for instruction, rest in parts if instruction == "RUN")
    for command in runs.split("&&"):
        if re.search(r"\bpip (install|wheel|download)\b", command):
            locked = "--require-hashes --only-binary=:all: --requirement" in command
            assert locked or "--no-deps" in command, command
            assert locked or "--no-index" in command, command
    assert runs.count("pip ") == len(re.findall(r"-m pip (?:install|wheel) ", runs))
    assert not re.search(r"\b(curl|wget|git|apt|apt-get|ssh|chmod [0-7]*7)\b", runs)


@BOTH
def test_the_classic_builder_can_read_it(name: str) -> None:
    """Azure's build service has no BuildKit: https://github.com/Azure/acr/issues/721."""
    assert not [rest for _, rest in instructions(name) if re.search(r"--mount|--chmod|--link|--exclude|<<", rest)]
    assert not (ROOT / "images" / name / "Dockerfile").read_text().startswith("# syntax")


@BOTH
def test_there_are_no_secrets(name: str) -> None:
    names = [re.split(r"[=\s]", rest)[0] for instruction, rest in instructions(name) if instruction in ("ARG", "ENV")]
    assert not [each for each in names if re.search(r"(?i)key|secret|token|password|credential", each)]
    everything = b"\n".join(ImageContext(name).files.values())
    assert not re.search(
        rb"(?i)(accountkey|sharedaccesskey|password)\s*[=:]\s*['\"]?[a-z0-9+/]{16}|[?&]sig=[a-z0-9%]{16}", everything
    )
    assert not re.search(rb"BEGIN [A-Z ]*PRIVATE KEY", everything)
