"""What copies import, loaded once for all of them: azure-native's types alone take seconds."""

import os
from importlib import import_module
from pkgutil import iter_modules

import stacks
from tests import apart

for module in iter_modules(stacks.__path__, "stacks."):
    import_module(module.name)
for name in (
    "applicationinsights", "authorization", "batch", "consumption", "containerregistry", "eventgrid", "logic", "managedidentity",
    "monitor", "network", "operationalinsights", "privatedns", "resources", "storage",
):  # fmt: skip
    getattr(import_module(f"pulumi_azure_native.{name}"), "__all__", None)  # the first look at it loads it
for name in (
    "tests.azure.operation", "scorer.cli", "scorer.client", "scorer.intake", "scorer.upload", "azure.batch", "azure.identity",
    "azure.monitor.opentelemetry.exporter", "azure.storage.blob", "opentelemetry.sdk.metrics",
):  # fmt: skip
    import_module(name)
if address := os.environ.get(apart.ADDRESS):
    apart.use_copies(address)
