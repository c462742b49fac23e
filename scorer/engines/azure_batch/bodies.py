"""What a plan is in Azure Batch's words: the bodies of its job and of its tasks."""

from __future__ import annotations

import shlex
from datetime import timedelta
from urllib.parse import urlsplit

from azure.batch import models as batch

from scorer.documents.deployment import MEMORY, Deployment
from scorer.documents.paths import probe_folder, task_logs
from scorer.documents.plan import Chunk, Plan
from scorer.engines.environment import NODE_FOLDER, SLOTS_FOLDER, node_environment
from scorer.engines.task_count import TaskCount, count_tasks
from scorer.store.blob import blob_endpoint

MERGE = "merge"
SENDER = "sender"
# Whose job it is: the address of its deployment's work/, which no other deployment has.
DEPLOYMENT = "deployment"
# SHA-256 of the plan that the job was begun with.
PLAN = "plan"
# How many tasks share the job's chunks: whoever adds what is missing goes by that, and so does the merge.
WORKERS = "workers"

# All of a node's tasks are the same user. Where nothing is said, a task is a user of its own and a preparation another one, who
# are kept out of each other's files in what they share, as Linux maps permissions into containers. Sources: `user_identity` of
# azure.batch.models, and https://github.com/nextflow-io/nextflow/issues/2126
USER = batch.UserIdentity(
    auto_user=batch.AutoUserSpecification(scope=batch.AutoUserScope.POOL, elevation_level=batch.ElevationLevel.NON_ADMIN)
)
# Where Batch mounts storage on Linux nodes, in a container that binds VfsMounts, too.
# https://learn.microsoft.com/azure/batch/virtual-file-mount
_MOUNTS = "file:///mnt/batch/tasks/fsmounts"
MOUNTED_WORK, MOUNTED_PARTS = f"{_MOUNTS}/work", f"{_MOUNTS}/parts"

# A task's folder on its node holds its logs, which are in the ops account as well.
RETENTION = timedelta(hours=2)
# Fetching inputs before a node's first task: longer than any download, shorter than forever.
PREPARE_LIMIT = timedelta(hours=1)
# A job that only looks: whoever asked for it takes it away long before.
PROBE_LIMIT = timedelta(days=1)
PREPARE_RETRIES = 2


# What a request asks for, -100 to 100, in steps of 10: so many levels for each number of other jobs.
PRIORITY_LEVELS = 21
# As many as fit into Batch's -1000 to 1000; senders with more share its end.
MOST_OTHERS = 47


def priority(asked: int, others: int) -> int:
    """Of a job whose sender has `others` more jobs at work when it begins, -1000 to 1000 as Batch has it.

    A sender's first job comes before another's second one, whatever they ask for; that counts among jobs of the same place.
    """
    return -PRIORITY_LEVELS * min(others, MOST_OTHERS) + round(asked / 10)


def job_body(plan: Plan, deployment: Deployment, sender: str, others: int) -> batch.BatchJobCreateOptions:
    """The job, yet without tasks: it waits for them. Its sender has `others` more jobs at work."""
    known = {
        SENDER: sender, PLAN: plan.digest, DEPLOYMENT: deployment.work, WORKERS: str(count_tasks(plan, deployment).all)
    }  # fmt: skip
    return batch.BatchJobCreateOptions(
        id=plan.job,
        display_name=plan.request.name,
        priority=priority(plan.request.priority, others),
        metadata=[batch.BatchMetadataItem(name=name, value=value) for name, value in known.items() if value],
        uses_task_dependencies=True,
        max_parallel_tasks=deployment.slots,
        constraints=batch.BatchJobConstraints(
            max_wall_clock_time=timedelta(days=deployment.job_days), max_task_retry_count=deployment.task_retries
        ),
        pool_info=batch.BatchPoolInfo(pool_id=deployment.pool),
        common_environment_settings=[
            batch.EnvironmentSetting(name=name, value=value) for name, value in _environment(deployment).items()
        ],
        # Once a node, so that a video isn't fetched once a task. It ends well whatever is wrong with the job, as every task finds
        # that out by itself. So where it fails, it is the node that starts no container, such as a Spot node that came back
        # (https://github.com/Azure/Batch/issues/157): then Batch gives the node none of the job's tasks, all of which would fail.
        # It runs again on a node that is back. A task that ends with 126 after it has ended well has `taskRetries`, as after any
        # other failure: that is its node's Docker failing at work, and exit conditions offer no other node.
        job_preparation_task=batch.BatchJobPreparationTask(
            command_line=f"prepare {plan.job} --plan {plan.digest}",
            container_settings=_container(plan.job, deployment),
            user_identity=USER,
            constraints=batch.BatchTaskConstraints(
                max_task_retry_count=PREPARE_RETRIES, max_wall_clock_time=PREPARE_LIMIT, retention_time=RETENTION
            ),
            wait_for_success=True,
            rerun_on_node_reboot_after_success=True,
        ),
        job_release_task=batch.BatchJobReleaseTask(
            command_line=f"release {plan.job} --plan {plan.digest}",
            container_settings=_container(plan.job, deployment),
            user_identity=USER,
            retention_time=RETENTION,
        ),
        all_tasks_complete_mode=batch.BatchAllTasksCompleteMode.NO_ACTION,
        task_failure_mode=batch.BatchTaskFailureMode.PERFORM_EXIT_OPTIONS_JOB_ACTION,
    )


