from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scorer.errors import ModelError
from scorer.models import ModelSettings, Style, vgg19_weights
from scorer.models.gatys import SPEC
from scorer.models.vgg19_weights import vgg19_file

CONTENT = b"these stand in for weights"
NAME = f"vgg19-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch.hub keeps its files, empty."""
    monkeypatch.delenv("SCORER_VGG19", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A real server's address, and the folder it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_what_cannot_be_downloaded_is_said_plainly(hub: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}/models/{NAME}"
    monkeypatch.setattr(vgg19_weights, "_published", lambda: url)
    with pytest.raises(ModelError) as caught:
        SPEC.load(ModelSettings(styles=(Style(tmp_path / "style.png"),), device="cpu"))
    assert str(caught.value) == (
        f"The VGG19 weights can't be downloaded from {url} ([Errno 111] Connection refused): "
        f"put that file at {hub / NAME}, or set SCORER_VGG19 to the path of a local one."
    )


def test_a_file_named_in_the_environment_is_taken_and_nothing_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCORER_VGG19", str(tmp_path / "own.safetensors"))
    assert vgg19_file(f"http://127.0.0.1:{closed_port()}/{NAME}") == tmp_path / "own.safetensors"


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg19_weights, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ModelError, match="timed out"):
        vgg19_file(f"http://127.0.0.1:{silent.getsockname()[1]}/{NAME}")
    assert socket.getdefaulttimeout() is None


def test_a_missing_page_is_said_plainly(served: tuple[str, Path]) -> None:
    with pytest.raises(ModelError, match="can't be downloaded"):
        vgg19_file(f"{served[0]}/{NAME}")


def test_a_download_is_kept(served: tuple[str, Path], hub: Path) -> None:
    (served[1] / NAME).write_bytes(CONTENT)
    assert vgg19_file(f"{served[0]}/{NAME}") == hub / NAME
    (served[1] / NAME).unlink()
    assert vgg19_file(f"{served[0]}/{NAME}").read_bytes() == CONTENT


def test_a_download_of_something_else_is_refused_and_not_kept(served: tuple[str, Path], hub: Path) -> None:
    (served[1] / NAME).write_bytes(b"something else")
    with pytest.raises(ModelError, match="can't be downloaded"):
        vgg19_file(f"{served[0]}/{NAME}")
    assert not list(hub.iterdir())


def test_a_kept_file_is_checked_again(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / NAME).write_bytes(b"damaged since")
    with pytest.raises(ModelError, match="delete the file") as caught:
        vgg19_file(f"http://127.0.0.1:{closed_port()}/{NAME}")
    assert str(hub / NAME) in str(caught.value)


def test_the_published_name_carries_its_hash() -> None:
    assert vgg19_weights._published().endswith("/vgg19-dcbb9e9d.pth")
