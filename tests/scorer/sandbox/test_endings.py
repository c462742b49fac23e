"""However the sandboxed process ends, whatever it says: one typed sentence, in bounded time and memory."""

import base64
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from scorer.errors import InputError, SandboxError, ScorerError, StyleError
from scorer.media.limits import Limits
from scorer.media.video import probe
from scorer.sandbox import check_style, probe_video
from scorer.sandbox.answer import Answer, Found
from tests.scorer.media.video.samples import make

pytestmark = pytest.mark.usefixtures("started_anew")
LIMITS = Limits(probe_seconds=2, max_frames=1000, max_pixels=128 * 96)

Play = Callable[[str], Path]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Have these lines of Python be the sandboxed process; a file to look at."""

    def begin(lines: str) -> Path:
        script = tmp_path / "child.py"
        script.write_text(f"#!{executable}\nimport os, sys, time, signal\nsay = lambda data: os.write(1, data)\n{lines}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        (tmp_path / "in.mp4").write_bytes(b"not looked at")
        return tmp_path / "in.mp4"

    executable = sys.executable
    monkeypatch.setattr(sys, "executable", str(tmp_path / "child.py"))
    return begin


def one_line(error: ScorerError) -> str:
    text = str(error)
    assert text.isprintable()
    assert text.endswith(".")
    return text


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "crashed on it \\(0\\)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "within 1.6 GB of memory"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed on it \\(-11\\)"),
        ("os.abort()", "crashed on it \\(-6\\)"),
        ("os.kill(os.getpid(), signal.SIGXCPU)", "within 2 seconds"),
        ("time.sleep(60)", "within 2 seconds"),
        ("os.close(1); time.sleep(60)", "can't be looked at"),
        ("if os.fork() == 0: time.sleep(60)", "within 2 seconds"),
        ("say(b'not JSON')", "can't be looked at"),
        ("say(b'{}')", "its description contradicts itself"),
        ("say(b'[' * 100_000)", "can't be looked at"),
        ('say(b\'{"refusal": {"kind": "memory", "sentence": ""}}\')', "within 1.6 GB of memory"),
        ('say(b\'{"refusal": {"kind": "LoginError", "sentence": "log in"}}\')', "can't be looked at"),
        ('say(b\'{"refusal": {"kind": "fault", "sentence": "ValueError: what"}}\')', "can't be looked at \\(ValueError: what"),
        ('say(b\'{"refusal": {"kind": "sandbox", "sentence": "no lock"}}\')', "can't be looked at"),
    ],
)
def test_each_end_is_one_sentence(play: Play, lines: str, said: str) -> None:
    path = play(f"say(b'ready\\n')\n{lines}")
    with ThreadPoolExecutor() as pool:  # for some of them one waits
        video, style = pool.submit(probe_video, path, LIMITS), pool.submit(check_style, path, LIMITS)
    with pytest.raises(InputError, match=said) as caught:
        video.result()
    assert one_line(caught.value).startswith(f"'{path}'")
    if "{}" in lines:
        return
    with pytest.raises(StyleError, match=said) as of_a_style:
        style.result()
    assert "image" in one_line(of_a_style.value)


def test_too_much_is_not_read(play: Play) -> None:
    path = play("say(b'ready\\n')\nwhile True: say(b'x' * 65536)")
    with pytest.raises(InputError, match="can't be looked at"):
        probe_video(path, LIMITS)


@pytest.mark.parametrize("lines", ["", "sys.exit(3)", "say(b'read')", "os.kill(os.getpid(), signal.SIGKILL)", "time.sleep(60)"])
def test_what_ends_before_it_is_locked_in_is_no_fault_of_the_file(play: Play, lines: str) -> None:
    with pytest.raises(SandboxError, match=r"before it began|too long to begin") as caught:
        probe_video(play(lines), LIMITS)
    assert one_line(caught.value)


def test_what_it_says_goes_out_clean(play: Play) -> None:
    sentence = json.dumps("'in.mp4' is \x1b]0;owned\x07 cut off\nerror: all is well" + "!" * 10_000)
    path = play(
        f"say(b'ready\\n')\nsay({json.dumps({'refusal': {'kind': 'InputError', 'sentence': json.loads(sentence)}}).encode()!r})"
    )
    with pytest.raises(InputError, match="cut off") as caught:
        probe_video(path, LIMITS)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 3000


def test_a_description_that_lies_is_not_believed(tmp_path: Path, play: Play) -> None:
    index = probe(make(tmp_path / "clip.mp4", "-c:v", "libx264", seconds=1), LIMITS)
    honest = json.loads(Answer.model_construct(video=Found.of(index)).model_dump_json())

    def answer(**more: object) -> Path:
        video = {**honest["video"], **{key: value for key, value in more.items() if key in ("pts", "keys")}}
        video["info"] = {**video["info"], **{key: value for key, value in more.items() if key not in ("pts", "keys")}}
        (tmp_path / "answer").write_bytes(b"ready\n" + json.dumps({"video": video}).encode())
        return play(f"say(open({str(tmp_path / 'answer')!r}, 'rb').read())")

    assert probe_video(answer(), LIMITS) == index
    stamps = np.array(index.pts)
    lies: list[dict[str, object]] = [
        {"pts": coded(stamps[::-1])}, {"pts": coded(stamps[:-1])}, {"pts": coded(stamps)[:-4]}, {"pts": "!"}, {"pts": ""},
        {"pts": coded(np.zeros_like(stamps))}, {"keys": coded(stamps[::-1])}, {"keys": coded(np.arange(2000))},
        {"frames": 10**9}, {"frames": -1}, {"width": 0}, {"width": -128, "height": -96}, {"width": 10**6}, {"width": "1e9"},
        {"rate": "0"}, {"rate": "1/0"}, {"rate": "-25"}, {"rate": "1e999999999"}, {"rate": "9" * 5000}, {"rate": "nan"},
        {"time_base": "0/1"}, {"sample_aspect": "0"}, {"start_pts": 1}, {"last_pts": 2**63}, {"end_pts": int(stamps[-1])},
        {"bits": 9}, {"chroma": "411"}, {"rotation": 45}, {"container": "../../mp4"}, {"audio": ["aac\u001b[31m"]},
        {"audio": ["../x"]}, {"stream": -1}, {"matrix": -1}, {"access": "whatever"}, {"origin": 2**64},
    ]  # fmt: skip
    for lie in lies:
        with pytest.raises(InputError, match="can't be looked at") as caught:
            probe_video(answer(**lie), LIMITS)
        assert one_line(caught.value), lie


def coded(stamps: "np.typing.NDArray[np.int64]") -> str:
    return base64.b64encode(np.ascontiguousarray(stamps, np.int64).tobytes()).decode()


def test_it_gets_nothing_that_could_be_taken(play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_CLIENT_ID", "IDENTITY_HEADER", "APPLICATIONINSIGHTS_CONNECTION_STRING", "SCORER_DEPLOYMENT", "ANYTHING"):
        monkeypatch.setenv(name, "secret")
    seen = tmp_path / "seen"
    seen.touch()
    facts = "os.environ, sys.argv, os.getpgid(0) == os.getpid(), sorted(os.listdir('/proc/self/fd'))"
    path = play(f"print({facts}, file=open({str(seen)!r}, 'w'))")
    held = os.dup2(os.open(seen, os.O_RDONLY), 77, inheritable=True)
    try:
        with pytest.raises(SandboxError):
            probe_video(path, LIMITS)
    finally:
        os.close(held)
    text = seen.read_text()
    assert "secret" not in text
    assert "True ['0', '1', '2', '3'" in text  # the last is the list's own
    assert "'77'" not in text


def test_it_ends_when_its_time_is_over(play: Play) -> None:
    path = play("say(b'ready\\n')\nwhile True: pass")
    with pytest.raises(InputError):
        probe_video(path, LIMITS)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(str(path.with_name("child.py")) in line for line in commands()):
        time.sleep(0.05)
    assert not any(str(path.with_name("child.py")) in line for line in commands())


def commands() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has just ended
            continue
    return found
