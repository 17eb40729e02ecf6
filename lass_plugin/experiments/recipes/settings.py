"""Options of ``lass run``."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.places.settings import DeviceSettings
from lass_plugin.settings import argument, count, needless, option, switch

CLUSTER = {"group": "on a cluster (needs submitit)", "matters": False}


@dataclass(frozen=True, kw_only=True)
class RunSettings(DeviceSettings):
    """A recipe, with what, how much of it, and where."""

    recipe: Path = argument("a recipe, see docs/running.md", metavar="RECIPE.yaml")
    out: Path | None = option(
        None, "folder for everything (default: runs/RECIPE)", metavar="DIR"
    )
    values: tuple[str, ...] = option(
        (),
        "a variable of the recipe (repeatable)",
        flags="--set",
        metavar="NAME=VALUE",
        repeated=True,
    )
    only: tuple[str, ...] = option(
        (),
        "these stages, and what they need that is missing; * stands for anything",
        metavar="STAGE,…",
    )
    dry_run: bool = switch(
        "print the lines of shell that make the same, and what is there already"
    )
    status: bool = switch("print what is done and what is left, and run nothing")
    cluster: str | None = option(
        None, "run each stage as a job of this", choices=("slurm", "local"), **CLUSTER
    )
    partition: str | None = option(None, "of the cluster", metavar="NAME", **CLUSTER)
    gpus: int = option(
        0, "GPUs of each stage (default: none)", metavar="N", least=0, **CLUSTER
    )
    cores: int | None = count(None, "CPU cores of each stage", **CLUSTER)
    hours: float | None = option(
        None,
        "most time of a stage, which goes on in a new job after it (default: 24)",
        metavar="N",
        least=0.01,
        **CLUSTER,
    )

    def check(self) -> None:
        super().check()
        if self.dry_run and self.status:
            raise LassError("--dry-run says the status, too; leave out --status")
        if self.cluster is None:
            options = ("partition", "gpus", "cores", "hours")
            needless(self, options, "without --cluster")
        else:
            needless(self, ("devices", "threads"), "with --cluster")
