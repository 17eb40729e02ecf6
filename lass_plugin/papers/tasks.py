"""Our scores on the tasks of XTREME, from files of ``lass xtreme evaluate``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lass_plugin.evaluation.xtreme.report import TaskScores, read_scores
from lass_plugin.papers.figures import MEAN, XNLI, PaperTable, Part
from lass_plugin.papers.ours import Cell, Ours, is_sure
from lass_plugin.records.table import Table
from lass_plugin.tables.xtreme_tables import (
    Systems,
    by_system,
    scored_by,
    table_of_tasks,
    tables_of_languages,
)


def read_tasks(files: Sequence[Path]) -> Systems:
    """System -> task -> its scores.

    Raises:
        LassError: a file is damaged, or two cannot stand in one table.
    """
    return by_system([read_scores(file) for file in files])


def tasks_of(
    table: PaperTable, part: Part, read: Systems, names: Sequence[str], base: str | None
) -> Ours:
    """The scores of the systems *names* on the tasks (or languages) of *part*.

    Args:
        base: the system that the others are compared with, on the tasks it has.
    """
    wanted = [column.of for column in part.measured()]
    if table.columns == XNLI:
        wanted = [XNLI]
    systems: dict[str, dict[str, TaskScores]] = {
        name: {task: read[name][task] for task in read[name] if task in wanted}
        for name in names
    }
    systems = {name: of for name, of in systems.items() if of}
    ours = Ours(tuple(names), baseline=base)
    if not systems:
        return ours
    tests = _tests(systems, base)
    if table.columns == XNLI:
        _add_languages(ours, part, systems, tests)
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
        ours.cells[name, code] = _cell(record, tests.get((name, task, metric), []))
    return ours


Tests = Mapping[tuple[str, str, str], list[dict[str, Any]]]
"""System, task and metric -> a record of each language."""


def _tests(systems: Mapping[str, Mapping[str, TaskScores]], base: str | None) -> Tests:
    """The languages of each task, compared with *base* where it has the task."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for task in dict.fromkeys(task for of in systems.values() for task in of):
        having = {name: {task: of[task]} for name, of in systems.items() if task in of}
        compared = tables_of_languages(having, base if base in having else None)
        metrics = next(iter(having.values()))[task].task.metrics
        for metric, table in zip(metrics, compared, strict=True):
            for name, records in _by_name(table).items():
                found[name, task, metric] = records
    return found


def _by_name(table: Table) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for record in table.records:
        found.setdefault(record["system"], []).append(record)
    return found


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
    systems: Mapping[str, Mapping[str, TaskScores]],
    tests: Tests,
) -> None:
    """XNLI by language, and its mean where all of the paper's languages are there."""
    codes = {column.code for column in part.measured()}
    for name, of in systems.items():
        metric = of[XNLI].task.metrics[0]
        records = {one["language"]: one for one in tests[name, XNLI, metric]}
        for code, record in records.items():
            if code in codes:
                ours.cells[name, code] = _cell({"metric": metric, **record}, [record])
        if records.keys() == codes:
            ours.cells[name, MEAN] = Cell(of[XNLI].mean(metric))
