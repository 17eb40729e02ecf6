"""Options of every command that runs several processes."""

from dataclasses import dataclass
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, count, option, switch

RUNNING: dict[str, Any] = {"group": "running", "matters": False}


@dataclass(frozen=True, kw_only=True)
class DeviceSettings(Settings):
    """Where several trainings run, and how many at a time."""

    cpu: bool = switch("do not use the GPU", matters=False)
    jobs: int | None = count(
        None, "at a time (default: one per GPU or core)", **RUNNING
    )
    devices: tuple[str, ...] = option(
        (), "GPUs to use (default: all)", metavar="0,1,…", **RUNNING
    )
    threads: int | None = count(
        None,
        "CPU threads of each (default: $OMP_NUM_THREADS, or cores / jobs)",
        **RUNNING,
    )

    def check(self) -> None:
        super().check()
        if self.cpu and self.devices:
            raise LassError("--cpu and --devices exclude each other; give one of them")


@dataclass(frozen=True, kw_only=True)
class TranslatingSettings(DeviceSettings):
    """How many processes share what is to be translated."""

    jobs: int | None = count(
        None, "processes that translate (default: one per GPU, on a CPU one)", **RUNNING
    )
