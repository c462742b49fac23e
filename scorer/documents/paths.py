"""Where every file of a job lies: all names below the addresses of its stores, which `deployment.Deployment` has.

Steps, machines, versions and roles (`stacks/permissions.py`) meet at these names, so none of them may change. Most of a job's
files are in a folder called as the job is. What a node keeps for itself is named in `scorer/store/cache.py`.
"""

from __future__ import annotations

from typing import Literal

# input/: what is asked for, and what it is made of.
REQUESTS = "requests"
SHARED = "shared"
"""What operators put there, every sender may use."""
VIDEOS, FRAMES, STYLES = "videos", "frames", "styles"

# output/<job>/: what people get.
STATUS = "status.json"
REPORT = "report.html"
REJECTED = "rejected.json"
"""Why the request was refused; in quarantine/<job>/ as well."""
SUMMARY = "summary.json"
"""What a page of many jobs shows of it."""
ORIGINAL = "original"
"""With the input's ending: what a report looks for beside itself, to play it in step with the result."""
WRITABLE = ".writable"
"""Written and deleted again, to know before the work that it can be; in work/<job>/ as well."""
ResultName = Literal["result.mp4", "result.mkv", "result.mov", "result/"]
RESULT_VIDEOS = ("result.mp4", "result.mkv", "result.mov")
RESULT_IMAGES: Literal["result/"] = "result/"

# work/<job>/: what the steps leave for each other.
PLAN = "plan.json"
PARTS, FAILED, CLAIMS = "parts", "failed", "claims"
MERGED = "result.json"
"""What says that the result is whole, and of which plan."""

# work/: what the submitter remembers.
ANSWERED, ATTEMPTS, SENDERS = "answered", "attempts", "senders"

# quarantine/<job>/
REQUEST = "request.json"


def bound_request(sender: str, name: str, digest: str) -> str:
    """In input: a request for which only the content of this SHA-256 is taken."""
    return f"{REQUESTS}/{sender}/{name}.sha256-{digest}.json"


def share(job: str) -> str:
    """In input, where no link leads: what a share gave out."""
    return f"shares/{job}.json"


def probe_folder(job: str, number: int) -> str:
    """In output: where a probe's words are, stdout.txt and stderr.txt."""
    return f"{job}/{RESULT_IMAGES}{number}"


def part(job: str, key: str) -> str:
    """In work: what a chunk's last try says of its part; `key` is Chunk.key."""
    return f"{job}/{PARTS}/{key}.json"


def part_file(key: str, token: str, ending: str) -> str:
    """In work, the name in the folder of parts: the video that the try `token` of a chunk makes."""
    return f"{key}-{token}.{ending}"


def sample(job: str, key: str, frame: int, side: str) -> str:
    """In work: a picture of one of a chunk's frames, by its number in the job."""
    return f"{job}/{PARTS}/{key}-{frame:07d}-{side}.jpg"


def failure(job: str, key: str) -> str:
    """In work: why a task failed last, a chunk's or the merge."""
    return f"{job}/{FAILED}/{key}.json"


def mark(job: str, key: str, kind: Literal["frames", "try"], number: int) -> str:
    """In work: an empty or tiny file whose name says something of a chunk."""
    return f"{job}/{FAILED}/{key}.{kind}-{number}"


def claim(job: str, key: str) -> str:
    """In work: which worker is at a task, a chunk's or the merge."""
    return f"{job}/{CLAIMS}/{key}.json"


def records(job: str, chunk: int) -> str:
    """In logs: the records of a chunk's first try; those of later ones have something of their own before the ending."""
    return f"{job}/{chunk:06d}.jsonl"


def task_logs(job: str, task: str = "") -> str:
    """In logs: the folder of what a task printed, or of all tasks."""
    return f"{job}/tasks/{task}"


def package(package_id: str) -> str:
    """In scripts: what there is of a published package; written last."""
    return f"packages/{package_id}/package.json"


def package_file(package_id: str, name: str) -> str:
    """In scripts: one of its wheels and weights."""
    return f"packages/{package_id}/files/{name}"
