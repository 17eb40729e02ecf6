"""A command for another machine; little is imported where it is unpickled."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class RunsCommand:
    """A command with its files, for a process on another machine.

    submitit pickles it; when the time of its job is over it is submitted again, and
    the command goes on where it was.
    """

    command: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    log: str
    output: str | None
    without: Sequence[str] = ()
    """Variables of the other machine that the command must not see."""

    def __call__(self) -> int:
        """Run the command to its end; returns its status."""
        there = {k: v for k, v in os.environ.items() if k not in self.without}
        with open(self.log, "ab") as log, open(self.output or os.devnull, "wb") as made:
            done = subprocess.run(
                list(self.command),
                cwd=self.folder,
                env={**there, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=made if self.output else log,
                stderr=log,
            )
        return done.returncode

    def checkpoint(self) -> Any:
        """Submit it again; submitit asks for this when the job's time is over."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
