"""Names by a company's pattern, such as {type}-{project}-{stack}-{kind}, for what stands in a resource group by itself.

What stands in something else (pools, containers, rules) keeps the names that Pulumi makes. So does everything without a pattern:
then random letters at the end let a replacement come before the old one goes, which a fixed name can't.
Sources: https://learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations,
https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter

import pulumi

from stacks import naming
from stacks.setting_types import PROJECT


@dataclass(frozen=True)
class Named:
    """How a type of resource is named."""

    type: str
    """What the Cloud Adoption Framework calls it: {type}."""
    what: str
    key: str
    """The argument that has its name."""
    most: int
    """Characters that Azure takes."""
    kinds: tuple[str, ...] = ("",)
    """What there is of it here: {kind}; empty where there is one, or a main one."""
    plain: bool = False
    """Whether Azure takes small letters and digits alone."""


NAMED = {
    "resources:ResourceGroup": Named("rg", "resource group", "resource_group_name", 90),
    "network:VirtualNetwork": Named("vnet", "VNet", "virtual_network_name", 64),
    "network:NetworkSecurityGroup": Named(
        "nsg", "security group", "network_security_group_name", 80, ("nodes", "submitter", "endpoints")
    ),
    "network:PublicIPAddress": Named("pip", "public address", "public_ip_address_name", 80, ("nat",)),
    "network:NatGateway": Named("ng", "NAT gateway", "nat_gateway_name", 80, ("nat",)),
    "network:PrivateEndpoint": Named(
        "pep",
        "private endpoint",
        "private_endpoint_name",
        64,
        ("data", "ops", "nfs", "registry", "batch", "batch-nodes", "workspace", "ml"),
    ),
    "storage:StorageAccount": Named("st", "storage account", "account_name", 24, ("data", "ops", "nfs", "ml"), plain=True),
    "containerregistry:Registry": Named("cr", "registry", "registry_name", 50, ("images",), plain=True),
    "batch:BatchAccount": Named("ba", "Batch account", "account_name", 24, ("batch",), plain=True),
    "managedidentity:UserAssignedIdentity": Named(
        "id", "identity", "resource_name", 128, ("nodes", "submitter", "workflow", "flows", "workspace")
    ),
    "keyvault:Vault": Named("kv", "key vault", "vault_name", 24, ("vault",)),
    "machinelearningservices:Workspace": Named("mlw", "workspace", "workspace_name", 33, ("ml",)),
    "operationalinsights:Workspace": Named("log", "Log Analytics workspace", "workspace_name", 63, ("logs",)),
    "applicationinsights:Component": Named("appi", "Application Insights", "resource_name", 255, ("insights",)),
    "logic:Workflow": Named("logic", "workflow", "workflow_name", 43, ("", "looks")),
    "eventgrid:SystemTopic": Named("egst", "Event Grid topic", "system_topic_name", 50),
    "monitor:ActionGroup": Named("ag", "action group", "action_group_name", 255, ("people",)),
}
PLACES = ("type", "project", "stack", "location", "kind")


def checked(pattern: str) -> str:
    """The pattern, or ''. Raises ValueError where it can't make names that differ."""
    try:
        parts = list(Formatter().parse(pattern))
    except ValueError as error:
        raise ValueError("has a brace without its other one: write one such as {type}-{project}-{stack}-{kind}") from error
    places = [place for _, place, *_ in parts if place is not None]
    odd = next((place for place in places if place not in PLACES), None)
    if odd is not None or any(kind or conversion for _, _, kind, conversion in parts):
        raise ValueError(f"has a place that isn't known: there are {', '.join('{' + place + '}' for place in PLACES)}")
    if not re.fullmatch(r"[A-Za-z0-9-]*", "".join(text for text, *_ in parts)):
        raise ValueError("has characters that not every name may have: letters, digits and hyphens are left to you")
    if pattern and not {"type", "kind"} <= set(places):
        raise ValueError("needs {type} and {kind}: without them two resources would have one name")
    if pattern and not re.match(r"[A-Za-z]|\{(type|project|stack|location)\}", pattern):
        raise ValueError("begins with what no name may begin with: put a letter or {type} first")
    return pattern


@dataclass(frozen=True)
class Names:
    """The pattern of one stack."""

    pattern: str
    stack: str
    location: str

    def of(self, named: Named, kind: str) -> str:
        """The name of the one of that kind."""
        text = self.pattern.format(
            type=named.type, project=PROJECT, stack=self.stack, location=self.location, kind="" if kind == named.type else kind
        ).lower()
        words = re.findall(r"[a-z0-9]+", text)
        return ("" if named.plain else "-").join(words)

    def faults(self) -> Iterator[str]:
        """A sentence for each type that Azure wouldn't take the name of."""
        for named in NAMED.values():
            longest = max((self.of(named, kind) for kind in named.kinds), key=len)
            if len(longest) > named.most:
                yield (
                    f"namePattern '{self.pattern}' makes '{longest}' of the {named.what}: {len(longest)} characters, and Azure "
                    f"takes {named.most}; shorten it."
                )

    def apply_to_all(self) -> None:
        """Name all resources by it that are declared from here on. Raises pulumi.RunError with `faults`."""
        if faults := list(self.faults()):
            raise pulumi.RunError("\n".join(faults))
        prefix = naming.prefix(self.stack)

        def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
            named = NAMED.get(args.type_.removeprefix("azure-native:"))
            if named is None:
                return None
            kind = next((kind for kind in sorted(named.kinds, key=len, reverse=True) if args.name.endswith(kind)), "")
            if args.name == prefix:
                kind = ""
            # Azure can't have two of one name, be it for a moment.
            args.opts.delete_before_replace = True
            return pulumi.ResourceTransformationResult({**args.props, named.key: self.of(named, kind)}, args.opts)

        pulumi.runtime.register_stack_transformation(transform)
