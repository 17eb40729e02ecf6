"""All of it from one call: extend, search, train, score."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.devices import cores
from lass_plugin.experiments.new_pairs.models import check, extend_models
from lass_plugin.experiments.new_pairs.report import write_report
from lass_plugin.experiments.new_pairs.scores import score
from lass_plugin.experiments.new_pairs.settings import STAGES, ExtendSettings
from lass_plugin.experiments.new_pairs.training import flags_of, train_ways
from lass_plugin.experiments.searches.searches import run_searches
from lass_plugin.files import write_json

RECORD = "settings.json"
MADE = ("data", "search", "masks", "checkpoints", "scores")
"""Folders that are made in ``--out``, and removed for ``--fresh``."""


def extend(settings: ExtendSettings) -> list[Path]:
    """Add pairs to a model and show what it costs; a second call goes on.

    Returns:
        The files of the report; empty if ``until`` is an earlier stage.

    Raises:
        LassError: something is missing, or ``out`` was made with other settings.
    """
    settings.check()
    last = STAGES.index(settings.until)
    _say(1, "room for the new pairs: data, dictionary, checkpoints")
    plan = check(settings)
    flags_of(settings, settings.checkpoint)  # wrong ones are told now
    _take_over(settings)
    extend_models(settings, plan)
    if last < 1:
        return []
    _say(2, "the sub-networks of the new pairs")
    run_searches(settings.search())
    if last < 2:
        return []
    _say(3, f"training: {', '.join(settings.all_ways)}")
    found = train_ways(settings)
    if last < 3:
        return []
    _say(4, "translations and scores")
    torch.set_num_threads(settings.threads or cores())
    points, changes, notes = score(settings, found, plan.watched)
    return write_report(settings, points, changes, notes)


def _take_over(settings: ExtendSettings) -> None:
    """Make ``out`` ready: new, begun with the same settings, or cleared."""
    out, record = settings.out, settings.record()
    path = out / RECORD
    present = [name for name in MADE if (out / name).exists()]
    if path.is_file():
        try:
            before: Any = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            before = {}
        if watches_fewer(before.get("old_pairs"), record["old_pairs"]):
            record["old_pairs"] = before["old_pairs"]  # their data are all there
        names = [name for name in record if before.get(name) != record[name]]
        if names and not settings.fresh:
            raise LassError(
                f"{out} was begun with another {names[0].replace('_', '-')} "
                f"({before.get(names[0])}, not {record[names[0]]}); choose another "
                "--out, or add --fresh to do it again there"
            )
    elif present:
        raise LassError(
            f"{out} holds {present[0]}, which lass extend did not make; choose another "
            "--out"
        )
    if settings.fresh:
        for name in present:
            shutil.rmtree(out / name)
        for name in ("extended.pt", "dense.pt"):
            (out / name).unlink(missing_ok=True)
    write_json(path, record)


def watches_fewer(before: Any, now: list[str]) -> bool:
    """Whether the older pairs to watch are among those that ``out`` was begun with.

    Args:
        before: as they were recorded; empty for all, as *now*.
    """
    return isinstance(before, list) and bool(now) and (set(now) <= set(before or now))


def _say(number: int, what: str) -> None:
    print(f"\n[{number}/{len(STAGES)}] {what}", file=sys.stderr, flush=True)
