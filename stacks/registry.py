"""The registry, and the images in it: built in Azure from this checkout, so that nobody needs Docker, or brought by the user."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pulumi
import tenacity
from pulumi_azure_native import containerregistry

from stacks import naming
from stacks.image_context import ImageContext

Sku = Literal["Basic", "Standard", "Premium"]

# Days until manifests go that no tag names any more.
UNTAGGED_DAYS = 30
# Seconds that a build may take; the service allows 8 hours. torch's 3 GB come in, and an image of that size goes out.
BUILD_SECONDS = 2 * 3600
_UPLOAD_TRIES = 5
_UPLOAD_SECONDS = 60


class UploadError(RuntimeError):
    """The build context could not be uploaded. The message never holds the address: who knows it may write there."""


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
        self.resource_group_name = args.resource_group_name
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
        self.login_server = self.registry.login_server
        self.register_outputs({"id": self.id, "login_server": self.login_server})


@dataclass(frozen=True, kw_only=True)
class ImageArgs:
    """One image: of `context`, unless `reference` names one that is ready."""

    registry: Registry
    context: ImageContext
    reference: str | None = None
    """A ready image, as Docker would pull it; nothing is built then."""


class Image(pulumi.ComponentResource):
    """An image in the registry, built by ACR Tasks whenever its content's tag is new; `reference` is known once it is there.

    Source: https://learn.microsoft.com/azure/container-registry/container-registry-tasks-overview
    """

    reference: pulumi.Output[str]

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Image", name, None, opts)
        self._archive = args.context.archive
        self._upload_url: str | None = None
        if args.reference is not None:
            self.reference = pulumi.Output.from_input(args.reference)
        else:
            image = f"{args.context.name}:{args.context.tag}"
            run = self._build(name, args, image)
            self.reference = pulumi.Output.all(args.registry.login_server, run.id).apply(lambda known: f"{known[0]}/{image}")
        self.register_outputs({"reference": self.reference})

    def _build(self, name: str, args: ImageArgs, image: str) -> containerregistry.TaskRun:
        if not args.registry.public:
            raise ValueError(
                f"The image '{args.context.name}' can't be built: the registry is closed to the internet and so to builders. "
                "Name a ready image."
            )
        base = args.context.base
        hooks = pulumi.ResourceHookBinding(
            before_create=[pulumi.ResourceHook(f"{name}-upload", self._upload)],
            on_error=[pulumi.ErrorHook(f"{name}-advice", partial(_advise, args.context.name))],
        )
        return containerregistry.TaskRun(
            # The tag makes a new content a new resource, whose build is the making of it. The old one is deleted afterwards: the
            # record of a run, not its image.
            f"{args.context.name}-{args.context.tag}",
            resource_group_name=args.registry.resource_group_name,
            registry_name=args.registry.registry.name,
            run_request=containerregistry.DockerBuildRequestArgs(
                type="DockerBuildRequest",
                source_location=self._source(args.registry),
                docker_file_path=args.context.dockerfile,
                image_names=[image],
                is_push_enabled=True,
                no_cache=False,
                platform=containerregistry.PlatformPropertiesArgs(os="Linux", architecture="amd64"),
                arguments=[containerregistry.ArgumentArgs(name="BASE", value=base, is_secret=False)] if base else None,
                timeout=BUILD_SECONDS,
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=hooks,
                # Every update is offered a new place to upload to; only the one that builds makes use of it.
                ignore_changes=["runRequest.sourceLocation"],
                custom_timeouts=pulumi.CustomTimeouts(create=f"{BUILD_SECONDS + 600}s"),
            ),
        )

    def _source(self, registry: Registry) -> pulumi.Input[str]:
        if pulumi.runtime.is_dry_run():
            return "uploaded by the update"  # a preview asks Azure for nothing
        place = containerregistry.list_registry_build_source_upload_url_output(
            registry_name=registry.registry.name,
            resource_group_name=registry.resource_group_name,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        return place.apply(self._remember)

    def _remember(self, place: containerregistry.ListRegistryBuildSourceUploadUrlResult) -> str:
        if not place.upload_url or not place.relative_path:
            raise UploadError("The registry named no place to upload the build context to.")
        self._upload_url = place.upload_url
        return place.relative_path

    def _upload(self, _: pulumi.ResourceHookArgs) -> None:
        """Run by the engine right before the build is made, so neither in a preview nor when there is nothing to build."""
        if self._upload_url is None:
            raise UploadError("There is no place to upload the build context to.")
        upload(self._upload_url, self._archive())


def upload(url: str, archive: bytes) -> None:
    """Put `archive` at `url`, the signed address of a blob. Raises UploadError, which says why but not where.

    Source: https://learn.microsoft.com/rest/api/storageservices/put-blob
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        stop=tenacity.stop_after_attempt(_UPLOAD_TRIES),
        wait=tenacity.wait_exponential_jitter(initial=1, max=20),
        reraise=True,
    )
    try:
        retrying(_put, url, archive)
    except urllib.error.HTTPError as error:
        reason = f"status {error.code}"
    except OSError as error:
        reason = str(getattr(error, "reason", None) or type(error).__name__)
    except ValueError:
        reason = "its address can't be used"  # which the error's own text would quote
    else:
        return
    raise UploadError(f"The build context could not be uploaded to the registry's storage: {reason}. Run `pulumi up` again.")


def _put(url: str, archive: bytes) -> None:
    scheme, _, rest = url.partition("://")
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
    if scheme == "https":
        request = urllib.request.Request(f"https://{rest}", archive, headers, method="PUT")
    elif rest.startswith(("127.0.0.1:", "localhost:")):  # an emulator
        request = urllib.request.Request(f"http://{rest}", archive, headers, method="PUT")
    else:
        raise ValueError("not https")
    with urllib.request.build_opener().open(request, timeout=_UPLOAD_SECONDS):
        pass


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code in (408, 429) or error.code >= 500
    return isinstance(error, OSError)


def _advise(image: str, failure: pulumi.ErrorHookArgs) -> bool:
    """Say what to do about a build that failed; False, since the same build would fail again."""
    if any("TasksOperationsNotAllowed" in error for error in failure.errors):
        advice = (
            "This subscription may not build images in Azure; free trials may not. Use another, or build the image "
            f"'{image}' elsewhere (images/README.md), push it where the nodes can reach it, and name it in the stack's settings."
        )
    else:
        advice = (
            f"The image '{image}' was not built. `az acr task list-runs --registry NAME --top 1` names the run, and "
            "`az acr task logs --registry NAME --run-id RUN` shows its log. To build the same content again: "
            f"pulumi up --replace '{failure.urn}'"
        )
    pulumi.log.error(advice)
    return False
