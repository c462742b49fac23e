"""What a base's tag means today, asked of a registry as they are: it wants a token from whoever asks without one."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scorer.azure import retries
from stacks import image_base
from stacks.image_base import BaseError, main, pin, pinned
from stacks.image_context import ImageContext

INDEX = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(INDEX).hexdigest()}"
TAG = "library/python:3.11.15-slim-bookworm"


class _Registry(http.server.BaseHTTPRequestHandler):
    """One image, as the distribution specification has it."""

    claims = DIGEST
    busy = 0

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        here = f"http://{self.headers['Host']}"
        if path == "/token":
            assert "scope=repository%3Alibrary%2Fpython%3Apull" in query
            self._answer(200, b'{"token": "anybody\'s"}')
        elif self.headers["Authorization"] != "Bearer anybody's":
            scope = "repository:library/python:pull"
            self._answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{here}/token",service="here",scope="{scope}"'})
        elif type(self).busy:
            type(self).busy -= 1
            self._answer(503, b"")
        elif path == "/v2/library/python/manifests/3.11.15-slim-bookworm":
            assert "application/vnd.oci.image.index.v1+json" in self.headers["Accept"]
            self._answer(200, INDEX, {"Docker-Content-Digest": type(self).claims})
        else:
            self._answer(404, b"")

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[type[_Registry]]:
    handler = type("Handler", (_Registry,), {"address": ""})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.address = f"127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]  # made right above
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield handler
    server.shutdown()
    server.server_close()


def address(registry: type[_Registry]) -> str:
    return str(vars(registry)["address"])


def test_a_tag_gets_the_digest_of_the_manifest_s_bytes(registry: type[_Registry]) -> None:
    reference = f"{address(registry)}/{TAG}"
    assert pinned(reference) == f"{reference}@{DIGEST}"
    assert pinned(f"{reference}@sha256:{'0' * 64}") == f"{reference}@{DIGEST}", "a pinned one is renewed"


def test_a_registry_that_is_busy_is_asked_again(registry: type[_Registry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0)
    registry.busy = 2
    assert pinned(f"{address(registry)}/{TAG}").endswith(DIGEST)


def test_an_answer_that_isn_t_what_it_claims_to_be_is_refused(registry: type[_Registry]) -> None:
    registry.claims = f"sha256:{'0' * 64}"
    with pytest.raises(BaseError, match="isn't what it says it is"):
        pinned(f"{address(registry)}/{TAG}")


@pytest.mark.parametrize("reference", ["python", "docker.io/library/python", "docker.io/library/python@sha256:1", "a b/c:d"])
def test_what_is_no_tag_is_quoted(reference: str) -> None:
    with pytest.raises(BaseError, match=f"'{reference}' names no image: write one such as docker.io/"):
        pinned(reference)


def test_a_tag_that_isn_t_there_is_told(registry: type[_Registry], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{address(registry)}/library/python:2.7"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "library/python:2.7' (404 Not Found): check its name." in told.err


def test_dockerfiles_are_pinned_and_can_be_built_from(registry: type[_Registry], tmp_path: Path) -> None:
    files = [tmp_path / name / "Dockerfile" for name in ("scorer", "submitter")]
    for file in files:
        file.parent.mkdir()
        shutil.copyfile(image_base.ROOT / "images" / file.parent.name / "Dockerfile", file)
        text = file.read_text()
        file.write_text(text.replace("docker.io/", f"{address(registry)}/"))
    assert pin(files) == [f"{name}: {address(registry)}/{TAG}@{DIGEST}" for name in ("scorer", "submitter")]
    for file in files:
        before = (image_base.ROOT / "images" / file.parent.name / "Dockerfile").read_text()
        named = re.sub(r"(?m)^ARG BASE=.+$", f"ARG BASE={address(registry)}/{TAG}@{DIGEST}", before)
        assert file.read_text() == named
    assert pin(files), "again, the same"


def test_none_is_pinned_where_one_can_t_be(registry: type[_Registry], tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text(f"ARG BASE={address(registry)}/{TAG}\n")
    bad.write_text(f"ARG BASE={address(registry)}/library/python:2.7\n")
    with pytest.raises(BaseError):
        pin([good, bad])
    assert DIGEST not in good.read_text()


@pytest.mark.parametrize("name", ["scorer", "submitter"])
def test_the_dockerfiles_that_ship_can_be_pinned(name: str) -> None:
    (base,) = image_base._DEFAULT.findall(ImageContext(name).files[f"images/{name}/Dockerfile"].decode())
    assert base.startswith("docker.io/library/python:3.11.")
