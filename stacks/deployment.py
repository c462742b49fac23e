"""A deployment as software knows it: one JSON document, the same for the submitter in Azure and for a person's `scorer` commands.

It holds addresses and limits, and nothing secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import logic

from scorer.azure import clouds
from stacks.chosen import Document, of_settings
from stacks.settings import Settings
from stacks.storage import Storage


@dataclass(frozen=True, kw_only=True)
class DescriptionArgs:
    """What the document is about."""

    settings: Settings
    storage: Storage
    nodes: Mapping[str, pulumi.Input[str]]
    """What the engine says of its nodes and of where jobs are submitted, by the document's keys."""
    image: pulumi.Input[str]
    """What the nodes run."""
    submitter_image: pulumi.Input[str]
    registry_server: pulumi.Input[str]
    node_identity: pulumi.Input[str]
    """Resource id, which Azure asks for."""
    node_client_id: pulumi.Input[str]
    """Client id of the same, which the SDKs ask for."""
    telemetry: pulumi.Input[str]
    """Application Insights' connection string: an address, as its keys are switched off."""


def describe(parts: DescriptionArgs) -> pulumi.Output[Document]:
    """The document."""
    chosen = parts.settings
    return pulumi.Output.all(
        **parts.storage.urls,
        blobEndpoint=parts.storage.endpoint,
        dataAccount=parts.storage.data.id,
        **parts.nodes,
        image=parts.image,
        submitterImage=parts.submitter_image,
        registryServer=parts.registry_server,
        nodeIdentity=parts.node_identity,
        nodeClientId=parts.node_client_id,
        telemetry=parts.telemetry,
    ).apply(lambda known: {**known, "cloud": clouds.of_region(chosen.location).name, **of_settings(chosen)})


def with_workflows(document: pulumi.Output[Document], workflows: Iterable[logic.Workflow]) -> pulumi.Output[Document]:
    """The document for people, who also look after the workflows; these have one themselves, without their own ids."""
    ids = pulumi.Output.all(*(each.id for each in workflows))
    return pulumi.Output.all(document=document, ids=ids).apply(lambda known: {**known["document"], "workflows": known["ids"]})
