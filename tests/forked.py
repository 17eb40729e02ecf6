"""fairseq's commands without the seconds that importing it takes.

A server process imports fairseq and the plugin once and forks itself for each command,
so every command still has a process of its own that can be killed or limited.
"""

import importlib
import io
import itertools
import logging
import multiprocessing
import os
import resource
import signal
import sys
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from pathlib import Path

from conftest import Commands, shortened
from forked_trainings import OfFork, fork_trainings

MODULES = {
    "train": "fairseq_cli.train",
    "generate": "fairseq_cli.generate",
    "interactive": "fairseq_cli.interactive",
    "validate": "fairseq_cli.validate",
    "hydra": "fairseq_cli.hydra_train",
    "lass": "lass_plugin.cli.main",
}

LATE = (  # what torch imports where it is first needed
    "torch._dynamo",
    "torch.fx.experimental.symbolic_shapes",
)

PLUGIN = (  # what fairseq imports of --user-dir
    "lass_plugin.tasks.masked_lm_gates",
    "lass_plugin.tasks.masked_lm_languages",
    "lass_plugin.tasks.translation_adapters",
    "lass_plugin.tasks.translation_decoders",
    "lass_plugin.tasks.translation_gates",
    "lass_plugin.tasks.translation_lslo",
    "lass_plugin.tasks.translation_subnetwork_search",
    "lass_plugin.tasks.xtreme",
    "lass_plugin.models.encoder_architectures",
    "lass_plugin.models.narrow_architectures",
    "lass_plugin.models.transformer_architectures",
)


@cache
def server() -> multiprocessing.context.ForkServerContext:
    """What forks itself for each command."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*MODULES.values(), *PLUGIN, *LATE, "warmed"])
    kept = os.environ.get("PYTHONPATH")
    folders = [str(Path(__file__).parent), *([kept] if kept else [])]
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)  # where "warmed" is
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if kept:
            os.environ["PYTHONPATH"] = kept
    return context


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
        self.numbers = itertools.count(1)

    def run(
        self,
        command: str,
        *arguments: object,
        check: bool = True,
        cwd: Path | None = None,
        prepare: tuple | None = None,
        timeout: float = 300,
    ) -> Finished:
        """Run *command* and wait for it.

        Args:
            prepare: name of a function of this module, and its arguments, that the
                process calls first.
        """
        number = next(self.numbers)
        outputs = [self.folder / f"{number}.{end}" for end in ("out", "err")]
        process = server().Process(
            target=_child,
            args=(
                MODULES[command],
                [str(argument) for argument in shortened(command, arguments)],
                [str(output) for output in outputs],
                str(cwd or self.folder),
                prepare,
            ),
        )
        process.start()
        process.join(timeout)
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
    prepare: tuple | None,
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
    if prepare is None:
        fork_trainings(OfFork)
    else:
        globals()[prepare[0]](*prepare[1:])
    command = importlib.import_module(module)
    sys.exit((getattr(command, "cli_main", None) or command.main)())


# -- what can befall a process: functions for ``prepare`` ------------------------------


def die_at_update(number: int) -> None:
    """SIGKILL after *number* updates, in the midst of the next one's backward."""
    from fairseq.trainer import Trainer

    stock = Trainer.train_step

    def train_step(self, *arguments, **more):
        if self.get_num_updates() == number:
            self.task.optimizer_step = lambda *_, **__: die()
        return stock(self, *arguments, **more)

    Trainer.train_step = train_step


def die_at_update_with_few_scores(number: int, places: int) -> None:
    """The same in a search whose scores are in the host's memory, as beside a GPU, with
    room for *places* of its sums on the device; *number* 0 lets it live."""
    from lass_plugin.methods.search import method

    method.places_of = lambda cfg: places
    if number:
        die_at_update(number)


def die_at_save(number: int) -> None:
    """SIGKILL when half of the *number*-th checkpoint file has been written."""
    import torch

    stock, saves = torch.save, []

    def save(value, file, *arguments, **more):
        saves.append(file)
        if len(saves) < number:
            return stock(value, file, *arguments, **more)
        content = io.BytesIO()
        stock(value, content, *arguments, **more)
        half = content.getvalue()[: content.tell() // 2]
        if isinstance(file, (str, os.PathLike)):
            Path(file).write_bytes(half)
        else:
            file.write(half)
            file.flush()
        die()

    torch.save = save


def fill_disk_at_save(number: int) -> None:
    """From the *number*-th ``torch.save`` on no file can grow beyond 100 kB."""
    import torch

    torch.save = _with_full_disk(torch.save, number)


def fill_disk_at_copy(number: int) -> None:
    """The same from the *number*-th copy of a checkpoint on."""
    from fairseq.file_io import PathManager

    PathManager.copy = staticmethod(_with_full_disk(PathManager.copy, number))


def _with_full_disk(stock, number: int):
    calls = []

    def call(*arguments, **more):
        calls.append(arguments)
        if len(calls) == number:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        return stock(*arguments, **more)

    return call


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# -- packages from outside -----------------------------------------------------------


def with_plugin(module: str) -> None:
    """Let the command know the methods, scores and tasks of *module*."""
    os.environ["LASS_PLUGINS"] = module
    places = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(places)  # of commands that it starts
    importlib.import_module("lass_plugin.registry").load_plugins()
