"""Azure's resource ids, taken apart: /subscriptions/<id>/resourceGroups/<group>[/providers/<namespace>/<type>/<name>]."""

from __future__ import annotations

import re
from dataclasses import dataclass

_GROUP = re.compile(r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)", re.IGNORECASE)


@dataclass(frozen=True)
class ResourceId:
    """A resource's id, or a resource group's."""

    text: str
    group: str
    """The name of the resource group."""
    name: str
    """The resource's own name, the last part of the id."""

    @property
    def group_id(self) -> str:
        """The id of the resource group."""
        return "/".join(self.text.split("/")[:5])


def parse(text: str) -> ResourceId:
    """The parts of an id that settings let pass."""
    found = _GROUP.match(text)
    if found is None:
        raise ValueError(f"'{text}' is not a resource id")
    return ResourceId(text, found["group"], text.rpartition("/")[2])


def same(one: str, other: str) -> bool:
    """Whether two ids are of one resource: Azure doesn't tell capital letters in them."""
    return one.lower() == other.lower()
