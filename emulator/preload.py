"""What copies import, loaded once for all of them: azure-native's types alone take seconds."""

import os
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import stacks
from emulator import forked_sandbox
from emulator.reach import open_up

open_up([sys.executable, sys.base_prefix, sys.prefix, Path(__file__)])
for module in iter_modules(stacks.__path__, "stacks."):
    import_module(module.name)
for name in (
    "applicationinsights", "authorization", "batch", "consumption", "containerregistry", "eventgrid", "logic", "managedidentity",
    "monitor", "network", "operationalinsights", "privatedns", "resources", "storage",
):  # fmt: skip
    getattr(import_module(f"pulumi_azure_native.{name}"), "__all__", None)  # the first look at it loads it
for name in (
    "emulator.pulumi.operation", "scorer.cli.main", "scorer.client.client", "scorer.submitter.intake", "scorer.client.upload",
    "azure.batch", "azure.identity",
    "azure.monitor.opentelemetry.exporter", "azure.storage.blob", "opentelemetry.sdk.metrics",
):  # fmt: skip
    import_module(name)
if address := os.environ.get(forked_sandbox.ADDRESS):
    forked_sandbox.use_copies(address)
