"""The command of a training, how often it saves itself, and which checkpoints stay."""

import os
import sys
from pathlib import Path
from typing import Iterable, Sequence

import lass_plugin

USER_DIR = Path(lass_plugin.__file__).resolve().parent
NEVER = "1000000000"
SAVES = 10
"""How often a training saves itself, and validates, at least."""
MOST_LOST = 300
"""Seconds of training that a death may cost, as far as they are known before."""
BEST = "checkpoint_best.pt"


def train_command(arguments: Sequence[str]) -> list[str]:
    """fairseq-train with this package and this Python, an argument list."""
    start = [sys.executable, "-m", "fairseq_cli.train", arguments[0]]
    return [*start, "--user-dir", str(USER_DIR), *arguments[1:]]


def arguments_of(
    folder: Path,
    data: Sequence[Path],
    pairs: Iterable[object],
    words: Sequence[str],
    on_cpu: bool,
    updates: int,
    epochs: int = 0,
) -> list[str]:
    """All that follows ``fairseq-train --user-dir …``, the data folder first.

    Args:
        folder: of the checkpoints.
        data: the data folder, or shards of it.
        words: further flags.
        updates: length of the training, unless it is counted in *epochs*.
    """
    arguments = [os.pathsep.join(str(each.resolve()) for each in data)]
    arguments += ["--lang-pairs", ",".join(map(str, pairs))]
    arguments += ["--max-epoch" if epochs else "--max-update", str(epochs or updates)]
    arguments += ["--save-dir", str(folder.resolve())] + ["--cpu"] * on_cpu
    return [*arguments, *words]


def saving(updates: int, seconds: float = 0.0) -> list[str]:
    """Flags: save and validate by updates; epochs differ in length between pairs.

    Args:
        seconds: that an update is thought to take; 0 where that is not known.
    """
    interval = updates // SAVES
    if seconds:
        interval = min(interval, int(MOST_LOST / seconds))
    flags = ["--save-interval", NEVER, "--validate-interval", NEVER]
    flags += ["--save-interval-updates", str(max(1, interval))]
    return [*flags, "--keep-interval-updates", "1", "--no-epoch-checkpoints"]


def logging_of(updates: int) -> list[str]:
    """Flags: about a hundred lines that :mod:`.jobs` reads; load data in line."""
    interval = str(max(1, min(100, updates // 100)))
    flags = ["--log-format", "json", "--log-interval", interval]
    return [*flags, "--num-workers", "0"]


def remove_superseded(
    folder: Path, flags: Iterable[str], keep_best: bool = False
) -> None:
    """Remove what the last checkpoint of a finished training supersedes.

    Nothing is removed where *flags*, those of the user, ask for checkpoints of a kind.
    """
    asked = ("--keep-", "--save-", "--best-checkpoint", "--maximize-best")
    if any(flag.startswith(asked) for flag in flags):
        return
    for pattern in ["checkpoint_[0-9]*_[0-9]*.pt", *([] if keep_best else [BEST])]:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
