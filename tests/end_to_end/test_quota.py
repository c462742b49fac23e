"""Jobs that wait since the Batch account has no cores for nodes: whoever looks reads that, and not that all is well."""

import json
from pathlib import Path

from emulator.batch.quota import Quota
from emulator.logic_app.trigger import Trigger
from tests.conftest import write_images
from tests.end_to_end.test_trigger_to_result import person


def test_a_job_that_waits_for_quota_says_so_until_there_is_some(trigger: Trigger, tmp_path: Path) -> None:
    pool = trigger.azure.batch.pool
    trigger.azure.batch.wait(lambda: not pool.nodes)
    pool.quota = Quota(spot=3, dedicated=0)  # a node has four cores
    write_images(tmp_path / "shots", ["1.png"])
    job = person(trigger, tmp_path, "submit", "shots", "--model", "invert", "--no-wait").stdout.strip()
    trigger.wait()
    trigger.azure.batch.wait(lambda: bool(pool.resize_errors))
    told = person(trigger, tmp_path, "status", job).stdout
    assert "0 tasks running · no quota: the Batch account has no Spot cores left (AccountLowPriorityCoreQuotaReached)" in told
    assert "ask for more in the portal: Batch account > Quotas" in told
    facts = json.loads(person(trigger, tmp_path, "status", job, "--json").stdout)
    assert "the Batch account has no Spot cores left" in facts["held_up"]
    pool.quota = Quota()
    assert trigger.azure.wait(job)["state"] == "done"
    assert "quota" not in person(trigger, tmp_path, "status", job).stdout
