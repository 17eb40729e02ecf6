"""fairseq's commands without the seconds that importing it takes.

A server process imports fairseq and the plugin once and forks itself for each command,
so every command still has a process of its own that can be killed or limited.
"""

import importlib
import logging
import multiprocessing
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from conftest import Commands

MODULES = {
    "train": "fairseq_cli.train",
    "generate": "fairseq_cli.generate",
    "interactive": "fairseq_cli.interactive",
    "validate": "fairseq_cli.validate",
}


@dataclass
class Finished:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def told(self) -> str:
        """The last line on stderr."""
        return (self.stderr.strip().splitlines() or [""])[-1]


class ForkedCommands(Commands):
    """:class:`conftest.Commands` with ``run`` in a forked process."""

    def __init__(self, data: Path, folder: Path):
        super().__init__(data)
        self.folder = folder
        self.count = 0
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(
            [*MODULES.values(), "lass_plugin.tasks.translation_subnetwork_search"]
        )

    def run(
        self,
        command: str,
        *arguments: object,
        check: bool = True,
        cwd: Path | None = None,
        largest_file: int | None = None,
        kill_when: Callable[[], bool] | None = None,
        prepare: tuple[str, str] | None = None,
    ) -> Finished:
        """Run *command* and wait for it.

        Args:
            largest_file: bytes; writing more to one file fails, as on a full disk.
            kill_when: asked all the time; the process gets SIGKILL once it says True.
            prepare: module and name of a function that the process calls first.
        """
        self.count += 1
        outputs = [self.folder / f"{self.count}.{end}" for end in ("out", "err")]
        process = self.context.Process(
            target=_child,
            args=(
                MODULES[command],
                [str(argument) for argument in arguments],
                [str(output) for output in outputs],
                str(cwd or self.folder),
                largest_file,
                prepare,
            ),
        )
        process.start()
        deadline = time.monotonic() + 300
        while process.is_alive() and time.monotonic() < deadline:
            if kill_when is None:
                process.join(1)
            elif kill_when():
                os.kill(process.pid, signal.SIGKILL)
                process.join()
            else:
                time.sleep(0.001)
        assert not process.is_alive(), f"{command} has not ended"
        stdout, stderr = (
            output.read_text(encoding="utf-8") if output.exists() else ""
            for output in outputs
        )
        if check and process.exitcode:
            raise AssertionError(
                f"{command} ended with {process.exitcode}\n{stdout[-3000:]}\n"
                f"{stderr[-6000:]}"
            )
        return Finished(process.exitcode, stdout, stderr)


def _child(
    module: str,
    arguments: list[str],
    outputs: list[str],
    cwd: str,
    largest_file: int | None,
    prepare: tuple[str, str] | None,
) -> None:
    for number, output in enumerate(outputs, start=1):
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout, sys.stderr = (
        os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False)
        for number in (1, 2)
    )
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, force=True)
    os.chdir(cwd)
    sys.argv = [module, *arguments]
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    if prepare is not None:
        getattr(importlib.import_module(prepare[0]), prepare[1])()
    importlib.import_module(module).cli_main()
