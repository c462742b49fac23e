"""A subscription's cores for Azure Machine Learning in a region. Source: https://learn.microsoft.com/rest/api/azureml/usages/list"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from autoscale.gpu_sizes import SIZES
from emulator.arm.rest import ARM, Json, Reply, ResourceManager
from emulator.entra import TokenError
from emulator.machine_learning.service import MachineLearning

_PATH = re.compile(r"/subscriptions/[^/]+/providers/Microsoft\.MachineLearningServices/locations/(?P<region>[^/]+)/usages", re.I)


@dataclass
class Usages:
    """What Azure Resource Manager answers, to those who may read all of the subscription."""

    learning: MachineLearning
    manager: ResourceManager

    def serves(self, path: str) -> bool:
        """Whether a request asks for it."""
        return _PATH.fullmatch(path) is not None

    def handle(self, _: str, path: str, __: Mapping[str, str], authorization: str | None, ___: bytes) -> Reply:
        """All kinds of cores."""
        try:
            who = self.manager.identities.principal(authorization, ARM)
        except TokenError as error:
            return Reply(401, {"error": {"code": "InvalidAuthenticationToken", "message": str(error)}})
        if who not in self.manager.readers:
            message = f"The client '{who}' may not read '{path}'."
            return Reply(403, {"error": {"code": "AuthorizationFailed", "message": message}})
        quota = self.learning.quota
        families = {size.family: name for name, size in SIZES.items()}
        cores = {"Total_Cluster_LowPriority_vCPUs": quota.cores("spot", next(iter(SIZES)))}
        cores |= {
            f"{_words(family)}_Cluster_Dedicated_vCPUs": quota.cores("dedicated", size) for family, size in families.items()
        }
        return Reply(200, {"value": [_usage(name, limit) for name, limit in cores.items()]})


def _words(family: str) -> str:
    """Standard_NCASv3_T4_Family of standardNCASv3_T4Family."""
    return re.sub(r"^standard", "Standard_", family).replace("Family", "_Family")


def _usage(name: str, limit: int) -> Json:
    told = {"value": name, "localizedValue": name.replace("_", " ")}
    kind = "Microsoft.MachineLearningServices/usages"
    return {"type": kind, "unit": "Count", "currentValue": 0, "limit": limit, "name": told}
