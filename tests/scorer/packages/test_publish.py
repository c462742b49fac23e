"""A team's own model: published, refused, installed once, and scored with, by the steps as a node runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from scorer.cli.publish import publish_package
from scorer.documents.request import make_request
from scorer.errors import InputError, MissingError, ModelError, RequestError
from scorer.models import forget, names
from scorer.packages.install import install
from scorer.packages.manifest import Package, find_package
from scorer.store import FolderStore
from tests.conftest import write_images
from tests.scorer.packages.wheels import edges, make_wheel, shade


@pytest.fixture
def scripts(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "scripts")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Package]:
    """The one shade 99, published once, since to install and ask a wheel takes seconds; and the folder of its store."""
    folder = tmp_path_factory.mktemp("published")
    wheel, weights = shade(folder, 99)
    return folder / "scripts", publish_package([wheel], [weights], FolderStore(folder / "scripts"))


@pytest.fixture
def package(published: tuple[Path, Package], scripts: FolderStore) -> Package:
    """It stands in `scripts`, as if it had been published there."""
    shutil.copytree(published[0], scripts.root)
    return published[1]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What this machine's tasks share."""
    folder = tmp_path / "node"
    monkeypatch.setenv("SCORER_NODE_DIR", str(folder))
    return folder


def test_the_same_content_is_the_same_package(tmp_path: Path, scripts: FolderStore) -> None:
    wheel = edges(tmp_path)
    package = publish_package([wheel], [], scripts)
    assert package.id.startswith("scorer-edges-1.0.0-")
    assert set(package.models) == {"edges", "double"}
    assert package.models["edges"].style == "none"
    assert find_package(package.id, scripts) == package
    before = {path: path.stat().st_mtime_ns for path in tmp_path.joinpath("scripts").rglob("*")}
    assert publish_package([wheel], [], scripts) == package
    assert {path: path.stat().st_mtime_ns for path in tmp_path.joinpath("scripts").rglob("*")} == before
    # Its code was never in our process.
    forget()
    assert not {"edges", "double"} & set(names())
    assert "scorer_edges" not in sys.modules


def test_other_weights_are_another_package(tmp_path: Path, scripts: FolderStore) -> None:
    wheel, weights = shade(tmp_path, 10)
    first = publish_package([wheel], [weights], scripts)
    weights.write_text("11")
    assert publish_package([wheel], [weights], scripts).id != first.id
    assert scripts.get(first.path("shade.txt")) == b"10"


