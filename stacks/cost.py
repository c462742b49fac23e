"""What a deployment costs: at rest by the month, and for a typical job, from its settings and from prices of a certain day.

Prices are settings of this module, not facts: list prices of one region, as published at the time that `Prices.of` names. Give
others where yours differ.
Source: https://azure.microsoft.com/pricing/ (each service's page)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoscale.estimate import Estimate, Workload, estimate
from autoscale.pool import Pool
from scorer.engines.task_count import how_many
from stacks.existing_settings import ZONES_OF, private_services
from stacks.settings import Settings
from stacks.submitter import CORES, MEMORY_GB
from stacks.watches import ACCOUNTS, TOPIC, WATCHES, WORKFLOW, idle_watch

HOURS = 730
"""Of a month."""
DAYS = 30.4
STORED_GB = 10
"""Weights, and images of yours; what jobs read and write comes and goes."""
POLL_SECONDS = 40
"""Of a container that polls for waiting requests: what is billed begins with the pull of its image."""
POLL_ACTIONS = 40
"""Of a workflow's run that starts it and waits for it."""
TYPICAL = Workload(chunks=[240] * 12 + [120], pixels=1280 * 720, model="adaptive", share=how_many)
"""Two minutes of 720p, in chunks as dispatch cuts them for two nodes."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """US dollars."""

    of: str = "East US, November 2026"
    nat_hour: float = 0.045
    address_hour: float = 0.005
    registry_day: Mapping[str, float] = field(default_factory=lambda: {"Basic": 0.167, "Standard": 0.667, "Premium": 1.667})
    endpoint_hour: float = 0.01
    zone: float = 0.50
    """Each zone, a month."""
    storage_gb: float = 0.0208
    """A month, in one zone."""
    storage_gb_in_zones: float = 0.026
    share_gb: float = 0.16
    """Of a premium file share, each GiB that it may hold; a month, in one zone."""
    share_gb_in_zones: float = 0.20
    metric_rule: float = 0.10
    """A month, for each that is watched."""
    log_rule: float = 1.50
    """A month, where it is looked at every quarter of an hour."""
    core_second: float = 0.0000135
    """Of a container group."""
    gb_second: float = 0.0000015
    action: float = 0.000025
    """Of a workflow."""
    free_actions: int = 4000
    """A month."""


def at_rest(chosen: Settings, prices: Prices | None = None) -> dict[str, float]:
    """Dollars a month of each part, while there is no work; parts that cost nothing are left out."""
    price = prices or Prices()
    polls = HOURS * 60 / chosen.poll_minutes
    registry = 0.0 if chosen.existing_registry_resource_id else DAYS * price.registry_day[chosen.registry_sku]
    stored = price.storage_gb_in_zones if chosen.zone_redundant else price.storage_gb
    shared = price.share_gb_in_zones if chosen.zone_redundant else price.share_gb
    container = POLL_SECONDS * (CORES * price.core_second + MEMORY_GB * price.gb_second)
    parts = {
        "NAT gateway and its address": 0.0
        if chosen.existing_virtual_network_resource_id
        else HOURS * (price.nat_hour + price.address_hour),
        "registry": registry,
        "private endpoints": len(private_services(chosen)) * HOURS * price.endpoint_hour,
        "private DNS zones": _zones(chosen) * price.zone,
        "storage of 10 GB": STORED_GB * stored,
        "file share": chosen.nfs_gb * shared if chosen.shares else 0.0,
        "alert rules": _metric_rules(chosen) * price.metric_rule + price.log_rule,
        "polls for waiting requests: containers": polls * container,
        "polls for waiting requests: workflow": max(0.0, polls * POLL_ACTIONS - price.free_actions) * price.action,
        "nodes that are always there": DAYS * pool(chosen).idle_dollars,
    }
    return {part: dollars for part, dollars in parts.items() if dollars}


def typical_job(chosen: Settings) -> Estimate:
    """What TYPICAL takes on the stack's nodes, between two courses."""
    return estimate(TYPICAL, pool(chosen))


def pool(chosen: Settings) -> Pool:
    """The nodes, as the settings have them."""
    return Pool(
        gpu_size=chosen.gpu_size,
        slots_per_gpu=chosen.slots_per_gpu,
        nodes_min=chosen.nodes_min,
        nodes_max=chosen.nodes_max,
        spot_percent=chosen.spot_percent,
        keep_warm_minutes=chosen.keep_warm_minutes,
        engine=chosen.engine,
    )


def told(chosen: Settings) -> dict[str, str | float]:
    """The stack's output: what rests, what a job takes, and of which day the prices are."""
    low, high = typical_job(chosen).dollars
    return {
        "atRestDollarsAMonth": round(sum(at_rest(chosen).values())),
        "typicalJobDollars": f"{low:.2f} to {high:.2f}",
        "typicalJob": f"{TYPICAL.frames} frames of 1280x720, model {TYPICAL.model}",
        "prices": Prices().of,
    }


def _zones(chosen: Settings) -> int:
    """How many DNS zones are made."""
    kinds = {kind for service in private_services(chosen) for kind in ZONES_OF[service]}
    return sum(not chosen.private_dns_zones[kind] for kind in kinds)


def _metric_rules(chosen: Settings) -> int:
    """How many rules on metrics there are: one for each thing that a watch is about."""
    events = chosen.trigger == "events"
    about = {
        ACCOUNTS[chosen.engine]: 0 if chosen.existing_batch_account_resource_id else 1,
        WORKFLOW: 2 if events else 1,
        TOPIC: 1 if events else 0,
    }
    idle = idle_watch(chosen.nodes_min, chosen.keep_warm_minutes, chosen.engine)
    return sum(about.get(watch.resource, 0) for watch in (*WATCHES, *([idle] if idle else [])))
