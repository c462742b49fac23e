"""What is set of one engine while the other one is chosen: nobody is left to believe that it counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from stacks.settings import Settings

_SERVICE = "Azure Machine Learning"
# https://learn.microsoft.com/azure/machine-learning/how-to-manage-optimize-cost
SPOT_DAYS = 7
OF_BATCH = {
    "node_image_version": f"{_SERVICE}'s nodes start from an image of its own",
    "node_disk_gb": f"{_SERVICE}'s nodes have the disk that comes with their size",
    "encryption_at_host": f"{_SERVICE}'s clusters don't take it",
    "trusted_launch": f"{_SERVICE}'s clusters don't take it",
    "container_options": f"{_SERVICE} starts containers in its own way",
    "task_memory_gb": f"{_SERVICE} limits no container's memory",
    "submitter_egress": f"the submitter calls {_SERVICE} at Azure Resource Manager, which is let through by name",
    "mount": f"{_SERVICE}'s nodes mount nothing",
    "batch_principal": f"{_SERVICE} joins its nodes to the VNet itself",
    "egress_ips": f"{_SERVICE} has no list of addresses that may submit",
    "existing_batch_account_resource_id": f"jobs are submitted to a workspace of {_SERVICE}",
    "batch_private_dns_zone_resource_id": f"jobs are submitted to a workspace of {_SERVICE}",
}
"""By the settings' names: why they mean nothing with Azure Machine Learning."""
_ZONES = ("workspace_private_dns_zone_resource_id", "notebooks_private_dns_zone_resource_id")


def misfits(chosen: Settings) -> Iterator[str]:
    """A sentence for each setting that means nothing with the engine, or that it can't keep."""
    if not chosen.machine_learning:
        for name in _ZONES:
            if value := getattr(chosen, name):
                yield f"{to_camel(name)} is '{value}': only engine machine-learning has use for it."
        return
    for name, why in OF_BATCH.items():
        value = getattr(chosen, name)
        if value != type(chosen).model_fields[name].default:
            told = ", ".join(value) if isinstance(value, tuple) else str(value).lower() if value is True else value
            yield f"{to_camel(name)} is '{told}', and {why}: leave it out, or set engine to 'batch'."
    if chosen.spot_percent and chosen.work_days > SPOT_DAYS + 1:
        yield (
            f"workDays is {chosen.work_days}, and {_SERVICE} ends what is on Spot nodes after {SPOT_DAYS} days: "
            f"set {SPOT_DAYS + 1} or less, or spotPercent to 0."
        )
