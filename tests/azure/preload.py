"""What programs import, loaded once for all processes that run one: azure-native's types alone take seconds."""

from importlib import import_module
from pkgutil import iter_modules

import stacks

for module in iter_modules(stacks.__path__, "stacks."):
    import_module(module.name)
for name in (
    "applicationinsights", "authorization", "batch", "consumption", "containerregistry", "eventgrid", "logic", "managedidentity",
    "monitor", "network", "operationalinsights", "privatedns", "resources", "storage",
):  # fmt: skip
    getattr(import_module(f"pulumi_azure_native.{name}"), "__all__", None)  # the first look at it loads it
import_module("tests.azure.operation")
