"""How the agreement of searched masks with themselves grows: table and picture."""

import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from lass_plugin import files
from lass_plugin.errors import LassError
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.settling import (
    StoppingRule,
    agreement,
    growth,
    measure_of,
)
from lass_plugin.records.curves import Curve, draw_curves

MEASURE = (
    "(s - c) / (1 - c); s: share of weights kept that two masks have in common, c: the "
    "same for random masks; halves: masks of the even and of the odd updates; "
    "since_halfway: mask now and at half the updates"
)
_NAME = "settled.json"


@dataclass(frozen=True)
class Settling:
    """What one search recorded of how settled its mask is."""

    plan: SearchPlan
    updates: int
    history: tuple[Mapping[str, Any], ...]
    """Records by increasing updates, see :mod:`lass_plugin.methods.search.settling`."""
    stopped: str = ""
    """Why it ended by itself; empty if it did not."""

    @classmethod
    def of(cls, state: Mapping[str, Any], path: str | os.PathLike) -> "Settling":
        """From the state of a search.

        A search of an earlier release, which kept no record, has its end only.

        Raises:
            LassError: the record is damaged, or there is none yet.
        """
        updates, final = int(state["updates"]), dict(state["settled"])
        try:
            history = [dict(record) for record in state.get("history", ())]
            last = history[-1]["updates"] if history else 0
            if final and last < updates:
                history.append({"updates": updates, **final})
            for record in history:
                agreement(record)
            growth(history) if history else None
        except (KeyError, TypeError, ValueError) as error:
            raise LassError(
                f"{path} holds a damaged record of how settled its mask was ({error}); "
                "take an earlier checkpoint of the same folder"
            ) from error
        if not history:
            raise LassError(
                f"the search in {path} has not begun yet; let it train and try again"
            )
        plan = SearchPlan.from_dict(state["plan"])
        stopped = str(state.get("stopped", ""))
        return cls(plan, updates, tuple(history), stopped)

    @property
    def label(self) -> str:
        plan = self.plan
        return f"{plan.key} {plan.criterion} {plan.schedule}"

    @property
    def earliest(self) -> int:
        """Updates before which no rule stops the search."""
        return self.plan.start + self.plan.ramp


def write_settling(
    searches: Sequence[Settling],
    folder: str | os.PathLike,
    rule: StoppingRule | None = None,
) -> list[Path]:
    """Write ``settled.json``, ``.csv``, ``.png`` and ``.svg`` to *folder*.

    Args:
        rule: also say when it would have stopped each search.

    Returns:
        The files written.
    """
    folder = Path(folder)
    record = {
        "measure": MEASURE,
        "rule": None if rule is None else [rule.settled, rule.growth],
        "searches": [_record(search, rule) for search in searches],
    }
    data = folder / _NAME
    files.write_json(data, record)
    table = folder / "settled.csv"
    files.write_text(table, _csv(searches))
    return [data, table, *draw_settling(data)]


def _record(search: Settling, rule: StoppingRule | None) -> dict[str, Any]:
    plan = search.plan
    return {
        "key": plan.key,
        "criterion": plan.criterion,
        "schedule": plan.schedule,
        "ratio": plan.ratio,
        "updates": search.updates,
        "stopped": search.stopped,
        "would_stop_at": rule and rule.stops_at(search.history, search.earliest),
        "measure": measure_of(search.history[-1]),
        "history": [
            {
                **record,
                "agreement": agreement(record),
                "growth": growth(search.history, place),
            }
            for place, record in enumerate(search.history)
        ],
    }


def _csv(searches: Sequence[Settling]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["pair", "criterion", "schedule", "ratio", "updates", "halves"]
        + ["since_halfway", "chance", "measure", "agreement", "growth"]
    )
    for search in searches:
        plan = search.plan
        for place, record in enumerate(search.history):
            shares = [record.get(name) for name in ("halves", "since_halfway")]
            values = [*shares, record["chance"], measure_of(record)]
            values += [agreement(record), growth(search.history, place)]
            writer.writerow(
                [plan.key, plan.criterion, plan.schedule, f"{plan.ratio:g}"]
                + [record["updates"], *map(_cell, values)]
            )
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.6f}"


def draw_settling(data: str | os.PathLike) -> list[Path]:
    """Draw the curves of a ``settled.json``, beside that file.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    try:
        searches = json.loads(data.read_text(encoding="utf-8"))["searches"]
        curves = []
        for search in searches:
            points = [
                (record["updates"], record["agreement"])
                for record in search["history"]
                if record["agreement"] is not None
            ]
            if points:
                x, y = zip(*points, strict=True)
                group = f"{search['criterion']} {search['schedule']}"
                label = f"{search['key']} {group}"
                curves.append(Curve(label, x, y, group=group))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LassError(
            f"{data} is not a settled.json of 'lass settled' ({error})"
        ) from error
    if not curves:
        return []
    return draw_curves(
        curves,
        data.with_suffix(".png"),
        "How settled the masks are",
        "updates of the search",
        "agreement above chance",
        caption="0: chance, 1: the same mask",
        logarithmic=True,
    )