def probe_job_body(job: str, deployment: Deployment) -> batch.BatchJobCreateOptions:
    """A job whose tasks look at their node as any job's tasks would find it: same image, user, folders and environment."""
    return batch.BatchJobCreateOptions(
        id=job,
        priority=priority(100, 0),
        metadata=[batch.BatchMetadataItem(name=DEPLOYMENT, value=deployment.work)],
        max_parallel_tasks=1,
        constraints=batch.BatchJobConstraints(max_wall_clock_time=PROBE_LIMIT, max_task_retry_count=0),
        pool_info=batch.BatchPoolInfo(pool_id=deployment.pool),
        common_environment_settings=[
            batch.EnvironmentSetting(name=name, value=value) for name, value in _environment(deployment).items()
        ],
        job_preparation_task=batch.BatchJobPreparationTask(
            command_line=f"probe {job}",
            container_settings=_container(job, deployment),
            user_identity=USER,
            constraints=batch.BatchTaskConstraints(
                max_task_retry_count=0, max_wall_clock_time=PREPARE_LIMIT, retention_time=RETENTION
            ),
            wait_for_success=False,
            rerun_on_node_reboot_after_success=False,
        ),
    )


def probe_task(job: str, number: int, deployment: Deployment, near: str | None = None) -> batch.BatchTaskCreateOptions:
    """A task that tells what it finds on its node; on the node `near`, an affinity id of Batch's, if that can be."""
    return batch.BatchTaskCreateOptions(
        id=str(number),
        command_line=f"probe {job} --number {number}",
        container_settings=_container(job, deployment),
        user_identity=USER,
        constraints=batch.BatchTaskConstraints(max_wall_clock_time=PROBE_LIMIT, max_task_retry_count=0, retention_time=RETENTION),
        affinity_info=batch.BatchAffinityInfo(affinity_id=near) if near else None,
        # Where nodes may write and people may delete. A node may be gone by the time that somebody reads what is on it.
        output_files=[
            _kept(deployment.output, probe_folder(job, number), batch.OutputFileUploadCondition.TASK_COMPLETION, deployment)
        ],
    )


def sender_of(job: batch.BatchJob) -> str:
    """Whose job it is."""
    return _metadata(job, SENDER)


def digest_of(job: batch.BatchJob) -> str:
    """Of the plan that it was begun with; '' where an earlier version began it."""
    return _metadata(job, PLAN)


def workers_of(job: batch.BatchJob) -> int:
    """How many tasks share its chunks; 0 where an earlier version began it, with a task for each chunk."""
    known = _metadata(job, WORKERS)
    return int(known) if known.isdecimal() else 0


def is_of(deployment: Deployment, job: batch.BatchJob) -> bool:
    """Whether the job is one of the deployment's. Earlier versions' jobs don't say so: they are in its pool."""
    known = _metadata(job, DEPLOYMENT)
    return known == deployment.work if known else job.pool_info is not None and job.pool_info.pool_id == deployment.pool


def _metadata(job: batch.BatchJob, name: str) -> str:
    return next((item.value for item in job.metadata or [] if item.name == name), "")


# A task that failed for good lets the merge begin all the same: there it is decided whether the job can do without.
_GOES_ON = batch.ExitOptions(job_action=batch.BatchJobActionKind.NONE, dependency_action=batch.DependencyAction.SATISFY)


def worker_task(plan: Plan, number: int, count: TaskCount, deployment: Deployment) -> batch.BatchTaskCreateOptions:
    """The task `number` of those that share the chunks. Its id is a plain number, as ranges of ids are ranges of numbers.

    Batch begins it again where its node was preempted, and `taskRetries` times where it failed. It ends each try of a chunk that
    lasts too long by itself, and has no limit but the job's.
    """
    leave = count.leave_after(number)
    return _scoring(
        plan, str(number), f"worker {number + 1} of {count.all}",
        f"work {plan.job} --task {number} --processes 1 --task-minutes {deployment.task_minutes}"
        + (f" --leave-after {leave:g}" if leave is not None else ""),
        deployment, batch.BatchTaskConstraints(max_task_retry_count=deployment.task_retries, retention_time=RETENTION),
    )  # fmt: skip


def chunk_task(plan: Plan, chunk: Chunk, deployment: Deployment) -> batch.BatchTaskCreateOptions:
    """The task that scores `chunk` of a job that an earlier version began."""
    frames = f"frames {chunk.first} to {chunk.first + chunk.frames - 1}"
    command = f"score {plan.job} --chunk {chunk.index}"
    return _scoring(plan, str(chunk.index), frames, command, deployment, _constraints(deployment))


