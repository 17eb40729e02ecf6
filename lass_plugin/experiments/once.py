"""A command that is run once: the face of :mod:`.stage` for shell scripts.

    python -m lass_plugin.experiments.once FOLDER [--name N] [--log FILE] \\
        [--result FILE] … -- COMMAND …

Runs COMMAND unless the very same has been done in FOLDER; goes on with one that was
killed; refuses another. Words of COMMAND that name files and folders count by what
these hold, but for those that it writes to.
"""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from lass_plugin.errors import LassError
from lass_plugin.experiments import content
from lass_plugin.experiments.signals import signals_as_exceptions
from lass_plugin.experiments.stage import RECORD, Stage, State

ADVICE = "run it with the same options, or remove that folder to do it again"

FINISHED = "done"
"""Left in the folder of a finished command by earlier versions."""


def main(words: Sequence[str] | None = None) -> None:
    """Run the command of *words* unless it has been run.

    Raises:
        LassError: another one has been run in the folder, or it failed.
    """
    parser = argparse.ArgumentParser(prog="once", description=__doc__)
    parser.add_argument("folder", type=Path, help="what the command makes")
    parser.add_argument("--name", default="", help="of the stage; default: the folder")
    parser.add_argument("--log", type=Path, help="append what the command says")
    parser.add_argument("--result", type=Path, action="append", default=[])
    words = list(sys.argv[1:] if words is None else words)
    start = words.index("--") if "--" in words else len(words)
    given, command = parser.parse_args(words[:start]), words[start + 1 :]
    if not command:
        parser.error("there is no COMMAND after --")
    stage = Stage(
        given.folder,
        given.name or f"stage {given.folder.name}",
        {
            "command": Path(command[0]).name,
            **content.of_words(command[1:], given.folder),
        },
        ADVICE,
        name=f"{given.name}.{RECORD}" if given.name else RECORD,
    )
    finished = given.folder / FINISHED
    if finished.is_file():
        stage.adopt({}, [path for path in given.result if path.is_file()])
    with stage.held() as state:
        if state is State.DONE:
            return
        if _run(command, given.log):
            where = f"; see {given.log}" if given.log else ""
            raise LassError(f"the {stage.what} has failed{where}")
        for path in given.result:
            if not path.is_file():
                raise LassError(f"the {stage.what} has not made {path}")
        stage.finish(given.result)


def _run(command: Sequence[str], log: Path | None) -> int:
    """Run *command* to its end; ended early, it is ended too."""

    with signals_as_exceptions(), _opened(log) as output:
        try:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        except OSError as error:
            raise LassError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


@contextlib.contextmanager
def _opened(log: Path | None) -> Iterator[IO | None]:
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as file:
        yield file


if __name__ == "__main__":
    main()
