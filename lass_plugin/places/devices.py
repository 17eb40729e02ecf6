"""Devices: what a process runs on, a GPU or some cores, and its environment."""

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from lass_plugin.errors import LassError
from lass_plugin.places.settings import DeviceSettings

LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Left by torchrun and the like; one started here is a process by itself."""


@dataclass(frozen=True)
class Device:
    """What one training at a time runs on."""

    gpu: str | None
    """GPU, or several, as ``CUDA_VISIBLE_DEVICES`` names it; None for the CPU."""
    threads: int

    def settings(self) -> dict[str, str]:
        """The variables that put a training onto this device."""
        settings = {
            "CUDA_VISIBLE_DEVICES": self.gpu or "",
            "OMP_NUM_THREADS": str(self.threads),
            "MKL_NUM_THREADS": str(self.threads),
            "PYTHONWARNINGS": "ignore",
        }
        # A thread that spins long while it waits takes the core from whoever works: on
        # a busy machine training is then ten times as slow. One that does not spin at
        # all (OMP_WAIT_POLICY=PASSIVE) costs a fifth of the speed on a quiet one.
        if "OMP_WAIT_POLICY" not in os.environ:
            settings["GOMP_SPINCOUNT"] = os.environ.get("GOMP_SPINCOUNT", "10000")
        return settings

    def environment(self) -> dict[str, str]:
        """The whole environment of a training on this device."""
        kept = {k: v for k, v in os.environ.items() if k not in LAUNCHER}
        return {**kept, **self.settings(), "PYTHONUNBUFFERED": "1"}


def together(devices: Sequence[Device]) -> Device:
    """All of *devices* as one, for what nothing runs beside."""
    gpus = dict.fromkeys(device.gpu for device in devices if device.gpu)
    threads = sum(device.threads for device in devices)
    return Device(",".join(gpus) or None, threads)


def on_cpu(settings: DeviceSettings) -> bool:
    """Whether the trainings are on the CPU."""
    return settings.cpu or not (settings.devices or torch.cuda.is_available())


def find_devices(settings: DeviceSettings, trainings: int) -> list[Device]:
    """Devices for so many *trainings*: the GPUs, or a core each, unless told otherwise.

    Two trainings with torch's default number of threads slow each other many times
    over, so the threads of all together are never more than the cores, unless
    ``--threads`` or ``OMP_NUM_THREADS`` says so.
    """
    gpus: list[str | None] = [None]
    if not on_cpu(settings):
        gpus = list(settings.devices or visible_gpus())
    jobs = settings.jobs
    if jobs is None:
        jobs = cores() if gpus == [None] else len(gpus)
    jobs = max(1, min(jobs, trainings))
    given = os.environ.get("OMP_NUM_THREADS", "")
    threads = settings.threads or (int(given) if given.isdigit() else 0)
    threads = threads or max(1, cores() // jobs)
    return [Device(gpus[number % len(gpus)], threads) for number in range(jobs)]


def devices_to_translate(settings: DeviceSettings) -> list[Device]:
    """Devices of processes that translate: on a CPU one, unless told otherwise.

    Each has a model in memory, for which a core each would be too many.

    Returns:
        Nothing where this process will do: it is to be one, with threads as they are,
        on whichever GPU comes first.
    """
    if settings.jobs is None and on_cpu(settings):
        settings = replace(settings, jobs=1)
    found = find_devices(settings, sys.maxsize)
    told = settings.threads or settings.devices
    return found if len(found) > 1 or told else []


def single_device(
    cpu: bool = False, threads: int | None = None, every: bool = False
) -> Device:
    """The device of a training that nothing runs beside.

    Args:
        threads: None for all cores.
        every: take every GPU, not the first one.
    """
    gpus = [] if cpu or not torch.cuda.is_available() else visible_gpus()
    return Device(",".join(gpus if every else gpus[:1]) or None, threads or cores())


def check_devices(settings: DeviceSettings) -> None:
    """Refuse GPUs that are not there."""
    if not settings.devices:
        return
    count = torch.cuda.device_count()
    for device in settings.devices:
        if count == 0 or (device.isdigit() and int(device) >= count):
            there = f"there are {count}, from 0" if count else "there is none here"
            raise LassError(
                f"GPU {device} of --devices does not exist: {there}; correct it or "
                "use --cpu"
            )


def visible_gpus() -> list[str]:
    """The GPUs as ``CUDA_VISIBLE_DEVICES`` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named:
        return [name.strip() for name in named.split(",")]
    return [str(number) for number in range(torch.cuda.device_count())]


def cores() -> int:
    """CPU cores that this process may use, a container's share included."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = (
            Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        )
        count = min(count, max(1, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        pass  # no such file, or "max": no limit
    return count
