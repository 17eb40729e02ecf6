"""Options of every command that starts trainings from a base."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.places.settings import RUNNING, DeviceSettings
from lass_plugin.settings import Settings, argument, passed_on, required, switch


@dataclass(frozen=True, kw_only=True)
class StartSettings(Settings):
    """What trainings begin from, and where they write."""

    data: str = argument("fairseq data folder", metavar="DATA", matters=False)
    """Or shards of it separated by colons."""
    base: Path = required("base checkpoint", metavar="FILE")
    out: Path = required("folder for everything", metavar="DIR")
    cpu: bool = switch("do not use the GPU", matters=False)

    @property
    def folders(self) -> list[Path]:
        """The data folder or its shards."""
        return [Path(part) for part in self.data.split(":") if part]


@dataclass(frozen=True, kw_only=True)
class RunningSettings(DeviceSettings, StartSettings):
    """Several trainings from a base, and where they run."""

    stop_on_error: bool = switch(
        "end all when one fails (default: finish the others)", **RUNNING
    )
    flags: tuple[str, ...] = passed_on()
    """Further flags of fairseq-train; they win over the base's options."""
