"""Tables of the XTREME tasks: all tasks of several systems, and each by language.

The paper's averages follow two rules: in Table 1 F1 and EM of a task are two numbers of
the average, in Tables 2 and 3 their mean is one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lass_plugin.corpora.xtreme.tasks import SPANS, TASKS, Task
from lass_plugin.errors import LassError
from lass_plugin.evaluation.significance import LEVEL, paired_bootstrap
from lass_plugin.evaluation.xtreme.measured import Measured
from lass_plugin.evaluation.xtreme.report import TaskScores
from lass_plugin.records.table import Table, best_in_columns

NUMBERS, MEANS = "numbers", "means"
RULES = (NUMBERS, MEANS)

Systems = Mapping[str, Mapping[str, TaskScores]]
"""System -> task -> its scores."""


def by_system(scores: Sequence[TaskScores]) -> dict[str, dict[str, TaskScores]]:
    """*scores* by system and task, in the order given and in that of XTREME.

    Raises:
        LassError: one is given twice, or two systems were scored on other data.
    """
    found: dict[str, dict[str, TaskScores]] = {}
    for one in scores:
        of = found.setdefault(one.system, {})
        if one.task.name in of:
            raise LassError(
                f"there are two scores of '{one.system}' on {one.task.title}; give "
                "each system a --name of its own in 'lass xtreme evaluate'"
            )
        of[one.task.name] = one
    for name in TASKS:
        of_task = [of[name] for of in found.values() if name in of]
        for other in of_task[1:]:
            _check_same(of_task[0], other)
    return {
        name: {task: of[task] for task in TASKS if task in of}
        for name, of in found.items()
    }


def _check_same(first: TaskScores, other: TaskScores) -> None:
    names = f"'{first.system}' and '{other.system}'"
    if first.split != other.split:
        raise LassError(
            f"{names} were scored on other splits of {first.task.title} ({first.split} "
            f"and {other.split}); evaluate both on one"
        )
    if first.gold != other.gold:
        unlike = sorted(
            code
            for code in first.gold.keys() | other.gold.keys()
            if first.gold.get(code) != other.gold.get(code)
        )
        raise LassError(
            f"{names} were scored on other {first.task.title} data ("
            f"{', '.join(unlike)}); evaluate both on the same languages and files"
        )
    for language, of in first.languages.items():
        for metric, one in of.items():
            signature = other.languages[language][metric].signature
            if _rules(signature) != _rules(one.signature):
                raise LassError(
                    f"{names} have {metric} of {first.task.title} {language} by other "
                    f"rules ({one.signature} and {signature}); evaluate both alike"
                )


def _rules(signature: str) -> list[str]:
    """A signature without the layer that retrieves, which is the system's choice: an
    encoder of half the layers has no seventh that compares."""
    return [each for each in signature.split("|") if not each.startswith("layer:")]


def scored_by(task: Task) -> tuple[str, ...]:
    """The metrics of *task* in the table of all: F1 and EM, or the first one."""
    return task.metrics if task.kind == SPANS else task.metrics[:1]


def average(values: Mapping[str, Sequence[float]], rule: str) -> float:
    """The average over tasks of their one or two numbers.

    Args:
        values: task -> its numbers.
        rule: :data:`NUMBERS`: every number counts as one (Table 1); :data:`MEANS`:
            the mean of a task's numbers does (Tables 2 and 3).
    """
    if rule == NUMBERS:
        return float(np.mean([number for of in values.values() for number in of]))
    return float(np.mean([np.mean(of) for of in values.values()]))


def table_of_tasks(systems: Systems, rule: str) -> Table:
    """A row for each system, a column for each task, and the average of the row.

    A system that lacks a task has no average, since another one's would be of others.
    """
    tasks = [TASKS[n] for n in TASKS if any(n in of for of in systems.values())]
    rows, values, records = [], [], []
    for name, of in systems.items():
        numbers = {
            task: [of[task].mean(metric) for metric in scored_by(of[task].task)]
            for task in of
        }
        whole = len(of) == len(tasks)
        mean = average(numbers, rule) if whole else None
        cells = ["/".join(f"{n:.1f}" for n in numbers.get(t.name, ())) for t in tasks]
        rows.append((name, *(cell or "–" for cell in cells), _shown(mean)))
        firsts = [numbers[t.name][0] if t.name in numbers else None for t in tasks]
        values.append([*firsts, mean])
        for task, found in numbers.items():
            for metric, number in zip(scored_by(TASKS[task]), found, strict=True):
                records.append(_record(name, task, metric, number))
        records.append(_record(name, "average", rule, mean))
    counted = "two numbers" if rule == NUMBERS else "one number, their mean"
    return Table(
        name="tasks",
        title="XTREME: mean over the languages of each task",
        header=("system", *(task.title for task in tasks), "Avg"),
        rows=rows,
        strong=best_in_columns(values),
        notes=(
            f"F1/EM are {counted} of the average",
            _languages_of(systems, tasks),
            *_not_of_test([of[task] for of in systems.values() for task in of]),
        ),
        records=tuple(records),
    )


def _record(system: str, task: str, metric: str, score: float | None) -> dict[str, Any]:
    return {"system": system, "task": task, "metric": metric, "score": score}


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _languages_of(systems: Systems, tasks: Sequence[Task]) -> str:
    counts = []
    for task in tasks:
        of = next(of[task.name] for of in systems.values() if task.name in of)
        counts.append(f"{task.title} {len(of.languages)}")
    return f"languages: {', '.join(counts)}"


def _not_of_test(scores: Sequence[TaskScores]) -> list[str]:
    """What is said of tasks that were not scored on their test set."""
    others = {one.task.title: one.split for one in scores if one.split != "test"}
    return [f"{title}: {split} data, not test" for title, split in others.items()]


def tables_of_languages(systems: Systems, baseline: str | None) -> list[Table]:
    """For each task and metric a row for each system, a column for each language.

    Args:
        baseline: system whose rows the others' are compared with; None for no
            comparison. A star says that chance gives such a difference in less than
            5 % (paired bootstrap over the examples).

    Raises:
        LassError: there is no such system, or it lacks a task.
    """
    if baseline is not None and baseline not in systems:
        raise LassError(
            f"--baseline {baseline} is no system of the scores (they are of "
            f"{', '.join(systems)}); give one of these"
        )
    tables = []
    for name, task in TASKS.items():
        having = {system: of[name] for system, of in systems.items() if name in of}
        if not having:
            continue
        base = having.get(baseline) if baseline is not None else None
        if baseline is not None and base is None:
            raise LassError(
                f"--baseline {baseline} has no scores of {task.title}; evaluate it on "
                "the task, or leave the others' scores of it out"
            )
        tables += [_of_metric(having, task, metric, base) for metric in task.metrics]
    return tables


def _of_metric(
    having: Mapping[str, TaskScores],
    task: Task,
    metric: str,
    base: TaskScores | None,
) -> Table:
    languages = list(next(iter(having.values())).languages)
    rows, values, records = [], [], []
    for system, scores in having.items():
        cells, numbers = [], list[float | None]()
        for language in languages:
            one = scores.languages[language][metric]
            compared = _compared(one, scores, base, language)
            star = "*" if compared.get("p_value", 1.0) < LEVEL else ""
            cells.append(f"{one.score:.1f}{star}")
            numbers.append(one.score)
            records.append(
                {
                    "system": system,
                    "language": language,
                    "score": one.score,
                    **compared,
                    "signature": one.signature,
                }
            )
        mean = scores.mean(metric)
        rows.append((system, *cells, f"{mean:.1f}"))
        values.append([*numbers, mean])
    every = [of.languages[code][metric] for of in having.values() for code in languages]
    notes = list(dict.fromkeys(each.signature for each in every))
    notes += _not_of_test(list(having.values()))
    if base is not None:
        notes.append(f"*: p < {LEVEL} against {base.system} (paired bootstrap)")
    return Table(
        name=f"{task.name}-{metric.lower()}",
        title=f"{task.title}: {metric}",
        header=("system", *languages, "Avg"),
        rows=rows,
        strong=best_in_columns(values),
        notes=tuple(notes),
        records=tuple(records),
    )


def _compared(
    one: Measured, scores: TaskScores, base: TaskScores | None, language: str
) -> dict[str, float]:
    if base is None or scores is base:
        return {}
    theirs = base.languages[language][one.metric]
    found = paired_bootstrap(one, theirs.rows, one.rows)
    return {
        "difference": found.delta,
        "p_value": found.p_value,
        "low": found.low,
        "high": found.high,
    }
