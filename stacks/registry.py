"""The registry, and the images in it: built in Azure from this checkout, so that nobody needs Docker, or brought by the user."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pulumi
from pulumi_azure_native import authorization, containerregistry

from scorer.azure import clouds
from stacks import naming
from stacks.existing import ExistingRegistry
from stacks.image_build import Builder
from stacks.image_context import ImageContext

Sku = Literal["Basic", "Standard", "Premium"]

# Days until manifests go that no tag names any more.
UNTAGGED_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """What a registry is made of. Raises ValueError for what only the Premium SKU can do."""

    resource_group_name: pulumi.Input[str]
    sku: Sku = "Standard"
    zone_redundant: bool = False
    public: bool = True
    """Reachable from the internet, by Entra ID; else through private endpoints and by trusted services only."""

    def __post_init__(self) -> None:
        for wanted, what in ((self.zone_redundant, "spread over zones"), (not self.public, "closed to the internet")):
            if wanted and self.sku != "Premium":
                raise ValueError(f"A registry of the SKU '{self.sku}' can't be {what}: only 'Premium' can.")


class Registry(pulumi.ComponentResource):
    """A registry without passwords: pulls and pushes are by Entra ID."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Registry", name, None, opts)
        self.public = args.public
        premium = args.sku == "Premium"
        self.registry = containerregistry.Registry(
            naming.account(name, "images"),
            resource_group_name=args.resource_group_name,
            sku={"name": args.sku},
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access="Enabled" if args.public else "Disabled",
            zone_redundancy="Enabled" if args.zone_redundant else "Disabled",
            # Only Premium knows these. With endpoints of the registry's own for layers, a firewall need not let all storage
            # accounts through. No quarantine policy: it holds each image back until a scanner lets it go.
            data_endpoint_enabled=True if premium else None,
            network_rule_bypass_options="AzureServices" if premium else None,
            policies={
                "retention_policy": {"days": UNTAGGED_DAYS, "status": "enabled"},
                "export_policy": {"status": "enabled" if args.public else "disabled"},
            }
            if premium
            else None,
            # Decided when a registry is made.
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=["zoneRedundancy"]),
        )
        self.id = self.registry.id
        self.name = self.registry.name
        self.login_server = self.registry.login_server
        self.register_outputs({"id": self.id, "login_server": self.login_server})


@dataclass(frozen=True, kw_only=True)
class ImageArgs:
    """One image: of `context`, unless `reference` names one that is ready."""

    registry: Registry | ExistingRegistry
    context: ImageContext
    arm_endpoint: str = clouds.PUBLIC.resource_manager
    """Where builds are asked for."""
    reference: str | None = None
    """A ready image, as Docker would pull it; nothing is built then."""
    wait_for: Sequence[pulumi.Resource] = ()
    """The image that this one is built on."""


class Image(pulumi.ComponentResource):
    """An image in the registry, built in Azure whenever its content's tag is new; `reference` is known once it is there.

    What stands for it in the state is a note of its reference. A build is the making of that note: where it fails there is none,
    and the next `pulumi up` builds again.
    """

    reference: pulumi.Output[str]

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Image", name, None, opts)
        self._context = args.context
        self._image = f"{args.context.name}:{args.context.tag}"
        self._registry_id, self._server, self._endpoint = "", "", args.arm_endpoint
        if args.reference is not None:
            self.reference = pulumi.Output.from_input(args.reference)
        else:
            self.reference = self._built(name, args.registry, args.wait_for).output.apply(str)
        self.register_outputs({"reference": self.reference})

    def _built(self, name: str, registry: Registry | ExistingRegistry, wait_for: Sequence[pulumi.Resource]) -> pulumi.Stash:
        if not registry.public:
            raise ValueError(
                f"The image '{self._context.name}' can't be built: the registry is closed to the internet and so to builders. "
                "Name a ready image."
            )
        reference = pulumi.Output.concat(registry.login_server, "/", self._image)
        return pulumi.Stash(
            f"{name}-image",
            input=pulumi.Output.all(reference, registry.id).apply(self._ready),
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook(f"{name}-build", self._build)]),
                # Another content, or another registry, is another image.
                replace_on_changes=["input"],
                depends_on=list(wait_for),
            ),
        )

    def _ready(self, known: Sequence[str]) -> str:
        reference, self._registry_id = known
        self._server = reference.partition("/")[0]
        return reference

    async def _build(self, _: pulumi.ResourceHookArgs) -> None:
        """Run by the engine right before the note is made, so neither in a preview nor when there is nothing to build."""
        loop = asyncio.get_running_loop()
        builder = Builder(
            self._registry_id,
            self._endpoint,
            lambda: asyncio.run_coroutine_threadsafe(self._token(), loop).result(),
            partial(pulumi.log.info, ephemeral=True),
        )
        # In a thread: other resources are made meanwhile.
        base = await asyncio.to_thread(builder.build, self._context, self._image, self._server)
        if base:
            pulumi.log.info(f"image {self._image} was built on {base}")

    async def _token(self) -> str:
        """What whoever deploys shows to Azure; the provider renews it."""
        login = authorization.get_client_token_output(opts=pulumi.InvokeOutputOptions(parent=self))
        return str(await login.token.future())
