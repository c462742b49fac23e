"""In which order the files of tests begin: no processor is idle, and all workers come to their end together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Folders whose tests wait, for what is emulated or built; those of the others compute.
WAITING = ("emulator", "end_to_end", "images", "policies", "stacks")
# What files take of a processor that is busy with others, of those that take ten seconds or more.
SECONDS = {
    "images/test_images.py": 150,
    "stacks/test_deployment.py": 125,
    "end_to_end/test_cluster.py": 100,
    "end_to_end/test_both_engines.py": 80,
    "end_to_end/test_trigger_to_result.py": 75,
    "end_to_end/test_rehearsal.py": 70,
    "end_to_end/test_machine_learning.py": 55,
    "stacks/test_registry.py": 50,
    "end_to_end/test_mount.py": 45,
    "end_to_end/test_queue.py": 45,
    "policies/test_policies.py": 40,
    "scorer/packages/test_publish.py": 40,
    "scorer/cli/test_stopped.py": 35,
    "scorer/hostile/test_node.py": 35,
    "stacks/test_existing.py": 35,
    "scorer/media/video/test_times.py": 30,
    "scorer/models/test_around.py": 30,
    "scorer/models/test_openvino.py": 30,
    "scorer/report/test_player.py": 30,
    "scorer/sandbox/test_cases.py": 30,
    "emulator/test_blobs.py": 25,
    "end_to_end/test_share.py": 25,
    "end_to_end/test_unkind.py": 25,
    "fuzz/test_videos.py": 25,
    "policies/test_stacks.py": 25,
    "scorer/job/test_steady.py": 25,
    "scorer/media/video/test_video.py": 25,
    "scorer/models/test_adaptive.py": 25,
    "stacks/test_machine_learning.py": 25,
    "autoscale/test_arrivals.py": 20,
    "emulator/test_engine.py": 20,
    "end_to_end/test_publish.py": 20,
    "fuzz/test_real_child.py": 20,
    "scorer/cli/test_bench.py": 20,
    "scorer/cli/test_estimate.py": 20,
    "scorer/job/test_model_ends.py": 20,
    "scorer/media/test_coding.py": 20,
    "stacks/test_hardening.py": 20,
    "stacks/test_reach.py": 20,
    "end_to_end/test_check.py": 15,
    "end_to_end/test_first_update.py": 15,
    "examples/test_paintings.py": 15,
    "scorer/cli/test_elsewhere.py": 15,
    "scorer/cli/test_login.py": 15,
    "scorer/cli/test_measured.py": 15,
    "scorer/cli/test_run.py": 15,
    "scorer/job/test_overview.py": 15,
    "scorer/media/video/test_odd.py": 15,
    "scorer/models/test_on_media.py": 15,
    "scorer/report/test_report.py": 15,
    "stacks/test_image_context.py": 15,
    "stacks/test_parts_share.py": 15,
    "stacks/test_storage.py": 15,
    "emulator/test_forked.py": 10,
    "end_to_end/test_check_nodes.py": 10,
    "end_to_end/test_revoke.py": 10,
    "end_to_end/test_work.py": 10,
    "fuzz/test_found.py": 10,
    "policies/test_checkov.py": 10,
    "scorer/azure/test_clouds.py": 10,
    "scorer/cli/test_arrivals.py": 10,
    "scorer/cli/test_ends.py": 10,
    "scorer/engines/test_work.py": 10,
    "scorer/media/video/test_bad.py": 10,
    "scorer/media/video/test_memory.py": 10,
    "scorer/media/video/test_sound.py": 10,
    "scorer/models/test_feedforward.py": 10,
    "scorer/models/test_gatys.py": 10,
    "stacks/test_nodes.py": 10,
}
# What any other takes.
FEW = 1


def in_turn(files: Iterable[str]) -> Sequence[str]:
    """The files, by their paths below tests/: what takes longest first, and some that wait always beside some that compute.

    Workers take the next file as they come free: as far as they have come with one kind, so far have they with the other.
    """
    longest = sorted(files, key=lambda file: -SECONDS.get(file, FEW))
    begins = []
    for waits in (True, False):
        kind = [file for file in longest if (file.partition("/")[0] in WAITING) == waits]
        whole, before = sum(SECONDS.get(file, FEW) for file in kind), 0
        for file in kind:
            begins.append((before / whole, file))
            before += SECONDS.get(file, FEW)
    return [file for _, file in sorted(begins, key=lambda begin: begin[0])]
