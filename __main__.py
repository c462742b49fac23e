"""The whole deployment, in the order in which the data meets it: `pulumi up` makes it, `pulumi destroy` leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pulumi
from pulumi_azure_native import batch as azure_batch
from pulumi_azure_native import resources

from scorer.azure import clouds
from stacks import cost, defaults, engines, existing, naming, outputs, patience, settings
from stacks.alerts import Alerts, AlertsArgs
from stacks.deployment import DescriptionArgs, describe, with_workflows
from stacks.endpoints import Endpoints, EndpointsArgs, storage_targets
from stacks.flow_logs import FlowLogs, FlowLogsArgs
from stacks.identity import Identities, IdentitiesArgs
from stacks.image_age import period
from stacks.image_context import ImageContext
from stacks.monitoring import Telemetry, TelemetryArgs
from stacks.network import Network, NetworkArgs
from stacks.parts_share import PartsShare, PartsShareArgs
from stacks.patterns import Names
from stacks.permissions import Permissions, PermissionsArgs
from stacks.registry import Image, ImageArgs, Registry, RegistryArgs
from stacks.scanning import Scanning, ScanningArgs, scanner
from stacks.storage import FLOW_LOGS, Caller, Encryption, Storage, StorageArgs
from stacks.submitter import SubmitterArgs, container_group
from stacks.workflow import Workflow, WorkflowArgs
from stacks.workflow_definition import read_definition

ROOT = Path(__file__).resolve().parent
patience.make_room()
chosen = settings.load()
cloud = settings.cloud_of(chosen.location)
name = naming.prefix(pulumi.get_stack())
if chosen.name_pattern:
    Names(chosen.name_pattern, pulumi.get_stack(), chosen.location).apply_to_all()

# Before anything is made.
there = existing.look_up(chosen)
if there.group:
    group = there.group
else:
    made = resources.ResourceGroup(
        name, location=chosen.location, tags=dict(chosen.tags), opts=pulumi.ResourceOptions(protect=chosen.protect)
    )
    group = existing.Group(made.name, made.id, made)
defaults.apply_to_all(
    group.made,
    chosen.location,
    chosen.tags,
    protect=chosen.protect,
    elsewhere=(azure_batch.Pool,) if chosen.existing_batch_account_resource_id else (),
)

# Who acts, and where it is written down.
identities = Identities(name, IdentitiesArgs(resource_group_name=group.name))
telemetry = Telemetry(
    name,
    TelemetryArgs(
        resource_group_name=group.name,
        retention_days=chosen.log_days,
        workspace_id=chosen.existing_log_analytics_workspace_resource_id,
    ),
)

# The ground: a network, the two storage accounts behind it, and a share if nodes mount one.
network = there.network or Network(
    name,
    NetworkArgs(
        resource_group_name=group.name,
        location=chosen.location,
        address_space=chosen.address_space,
        zone_redundant=chosen.zone_redundant,
        private=chosen.private,
        mount=chosen.mount,
        foreign_registry=chosen.foreign_registry,
        any_azure=chosen.submitter_egress == "azure-cloud",
        machine_learning=chosen.machine_learning,
    ),
)
encryption = Encryption(twice=chosen.infrastructure_encryption, key=chosen.customer_key, identity=chosen.customer_key_identity)
storage = Storage(
    name,
    StorageArgs(
        resource_group_name=group.name,
        subnet_ids=[] if chosen.private else [network.nodes_subnet_id, network.submitter_subnet_id],
        private=chosen.private,
        allowed_ips=chosen.allowed_ips,
        sender_ips=chosen.sender_ips,
        scanner=Caller(id=scanner(group.id), tenant_id=identities.submitter.tenant_id) if chosen.malware_scan_gb else None,
        zone_redundant=chosen.zone_redundant,
        encryption=encryption,
        soft_delete_days=chosen.soft_delete_days,
        input_days=chosen.input_days,
        output_days=chosen.output_days,
        work_days=chosen.work_days,
        log_days=chosen.log_days,
        protect=chosen.protect,
        flow_log_days=chosen.flow_log_days,
        workspace=chosen.machine_learning,
    ),
)
share = (
    PartsShare(
        name,
        PartsShareArgs(
            resource_group_name=group.name,
            size_gb=chosen.nfs_gb,
            zone_redundant=chosen.zone_redundant,
            encryption=encryption,
            protect=chosen.protect,
        ),
    )
    if chosen.shares
    else None
)
if chosen.flow_logs:
    FlowLogs(
        name,
        FlowLogsArgs(
            resource_group_name=group.name,
            location=chosen.location,
            vnet_id=network.id,
            account_id=storage.ops.id,
            container_id=storage.containers[FLOW_LOGS].id,
            days=chosen.flow_log_days,
        ),
    )

# What runs: images in a registry.
registry = there.registry or Registry(
    name,
    RegistryArgs(
        resource_group_name=group.name,
        sku=chosen.registry_sku,
        zone_redundant=chosen.zone_redundant,
        # Those who build in Azure come from the internet.
        public=chosen.builds_any or not chosen.private,
    ),
)
built_since = period(chosen.rebuild_days)


def image(kind: str, reference: str = "build", wait_for: Sequence[pulumi.Resource] = ()) -> Image:
    """One of ours, or the ready one that is referred to."""
    return Image(
        f"{name}-{kind}",
        ImageArgs(
            registry=registry,
            arm_endpoint=cloud.resource_manager,
            context=ImageContext(kind, ROOT, chosen.base_image or None, built_since),
            reference=None if reference == "build" else reference,
            wait_for=wait_for,
        ),
    )


scorer_image = image("scorer", chosen.image)
# Azure Machine Learning's is built on it; one that is referred to is ready for the engine.
on_it = chosen.machine_learning and chosen.image == "build"
node_image = (image("scorer-ml", wait_for=[scorer_image]) if on_it else scorer_image).reference
submitter_image = image("submitter", chosen.submitter_image)

# Where it runs: the account where jobs are submitted, everything that anybody may do, and the GPU nodes, which need all of it.
parts = engines.Parts(
    settings=chosen, group=group, network=network, storage=storage, telemetry=telemetry, identities=identities, share=share
)
account = engines.make_account(name, parts, there)
permissions = Permissions(
    name,
    PermissionsArgs(
        resource_group_id=group.id,
        nodes=identities.nodes.principal_id,
        submitter=identities.submitter.principal_id,
        operators=chosen.operators,
        batch_principal=chosen.batch_principal,
        storage=storage,
        mount=chosen.mount,
        scanned=bool(chosen.malware_scan_gb),
        registry_id=registry.id,
        engine=chosen.engine,
        account_id=account.id,
        account_group_id=there.batch_account.group_id if there.batch_account else None,
        insights_id=telemetry.insights_id,
        vnet_id=network.id,
        network_group_id=network.group_id,
    ),
)
targets = [*storage_targets(storage, registry, private=chosen.private), *engines.targets(account, parts)]
endpoints = (
    Endpoints(
        name,
        EndpointsArgs(
            resource_group_name=group.name,
            vnet_id=network.id,
            subnet_id=network.endpoints_subnet_id,
            targets=targets,
            zone_names=cloud.zones,
            existing_zones=chosen.private_dns_zones,
        ),
    ).ready
    if targets
    else []
)
nodes = engines.make_nodes(
    name,
    account,
    parts,
    image=node_image,
    registry_server=registry.login_server,
    wait_for=[*permissions.nodes, *endpoints],
)

# What starts it: a request in the data account raises an event, the event a run of the workflow, the run a container
# group. Every pollMinutes a schedule starts one, for requests that wait.
deployment = describe(
    DescriptionArgs(
        settings=chosen,
        storage=storage,
        nodes=nodes,
        image=node_image,
        submitter_image=submitter_image.reference,
        registry_server=registry.login_server,
        node_identity=identities.nodes.id,
        node_client_id=identities.nodes.client_id,
        telemetry=telemetry.connection_string,
    )
)
workflow = Workflow(
    name,
    WorkflowArgs(
        resource_group_name=group.name,
        resource_group_id=group.id,
        definition=read_definition((ROOT / "logicapp/workflow.json").read_text(encoding="utf-8"), cloud.resource_manager),
        polling=json.loads((ROOT / "logicapp/polling.json").read_text(encoding="utf-8")),
        events=chosen.trigger == "events",
        poll_minutes=chosen.poll_minutes,
        container_group=container_group(
            SubmitterArgs(
                location=chosen.location,
                image=submitter_image.reference,
                registry_server=registry.login_server,
                identity_id=identities.submitter.id,
                identity_client_id=identities.submitter.client_id,
                subnet_id=network.submitter_subnet_id,
                deployment=pulumi.Output.json_dumps(deployment, sort_keys=True),
                urls=storage.urls,
                cloud=clouds.environment(cloud, storage.endpoint),
                telemetry=telemetry.connection_string,
                tags=chosen.tags,
            )
        ),
        identity_id=identities.workflow.id,
        identity_principal_id=identities.workflow.principal_id,
        submitter_identity_id=identities.submitter.id,
        data_account_id=storage.data.id,
        data_account_name=storage.data.name,
        dead_letter_account_id=storage.ops.id,
        dead_letter_container_name=storage.containers["dead-letters"].name,
        subnet_id=network.submitter_subnet_id,
        network_group_id=network.group_id,
        arm_endpoint=cloud.resource_manager,
        issuer=cloud.issuer,
        time_limit_minutes=chosen.submit_minutes,
        runs_at_once=chosen.max_submitters,
        readers=chosen.allowed_ips,
        event_app=chosen.event_app_id,
        tenant_id=identities.workflow.tenant_id,
        wait_for=[*permissions.submitter, *endpoints],
    ),
)
if chosen.malware_scan_gb:
    Scanning(
        name,
        ScanningArgs(
            account_id=storage.data.id,
            gb_per_month=chosen.malware_scan_gb,
            wait_for=[workflow.topic] if workflow.topic else [],
        ),
    )

# Who looks after it: logs of everything, alerts, a budget and a workbook.
engines.diagnose(account, parts)
if isinstance(registry, Registry):
    telemetry.diagnose("registry", registry.id, metrics=False)
for what, each in workflow.all.items():
    telemetry.diagnose(what, each.id)
if workflow.topic:
    telemetry.diagnose("topic", workflow.topic.id)
telemetry.diagnose_storage("data", storage.data.id)
telemetry.diagnose_storage("ops", storage.ops.id)
alerts = Alerts(
    name,
    AlertsArgs(
        resource_group_name=group.name,
        resource_group_id=group.id,
        workspace_id=telemetry.workspace_id,
        insights_id=telemetry.insights_id,
        engine=chosen.engine,
        account_id=account.id,
        account_is_ours=not isinstance(account, existing.ExistingBatchAccount),
        workflow_ids={what: each.id for what, each in workflow.all.items()},
        system_topic_id=workflow.topic.id if workflow.topic else None,
        nodes_min=chosen.nodes_min,
        keep_warm_minutes=chosen.keep_warm_minutes,
        alert_address=chosen.alert_address,
        monthly_budget=chosen.monthly_budget,
    ),
)

pulumi.export("deployment", with_workflows(deployment, workflow.all.values()))
pulumi.export("resourceGroup", group.name)
pulumi.export("workflow", workflow.main.name)
if chosen.machine_learning:
    pulumi.export("workspace", account.name)
else:
    pulumi.export("batchAccount", account.name)
pulumi.export("registry", registry.name)
pulumi.export("cost", cost.told(chosen))
# By the settings that name them, so that a pipeline can preview with the images that run.
pulumi.export("images", {"image": node_image, "submitterImage": submitter_image.reference})
pulumi.export(
    "portal",
    {
        "resourceGroup": outputs.page(cloud.portal, group.id),
        "workflow": outputs.page(cloud.portal, workflow.main.id),
        engines.kind(account): outputs.page(cloud.portal, account.id),
        "workbook": outputs.page(cloud.portal, alerts.workbook_id),
    },
)
