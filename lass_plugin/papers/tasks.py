"""Our scores on the tasks of XTREME, from files of ``lass xtreme evaluate``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation.xtreme.report import TaskScores, read_scores
from lass_plugin.papers.figures import MEAN, XNLI, PaperTable, Part
from lass_plugin.papers.ours import Cell, Ours, is_sure
from lass_plugin.tables.xtreme_tables import (
    Systems,
    by_system,
    scored_by,
    table_of_tasks,
    tables_of_languages,
)

Languages = dict[str, list[dict[str, Any]]]
"""Metric -> a record of each language."""


@dataclass(frozen=True)
class TaskResults:
    """What several systems have on the tasks.

    Attributes:
        systems: system -> task -> its scores.
        tested: differences are tested.
    """

    systems: Systems
    tested: bool = True
    _known: dict[tuple[str, str, str | None], Languages] = field(default_factory=dict)

    @classmethod
    def read(cls, files: Sequence[Path], tested: bool = True) -> "TaskResults":
        """Read *files*.

        Raises:
            LassError: one is damaged or not of a test set, or two cannot stand in one
                table.
        """
        scores = [read_scores(file) for file in files]
        for file, one in zip(files, scores, strict=True):
            if one.split != "test":
                raise LassError(
                    f"{file} has scores of '{one.system}' on the {one.split} data of "
                    f"{one.task.title}, and the paper's are of the test set; evaluate "
                    "it on that, or leave the file out"
                )
        return cls(by_system(scores), tested)

    def languages(self, system: str, task: str, base: str | None) -> Languages:
        """The languages of *task*, compared with *base* where it has the task."""
        having = base is not None and task in self.systems[base]
        if base == system or not (self.tested and having):
            base = None
        key = (system, task, base)
        if key not in self._known:
            both = [system] if base is None else [base, system]
            scores = {name: {task: self.systems[name][task]} for name in both}
            tables = tables_of_languages(scores, base)
            metrics = self.systems[system][task].task.metrics
            self._known[key] = {
                metric: [one for one in table.records if one["system"] == system]
                for metric, table in zip(metrics, tables, strict=True)
            }
        return self._known[key]


def tasks_of(
    table: PaperTable,
    part: Part,
    results: TaskResults,
    names: Sequence[str],
    base: str | None,
) -> Ours:
    """The scores of the systems *names* on the tasks (or languages) of *part*.

    Args:
        base: the system that the others are compared with, on the tasks it has.
    """
    wanted = [column.of for column in part.measured()]
    if table.columns == XNLI:
        wanted = [XNLI]
    systems: dict[str, dict[str, TaskScores]] = {}
    for name in names:
        of = results.systems[name]
        if kept := {task: of[task] for task in of if task in wanted}:
            systems[name] = kept
    ours = Ours(tuple(names), baseline=base)
    if not systems:
        return ours
    if table.columns == XNLI:
        _add_languages(ours, part, results, base, systems)
        return ours
    whole = len(set(wanted)) == len({task for of in systems.values() for task in of})
    for record in table_of_tasks(systems, table.average).records:
        name, task, metric = record["system"], record["task"], record["metric"]
        if task == "average":
            if whole and record["score"] is not None:
                ours.cells[name, MEAN] = Cell(record["score"])
            continue
        several = len(scored_by(systems[name][task].task)) > 1
        code = f"{task}.{metric}" if several else task
        languages = results.languages(name, task, base)[metric]
        ours.cells[name, code] = _cell(record, languages)
    return ours


def _cell(record: Mapping[str, Any], languages: Sequence[Mapping[str, Any]]) -> Cell:
    facts = {"metric": record["metric"], "languages": len(languages)}
    tested = [one for one in languages if "p_value" in one]
    if not tested:
        return Cell(record["score"], facts=facts)
    gain = sum(one["difference"] for one in tested) / len(tested)
    sure = is_sure((one["difference"], one["p_value"]) for one in tested)
    if len(tested) == 1:
        facts |= {key: tested[0][key] for key in ("p_value", "low", "high")}
    return Cell(record["score"], gain, sure, facts)


def _add_languages(
    ours: Ours,
    part: Part,
    results: TaskResults,
    base: str | None,
    systems: Mapping[str, Mapping[str, TaskScores]],
) -> None:
    """XNLI by language, and its mean where all of the paper's languages are there."""
    codes = {column.code for column in part.measured()}
    for name, of in systems.items():
        metric = of[XNLI].task.metrics[0]
        found = results.languages(name, XNLI, base)[metric]
        records = {one["language"]: one for one in found}
        for code, record in records.items():
            if code in codes:
                ours.cells[name, code] = _cell({"metric": metric, **record}, [record])
        if records.keys() == codes:
            ours.cells[name, MEAN] = Cell(of[XNLI].mean(metric))