def _scoring(
    plan: Plan, task: str, name: str, command: str, deployment: Deployment, constraints: batch.BatchTaskConstraints
) -> batch.BatchTaskCreateOptions:
    return batch.BatchTaskCreateOptions(
        id=task,
        display_name=name,
        command_line=f"{command} --plan {plan.digest}",
        container_settings=_container(plan.job, deployment),
        user_identity=USER,
        constraints=constraints,
        exit_conditions=batch.ExitConditions(default=_GOES_ON, pre_processing_error=_GOES_ON, file_upload_error=_GOES_ON),
        output_files=_logs(plan, task, deployment),
    )


def merge_task(plan: Plan, others: int, deployment: Deployment) -> batch.BatchTaskCreateOptions:
    """The task that makes the result out of the parts, once none of the `others` is left."""
    ends = batch.ExitOptions(job_action=batch.BatchJobActionKind.NONE)
    return batch.BatchTaskCreateOptions(
        id=MERGE,
        command_line=f"merge {plan.job} --plan {plan.digest}",
        container_settings=_container(plan.job, deployment),
        user_identity=USER,
        constraints=_constraints(deployment),
        depends_on=batch.BatchTaskDependencies(task_id_ranges=[batch.BatchTaskIdRange(start=0, end=others - 1)]),
        exit_conditions=batch.ExitConditions(default=ends),
        output_files=_logs(plan, MERGE, deployment),
    )


def _constraints(deployment: Deployment) -> batch.BatchTaskConstraints:
    return batch.BatchTaskConstraints(
        max_wall_clock_time=timedelta(minutes=deployment.task_minutes),
        max_task_retry_count=deployment.task_retries,
        retention_time=RETENTION,
    )


def _environment(deployment: Deployment) -> dict[str, str]:
    """What every task of the job finds in its environment."""
    mounted = {
        "none": {},
        # Claims are replaced by their ETags, which no folder that blobfuse mounts does between nodes.
        "blob": {"SCORER_WORK": MOUNTED_WORK, "SCORER_CLAIMS": deployment.work},
        "nfs": {"SCORER_PARTS": MOUNTED_PARTS, "SCORER_PARTS_DAYS": str(deployment.work_days)},
    }
    return node_environment(deployment) | mounted[deployment.mount]


def _container(job: str, deployment: Deployment) -> batch.BatchTaskContainerSettings:
    """The image's own user and folder, and nothing of the node's but what is mounted.

    Source: https://learn.microsoft.com/azure/batch/batch-container-isolation-task
    """
    mounts = [batch.ContainerHostBatchBindMountEntry(source=batch.ContainerHostDataPath.VFS_MOUNTS, is_read_only=False)]
    return batch.BatchTaskContainerSettings(
        image_name=deployment.image,
        container_run_options=_container_options(job, deployment),
        working_directory=batch.ContainerWorkingDirectory.CONTAINER_IMAGE_DEFAULT,
        container_host_batch_bind_mounts=[] if deployment.mount == "none" else mounts,
    )


def _container_options(job: str, deployment: Deployment) -> str:
    """What `docker create` is told: the job's volumes, and what the stack says of media of strangers being decoded here.

    Docker gives a new volume the owner and the mode of the image's folder.

    Whoever uses more memory is killed (exit code 137), and nobody else of the node; swap is no way around. Batch reads the
    options itself, and is known to take `-v`: https://github.com/Azure/Batch/issues/39
    Source: https://docs.docker.com/reference/cli/docker/container/create/
    """
    volumes = ["-v", f"scorer-{job}:{NODE_FOLDER}", "-v", f"scorer-slots:{SLOTS_FOLDER}"]
    rest = deployment.container_options.replace(MEMORY, f"{deployment.task_memory_gb}g")
    return f"{shlex.join(volumes)} {rest}".strip()


def _logs(plan: Plan, task: str, deployment: Deployment) -> list[batch.OutputFile]:
    """Where Batch puts what a task printed, however it ended.

    Nodes can't change a log, and names don't tell tries apart: the one that ends well and the first that fails have their own.
    """
    folder = task_logs(plan.job, task)
    return [
        _kept(deployment.logs, folder, batch.OutputFileUploadCondition.TASK_SUCCESS, deployment),
        _kept(deployment.logs, f"{folder}/failed", batch.OutputFileUploadCondition.TASK_FAILURE, deployment),
    ]


def _kept(store: str, folder: str, condition: batch.OutputFileUploadCondition, deployment: Deployment) -> batch.OutputFile:
    """What a task printed, put into a folder of a store by Batch itself, before the task counts as done."""
    parts = urlsplit(store)
    container = batch.OutputFileBlobContainerDestination(
        container_url=f"{blob_endpoint(parts.netloc)}/{parts.path.strip('/')}",
        path=folder,
        identity_reference=batch.BatchNodeIdentityReference(resource_id=deployment.node_identity),
    )
    return batch.OutputFile(
        file_pattern="../std*.txt",
        destination=batch.OutputFileDestination(container=container),
        upload_options=batch.OutputFileUploadConfiguration(upload_condition=condition),
    )
