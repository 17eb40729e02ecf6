"""What searches recorded of themselves: losses, churn, agreement; table and curves."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from lass_plugin.errors import LassError
from lass_plugin.methods.search.figures import LOSSES
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.settling import (
    StoppingRule,
    agreement,
    churn,
    growth,
    measure_of,
)
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import Curve, draw_curves
from lass_plugin.records.json_record import RecordFormat

MEASURE = (
    "(s - c) / (1 - c); s: share of weights kept that two masks have in common, c: the "
    "same for random masks; halves: masks of the even and of the odd updates; "
    "since_halfway: mask now and at half the updates; says how repeatable a mask is, "
    "not how good"
)
LOSS_MEASURE = (
    "validation loss in bits a token, without label smoothing, on some batches: "
    + "; ".join(f"{name}: {words}" for name, words in LOSSES.items())
)
SETTLED = RecordFormat(
    "lass_plugin settled",
    "a settled.json of 'lass settled'",
    unmarked=True,
    measured=True,
)


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
                agreement(record), churn(record)
                for loss in record.get("losses", {}).values():
                    float(loss)
            growth(history) if history else None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
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
    """
    record: dict[str, Any] = {
        "measure": MEASURE,
        "losses": LOSS_MEASURE,
        "rule": None if rule is None else [rule.settled, rule.growth, rule.patience],
        "searches": [_record(search, rule) for search in searches],
    }
    data = SETTLED.write(Path(folder) / "settled.json", record)
    table = data.with_suffix(".csv")
    write_csv(table, _rows(record["searches"]), floats=".6f")
    return [data, table, *draw_settling(data)]


def _record(search: Settling, rule: StoppingRule | None) -> dict[str, Any]:
    of_plan = ("key", "criterion", "schedule", "ratio")
    return {
        **{name: getattr(search.plan, name) for name in of_plan},
        "updates": search.updates,
        "stopped": search.stopped,
        "would_stop_at": rule and rule.stops_at(search.history, search.earliest),
        "measure": measure_of(search.history[-1]),
        "history": [
            {
                **record,
                "agreement": agreement(record),
                "growth": growth(search.history, place),
                "churn": churn(record),
            }
            for place, record in enumerate(search.history)
        ],
    }


def _rows(searches: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A line for each record of each search."""
    for search in searches:
        for record in search["history"]:
            yield {
                "pair": search["key"],
                "criterion": search["criterion"],
                "schedule": search["schedule"],
                "ratio": f"{search['ratio']:g}",
                "updates": record["updates"],
                "halves": record.get("halves"),
                "since_halfway": record.get("since_halfway"),
                "chance": record["chance"],
                "measure": measure_of(record),
                "agreement": record["agreement"],
                "growth": record["growth"],
                "churn": record["churn"],
                "batches": record.get("batches"),
                **{f"loss_{n}": record.get("losses", {}).get(n) for n in LOSSES},
            }


def draw_settling(data: str | os.PathLike) -> list[Path]:
    """Draw the curves of a ``settled.json``, beside that file.

    Raises:
        LassError: *data* is not such a file.
    """
    curves = []
    with SETTLED.reading(data) as record:
        for search in record["searches"]:
            points = [
                (each["updates"], each["agreement"])
                for each in search["history"]
                if each["agreement"] is not None
            ]
            group = f"{search['criterion']} {search['schedule']}"
            if points:
                x, y = zip(*points, strict=True)
                curves.append(Curve(f"{search['key']} {group}", x, y, group=group))
    if not curves:
        return []
    return draw_curves(
        curves,
        Path(data).with_suffix(".png"),
        "How settled the masks are",
        "updates of the search",
        "agreement above chance",
        caption="0: chance, 1: the same mask",
        logarithmic=True,
    )
