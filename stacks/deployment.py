"""A deployment as software knows it: one JSON document, the same for the submitter in Azure and for a person's `scorer` commands.

It holds addresses and limits, and nothing secret.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from stacks.cluster import BatchAccount, Pool
from stacks.estimate import least_pixels
from stacks.gpu_sizes import SIZES
from stacks.settings import Settings
from stacks.storage import Storage

Document = dict[str, str | int | dict[str, int] | list[str] | None]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the document is about."""

    settings: Settings
    storage: Storage
    batch: BatchAccount
    pool: Pool
    image: pulumi.Input[str]
    node_identity: pulumi.Input[str]
    """Resource id, which Azure asks for."""
    node_client_id: pulumi.Input[str]
    """Client id of the same, which the SDKs ask for."""
    telemetry: pulumi.Input[str]
    """Application Insights' connection string: an address, as its keys are switched off."""


def describe(parts: Parts) -> pulumi.Output[Document]:
    """The document."""
    chosen = parts.settings
    return pulumi.Output.all(
        **parts.storage.urls,
        dataAccount=parts.storage.data.id,
        batchEndpoint=parts.batch.endpoint,
        pool=parts.pool.name,
        image=parts.image,
        nodeIdentity=parts.node_identity,
        nodeClientId=parts.node_client_id,
        telemetry=parts.telemetry,
    ).apply(
        lambda known: {
            **known,
            "gpuSize": chosen.gpu_size,
            "gpusPerNode": chosen.gpus,
            "slotsPerNode": chosen.slots_per_node,
            "nodesMin": chosen.nodes_min,
            "nodesMax": chosen.nodes_max,
            "spotPercent": chosen.spot_percent,
            "keepWarmMinutes": chosen.keep_warm_minutes,
            "batchSize": chosen.batch_size,
            "chunkFrames": chosen.chunk_frames or None,
            "taskRetries": chosen.task_retries,
            "taskMinutes": chosen.task_minutes,
            "taskMemoryGb": chosen.memory_per_task,
            "jobsMax": chosen.jobs_max,
            "submitMinutes": chosen.submit_minutes,
            "workDays": chosen.work_days,
            "mount": chosen.mount,
            "senderIps": list(chosen.sender_ips),
            "senderLimits": {
                "frames": chosen.sender_frames,
                "gigapixels": chosen.sender_gigapixels,
                "gpuMinutes": chosen.sender_gpu_minutes,
                "gigabytes": chosen.sender_gb,
                "priority": chosen.sender_priority,
            },
            "pixelsPerSecond": least_pixels(SIZES[chosen.gpu_size]),
            "limits": {
                "requestBytes": chosen.request_bytes,
                "maxFrames": chosen.max_frames,
                "maxPixels": chosen.max_pixels,
                "maxGigapixels": chosen.max_gigapixels,
                "maxCountedGigapixels": chosen.max_counted_gigapixels,
                "maxPackets": chosen.max_packets,
                "maxBatchPixels": chosen.max_batch_pixels,
                "maxImageMb": chosen.max_image_mb,
                "maxInputGb": chosen.max_input_gb,
                # The last one that a look at all requests begins with has the other half of its minutes.
                "probeSeconds": min(chosen.probe_seconds, chosen.submit_minutes * 60 // 2),
                "probeMemoryMb": chosen.probe_memory_mb,
            },
        }
    )
