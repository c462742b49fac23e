"""Settings of nodes, of the tasks on them, and of the images that run there."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from autoscale import gpu_sizes
from scorer.azure import clouds
from stacks import regions
from stacks.container_options import CONTAINER_OPTIONS, check_options
from stacks.setting_types import Base, EngineName, NodeImage, Reference, SettingGroup, matches

# GiB of a node that are for Linux, Docker, Batch's agent, and what fetches a job's inputs.
NODE_MEMORY_GB = 4


class NodeSettings(SettingGroup):
    """Where, on what and how tasks run."""

    location: Annotated[
        str, matches(r"[a-z]+[a-z0-9]*", "a location's short name, such as westeurope"), AfterValidator(regions.check)
    ] = Field(examples=["westeurope"], description="Azure region of everything; must have quota for the GPU size")
    engine: EngineName = Field(
        "batch", description="Where tasks run: batch (Azure Batch), or machine-learning (Azure Machine Learning)"
    )
    gpu_size: Annotated[str, AfterValidator(gpu_sizes.check)] = Field(
        "Standard_NC4as_T4_v3", examples=["Standard_NC16as_T4_v3"], description="Virtual machine size of the nodes"
    )
    nodes_min: int = Field(
        0,
        ge=0,
        le=1000,
        examples=[1],
        description="Nodes that are always there (Spot ones if spotPercent is 100); 0 costs nothing while there is no work",
    )
    nodes_max: int = Field(4, ge=1, le=1000, examples=[8], description="Nodes there may be at once")
    spot_percent: int = Field(
        100,
        ge=0,
        le=100,
        examples=[50],
        description="Share of the nodes asked for as Spot first; dedicated ones take over when preempted",
    )
    keep_warm_minutes: int = Field(10, ge=0, le=1440, examples=[30], description="Minutes that nodes stay after the last task")
    node_image_version: NodeImage = Field(
        "latest", description="Version of microsoft-dsvm:ubuntu-hpc:2404 to start from, 2026 or later; pin it in production"
    )
    node_disk_gb: int = Field(
        256,
        ge=128,
        le=4095,
        examples=[512],
        description="Size of a node's disk in GB: images, fetched videos and scratch lie on it",
    )
    encryption_at_host: bool = Field(
        False,
        examples=[True],
        description="Encrypt the nodes' disks, temporary ones and caches too, on the hosts that they run on, "
        "where the GPU size takes it",
    )
    trusted_launch: bool = Field(
        False,
        description="Give nodes a virtual TPM, without Secure Boot, which would refuse the GPUs' driver; "
        "not confirmed for this image",
    )
    batch_size: int = Field(
        16, ge=1, le=256, examples=[32], description="Frames that the model takes at once, where a request doesn't say"
    )
    chunk_frames: int = Field(
        0,
        ge=0,
        le=100_000,
        examples=[120],
        description="Frames of one task, where a request doesn't say; 0 fits them to the video",
    )
    slots_per_gpu: int = Field(1, ge=1, le=8, examples=[2], description="Tasks that share one GPU")
    task_retries: int = Field(3, ge=0, le=10, examples=[2], description="Times that a failed task is tried again")
    task_minutes: int = Field(240, ge=5, le=1440, examples=[120], description="Minutes that one try of a task may last")
    task_memory_gb: int = Field(
        0,
        ge=0,
        le=900,
        examples=[8],
        description="GiB of memory that one task may use; 0: an equal share of what the GPU size has, less 4",
    )
    container_options: Annotated[str, AfterValidator(check_options)] = Field(
        CONTAINER_OPTIONS,
        max_length=2000,
        examples=["--read-only --tmpfs /tmp:rw,exec,size=1g --tmpfs /work:rw,exec,size=1g --pids-limit 4096 --memory {memory}"],
        description="What tasks' containers are locked in with, as docker create takes it; {memory} is taskMemoryGb. "
        "Leave out what Azure Batch refuses",
    )
    image: Reference = Field(
        "build",
        examples=["docker.io/example/scorer:1.0"],
        description="Image of the nodes: 'build' (from this checkout), or a reference into this stack's registry or a public one",
    )
    submitter_image: Reference = Field(
        "build",
        examples=["docker.io/example/scorer-submitter:1.0"],
        description="Image of the submitter: 'build', or a reference as for image",
    )
    base_image: Base = Field(
        "",
        description="Image that both are built on: a mirror of the base that their Dockerfiles name, best by digest; empty for "
        "that itself",
    )
    rebuild_days: int = Field(
        0,
        ge=0,
        le=365,
        examples=[30],
        description="Days after which 'pulumi up' builds images anew though nothing of them was changed; 0: never",
    )

    @property
    def machine_learning(self) -> bool:
        """Whether tasks run on Azure Machine Learning."""
        return self.engine == "machine-learning"

    @property
    def gpus(self) -> int:
        """GPUs of one node."""
        return gpu_sizes.SIZES[self.gpu_size].gpus

    @property
    def slots_per_node(self) -> int:
        """Tasks that one node runs at once."""
        return self.gpus * self.slots_per_gpu

    @property
    def memory_per_task(self) -> int:
        """GiB that one task may use."""
        return self.task_memory_gb or self.most_memory_per_task

    @property
    def most_memory_per_task(self) -> int:
        """GiB that each task of a node can have."""
        return (gpu_sizes.SIZES[self.gpu_size].memory - NODE_MEMORY_GB) // self.slots_per_node

    @property
    def builds_any(self) -> bool:
        """Whether an image is built here."""
        return "build" in (self.image, self.submitter_image)

    @property
    def foreign_registry(self) -> bool:
        """Whether an image comes from elsewhere than Azure's registries."""
        references = {self.image, self.submitter_image} - {"build"}
        azures = tuple(cloud.registries for cloud in clouds.CLOUDS.values())
        return any(not reference.partition("/")[0].lower().endswith(azures) for reference in references)

    @property
    def node_doubts(self) -> list[str]:
        """What Azure may refuse of nodes, and how to find out."""
        if not self.encryption_at_host or gpu_sizes.SIZES[self.gpu_size].host_encryption:
            return []
        return [
            f"encryptionAtHost: whether {self.gpu_size} takes it isn't known here; see EncryptionAtHostSupported in "
            f"'az vm list-skus --location {self.location} --size {self.gpu_size} --output json'."
        ]
