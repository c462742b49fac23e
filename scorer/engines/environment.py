"""What a job's processes find in their environment on a deployment's nodes, whichever engine starts them."""

from __future__ import annotations

from scorer.azure.clouds import told
from scorer.azure.retries import ON_MACHINES
from scorer.boundary import DEBUG, TRIES
from scorer.documents.deployment import Deployment
from scorer.node import GPUS, SLOTS, SLOTS_DIR

# What the tasks of one job share on a node: inputs that were fetched, an installed package. No other job's tasks can open it:
# whatever one sender's task leaves, another's finds nothing of it. Digests would have to be taken anew by every task, and a file
# could still be written to after that.
NODE_FOLDER = "/node"
# Who has which GPU: empty files to be locked, all that tasks of different jobs share.
SLOTS_FOLDER = "/slots"


def node_environment(deployment: Deployment) -> dict[str, str]:
    """The variables, in the image's own folders."""
    own = {
        "SCORER_INPUT": deployment.input,
        "SCORER_OUTPUT": deployment.output,
        "SCORER_WORK": deployment.work,
        "SCORER_LOGS": deployment.logs,
        "SCORER_SCRIPTS": deployment.scripts,
        "SCORER_NODE_DIR": NODE_FOLDER,
        SLOTS_DIR: SLOTS_FOLDER,
        TRIES: str(deployment.task_retries + 1),
        DEBUG: "1",  # a task's log is where to look
        SLOTS: str(deployment.slots_per_node),
        GPUS: str(deployment.gpus_per_node),
        # Which of the identities that a machine may have the SDKs are to take.
        "AZURE_CLIENT_ID": deployment.node_client_id,
        **ON_MACHINES,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": deployment.telemetry,
    }
    return own | told()
