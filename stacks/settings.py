"""A stack's settings: read once, checked at once, typed ever after.

Pulumi.yaml lists the same settings with the same defaults, so that `pulumi config` knows them; a test holds the two together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from autoscale import gpu_sizes
from scorer.azure import clouds
from stacks import existing_settings, patterns, regions
from stacks.container_options import CONTAINER_OPTIONS, check_options
from stacks.setting_types import (
    PROJECT,
    STORAGE_ADDRESSES,
    ApplicationId,
    Base,
    Guid,
    Mount,
    NetworkIsolation,
    NodeImage,
    PublicAddress,
    Reference,
    RegistrySku,
    SubmitterEgress,
    Tag,
    Trigger,
    address_range,
    matches,
)
from stacks.setting_words import what_is_wrong

# The setting of Pulumi's azure-native that says which of Azure's clouds is meant.
ENVIRONMENT = "azure-native:environment"
VAULTS = "|".join(re.escape(cloud.vaults) for cloud in clouds.CLOUDS.values())

# GiB of a node that are for Linux, Docker, Batch's agent, and what fetches a job's inputs.
NODE_MEMORY_GB = 4


class Settings(BaseModel):
    """What a person may choose. Each field's description is its documentation: in `pulumi config`, in the README, in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    location: Annotated[
        str, matches(r"[a-z]+[a-z0-9]*", "a location's short name, such as westeurope"), AfterValidator(regions.check)
    ] = Field(description="Azure region of everything; must have quota for the GPU size")
    gpu_size: Annotated[str, AfterValidator(gpu_sizes.check)] = Field(
        "Standard_NC4as_T4_v3", description="Virtual machine size of the nodes"
    )
    nodes_min: int = Field(
        0,
        ge=0,
        le=1000,
        description="Nodes that are always there (Spot ones if spotPercent is 100); 0 costs nothing while there is no work",
    )
    nodes_max: int = Field(4, ge=1, le=1000, description="Nodes there may be at once")
    spot_percent: int = Field(
        100, ge=0, le=100, description="Share of the nodes asked for as Spot first; dedicated ones take over when preempted"
    )
    keep_warm_minutes: int = Field(10, ge=0, le=1440, description="Minutes that nodes stay after the last task")
    node_image_version: NodeImage = Field(
        "latest", description="Version of microsoft-dsvm:ubuntu-hpc:2404 to start from, 2026 or later; pin it in production"
    )
    node_disk_gb: int = Field(
        256, ge=128, le=4095, description="Size of a node's disk in GB: images, fetched videos and scratch lie on it"
    )
    encryption_at_host: bool = Field(
        False,
        description="Encrypt the nodes' disks, temporary ones and caches too, on the hosts that they run on, "
        "where the GPU size takes it",
    )
    trusted_launch: bool = Field(
        False,
        description="Give nodes a virtual TPM, without Secure Boot, which would refuse the GPUs' driver; "
        "not confirmed for this image",
    )
    batch_size: int = Field(16, ge=1, le=256, description="Frames that the model takes at once, where a request doesn't say")
    chunk_frames: int = Field(
        0, ge=0, le=100_000, description="Frames of one task, where a request doesn't say; 0 fits them to the video"
    )
    slots_per_gpu: int = Field(1, ge=1, le=8, description="Tasks that share one GPU")
    task_retries: int = Field(3, ge=0, le=10, description="Times that a failed task is tried again")
    task_minutes: int = Field(240, ge=5, le=1440, description="Minutes that one try of a task may last")
    task_memory_gb: int = Field(
        0, ge=0, le=900, description="GiB of memory that one task may use; 0: an equal share of what the GPU size has, less 4"
    )
    container_options: Annotated[str, AfterValidator(check_options)] = Field(
        CONTAINER_OPTIONS,
        max_length=2000,
        description="What tasks' containers are locked in with, as docker create takes it; {memory} is taskMemoryGb. "
        "Leave out what Azure Batch refuses",
    )
    image: Reference = Field(
        "build",
        description="Image of the nodes: 'build' (from this checkout), or a reference into this stack's registry or a public one",
    )
    submitter_image: Reference = Field("build", description="Image of the submitter: 'build', or a reference as for image")
    base_image: Base = Field(
        "",
        description="Image that both are built on: a mirror of the base that their Dockerfiles name, best by digest; empty for "
        "that itself",
    )
    rebuild_days: int = Field(
        0,
        ge=0,
        le=365,
        description="Days after which 'pulumi up' builds images anew though nothing of them was changed; 0: never",
    )
    registry_sku: RegistrySku = Field(
        "Basic", description="Basic, Standard, or Premium (needed by private endpoints and zone redundancy)"
    )
    network_isolation: NetworkIsolation = Field(
        "service-endpoints", description="How storage, registry and Batch are reached from the VNet"
    )
    address_space: Annotated[str, AfterValidator(address_range)] = Field("10.64.0.0/16", description="The VNet's addresses")
    # A Batch account takes 200 addresses, one of which is the NAT gateway's.
    allowed_ips: tuple[PublicAddress, ...] = Field(
        (),
        max_length=199,
        description="Public addresses and ranges that people reach storage, Batch and the workflow's runs from",
    )
    sender_ips: tuple[PublicAddress, ...] = Field(
        (),
        max_length=STORAGE_ADDRESSES,
        description="Public addresses and ranges that outside senders reach input and output from, and nothing else",
    )
    submitter_egress: SubmitterEgress = Field(
        "named",
        description="What the submitter may call: named (the services that it uses) or azure-cloud (all of the region's Azure)",
    )
    mount: Mount = Field("none", description="Whether nodes mount work/: none or blob (blobfuse)")
    zone_redundant: bool = Field(
        False, description="Spread storage, registry, NAT address and nodes over zones; decided for good at creation"
    )
    protect: bool = Field(False, description="Refuse to destroy the resource group, the storage accounts and what is in them")
    infrastructure_encryption: bool = Field(False, description="Encrypt storage twice; decided for good at creation")
    customer_key: Annotated[
        str,
        matches(
            rf"https://[a-zA-Z0-9-]{{3,24}}({VAULTS})/keys/[a-zA-Z0-9-]{{1,127}}",
            f"a key's address without version, such as https://NAME{clouds.PUBLIC.vaults}/keys/KEY",
        ),
    ] = Field("", description="Key Vault key that encrypts storage; empty means Microsoft's keys")
    customer_key_identity: Annotated[
        str,
        matches(
            r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+",
            "a user-assigned identity's resource id",
        ),
    ] = Field("", description="User-assigned identity that may use customerKey (role Key Vault Crypto Service Encryption User)")
    malware_scan_gb: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="GB a month that Microsoft Defender scans of what comes into input and output; requests wait for their "
        "files' scan; 0: none",
    )
    malware_scan_minutes: int = Field(
        60, ge=5, le=1440, description="Minutes after which a file that wasn't scanned is refused, where malwareScanGb is set"
    )
    soft_delete_days: int = Field(
        7, ge=1, le=365, description="Days that blobs deleted from input and output, and deleted containers, can be brought back"
    )
    input_days: int = Field(0, ge=0, le=3650, description="Days that videos, styles and requests are kept; 0 keeps them for good")
    output_days: int = Field(0, ge=0, le=3650, description="Days that results are kept; 0 keeps them for good")
    work_days: int = Field(
        7, ge=2, le=365, description="Days that plans and parts are kept; a job may last a day less, and 14 at the most"
    )
    log_days: int = Field(
        30, ge=30, le=730, description="Days that logs are kept (Application Insights keeps its own 90 at least)"
    )
    flow_logs: bool = Field(
        False,
        description="Log what flows through the VNet, for logDays and 90 days at least; Azure's network watcher of the region "
        "does it",
    )
    alert_address: Annotated[str, matches(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")] = Field(
        "", description="Where alerts go; empty keeps them in the portal"
    )
    monthly_budget: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Budget a month in the subscription's currency; alerts at 80 % and 100 % spent, and when 100 % is forecast; "
        "0: none",
    )
    operators: tuple[Guid, ...] = Field(
        (), max_length=50, description="Object ids of people and groups that submit jobs and publish models"
    )
    batch_principal: Guid = Field(
        "", description="Object id of the service principal MicrosoftAzureBatch, where nodes may not join the VNet without it"
    )
    request_bytes: int = Field(65_536, ge=1024, le=1_048_576, description="Limit on requests: bytes of one")
    max_frames: int = Field(1_000_000, ge=1, le=10_000_000, description="Limit on requests: frames of one job")
    max_pixels: int = Field(35_389_440, ge=4096, le=134_217_728, description="Limit on requests: pixels of one frame")
    max_gigapixels: int = Field(
        10_000, ge=1, le=1_000_000, description="Limit on requests: frames times pixels of one job, in 10^9"
    )
    max_counted_gigapixels: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="Limit on requests: the same of videos whose frames are counted by decoding (AVI, Ogg, raw)",
    )
    max_packets: int = Field(
        20_000_000,
        ge=1_000,
        le=200_000_000,
        description="Limit on requests: packets of one video, its sound and subtitles, and boxes of its file",
    )
    max_batch_pixels: int = Field(
        134_217_728,
        ge=4_096,
        le=2_147_483_648,
        description="Limit on requests: pixels of all frames that the model takes at once",
    )
    max_image_mb: int = Field(300, ge=1, le=10_000, description="Limit on requests: MB of one image")
    max_input_gb: int = Field(
        1_000, ge=1, le=10_000, description="Limit on requests: GB of one video, or of all images of a folder"
    )
    probe_seconds: int = Field(
        600,
        ge=10,
        le=3600,
        description="Limit on requests: seconds that looking at one video or style may take, and half of submitMinutes at most",
    )
    probe_memory_mb: int = Field(
        1600,
        ge=800,
        le=1700,
        description="Limit on requests: MiB of address space for looking at one; 400 are its code, 2 GiB is all there is",
    )
    sender_frames: int = Field(
        2_000_000,
        ge=0,
        le=100_000_000,
        description="Limit on one sender's day (UTC): frames; 0: none",
    )
    sender_gigapixels: int = Field(
        20_000,
        ge=0,
        le=10_000_000,
        description="Limit on one sender's day (UTC): frames times pixels, in 10^9; 0: none",
    )
    sender_gpu_minutes: int = Field(
        2_880,
        ge=0,
        le=1_000_000,
        description="Limit on one sender's day (UTC): minutes of a GPU, as scorer plan reckons them at its lower speed; 0: none",
    )
    sender_gb: int = Field(
        2_000,
        ge=0,
        le=1_000_000,
        description="Limit on one sender's day (UTC): GB of videos and images; 0: none",
    )
    sender_priority: int = Field(
        0,
        ge=-100,
        le=100,
        description="Highest priority that a sender's request may ask for",
    )
    jobs_max: int = Field(100, ge=1, le=300, description="Limit on requests: jobs that run at once; later ones wait")
    trigger: Trigger = Field(
        "events", description="What tells of requests: events (Event Grid, at once) or polling (a look every lookMinutes)"
    )
    event_app_id: ApplicationId = Field(
        "",
        description="Client id of the application that Event Grid shows a token for, instead of a secret address; not confirmed",
    )
    look_minutes: int = Field(15, ge=1, le=1440, description="Minutes between two looks for requests that still wait")
    jobs_at_once: int = Field(10, ge=1, le=90, description="Limit on requests: container groups that take them in at once")
    submit_minutes: int = Field(30, ge=5, le=720, description="Limit on requests: minutes that taking one in may last")
    name_pattern: Annotated[str, AfterValidator(patterns.checked)] = Field(
        "",
        description="Names of what stands in the resource group, of {type} (as in Azure's Cloud Adoption Framework), {project}, "
        "{stack}, {location} and {kind}; empty: scoring-STACK-KIND and random letters",
    )
    existing_resource_group_resource_id: existing_settings.ExistingGroup = ""
    existing_virtual_network_resource_id: existing_settings.ExistingNetwork = ""
    nodes_subnet_name: existing_settings.NodesSubnet = "nodes"
    submitter_subnet_name: existing_settings.SubmitterSubnet = "submitter"
    endpoints_subnet_name: existing_settings.EndpointsSubnet = "endpoints"
    egress_ips: existing_settings.EgressIps = ()
    blob_private_dns_zone_resource_id: existing_settings.BlobZone = ""
    registry_private_dns_zone_resource_id: existing_settings.RegistryZone = ""
    batch_private_dns_zone_resource_id: existing_settings.BatchZone = ""
    existing_log_analytics_workspace_resource_id: existing_settings.ExistingWorkspace = ""
    existing_batch_account_resource_id: existing_settings.ExistingBatchAccount = ""
    existing_registry_resource_id: existing_settings.ExistingRegistry = ""
    tags: dict[Annotated[str, matches(r"[^<>%&\\?/]{1,128}", "a tag's name: it may not hold < > % & \\ ? or /")], Tag] = Field(
        default_factory=dict, max_length=40, description="Tags on every resource"
    )

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
        return self.task_memory_gb or self._most_memory

    @property
    def _most_memory(self) -> int:
        return (gpu_sizes.SIZES[self.gpu_size].memory - NODE_MEMORY_GB) // self.slots_per_node

    @property
    def private(self) -> bool:
        """Whether storage, registry and Batch are reached by private endpoints."""
        return self.network_isolation == "private-endpoints"

    @property
    def builds_any(self) -> bool:
        """Whether an image is built here."""
        return "build" in (self.image, self.submitter_image)

    @property
    def foreign_registry(self) -> bool:
        """Whether an image comes from elsewhere than Azure's registries."""
        references = {self.image, self.submitter_image} - {"build"}
        azures = tuple(cloud.registries for cloud in clouds.CLOUDS.values())
        return any(not reference.partition("/")[0].endswith(azures) for reference in references)

    @property
    def flow_log_days(self) -> int:
        """Days that flows are kept; 0 where they aren't logged. Benchmarks for networks ask for 90."""
        return max(self.log_days, 90) if self.flow_logs else 0

    @property
    def doubts(self) -> list[str]:
        """What may be refused by Azure, and how to find out."""
        if not self.encryption_at_host or gpu_sizes.SIZES[self.gpu_size].host_encryption:
            return []
        return [
            f"encryptionAtHost: whether {self.gpu_size} takes it isn't known here; see EncryptionAtHostSupported in "
            f"'az vm list-skus --location {self.location} --size {self.gpu_size} --output json'."
        ]

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        broken = []
        if self.nodes_min > self.nodes_max:
            broken.append(
                f"nodesMin is {self.nodes_min}, more than nodesMax, {self.nodes_max}: raise nodesMax or lower nodesMin."
            )
        broken += existing_settings.misfits(self)
        makes_registry = not self.existing_registry_resource_id
        if self.private and makes_registry and self.registry_sku != "Premium":
            broken.append(f"registrySku is '{self.registry_sku}': private endpoints need Premium.")
        if self.zone_redundant and makes_registry and self.registry_sku != "Premium":
            broken.append(f"registrySku is '{self.registry_sku}': a zone-redundant registry needs Premium.")
        if self.task_memory_gb > self._most_memory:
            broken.append(
                f"taskMemoryGb is {self.task_memory_gb}: {self.gpu_size} has room for {self.slots_per_node} tasks of "
                f"{self._most_memory} GiB; set that or less."
            )
        addresses = len({*self.allowed_ips, *self.sender_ips})
        if addresses > STORAGE_ADDRESSES:
            broken.append(
                f"allowedIps and senderIps are {addresses} addresses together, and a storage account takes {STORAGE_ADDRESSES}: "
                "write ranges instead of single addresses."
            )
        if bool(self.customer_key) != bool(self.customer_key_identity):
            broken.append("customerKey and customerKeyIdentity belong together: set both or neither.")
        if self.monthly_budget and not self.alert_address:
            broken.append(f"monthlyBudget is {self.monthly_budget}, but nobody would hear of it: set alertAddress too.")
        broken.extend(self._hardening())
        if broken:
            raise ValueError("\n".join(broken))
        return self

    def _hardening(self) -> Iterator[str]:
        if self.encryption_at_host and gpu_sizes.SIZES[self.gpu_size].host_encryption is False:
            yield f"encryptionAtHost is true, and {self.gpu_size} doesn't take it: choose another gpuSize, or set it to false."
        if self.event_app_id and self.trigger != "events":
            yield f"eventAppId is set, but trigger is '{self.trigger}', without Event Grid: set trigger to 'events'."


