"""What copies import, loaded once for all of them: azure-native's types alone take seconds."""

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import stacks
from emulator import forked_sandbox
from emulator.pulumi import operation
from emulator.reach import open_up
from scorer.cli.commands import COMMANDS

gc.disable()  # there is no garbage worth a look among what is loaded: all of it stays
open_up([sys.executable, sys.base_prefix, sys.prefix, Path(__file__)])
for module in iter_modules(stacks.__path__, "stacks."):
    import_module(module.name)
for name in (
    "applicationinsights", "authorization", "batch", "consumption", "containerregistry", "eventgrid", "logic", "managedidentity",
    "monitor", "network", "operationalinsights", "privatedns", "resources", "storage",
):  # fmt: skip
    getattr(import_module(f"pulumi_azure_native.{name}"), "__all__", None)  # the first look at it loads it
for name in (
    "scorer.cli.main", *(entry.module for entry in COMMANDS.values()),
    "scorer.client.client", "scorer.submitter.intake", "scorer.client.upload", "azure.batch", "azure.identity",
    "azure.monitor.opentelemetry.exporter", "azure.storage.blob", "opentelemetry.sdk.metrics",
):  # fmt: skip
    import_module(name)
with suppress(operation.EngineError):  # who has no Pulumi deploys nothing
    operation.command()
if address := os.environ.get(forked_sandbox.ADDRESS):
    forked_sandbox.use_copies(address)
# Else each copy's collector goes through all that was loaded here again and again, and so makes the copy's own pages of it.
gc.collect()
gc.freeze()
gc.enable()