def test_a_job_by_its_steps(tmp_path: Path, package: Package, node: Path) -> None:
    write_images(tmp_path / "input/frames", [f"{number}.png" for number in range(6)])
    request = {"name": "own", "input": "frames/", "model": "shade", "package": package.id, "chunk_frames": 2}
    (tmp_path / "input/request.json").write_text(json.dumps(request))

    def start(*arguments: str) -> subprocess.Popen[str]:
        urls = {f"SCORER_{name.upper()}": f"file://{tmp_path / name}" for name in ("input", "output", "work", "logs", "scripts")}
        environment = {**os.environ, **urls, "SCORER_NODE_DIR": str(node), "PIP_INDEX_URL": "http://127.0.0.1:1/"}
        command = [sys.executable, "-m", "scorer", *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(*arguments: str) -> str:
        process = start(*arguments)
        out, told = process.communicate()
        assert process.returncode == 0, told
        return out.strip()

    job = run("dispatch", "request.json")
    tasks = [start("score", job, "--chunk", str(chunk)) for chunk in range(3)]  # all at once, none prepared
    for task in tasks:
        assert task.wait() == 0, task.communicate()[1]
    run("merge", job)
    for number in range(6):
        frame = cv2.imread(str(tmp_path / f"output/{job}/result/{number}.png"))
        assert frame is not None
        assert (frame == 99).all()
    assert "shade cpu" in (tmp_path / f"output/{job}/report.html").read_text()
    assert [path.name for path in (node / "packages").iterdir() if path.is_dir()] == [package.id]
    # Where it can't be had, the job says so; nobody said that there is another try.
    other = run("dispatch", "request.json")
    (tmp_path / "scripts" / package.path(package.wheels[0])).write_bytes(b"other bytes")
    for path in sorted((node / "packages").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / f"work/{job}/result.json").unlink()
    merging = start("merge", other)
    assert (merging.wait(), "isn't what was published" in merging.communicate()[1]) == (7, True)
    status = json.loads((tmp_path / f"output/{job}/status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 7)


def test_a_node_installs_once(tmp_path: Path, scripts: FolderStore, package: Package, node: Path) -> None:
    code = (
        "import sys; from scorer.packages.install import install; from scorer.store import open_store;"
        "install(sys.argv[1], open_store(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, package.id, f"file://{tmp_path / 'scripts'}"]
    unfinished = node / "packages" / f".{package.id}.part"
    unfinished.mkdir(parents=True)
    (unfinished / "half").touch()  # a task was killed here
    together = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in together] == [0, 0, 0]
    found = install(package.id, scripts)
    assert (found / "weights/shade.txt").read_text() == "99"
    assert not (found / "half").exists()
    tmp_path.joinpath("scripts").rename(tmp_path / "gone")
    assert install(package.id, scripts) == found  # nothing is asked of the store again


def test_a_damaged_file_is_not_installed(scripts: FolderStore, package: Package, node: Path) -> None:
    scripts.put(package.path("shade.txt"), b"2")
    with pytest.raises(ModelError, match="isn't what was published"):
        install(package.id, scripts)
    assert not (node / "packages" / package.id).exists()


SPEC = "from scorer.models import ModelSpec\nSPEC = ModelSpec('ours', 'ours', {})"


@pytest.mark.parametrize(
    ("code", "entry", "requires", "words"),
    [
        ("", "", (), "has no entry point in the group 'scorer.models'"),
        ("SPEC = 1", "ours = our_model:SPEC", (), "is no ModelSpec"),
        ("raise OSError('no driver')", "ours = our_model:SPEC", (), "no driver"),
        ("from scorer.models.painted import SPEC", "painted = our_model:SPEC", (), "Two packages offer a model called 'painted'"),
        ("", "ours = our_model:SPEC", ("nobody-has-this>=3",), "nobody-has-this"),
        ("", "ours = our_model:SPEC", ("numpy<1",), "numpy<1"),
        (SPEC.format("'drawing', print"), "ours = our_model:SPEC", (), "has the style 'drawing': it is one of image, number"),
        (
            SPEC.format("'none', print, -1"),
            "ours = our_model:SPEC",
            (),
            r"ours\.max_styles: should be greater than or equal to 0",
        ),
    ],
)
def test_what_cant_be_published(
    tmp_path: Path, scripts: FolderStore, code: str, entry: str, requires: tuple[str, ...], words: str
) -> None:
    wheel = make_wheel(tmp_path, "our_model", code, entry, requires)
    with pytest.raises(ModelError, match=words):
        publish_package([wheel], [], scripts)
    assert not list(tmp_path.joinpath("scripts").rglob("*.*"))


def test_a_requirement_comes_along(tmp_path: Path, scripts: FolderStore) -> None:
    helper = make_wheel(tmp_path, "our_helper", "SHADE = 5", "")
    code = (
        "import our_helper\nfrom scorer.models import ModelSpec\n"
        "SPEC = ModelSpec(name='ours', summary=str(our_helper.SHADE), style='none', load=print)"
    )
    wheel = make_wheel(tmp_path, "our_model", code, "ours = our_model:SPEC", ("our-helper",))
    assert publish_package([wheel, helper], [], scripts).models["ours"].summary == "5"


def test_files_that_arent_wheels(tmp_path: Path, scripts: FolderStore) -> None:
    text = tmp_path / "model.txt"
    text.write_text("no wheel")
    broken = tmp_path / "our_model-1.0-py3-none-any.whl"
    broken.write_text("no wheel either")
    with pytest.raises(MissingError, match="There is no file"):
        publish_package([tmp_path / "none.whl"], [], scripts)
    with pytest.raises(ModelError, match="is no wheel"):
        publish_package([text], [], scripts)
    with pytest.raises(ModelError):
        publish_package([broken], [], scripts)
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other/model.txt"
    twin.touch()
    with pytest.raises(InputError, match="Two files are called"):
        publish_package([broken], [text, twin], scripts)


def test_requests_are_checked_against_the_package(package: Package) -> None:
    asked = {"name": "a", "input": "a/", "model": "shade", "package": package.id}
    package.check(make_request({**asked, "options": {"depth": 3}}))
    for more, words in (
        ({"model": "adaptive"}, "has no model 'adaptive': it has shade"),
        ({"options": {"width": 3}}, "has no option 'width'; it has: depth"),
        ({"styles": [{"source": "a.png"}]}, "takes no style"),
    ):
        with pytest.raises(RequestError, match=words):
            package.check(make_request({**asked, **more}))


@pytest.mark.parametrize("name", ["../../input/x", "unknown-0123456789abcdef", "", "a" * 99, "a-0123456789abcdef/../b"])
def test_a_package_that_isnt_there(scripts: FolderStore, name: str) -> None:
    with pytest.raises(ModelError, match="There is no package"):
        find_package(name, scripts)