def parse(raw: Mapping[str, str]) -> Settings:
    """The settings in `raw`, as Pulumi keeps them: text by key without the project's name.

    Raises pulumi.RunError with one sentence for each invalid value.
    """
    values = {key: _value(key, text) for key, text in raw.items()}
    try:
        return Settings.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        fields = {to_camel(name): field for name, field in Settings.model_fields.items()}
        sentences = [sentence for item in error.errors() for sentence in what_is_wrong(item, fields)]
        raise pulumi.RunError(
            "These settings need another value:\n" + "\n".join(f"  - {sentence}" for sentence in sentences)
        ) from error


def cloud_of(location: str) -> clouds.Cloud:
    """The cloud that is deployed to. Raises pulumi.RunError where it isn't the one that the location is in."""
    told = CONFIG.get().get(ENVIRONMENT, clouds.PUBLIC.name)
    right = clouds.of_region(location)
    if told != right.name:
        raise pulumi.RunError(
            f"{ENVIRONMENT} is '{told}', and location '{location}' is in the cloud '{right.name}': "
            f"'pulumi config set {ENVIRONMENT} {right.name}', or another location."
        )
    return right


def load() -> Settings:
    """The settings of the stack that is being deployed. Raises pulumi.RunError like `parse`."""
    mark = f"{PROJECT}:"
    chosen = parse({key.removeprefix(mark): text for key, text in CONFIG.get().items() if key.startswith(mark)})
    for doubt in chosen.doubts:
        pulumi.log.warn(doubt)
    return chosen


def _value(key: str, text: str) -> Any:
    """Pulumi keeps booleans, numbers and structures as JSON, and text bare."""
    field = next((field for name, field in Settings.model_fields.items() if to_camel(name) == key), None)
    if field is None or field.annotation is str:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    # To Python, true is 1.
    return text if field.annotation is int and isinstance(value, bool) else value
