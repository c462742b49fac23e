"""The whole deployment, in the order in which the data meets it: `pulumi up` makes it, `pulumi destroy` leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
from pulumi_azure_native import batch as azure_batch
from pulumi_azure_native import resources

from autoscale.formula import AutoscaleRules, formula
from scorer.azure import clouds
from stacks import cost, defaults, existing, naming, outputs, settings
from stacks.alerts import Alerts, AlertsArgs
from stacks.cluster import BatchAccount, BatchAccountArgs, Pool, PoolArgs
from stacks.deployment import Parts, describe, with_workflows
from stacks.endpoints import Endpoints, EndpointsArgs, Target
from stacks.flow_logs import FlowLogs, FlowLogsArgs
from stacks.identity import Identities, IdentitiesArgs
from stacks.image_age import period
from stacks.image_context import ImageContext
from stacks.monitoring import Telemetry, TelemetryArgs
from stacks.network import Network, NetworkArgs
from stacks.patterns import Names
from stacks.permissions import Permissions, PermissionsArgs
from stacks.registry import Image, ImageArgs, Registry, RegistryArgs
from stacks.scanning import Scanning, ScanningArgs, scanner
from stacks.storage import FLOW_LOGS, Caller, Encryption, Storage, StorageArgs
from stacks.submitter import SubmitterArgs, container_group
from stacks.workflow import Workflow, WorkflowArgs
from stacks.workflow_definition import read_definition

ROOT = Path(__file__).resolve().parent
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

# The ground: a network, and the two storage accounts behind it.
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
    ),
)
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
        encryption=Encryption(
            twice=chosen.infrastructure_encryption, key=chosen.customer_key, identity=chosen.customer_key_identity
        ),
        soft_delete_days=chosen.soft_delete_days,
        input_days=chosen.input_days,
        output_days=chosen.output_days,
        work_days=chosen.work_days,
        log_days=chosen.log_days,
        protect=chosen.protect,
        flow_log_days=chosen.flow_log_days,
    ),
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

# What runs: two images in a registry.
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
image = Image(
    f"{name}-scorer",
    ImageArgs(
        registry=registry,
        arm_endpoint=cloud.resource_manager,
        context=ImageContext("scorer", ROOT, chosen.base_image or None, built_since),
        reference=None if chosen.image == "build" else chosen.image,
    ),
)
submitter_image = Image(
    f"{name}-submitter",
    ImageArgs(
        registry=registry,
        arm_endpoint=cloud.resource_manager,
        context=ImageContext("submitter", ROOT, chosen.base_image or None, built_since),
        reference=None if chosen.submitter_image == "build" else chosen.submitter_image,
    ),
)

# Where it runs: the Batch account, everything that anybody may do, and the GPU nodes, which need all of it.
batch = there.batch_account or BatchAccount(
    name,
    BatchAccountArgs(
        resource_group_name=group.name,
        private=chosen.private,
        # The submitter comes by the NAT gateway's address, or by a private endpoint.
        allowed_ips=chosen.allowed_ips if chosen.private else [*network.addresses, *chosen.allowed_ips],
    ),
)
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
        batch_account_id=batch.id,
        insights_id=telemetry.insights_id,
        vnet_id=network.id,
    ),
)
endpoints = (
    Endpoints(
        name,
        EndpointsArgs(
            resource_group_name=group.name,
            vnet_id=network.id,
            subnet_id=network.endpoints_subnet_id,
            targets=[
                Target("data", storage.data.id, "blob"),
                Target("ops", storage.ops.id, "blob"),
                # What existed before has the endpoints that its owner gave it.
                *([Target("registry", registry.id, "registry")] if isinstance(registry, Registry) else []),
                *(
                    [Target("batch", batch.id, "batchAccount"), Target("batch-nodes", batch.id, "nodeManagement")]
                    if isinstance(batch, BatchAccount)
                    else []
                ),
            ],
            zone_names=cloud.zones,
            existing_zones={
                "blob": chosen.blob_private_dns_zone_resource_id,
                "registry": chosen.registry_private_dns_zone_resource_id,
                "batch": chosen.batch_private_dns_zone_resource_id,
            },
        ),
    ).ready
    if chosen.private
    else []
)
pool = Pool(
    name,
    PoolArgs(
        resource_group_name=batch.resource_group_name,
        account_name=batch.name,
        gpu_size=chosen.gpu_size,
        gpus=chosen.gpus,
        formula=formula(
            AutoscaleRules(
                nodes_min=chosen.nodes_min,
                nodes_max=chosen.nodes_max,
                spot_percent=chosen.spot_percent,
                keep_warm_minutes=chosen.keep_warm_minutes,
                slots_per_node=chosen.slots_per_node,
            )
        ),
        slots_per_node=chosen.slots_per_node,
        subnet_id=network.nodes_subnet_id,
        identity_id=identities.nodes.id,
        registry_server=registry.login_server,
        node_image_version=chosen.node_image_version,
        disk_gb=chosen.node_disk_gb,
        zonal=chosen.zone_redundant,
        encryption_at_host=chosen.encryption_at_host,
        trusted_launch=chosen.trusted_launch,
        mount=chosen.mount,
        mount_account=storage.ops.name,
        wait_for=[*permissions.nodes, *endpoints],
    ),
)

# What starts it: a request in the data account raises an event, the event a run of the workflow, the run a container
# group. Every pollMinutes a schedule starts one, for requests that wait.
deployment = describe(
    Parts(
        settings=chosen,
        storage=storage,
        batch=batch,
        pool=pool,
        image=image.reference,
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
if isinstance(batch, BatchAccount):
    telemetry.diagnose("batch", batch.id)
if isinstance(registry, Registry):
    telemetry.diagnose("registry", registry.id, metrics=False)
for what, each in workflow.all.items():
    telemetry.diagnose(what, each.id)
if workflow.topic:
    telemetry.diagnose("topic", workflow.topic.id)
telemetry.diagnose_blobs("data", storage.data.id)
telemetry.diagnose_blobs("ops", storage.ops.id)
alerts = Alerts(
    name,
    AlertsArgs(
        resource_group_name=group.name,
        resource_group_id=group.id,
        workspace_id=telemetry.workspace_id,
        insights_id=telemetry.insights_id,
        batch_account_id=batch.id,
        batch_account_is_ours=isinstance(batch, BatchAccount),
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
pulumi.export("batchAccount", batch.name)
pulumi.export("registry", registry.name)
pulumi.export("cost", cost.told(chosen))
# By the settings that name them, so that a pipeline can preview with the images that run.
pulumi.export("images", {"image": image.reference, "submitterImage": submitter_image.reference})
pulumi.export(
    "portal",
    {
        "resourceGroup": outputs.page(cloud.portal, group.id),
        "workflow": outputs.page(cloud.portal, workflow.main.id),
        "batch": outputs.page(cloud.portal, batch.id),
        "workbook": outputs.page(cloud.portal, alerts.workbook_id),
    },
)
