"""What is loaded to run a job on this machine, and what a deployment's cluster is."""

import json
import subprocess
import sys

from scorer.documents.deployment import read_deployment
from scorer.engines import open_cluster
from scorer.engines.azure_batch.engine import AzureBatchEngine
from tests.scorer.documents.test_deployment import DOCUMENT

LOADED = """
import sys
from scorer.cli import main, run
from scorer.engines import open_cluster
print([name for name in sys.modules if name.startswith(("azure.batch", "azure.identity", "azure.storage"))])
"""


def test_a_cluster_is_the_deployments_own() -> None:
    target = read_deployment(json.dumps(DOCUMENT))
    for interactive in (True, False):
        cluster = open_cluster(target, interactive=interactive)
        assert isinstance(cluster, AzureBatchEngine)
        assert (cluster.deployment, cluster.interactive) == (target, interactive)


def test_a_run_on_this_machine_loads_no_sdk_of_azure() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
