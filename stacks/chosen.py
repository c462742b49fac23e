"""What a stack's settings alone say of its deployment, before there is one."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from autoscale.estimate import least_pixels
from autoscale.gpu_sizes import SIZES
from stacks.setting_types import PROJECT
from stacks.settings import Settings, parse

Document = dict[str, str | int | dict[str, int] | list[str] | None]


def of_settings(chosen: Settings) -> Document:
    """Its part of the stack's output `deployment`."""
    return {
        "engine": chosen.engine,
        "gpuSize": chosen.gpu_size,
        "gpusPerNode": chosen.gpus,
        "gpuCores": SIZES[chosen.gpu_size].cores,
        "gpuFamily": SIZES[chosen.gpu_size].family,
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
        "containerOptions": chosen.container_options,
        "jobsMax": chosen.max_active_jobs,
        "submitMinutes": chosen.submit_minutes,
        "workDays": chosen.work_days,
        "mount": chosen.mount,
        "malwareScanMinutes": chosen.malware_scan_minutes if chosen.malware_scan_gb else 0,
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
            # The last one that a poll of all requests begins with has the other half of its minutes.
            "probeSeconds": min(chosen.probe_seconds, chosen.submit_minutes * 60 // 2),
            "probeMemoryMb": chosen.probe_memory_mb,
        },
    }


def read_settings(path: Path) -> Settings:
    """The settings in a file such as stacks/Pulumi.dev.yaml.

    Raises OSError, ValueError where it is no such file, and pulumi.RunError where a value is invalid.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    values = content.get("config") if isinstance(content, dict) else None
    if not isinstance(values, dict):
        raise ValueError("it has no 'config'")
    mark = f"{PROJECT}:"
    return parse({
        str(key).removeprefix(mark): value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in values.items() if str(key).startswith(mark)
    })  # fmt: skip
