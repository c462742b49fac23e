"""The workflows: a request that is uploaded makes Event Grid call one, which runs one container group for the request.

A second one polls for requests that wait: for room, or since an event was lost. Where a subscription has no Event Grid, it is
the only one.

Sources: https://learn.microsoft.com/azure/logic-apps/authenticate-with-managed-identity,
https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage, https://learn.microsoft.com/azure/event-grid/delivery-and-retry
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
from pulumi_azure_native import eventgrid, logic

from scorer.azure import clouds
from scorer.documents import paths
from stacks.identity import Role, assign, define
from stacks.patience import Settling
from stacks.setting_types import EVENT_GRID
from stacks.submitter import API_VERSION
from stacks.workflow_definition import acting_as, polling_definition, told_of_requests

REQUESTS = f"/blobServices/default/containers/input/blobs/{paths.REQUESTS}/"
SUFFIX = ".json"
# Storage says that a blob is created when an empty file is opened too, before there is anything in it.
NOT_YET_WRITTEN = ["CreateFile", "SftpCreate"]
# The most that Event Grid offers: a day, and an attempt whenever its schedule has one.
DELIVERY_ATTEMPTS = 30
DELIVERY_MINUTES = 1440
NOBODY = "0.0.0.0/32"
# Of the addresses of request triggers.
TRIGGER_API = "2016-10-01"

GROUP_ACTIONS = [
    "Microsoft.ContainerInstance/containerGroups/read",
    "Microsoft.ContainerInstance/containerGroups/write",
    "Microsoft.ContainerInstance/containerGroups/delete",
    "Microsoft.ContainerInstance/containerGroups/containers/logs/read",
]
SUBNET_ACTIONS = ["Microsoft.Network/virtualNetworks/subnets/read", "Microsoft.Network/virtualNetworks/subnets/join/action"]


@dataclass(frozen=True, kw_only=True)
class WorkflowArgs:
    """What the workflow is made of, and what it may touch."""

    resource_group_name: pulumi.Input[str]
    resource_group_id: pulumi.Input[str]
    definition: Mapping[str, Any]
    """logicapp/workflow.json."""
    polling: Mapping[str, Any]
    """logicapp/polling.json: what is different where a schedule is the trigger."""
    events: bool
    """Whether Event Grid tells of requests."""
    poll_minutes: int
    """Minutes between two polls for requests that wait."""
    container_group: pulumi.Input[Mapping[str, Any]]
    identity_id: pulumi.Input[str]
    identity_principal_id: pulumi.Input[str]
    submitter_identity_id: pulumi.Input[str]
    data_account_id: pulumi.Input[str]
    data_account_name: pulumi.Input[str]
    dead_letter_account_id: pulumi.Input[str]
    dead_letter_container_name: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    network_group_id: str | None = None
    """Of the resource group that the subnet is in, where that is another one."""
    time_limit_minutes: int
    """How long a container group may take."""
    runs_at_once: int
    """Requests that are taken in at the same time; the others wait."""
    readers: Sequence[str] = ()
    """Addresses from which people may read what runs took in and gave out, as addresses or ranges; none: nobody may."""
    event_app: str = ""
    """Client id of the application that Event Grid shows a token for; empty: a secret address lets it in."""
    tenant_id: pulumi.Input[str] = ""
    """The tenant whose tokens count."""
    arm_endpoint: str = clouds.PUBLIC.resource_manager
    issuer: str = clouds.PUBLIC.issuer
    wait_for: Sequence[pulumi.Resource] = ()
    """What the first request needs: the submitter's roles, endpoints."""


