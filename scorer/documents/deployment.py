"""The deployment as software knows it: the stack's output `deployment`, which the submitter finds in SCORER_DEPLOYMENT."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from scorer import models
from scorer.azure.clouds import PUBLIC
from scorer.documents.request import Request
from scorer.documents.sender_limits import SenderLimits
from scorer.errors import ModelError, RequestError
from scorer.media.limits import Limits
from scorer.store import Store, Stores, open_store
from scorer.validation import faults

# What else the image's programs write, none of it large: caches, and what compilers make and load. It counts as memory.
_SCRATCH = "rw,exec,nosuid,nodev,mode=1777,size=1g"
# In the options of containers: GiB that a task may use, with Docker's unit.
MEMORY = "{memory}"
CONTAINER_OPTIONS = (
    f"--read-only --tmpfs /tmp:{_SCRATCH} --tmpfs /work:{_SCRATCH} --cap-drop ALL --security-opt no-new-privileges "
    f"--pids-limit 4096 --memory {MEMORY} --memory-swap {MEMORY}"
)
"""What tasks' containers are made with, where the stack doesn't say. The largest size has 96 cores, each with threads."""

# A job that hangs in spite of its tasks' limits ends after two weeks.
LONGEST_JOB_DAYS = 14


def longest_job(work_days: int) -> int:
    """Days that a job may last where plans and parts are kept for so many: never longer than its plan is."""
    return max(1, min(LONGEST_JOB_DAYS, work_days - 1))


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True)


class Deployment(_Document):
    """Addresses and limits of one stack; nothing in it is secret."""

    input: str
    """az:// addresses of the containers."""
    output: str
    scripts: str
    work: str
    logs: str
    quarantine: str
    batch_endpoint: str
    """Of the Batch account, with https:// before it; '' with Azure Machine Learning, as `pool` and `batch_account` are."""
    pool: str
    image: str
    """What the nodes run."""
    node_identity: str
    """Resource id of the nodes' identity, which Batch itself acts as when it uploads a task's output."""
    node_client_id: str
    """Client id of the same, which the scorer acts as."""
    telemetry: str
    """Application Insights' connection string: an address, no secret."""
    gpu_size: str
    gpus_per_node: int
    slots_per_node: int
    nodes_min: int
    nodes_max: int
    spot_percent: int
    keep_warm_minutes: int
    batch_size: int
    chunk_frames: int | None
    task_retries: int
    task_minutes: int
    """Minutes that one try of a task may last."""
    task_memory_gb: int = 0
    """GiB that one task may use; 0: all that its machine has."""
    container_options: str = CONTAINER_OPTIONS
    """Of tasks' containers, as `docker create` takes them; MEMORY in it stands for `task_memory_gb`."""
    jobs_max: int
    """Jobs that Batch may have at once."""
    submit_minutes: int
    """Minutes that taking requests in may last."""
    work_days: int
    """Days that plans and parts are kept."""
    mount: Literal["none", "blob", "nfs"]
    """What nodes mount: nothing, the container `work`, or a file share for the parts of videos."""
    limits: Limits
    """On requests."""
    sender_limits: SenderLimits = SenderLimits()
    """On the requests of one sender in a day."""
    pixels_per_second: dict[str, int] = {}
    """By model: what one GPU is reckoned to do at the least."""
    sender_ips: tuple[str, ...] = ()
    """Addresses and ranges that outside senders come from."""
    cloud: str = PUBLIC.name
    """A name in `scorer.azure.clouds`."""
    blob_endpoint: str = ""
    """Template of its storage accounts' addresses; '': as the cloud's are."""
    malware_scan_minutes: int = 0
    """Minutes after which a file that wasn't scanned for malware is refused; 0: files aren't scanned."""
    data_account: str = ""
    """Resource id of the account of input and output, whose links can be revoked."""
    batch_account: str = ""
    """Resource ids of the Batch account and of the workflows, which `scorer check` asks about."""
    workflows: tuple[str, ...] = ()
    submitter_image: str = ""
    registry_server: str = ""
    """Of the stack's own registry."""
    gpu_cores: int = 0
    """Cores of a node, which count against the quota of its family; 0 where an earlier version described the deployment."""
    gpu_family: str = ""
    engine: Literal["batch", "machine-learning"] = "batch"
    """Where tasks run: Azure Batch, or Azure Machine Learning."""
    workspace: str = ""
    """Resource id of the Azure Machine Learning workspace; '' with Batch, as the three below are."""
    environment: str = ""
    """Resource id of the version of the workspace's environment that names what its nodes run."""
    spot_compute: str = ""
    """Resource ids of the two clusters; '' where the deployment has none of that kind."""
    dedicated_compute: str = ""

    @property
    def job_days(self) -> int:
        """Days that a job may last, and a request may wait."""
        return longest_job(self.work_days)

    @property
    def slots(self) -> int:
        """Tasks that the whole cluster runs at once."""
        return self.nodes_max * self.slots_per_node

    def stores(self, share: Store | None = None) -> Stores:
        """Its stores; `share` is where this machine has mounted its file share, if it has."""
        return Stores(*(open_store(url) for url in (self.input, self.output, self.work, self.logs)), share=share)

    def check(self, request: Request) -> None:
        """Raise ModelError where the request's model can't be had on nodes, which have no internet."""
        if request.package is None and (what := models.spec(request.model).downloads):
            raise ModelError(
                f"Model '{request.model}' needs {what}, which the nodes of a deployment can't fetch: use it with 'scorer run'."
            )

    def fill_in(self, request: Request) -> Request:
        """The request with what the stack says where it doesn't; how many frames a batch has is found with the video."""
        return request.model_copy(update={"chunk_frames": request.chunk_frames or self.chunk_frames})


def read_deployment(text: str) -> Deployment:
    """The deployment in `text`, JSON as `pulumi stack output deployment --json` prints it. Raises RequestError."""
    try:
        return Deployment.model_validate_json(text)
    except ValidationError as error:
        raise RequestError(
            f"The deployment's description can't be read ({faults(error)[0]}): "
            "take it from 'pulumi stack output deployment --json' of this version."
        ) from error
