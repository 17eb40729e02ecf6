"""A command that is run once: the face of :mod:`.stage` for shell scripts.

    python -m lass_plugin.experiments.once FOLDER [options] -- COMMAND …

Runs COMMAND unless the very same has been done in FOLDER; goes on with one that was
killed; refuses another. Words of COMMAND that name files and folders count by what
these hold, but for those that it writes to.
"""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from lass_plugin.errors import LassError
from lass_plugin.experiments import content
from lass_plugin.experiments.stage import RECORD, Stage, State
from lass_plugin.files import move
from lass_plugin.signals import signals_as_exceptions

ADVICE = "run it with the same options, or remove its results to do it again"


def main(words: Sequence[str] | None = None) -> None:
    """Run the command of *words* unless it has been run.

    Raises:
        LassError: another one has been run in the folder, or it failed.
    """
    parser = argparse.ArgumentParser(prog="once", description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, help="what the command works in")
    add("--name", help="of the command, where several work in the folder")
    add("--what", default="command", help="what it is, for messages")
    add("--log", type=Path, help="append what the command says")
    add("--output", type=Path, help="put there what it prints, once it has ended")
    add("--result", type=Path, action="append", default=[], help="what it makes")
    add("--done", type=Path, help="file that says so where an earlier version ran it")
    words = list(sys.argv[1:] if words is None else words)
    start = words.index("--") if "--" in words else len(words)
    given, command = parser.parse_args(words[:start]), words[start + 1 :]
    if not command:
        parser.error("there is no COMMAND after --")
    results = given.result + ([given.output] if given.output else [])
    name = f"{given.name}.{RECORD}" if given.name else RECORD
    stage = stage_of(command, given.folder / name, given.what, [given.folder])
    done = given.done or (results[0] if results else given.folder / "done")
    if done.is_file():
        stage.adopt({}, [path for path in results if path.is_file()])
    begun = any(path.exists() for path in results)
    with stage.held(fresh=bool(results) and not begun) as state:
        if state is State.DONE:
            return
        if _run(command, given.log, given.output):
            where = f"; see {given.log}" if given.log else ""
            raise LassError(f"the {stage.what} has failed{where}")
        for path in results:
            if not path.is_file():
                raise LassError(f"the {stage.what} has not made {path}")
        stage.finish(results)


def stage_of(
    command: Sequence[str],
    record: Path,
    what: str,
    written: Sequence[Path],
    coming: Sequence[Path] = (),
) -> Stage:
    """The stage of a command.

    Args:
        record: file that says what it was made with.
        what: it is, for messages.
        written, coming: as :func:`.content.of_words` has them.
    """
    words = content.of_words(command[1:], written, coming=coming)
    identity = {"program": command[0], **words}
    # what earlier versions did not look into is made again
    continues: dict[str, Callable[[Any, Any], bool]] = {
        f"inputs.{name}": lambda before, now: before is None
        for name in words["inputs"]
        if name.startswith(content.PART)
    }
    for name in words["words"]:
        continues[f"words.{name}"] = lambda before, now: (
            isinstance(before, str) and content.movable(before) == now
        )
    return Stage(
        record.parent, what, identity, ADVICE, continues=continues, name=record.name
    )


def _run(command: Sequence[str], log: Path | None, output: Path | None) -> int:
    """Run *command* to its end; ended early, it is ended too."""
    partial = output and output.with_name(f"{output.name}.partial")
    with signals_as_exceptions(), _opened(log, "ab") as said:
        with _opened(partial, "wb") as printed:
            try:
                process = subprocess.Popen(command, stdout=printed or said, stderr=said)
            except OSError as error:
                raise LassError(f"cannot run {command[0]}: {error.strerror}") from error
            try:
                status = process.wait()
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
    if output and partial and not status:
        move(partial, output)
    return status


@contextlib.contextmanager
def _opened(path: Path | None, mode: str) -> Iterator[IO | None]:
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, mode) as file:
        yield file


if __name__ == "__main__":
    main()
