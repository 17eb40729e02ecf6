"""Stages as jobs of a cluster, which submitit submits and watches.

The process of ``lass run`` stays on: it submits a stage when what it needs is done and
cancels what it has submitted when it is ended. What was cancelled, or was still running
when ``lass run`` was killed, goes on when it is started again; a stage that runs twice
at once is kept apart by its lock, wherever the file system has locks.
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.experiments.recipes.elsewhere import RunsCommand
from lass_plugin.experiments.recipes.jobs import StageJob
from lass_plugin.experiments.recipes.settings import RunSettings
from lass_plugin.experiments.recipes.stages import STAGES, RecipeStage
from lass_plugin.places.devices import LAUNCHER

HOURS = 24.0
EVERY = 10.0
"""Seconds between two questions to the cluster about a job."""


def cluster_jobs(
    settings: RunSettings, out: Path, stages: Sequence[RecipeStage]
) -> list[StageJob]:
    """The jobs of *stages* on the cluster of *settings*.

    Raises:
        LassError: submitit is not installed, or the cluster is not there.
    """
    try:
        import submitit
    except ImportError as error:
        raise LassError(
            "--cluster needs the package submitit, which is not installed; install it "
            "(pip install submitit), or leave out --cluster"
        ) from error
    try:
        executor = submitit.AutoExecutor(
            folder=out / STAGES / "cluster", cluster=settings.cluster
        )
        executor.update_parameters(**_parameters(settings))
    except (RuntimeError, ValueError) as error:
        raise LassError(f"--cluster {settings.cluster}: {error}") from error
    return [ClusterJob.on(executor, settings, stage) for stage in stages]


def _parameters(settings: RunSettings) -> dict[str, Any]:
    minutes = 60 * (HOURS if settings.hours is None else settings.hours)
    parameters: dict[str, Any] = {
        "timeout_min": max(1, round(minutes)),
        "nodes": 1,
        "tasks_per_node": 1,
        "gpus_per_node": settings.gpus,
        "cpus_per_task": settings.cores or 1,
    }
    if settings.partition and settings.cluster == "slurm":
        parameters["slurm_partition"] = settings.partition
    return parameters


@dataclass(eq=False)
class ClusterJob(StageJob):
    """A stage that runs as a job of the cluster."""

    executor: Any
    threads: int
    every: float

    _job: Any = None
    _asked: float = 0.0

    @classmethod
    def on(
        cls, executor: Any, settings: RunSettings, planned: RecipeStage
    ) -> "ClusterJob":
        """The job of a stage, submitted by *executor*."""
        here = StageJob.of(planned)
        every = EVERY if settings.cluster == "slurm" else 0.0
        threads = settings.cores or 1
        return cls(
            here.key, here.stage, here.command, planned, executor, threads, every
        )

    def _launch(self, environment: Mapping[str, str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._read = self.log.stat().st_size if self.log.exists() else 0
        if self._partial is not None:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
        work = RunsCommand(
            list(self.command),
            os.getcwd(),
            _of_cluster(self.threads),
            str(self.log.absolute()),
            str(self._partial.absolute()) if self._partial else None,
            LAUNCHER,
        )
        self.executor.update_parameters(name=self.key)
        try:
            self._job = self.executor.submit(work)
        except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
            raise OSError(f"the cluster has refused it: {error}") from error
        self._asked = time.monotonic()

    def _status(self) -> int | None:
        if time.monotonic() - self._asked < self.every:
            return None
        self._asked = time.monotonic()
        if not self._job.done():
            return None
        try:
            return int(self._job.result())
        except Exception as error:  # whatever a job or a cluster can end with
            lines = [line for line in str(error).splitlines() if line.strip()]
            self._said += f"\nerror: its job {self._job.job_id} has ended: " + (
                lines[-1].strip() if lines else type(error).__name__
            )
            return 1

    def ask_to_end(self) -> None:
        if self._job is not None and not self._job.done():
            self._job.cancel()

    def end(self) -> None:
        """Nothing is left where it ran but what the cluster has ended."""

    @property
    def runs(self) -> bool:
        return False


def _of_cluster(threads: int) -> dict[str, str]:
    """Variables of a stage beside those that the cluster sets."""
    kept = ("PATH", "PYTHONPATH", "LASS_PLUGINS", "HOME", "LANG")
    settings = {name: os.environ[name] for name in kept if name in os.environ}
    return {**settings, "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