class Workflow(pulumi.ComponentResource):
    """The workflows, what they are allowed, and the event subscription that starts the first."""

    poller: logic.Workflow
    """The one that polls for waiting requests."""
    requests: logic.Workflow | None = None
    """The one that is told of each request."""
    topic: eventgrid.SystemTopic | None = None
    subscription: eventgrid.SystemTopicEventSubscription | None = None

    def __init__(self, name: str, args: WorkflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Workflow", name, None, opts)
        self._name, self._args = name, args
        permissions = [*self._permissions(), *args.wait_for]
        self.poller = self._workflow(
            f"{name}-looks", polling_definition(args.definition, args.polling, args.poll_minutes), permissions
        )
        if args.events:
            self.requests = self._workflow(name, told_of_requests(args.definition, args.runs_at_once), [], self._tokens())
            self.topic = eventgrid.SystemTopic(
                name,
                resource_group_name=args.resource_group_name,
                source=args.data_account_id,
                topic_type="Microsoft.Storage.StorageAccounts",
                identity={"type": eventgrid.IdentityType.SYSTEM_ASSIGNED},
                opts=pulumi.ResourceOptions(parent=self),
            )
            settling = Settling(f"{name}-dead-letters")
            letters = self._dead_letter_permission(self.topic, settling)
            self.subscription = self._subscription(self.requests, self.topic, [*permissions, letters], settling)
        self.register_outputs({"workflow": self.main.id})

    @property
    def main(self) -> logic.Workflow:
        """The one that requests come to first."""
        return self.requests or self.poller

    @property
    def all(self) -> dict[str, logic.Workflow]:
        """Each by what it is called in alerts and logs."""
        return {"looks": self.poller} | ({"workflow": self.requests} if self.requests else {})

    def _workflow(
        self,
        name: str,
        definition: Mapping[str, Any],
        wait_for: Sequence[pulumi.Resource],
        tokens: logic.FlowAccessControlConfigurationPolicyArgs | None = None,
    ) -> logic.Workflow:
        args = self._args
        readers = [reader if "/" in reader else f"{reader}/32" for reader in args.readers or [NOBODY]]
        return logic.Workflow(
            name,
            resource_group_name=args.resource_group_name,
            state=logic.WorkflowState.ENABLED,
            identity={"type": logic.ManagedServiceIdentityType.USER_ASSIGNED, "user_assigned_identities": [args.identity_id]},
            definition=pulumi.Output.from_input(args.identity_id).apply(partial(acting_as, definition)),
            parameters=self._parameters(),
            # The trigger stays open to all addresses, as Event Grid's aren't announced: a secret in its own address or a token
            # guards it, and conditions. Azure forgets of all this what one change leaves out, so that it is said as a whole.
            access_control=logic.FlowAccessControlConfigurationArgs(
                contents=logic.FlowAccessControlConfigurationPolicyArgs(
                    allowed_caller_ip_addresses=[logic.IpAddressRangeArgs(address_range=reader) for reader in readers]
                ),
                triggers=tokens,
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=wait_for),
        )

    def _tokens(self) -> logic.FlowAccessControlConfigurationPolicyArgs | None:
        """Whose tokens start the workflow: Event Grid's, of this tenant, for the application.

        Beside them the secret address goes on to work for whoever may list it: to switch it off isn't in the SDK.
        Source: https://learn.microsoft.com/azure/logic-apps/logic-apps-securing-a-logic-app
        """
        if not self._args.event_app:
            return None
        claims: dict[str, pulumi.Input[str]] = {
            "iss": pulumi.Output.concat(self._args.issuer, "/", self._args.tenant_id, "/"),
            "aud": self._args.event_app,
            "appid": EVENT_GRID,
        }
        policy = logic.OpenAuthenticationAccessPolicyArgs(
            type=logic.OpenAuthenticationProviderType.AAD,
            claims=[logic.OpenAuthenticationPolicyClaimArgs(name=name, value=value) for name, value in claims.items()],
        )
        policies = logic.OpenAuthenticationAccessPoliciesArgs(policies={"event-grid": policy})
        return logic.FlowAccessControlConfigurationPolicyArgs(open_authentication_policies=policies)

    def _parameters(self) -> dict[str, logic.WorkflowParameterArgs]:
        args = self._args
        values = {
            "armEndpoint": args.arm_endpoint,
            "resourceGroupId": args.resource_group_id,
            "apiVersion": API_VERSION,
            "dataAccountId": args.data_account_id,
            "inputUrl": pulumi.Output.concat("az://", args.data_account_name, "/input"),
            "containerGroup": args.container_group,
            "timeLimitMinutes": args.time_limit_minutes,
        }
        return {key: logic.WorkflowParameterArgs(value=value) for key, value in values.items()}

    def _permissions(self) -> list[pulumi.Resource]:
        """What the workflow may do: run container groups, put them into their subnet, and give them the submitter's identity."""
        args, principal = self._args, self._args.identity_principal_id
        groups = define(self._name, "groups", "run container groups", args.resource_group_id, self, actions=GROUP_ACTIONS)
        subnet = define(
            self._name, "subnet", "join a subnet", args.resource_group_id, self,
            actions=SUBNET_ACTIONS, elsewhere=args.network_group_id,
        )  # fmt: skip
        return [
            assign(f"{self._name}-groups", groups.id, principal, args.resource_group_id, parent=self),
            assign(f"{self._name}-subnet", subnet.id, principal, args.subnet_id, parent=self),
            assign(f"{self._name}-submitter", Role.IDENTITY_OPERATOR, principal, args.submitter_identity_id, parent=self),
        ]

    def _dead_letter_permission(self, topic: eventgrid.SystemTopic, settling: Settling) -> pulumi.Resource:
        """Event Grid writes what it couldn't deliver as the topic itself."""
        args = self._args
        container = pulumi.Output.concat(
            args.dead_letter_account_id, "/blobServices/default/containers/", args.dead_letter_container_name
        )
        principal = topic.identity.apply(_principal)
        name = f"{self._name}-dead-letters"
        return assign(name, Role.BLOB_CONTRIBUTOR, principal, container, parent=self, given=settling)

    def _subscription(
        self, workflow: logic.Workflow, topic: eventgrid.SystemTopic, permissions: list[pulumi.Resource], settling: Settling
    ) -> eventgrid.SystemTopicEventSubscription:
        args = self._args
        return eventgrid.SystemTopicEventSubscription(
            f"{self._name}-requests",
            resource_group_name=args.resource_group_name,
            system_topic_name=topic.name,
            event_delivery_schema=eventgrid.EventDeliverySchema.EVENT_GRID_SCHEMA,
            destination=eventgrid.WebHookEventSubscriptionDestinationArgs(
                endpoint_type="WebHook",
                endpoint_url=self._address(workflow),
                azure_active_directory_application_id_or_uri=args.event_app or None,
                azure_active_directory_tenant_id=args.tenant_id if args.event_app else None,
                # One event a call, so that a run that can't start makes no other be delivered again.
                max_events_per_batch=1,
                minimum_tls_version_allowed=eventgrid.TlsVersion.TLS_VERSION_1_2,
            ),
            filter=eventgrid.EventSubscriptionFilterArgs(
                included_event_types=["Microsoft.Storage.BlobCreated"],
                subject_begins_with=REQUESTS,
                subject_ends_with=SUFFIX,
                is_subject_case_sensitive=True,
                advanced_filters=[
                    eventgrid.StringNotInAdvancedFilterArgs(operator_type="StringNotIn", key="data.api", values=NOT_YET_WRITTEN)
                ],
            ),
            retry_policy=eventgrid.RetryPolicyArgs(
                max_delivery_attempts=DELIVERY_ATTEMPTS, event_time_to_live_in_minutes=DELIVERY_MINUTES
            ),
            dead_letter_with_resource_identity=eventgrid.DeadLetterWithResourceIdentityArgs(
                identity=eventgrid.EventSubscriptionIdentityArgs(type=eventgrid.EventSubscriptionIdentityType.SYSTEM_ASSIGNED),
                dead_letter_destination=eventgrid.StorageBlobDeadLetterDestinationArgs(
                    endpoint_type="StorageBlob",
                    resource_id=args.dead_letter_account_id,
                    blob_container_name=args.dead_letter_container_name,
                ),
            ),
            # Event Grid looks, once it has begun to make the subscription, whether the topic may write dead letters:
            # https://github.com/MicrosoftDocs/azure-docs/issues/98216, https://github.com/MicrosoftDocs/azure-docs/issues/105746,
            # https://github.com/hashicorp/terraform-provider-azurerm/issues/28932, https://aka.ms/egmsivalidation
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=permissions, hooks=pulumi.ResourceHookBinding(before_create=[settling.wait])
            ),
        )

    def _address(self, workflow: logic.Workflow) -> pulumi.Output[str]:
        """Where Event Grid calls the workflow. Its address has a secret in it, or none beside a token: Azure refuses both."""
        (trigger,) = self._args.definition["triggers"]
        if self._args.event_app:
            return pulumi.Output.concat(workflow.access_endpoint, f"/triggers/{trigger}/paths/invoke?api-version={TRIGGER_API}")
        address = logic.list_workflow_trigger_callback_url_output(
            resource_group_name=self._args.resource_group_name, workflow_name=workflow.name, trigger_name=trigger
        )
        return pulumi.Output.secret(address.value)


def _principal(identity: eventgrid.outputs.IdentityInfoResponse | None) -> str:
    if pulumi.runtime.is_dry_run() and (identity is None or identity.principal_id is None):
        return "known after the update"
    if identity is None or identity.principal_id is None:
        raise pulumi.RunError(
            "The event topic has no identity, though one was asked for: run 'pulumi refresh', then 'pulumi up'."
        )
    return identity.principal_id
