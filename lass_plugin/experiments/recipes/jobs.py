"""A stage of a recipe as a job: what it was made with, its process, its progress."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.processes import Work
from lass_plugin.experiments.once import stage_of
from lass_plugin.experiments.recipes.hydra import as_options, updates_in
from lass_plugin.experiments.recipes.stages import TRAINING, RecipeStage
from lass_plugin.experiments.stage import Stage, State

MODULES = {
    "lass": "lass_plugin.cli",
    "fairseq-train": "fairseq_cli.train",
    "fairseq-hydra-train": "fairseq_cli.hydra_train",
    "fairseq-generate": "fairseq_cli.generate",
    "fairseq-interactive": "fairseq_cli.interactive",
    "fairseq-preprocess": "fairseq_cli.preprocess",
    "fairseq-score": "fairseq_cli.score",
    "fairseq-validate": "fairseq_cli.validate",
    "fairseq-eval-lm": "fairseq_cli.eval_lm",
}
"""Commands that are run by this Python, wherever its programs lie."""

_SHARE = re.compile(rb"(?:^|[\r\n])(?:\x1b\[K)?(\d+)/(\d+) \w+")
"""The status of commands that start trainings: ``1/4 pairs, …``."""


def program_of(command: Sequence[str]) -> list[str]:
    """The words that start *command*.

    Raises:
        LassError: its program is not there.
    """
    name = command[0]
    if name in MODULES:
        return [sys.executable, "-m", MODULES[name], *command[1:]]
    if name in ("python", "python3"):
        return [sys.executable, *command[1:]]
    if shutil.which(name) is None:
        raise LassError(
            f"there is no program {name}; install it, or correct the first word of run:"
        )
    return list(command)


def stage_record(planned: RecipeStage, coming: Sequence[Path] = ()) -> Stage:
    """The stage with what it would be made with now.

    Args:
        coming: files and folders that other stages have still to make.
    """
    what = f"stage {planned.name}"
    made = stage_of(
        as_options(planned.command), planned.record, what, planned.written, coming
    )
    results = ", ".join(map(str, planned.left))
    made.advice = f"run it with the same words, or remove {results} to do it again"
    return made


@dataclass(eq=False)
class StageJob(Work):
    """A stage of a recipe that is to be run."""

    planned: RecipeStage

    @classmethod
    def of(cls, planned: RecipeStage) -> "StageJob":
        """The job of a stage, whose needs need not be done yet."""
        stage = Stage(planned.record.parent, f"stage {planned.name}", {})
        stage.name = planned.record.name
        command = program_of(planned.command)
        return cls(planned.name, stage, command, planned, alone=planned.alone)

    @property
    def log(self) -> Path:
        return self.planned.log

    @property
    def output(self) -> Path | None:
        return self.planned.output

    def start(self, environment: Mapping[str, str]) -> bool:
        """Start the process, now that all it needs is there; as :meth:`.Work.start`."""
        self.stage = stage_record(self.planned)
        return super().start(environment)

    def is_done(self) -> bool:
        """Whether the very same has been done before; begun anew if no result is left.

        Raises:
            LassError: another command has made the results.
        """
        return is_done(self.planned, self.stage)

    def finish(self) -> None:
        """Write down that it is done.

        Raises:
            LassError: a result is not there.
        """
        if is_done(self.planned, self.stage):
            self.stage.keep()
            return
        files = []
        for path in self.planned.made:
            if not path.exists() or (path.is_dir() and not any(path.iterdir())):
                raise LassError(f"it has not made {path}")
            inside = sorted(path.rglob("*")) if path.is_dir() else [path]
            files += [each for each in inside if _counts(each, path, self.planned)]
        self.stage.finish(files)

    @property
    def length(self) -> int:
        """Updates that are trained, as far as the command says."""
        return updates_of(self.planned.command)

    @property
    def done(self) -> int:
        if self.planned.command[0] in TRAINING:
            return min(self.progress.updates, self.length)
        found = _SHARE.findall(self._said_last())
        if not found:
            return 0
        part, whole = map(int, found[-1])
        return self.length * part // max(1, whole)

    def described(self) -> str:
        if self.planned.command[0] in TRAINING and self.length:
            return self.progress.described(self.key, self.length)
        found = _SHARE.findall(self._said_last())
        share = " " + b"/".join(found[-1]).decode() if found else ""
        return f"{self.key}{share}"

    def _said_last(self) -> bytes:
        return self._said[-4000:].encode("utf-8", "replace")


def is_done(planned: RecipeStage, stage: Stage) -> bool:
    """Whether *stage* is done; anew if nothing is left of it.

    Raises:
        LassError: another command has made the results; not where the command itself
            knows better.
    """
    if not any(path.exists() for path in planned.left):
        return False
    try:
        return stage.state() is State.DONE
    except LassError:
        if planned.own_record:
            return False
        raise


def updates_of(command: Sequence[str]) -> int:
    """Updates of the trainings that *command* makes; 0 where it does not say."""
    words = as_options(command)
    given = dict(zip(words, words[1:], strict=False))
    updates = given.get("--max-update") or given.get("--updates") or ""
    updates = updates or updates_in(command)
    pairs = given.get("--pairs", "") if command[0] not in TRAINING else ""
    return int(updates) * (pairs.count(",") + 1) if updates.isdigit() else 0


def _counts(path: Path, result: Path, planned: RecipeStage) -> bool:
    """Whether *path* is *result*, or a file in that folder which is one of its."""
    if path == result:
        return True
    hidden = any(part.startswith(".") for part in path.relative_to(result).parts)
    about = path.suffix == ".log" or path.name.endswith("stage.json")
    others = path in (planned.log, planned.record)
    return path.is_file() and not (hidden or about or others)
