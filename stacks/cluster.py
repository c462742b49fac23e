"""The cluster: a Batch account that knows no keys, and a pool of GPU machines that comes and goes with the work.

Sources: https://learn.microsoft.com/azure/batch/batch-docker-container-workloads, https://learn.microsoft.com/azure/batch/virtual-file-mount,
https://learn.microsoft.com/azure/batch/public-network-access
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import batch

from autoscale.formula import EVALUATION_INTERVAL
from scorer.models.devices import LEAST_DRIVER
from stacks import naming
from stacks.setting_types import Mount
from stacks.watches import POOL

# Where a mounted work/, and a share for parts, are found below the directory that Batch names in AZ_BATCH_NODE_MOUNTS_DIR.
MOUNT_PATH, SHARE_PATH = "work", "parts"
# Azure ended the other mode; newer versions of its interface no longer take this property.
NODE_COMMUNICATION = batch.NodeCommunicationMode.SIMPLIFIED

# For blobfuse2, which Batch installs when it mounts. The image's user isn't root; and what others write is seen at once, since
# neither the kernel nor blobfuse itself keeps attributes, listings or files.
# https://github.com/Azure/azure-storage-fuse/blob/main/cmd/mount.go
BLOBFUSE_OPTIONS = "-o allow_other -o direct_io --file-cache-timeout=0"

# By Azure's own page for Linux, but for the helper that would add TLS; that Batch takes the options with -o isn't confirmed.
# https://learn.microsoft.com/azure/storage/files/storage-files-how-to-mount-nfs-shares
NFS_OPTIONS = "-o vers=4,minorversion=1,sec=sys,nconnect=4"

# A new share's folder is root's alone, and the image's user isn't root. Sticky, like /tmp: nobody deletes another's folder.
# Without a mount parts would go to the node's own disk, where no other node finds them.
OPEN_SHARE = (
    'parts="$AZ_BATCH_NODE_MOUNTS_DIR/' + SHARE_PATH + '"; mountpoint -q "$parts" && chmod 1777 "$parts" || {{ '
    'echo "The share for parts is not mounted at $parts: see File servers in docs/jobs-on-azure.md."; sleep 30; exit 4; }}; '
)

# Run on the node itself, not in a container. Right after a boot the driver may need a moment more, so a failure takes its time.
GPU_CHECK = (
    "/bin/bash -c '{first}timeout 120 nvidia-smi && [ $(timeout 120 nvidia-smi --list-gpus | wc -l) -eq {gpus} ] "
    "|| {{ sleep 30; exit 1; }}; "
    "driver=$(timeout 120 nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1); "
    "[ ${{driver%%.*}} -ge {least_driver} ] || {{ "
    'echo "The NVIDIA driver of this node is $driver, and CUDA 13 needs {least_driver} or newer: '
    'set nodeImageVersion to a version of 2026 or later."; exit 3; }}'
    "'"
)
GPU_CHECK_RETRIES = 2

# What Azure refuses to change on a pool that exists (PropertyCannotBeUpdated).
FIXED = [
    "vmSize",
    "deploymentConfiguration",
    "networkConfiguration",
    "mountConfiguration",
    "identity",
    "taskSlotsPerNode",
    "taskSchedulingPolicy",
    "interNodeCommunication",
]


@dataclass(frozen=True, kw_only=True)
class BatchAccountArgs:
    """What the account is made of."""

    resource_group_name: pulumi.Input[str]
    private: bool = False
    """Reached by private endpoints, and from the internet by `allowed_ips` alone."""
    allowed_ips: Sequence[pulumi.Input[str]] = ()
    """Addresses that may submit jobs."""


class BatchAccount(pulumi.ComponentResource):
    """Where jobs are submitted. It signs in by Microsoft Entra ID only: account keys don't work."""

    def __init__(self, name: str, args: BatchAccountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:BatchAccount", name, None, opts)
        account = batch.BatchAccount(
            naming.account(name, "batch"),
            resource_group_name=args.resource_group_name,
            allowed_authentication_modes=[batch.AuthenticationMode.AAD],
            pool_allocation_mode=batch.PoolAllocationMode.BATCH_SERVICE,
            # The rules count only where public access is enabled.
            public_network_access=batch.PublicNetworkAccessType.DISABLED
            if args.private and not args.allowed_ips
            else batch.PublicNetworkAccessType.ENABLED,
            network_profile=_network_profile(args),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = account.id
        self.name = account.name
        self.resource_group_name = args.resource_group_name
        self.endpoint = pulumi.Output.concat("https://", account.account_endpoint)
        self.register_outputs({"id": self.id, "endpoint": self.endpoint})


def _network_profile(args: BatchAccountArgs) -> batch.NetworkProfileArgs:
    """Who comes by the internet: people and the submitter by their addresses; nodes, unless they have private endpoints."""
    deny, allow = batch.EndpointAccessDefaultAction.DENY, batch.EndpointAccessDefaultAction.ALLOW
    # Each once: people may come from where the submitter does.
    allowed = dict.fromkeys(args.allowed_ips)
    rules = [batch.IPRuleArgs(action=batch.IPRuleAction.ALLOW, value=address) for address in allowed]
    return batch.NetworkProfileArgs(
        account_access=batch.EndpointAccessProfileArgs(default_action=deny, ip_rules=rules),
        # Said in either case, as an account that was private before would stay closed to nodes.
        node_management_access=batch.EndpointAccessProfileArgs(default_action=deny if args.private else allow, ip_rules=[]),
    )


@dataclass(frozen=True, kw_only=True)
class PoolArgs:
    """What the pool is made of."""

    resource_group_name: pulumi.Input[str]
    account_name: pulumi.Input[str]
    gpu_size: str
    """The nodes' virtual machine size."""
    gpus: int
    """GPUs of one node: a node that finds another number gets no tasks."""
    formula: str
    """When there are how many nodes: see `autoscale.formula`."""
    slots_per_node: int
    """Tasks that one node runs at once."""
    subnet_id: pulumi.Input[str]
    identity_id: pulumi.Input[str]
    """The user-assigned identity that nodes and tasks act as."""
    registry_server: pulumi.Input[str]
    """The registry that the identity pulls images from; public ones ask for none."""
    node_image_version: str = "latest"
    disk_gb: int = 256
    """Size of a node's disk."""
    zonal: bool = False
    """Spread nodes over zones."""
    encryption_at_host: bool = False
    """Encrypt all disks on the host, temporary ones and caches among them."""
    trusted_launch: bool = False
    """Give nodes a virtual TPM, without Secure Boot."""
    mount: Mount = "none"
    mount_account: pulumi.Input[str] = ""
    """The storage account whose container `work` is mounted, with mount blob."""
    share_source: pulumi.Input[str] = ""
    """The share that is mounted, with mount nfs."""
    wait_for: Sequence[pulumi.Resource] = ()
    """Roles and endpoints that nodes need from their first minute."""


class Pool(pulumi.ComponentResource):
    """GPU machines that run one container a task.

    The pool names no image to fetch beforehand: every job names the image that it began with, so that a new image leaves both the
    pool and running jobs alone. A change that Azure refuses makes a new pool before the old one goes.
    """

    def __init__(self, name: str, args: PoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Pool", name, None, opts)
        pool = batch.Pool(
            f"{name}-{POOL}",
            resource_group_name=args.resource_group_name,
            account_name=args.account_name,
            vm_size=args.gpu_size,
            deployment_configuration=batch.DeploymentConfigurationArgs(virtual_machine_configuration=_machine(args)),
            network_configuration=batch.NetworkConfigurationArgs(
                subnet_id=args.subnet_id,
                # No address of its own, so nothing outside can call a node: the way out is the subnet's NAT gateway.
                public_ip_address_configuration=batch.PublicIPAddressConfigurationArgs(
                    provision=batch.IPAddressProvisioningType.NO_PUBLIC_IP_ADDRESSES
                ),
            ),
            identity=batch.BatchPoolIdentityArgs(
                type=batch.PoolIdentityType.USER_ASSIGNED, user_assigned_identities=[args.identity_id]
            ),
            mount_configuration=_mounts(args),
            start_task=_start_task(args),
            scale_settings=batch.ScaleSettingsArgs(
                auto_scale=batch.AutoScaleSettingsArgs(formula=args.formula, evaluation_interval=EVALUATION_INTERVAL)
            ),
            task_slots_per_node=args.slots_per_node,
            # Full nodes first: the others can go home.
            task_scheduling_policy=batch.TaskSchedulingPolicyArgs(node_fill_type=batch.ComputeNodeFillType.PACK),
            inter_node_communication=batch.InterNodeCommunicationState.DISABLED,
            target_node_communication_mode=NODE_COMMUNICATION,
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=FIXED, depends_on=list(args.wait_for)),
        )
        self.id = pool.id
        self.name = pool.name
        self.register_outputs({"id": self.id, "name": self.name})


def _machine(args: PoolArgs) -> batch.VirtualMachineConfigurationArgs:
    # NVIDIA's driver and container runtime are in this image; Batch hands the GPUs to containers itself.
    image = batch.ImageReferenceArgs(publisher="microsoft-dsvm", offer="ubuntu-hpc", sku="2404", version=args.node_image_version)
    identity = batch.ComputeNodeIdentityReferenceArgs(resource_id=args.identity_id)
    # Also where images come from elsewhere: another may be pushed into this registry at any time.
    registries = [batch.ContainerRegistryArgs(registry_server=args.registry_server, identity_reference=identity)]
    return batch.VirtualMachineConfigurationArgs(
        image_reference=image,
        node_agent_sku_id="batch.node.ubuntu 24.04",
        # This image leaves Docker's files where Docker puts them, on the system's disk, whatever temporary disk the machine has:
        # https://learn.microsoft.com/azure/batch/batch-docker-container-workloads
        os_disk=batch.OSDiskArgs(disk_size_gb=args.disk_gb),
        container_configuration=batch.ContainerConfigurationArgs(
            type=batch.ContainerType.DOCKER_COMPATIBLE, container_registries=registries
        ),
        node_placement_configuration=batch.NodePlacementConfigurationArgs(
            policy=batch.NodePlacementPolicyType.ZONAL if args.zonal else batch.NodePlacementPolicyType.REGIONAL
        ),
        security_profile=_security(args),
    )


def _security(args: PoolArgs) -> batch.SecurityProfileArgs | None:
    """What protects nodes from below. Disk encryption inside of them is left out: Batch has it for few Linux images.

    Source: https://learn.microsoft.com/azure/batch/disk-encryption
    """
    if not args.encryption_at_host and not args.trusted_launch:
        return None
    # Secure Boot runs signed modules alone, and NVIDIA's driver is built on the image.
    firmware = batch.UefiSettingsArgs(secure_boot_enabled=False, v_tpm_enabled=True)
    return batch.SecurityProfileArgs(
        encryption_at_host=args.encryption_at_host or None,
        security_type=batch.SecurityTypes.TRUSTED_LAUNCH if args.trusted_launch else None,
        uefi_settings=firmware if args.trusted_launch else None,
    )


def start_command(gpus: int, *, share: bool = False) -> str:
    """The command that fails on a node without so many GPUs, or with a driver that is too old for the image's CUDA.

    With `share` it opens the share for parts to tasks first, and fails where none is mounted.
    """
    first = OPEN_SHARE.format() if share else ""
    return GPU_CHECK.format(first=first, gpus=gpus, least_driver=LEAST_DRIVER)


def _start_task(args: PoolArgs) -> batch.StartTaskArgs:
    """A node whose driver or GPU is broken would fail task after task: this keeps tasks away from it.

    A change is made in place, and counts for nodes that come after it.
    """
    return batch.StartTaskArgs(
        command_line=start_command(args.gpus, share=args.mount == "nfs"),
        wait_for_success=True,
        max_task_retry_count=GPU_CHECK_RETRIES,
        # As root: NVIDIA's tools may have to load the driver's modules first, and the share's folder is root's.
        user_identity=batch.UserIdentityArgs(
            auto_user=batch.AutoUserSpecificationArgs(elevation_level=batch.ElevationLevel.ADMIN, scope=batch.AutoUserScope.POOL)
        ),
    )


def _mounts(args: PoolArgs) -> list[batch.MountConfigurationArgs] | None:
    """Nodes can mount one container at most: on this operating system a second blobfuse mount fails."""
    if args.mount == "blob":
        blobfuse = batch.AzureBlobFileSystemConfigurationArgs(
            account_name=args.mount_account,
            container_name="work",
            relative_mount_path=MOUNT_PATH,
            blobfuse_options=BLOBFUSE_OPTIONS,
            identity_reference=batch.ComputeNodeIdentityReferenceArgs(resource_id=args.identity_id),
        )
        return [batch.MountConfigurationArgs(azure_blob_file_system_configuration=blobfuse)]
    if args.mount == "nfs":
        share = batch.NFSMountConfigurationArgs(
            source=args.share_source, relative_mount_path=SHARE_PATH, mount_options=NFS_OPTIONS
        )
        return [batch.MountConfigurationArgs(nfs_mount_configuration=share)]
    return None
