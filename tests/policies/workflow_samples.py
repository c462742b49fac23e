"""Workflows, and what tells them of events, to judge: each as it should be, and as it may be changed."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import eventgrid, logic

from tests.policies.resource_samples import GROUP, IDENTITY, Make, changed

MSI = {"type": "ManagedServiceIdentity", "identity": IDENTITY}


def call(authentication: object) -> dict[str, object]:
    """An HTTP action, deep in a loop in a scope."""
    action = {
        "type": "Http",
        "inputs": {"method": "GET", "uri": "https://management.azure.com/", "authentication": authentication},
    }
    return {"Try": {"type": "Scope", "actions": {"Each": {"type": "Foreach", "actions": {"Ask": action}}}}}


def workflow(actions: object, parameters: object = None) -> Make:
    """A Logic App."""
    definition = {"triggers": {"request": {"type": "Request", "kind": "Http"}}, "actions": actions}
    args = logic.WorkflowArgs(resource_group_name="trial", definition=definition)
    return lambda name: logic.Workflow(name, changed(args, parameters=parameters))


def _delivered(
    hook: eventgrid.WebHookEventSubscriptionDestinationArgs, **changes: object
) -> eventgrid.SystemTopicEventSubscriptionArgs:
    """An Event Grid subscription to a hook, whose undelivered events are kept."""
    letters = eventgrid.StorageBlobDeadLetterDestinationArgs(
        endpoint_type="StorageBlob", resource_id=f"{GROUP}/ops", blob_container_name="dead-letters"
    )
    identity = eventgrid.EventSubscriptionIdentityArgs(type="SystemAssigned")
    args = eventgrid.SystemTopicEventSubscriptionArgs(
        resource_group_name="trial",
        system_topic_name="topic",
        destination=hook,
        dead_letter_with_resource_identity=eventgrid.DeadLetterWithResourceIdentityArgs(
            identity=identity, dead_letter_destination=letters
        ),
        retry_policy=eventgrid.RetryPolicyArgs(event_time_to_live_in_minutes=1440, max_delivery_attempts=30),
    )
    return changed(args, **changes)


def subscription(**changes: object) -> Make:
    """An Event Grid subscription, with the signed address of a workflow's trigger."""

    def make(name: str) -> pulumi.Resource:
        address = pulumi.Output.secret("https://logic.azure.com/workflows/1?sv=1&sig=abc")
        hook = eventgrid.WebHookEventSubscriptionDestinationArgs(endpoint_type="WebHook", endpoint_url=address)
        return eventgrid.SystemTopicEventSubscription(name, _delivered(hook, **changes))

    return make


def topic(name: str) -> pulumi.Resource:
    """The one kind of resource that has an identity of the system's."""
    identity = eventgrid.IdentityInfoArgs(type=eventgrid.IdentityType.SYSTEM_ASSIGNED)
    return eventgrid.SystemTopic(name, resource_group_name="trial", source=f"{GROUP}/data", identity=identity)


def token_workflow(*claims: str) -> Make:
    """A Logic App that tokens start, of which it looks at some claims."""
    policy = logic.OpenAuthenticationAccessPolicyArgs(
        type="AAD", claims=[logic.OpenAuthenticationPolicyClaimArgs(name=each, value="x") for each in claims]
    )
    access = logic.FlowAccessControlConfigurationArgs(
        triggers=logic.FlowAccessControlConfigurationPolicyArgs(
            open_authentication_policies=logic.OpenAuthenticationAccessPoliciesArgs(policies={"events": policy})
        )
    )
    return lambda name: logic.Workflow(name, resource_group_name="trial", definition={}, access_control=access)


def token_subscription(address: str) -> Make:
    """An Event Grid subscription that shows a token."""
    hook = eventgrid.WebHookEventSubscriptionDestinationArgs(
        endpoint_type="WebHook", endpoint_url=address, azure_active_directory_application_id_or_uri="app"
    )
    return lambda name: eventgrid.SystemTopicEventSubscription(name, _delivered(hook))
