"""A stack's settings: read once, checked at once, typed ever after.

What settings there are is said in the classes that this one is made of: `make settings` writes all lists of them from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Self

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from autoscale import gpu_sizes
from scorer.azure import clouds
from scorer.documents.deployment import longest_job
from scorer.validation import faults
from stacks import engine_misfits, existing_settings, regions
from stacks.data_settings import DataSettings
from stacks.existing_settings import ExistingSettings
from stacks.network_settings import NetworkSettings
from stacks.node_settings import NodeSettings
from stacks.request_settings import RequestSettings
from stacks.setting_types import PROJECT, STORAGE_ADDRESSES, Tags
from stacks.setting_words import what_is_wrong

# The setting of Pulumi's azure-native that says which of Azure's clouds is meant.
ENVIRONMENT = "azure-native:environment"
# Names that settings had in version 0.1, which are taken until the next one.
RENAMED = {"jobsMax": "maxActiveJobs", "jobsAtOnce": "maxSubmitters", "lookMinutes": "pollMinutes"}
# Tags that a private DNS zone has at most.
ZONE_TAGS = 15


# Pydantic lists the fields of the last base first.
class Settings(ExistingSettings, RequestSettings, DataSettings, NetworkSettings, NodeSettings):
    """What a person may choose."""

    tags: Tags = Field(
        default_factory=dict,
        max_length=40,
        examples=[{"environment": "example", "cost-center": "media"}],
        description="Tags on every resource",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        broken = []
        if self.nodes_min > self.nodes_max:
            broken.append(
                f"nodesMin is {self.nodes_min}, more than nodesMax, {self.nodes_max}: raise nodesMax or lower nodesMin."
            )
        broken += existing_settings.misfits(self)
        broken += engine_misfits.misfits(self)
        makes_registry = not self.existing_registry_resource_id
        if self.private and makes_registry and self.registry_sku != "Premium":
            broken.append(f"registrySku is '{self.registry_sku}': private endpoints need Premium.")
        if self.zone_redundant and makes_registry and self.registry_sku != "Premium":
            broken.append(f"registrySku is '{self.registry_sku}': a zone-redundant registry needs Premium.")
        if self.task_memory_gb > self.most_memory_per_task:
            broken.append(
                f"taskMemoryGb is {self.task_memory_gb}: {self.gpu_size} has room for {self.slots_per_node} tasks of "
                f"{self.most_memory_per_task} GiB; set that or less."
            )
        addresses = len({*self.allowed_ips, *self.sender_ips})
        if addresses > STORAGE_ADDRESSES:
            broken.append(
                f"allowedIps and senderIps are {addresses} addresses together, and a storage account takes {STORAGE_ADDRESSES}: "
                "write ranges instead of single addresses."
            )
        if bool(self.customer_key) != bool(self.customer_key_identity):
            broken.append("customerKey and customerKeyIdentity belong together: set both or neither.")
        cloud = clouds.of_region(self.location)
        if self.customer_key and cloud.vaults not in self.customer_key:
            broken.append(
                f"customerKey is '{self.customer_key}', and the vaults of location '{self.location}' end with {cloud.vaults}."
            )
        if self.monthly_budget and not self.alert_address:
            broken.append(f"monthlyBudget is {self.monthly_budget}, but nobody would hear of it: set alertAddress too.")
        broken.extend(self._kept_too_briefly())
        broken.extend(self._hardening())
        broken.extend(self._tags_of_zones())
        if broken:
            raise ValueError("\n".join(broken))
        return self

    @property
    def doubts(self) -> list[str]:
        """What may be refused by Azure, and how to find out."""
        return [*self.node_doubts, *regions.doubts(self.location, zone_redundant=self.zone_redundant)]

    def _kept_too_briefly(self) -> Iterator[str]:
        """What would be deleted of a job while it is at work: its video, or what says where it stands."""
        longest = longest_job(self.work_days)
        for name, days in (("inputDays", self.input_days), ("outputDays", self.output_days)):
            if 0 < days < longest:
                yield (
                    f"{name} is {days}, and by workDays a job may last {longest} days: set {longest} or more, or workDays to "
                    f"{days + 1} or less."
                )

    def _hardening(self) -> Iterator[str]:
        if self.encryption_at_host and gpu_sizes.SIZES[self.gpu_size].host_encryption is False:
            yield f"encryptionAtHost is true, and {self.gpu_size} doesn't take it: choose another gpuSize, or set it to false."
        if self.event_app_id and self.trigger != "events":
            yield f"eventAppId is set, but trigger is '{self.trigger}', without Event Grid: set trigger to 'events'."

    def _tags_of_zones(self) -> Iterator[str]:
        """What private DNS zones don't take of tags that others do.

        Source: https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations
        """
        if not existing_settings.makes_zones(self):
            return
        if len(self.tags) > ZONE_TAGS:
            yield f"tags are {len(self.tags)}, and a private DNS zone takes {ZONE_TAGS}: take some out."
        if odd := [name for name in self.tags if not re.fullmatch(r"[^\d\s()][^\s()]*", name) or not name.isascii()]:
            named = ", ".join(f"'{name}'" for name in odd)
            yield (
                f"tags have {named}, and a private DNS zone takes no tag whose name has spaces, parentheses or other than plain "
                "letters, or begins with a digit: name it otherwise."
            )


FIELDS = {to_camel(name): field for name, field in Settings.model_fields.items()}
"""All settings, by the names that people know them by."""


def parse(raw: Mapping[str, str]) -> Settings:
    """The settings in `raw`, as Pulumi keeps them: text by key without the project's name.

    Old names of settings are taken, with a warning. Raises pulumi.RunError with one sentence for each value that is wrong.
    """
    sentences = [
        f"{old} is the old name of {new}, and both are set: remove it with 'pulumi config rm {old}'."
        for old, new in RENAMED.items()
        if old in raw and new in raw
    ]
    values = {RENAMED.get(key, key): _value(RENAMED.get(key, key), text) for key, text in raw.items()}
    try:
        chosen = Settings.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        sentences += [sentence for found in faults(error) for sentence in what_is_wrong(found, FIELDS)]
    if sentences:
        raise pulumi.RunError("These settings need another value:\n" + "\n".join(f"  - {sentence}" for sentence in sentences))
    for old in RENAMED.keys() & raw.keys():
        pulumi.log.warn(f"The setting {old} is called {RENAMED[old]}: the old name is taken in this version only.")
    return chosen


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
    raw = {key.removeprefix(mark): text for key, text in CONFIG.get().items() if key.startswith(mark)}
    for old, new in RENAMED.items():
        # Pulumi hands over Pulumi.yaml's defaults as if they had been set.
        if old in raw and raw.get(new) == json.dumps(FIELDS[new].default):
            del raw[new]
    chosen = parse(raw)
    for doubt in chosen.doubts:
        pulumi.log.warn(doubt)
    return chosen


def _value(key: str, text: str) -> Any:
    """Pulumi keeps booleans, numbers and structures as JSON, and text bare."""
    field = FIELDS.get(key)
    if field is None or field.annotation is str:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    # To Python, true is 1.
    return text if field.annotation is int and isinstance(value, bool) else value
