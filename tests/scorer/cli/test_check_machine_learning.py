"""What Azure Machine Learning's numbers mean for a deployment's settings, and what a cluster says of itself."""

import json
from typing import Any

import pytest

from scorer.check.findings import Finding
from scorer.check.machine_learning import judge_cluster, judge_usages
from scorer.documents.deployment import read_deployment
from tests.scorer.documents.test_deployment import DOCUMENT

SIZE = {"gpuSize": "Standard_NC4as_T4_v3", "gpuCores": 4, "gpuFamily": "standardNCASv3_T4Family", "nodesMax": 4}
SPOT, DEDICATED = "Total_Cluster_LowPriority_vCPUs", "Standard_NCASv3_T4_Family_Cluster_Dedicated_vCPUs"


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(each.name, each.state, each.stops) for each in findings]


@pytest.mark.parametrize(
    ("spot_percent", "cores", "found"),
    [
        (100, {SPOT: 16, DEDICATED: 0}, [("Spot quota", "ok", "")]),
        (100, {SPOT: 3}, [("Spot quota", "wrong", "nodes")]),
        (0, {SPOT: 100, DEDICATED: 12}, [("dedicated quota", "wrong", "")]),
        (0, {DEDICATED: 0}, [("dedicated quota", "wrong", "nodes")]),
        (50, {SPOT: 0, DEDICATED: 16}, [("Spot quota", "wrong", ""), ("dedicated quota", "ok", "")]),
        (
            50,
            {"Standard NCASv3_T4 Family Cluster Dedicated vCPUs": 16},
            [("Spot quota", "left out", ""), ("dedicated quota", "ok", "")],
        ),
        (100, {}, [("Spot quota", "left out", "")]),
    ],
)
def test_cores_for_the_settings(spot_percent: int, cores: dict[str, int], found: list[tuple[str, str, str]]) -> None:
    target = read_deployment(json.dumps({**DOCUMENT, **SIZE, "spotPercent": spot_percent}))
    assert told(list(judge_usages(cores, target))) == found


def cluster(**nodes: Any) -> dict[str, Any]:
    known = {"allocationState": "Steady", "currentNodeCount": 2, "targetNodeCount": 2, **nodes}
    return {"properties": {"provisioningState": "Succeeded", "properties": known}}


QUOTA = {"error": {"code": "ClusterCoreQuotaReached", "message": "Operation results in exceeding quota limits"}}


@pytest.mark.parametrize(
    ("document", "state", "stops", "words"),
    [
        (cluster(), "ok", "", "2 nodes of 2, steady"),
        (None, "wrong", "nodes", "isn't there"),
        (cluster(errors=[QUOTA, QUOTA]), "wrong", "", "no quota: "),
        (cluster(nodeStateCounts={"unusableNodeCount": 1}), "wrong", "", "1 unusable"),
        (cluster(nodeStateCounts={"unusableNodeCount": 2}), "wrong", "nodes", "2 unusable"),
        ({"properties": {"provisioningState": "Failed"}}, "wrong", "nodes", "couldn't make it"),
    ],
)
def test_what_a_cluster_says(document: dict[str, Any] | None, state: str, stops: str, words: str) -> None:
    found = judge_cluster("Spot", "computes/spot", document)
    assert (found.name, found.state, found.stops) == ("Spot cluster", state, stops)
    assert words in found.text
    assert found.text.count("no quota") <= 1
