"""Table all tasks and languages of several systems.

    lass xtreme table scores/*/ --baseline dense --out tables/

SCORES are folders of 'lass xtreme evaluate', one for each system and task; --name there
says whose they are. The first table has all tasks, the others each task by language.
With --baseline a star marks what chance gives in less than 5 % (paired bootstrap over
the examples, p-values in the JSON and CSV of --out).

--average numbers counts F1 and EM as two numbers (Li 2022, Table 1), means takes their
mean first (Tables 2 and 3). The averages of the paper's Table 5 do not follow from
its cells.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.cli.table import OutputSettings
from lass_plugin.settings import Settings, argument, including, option

HELP = "all tasks and languages of several systems, with significance"


@dataclass(frozen=True, kw_only=True)
class XtremeTableSettings(Settings):
    """Whose scores are tabled, and how they are averaged."""

    scores: tuple[Path, ...] = argument(
        "folders of lass xtreme evaluate", metavar="SCORES", nargs="+"
    )
    baseline: str | None = option(
        None, "system that the others are compared with", metavar="NAME"
    )
    average: str = option(
        "numbers",
        "F1 and EM are two numbers of the average, or one, their mean (default: "
        "%(default)s)",
        choices=("numbers", "means"),
    )
    output: OutputSettings = including(OutputSettings)


SETTINGS = XtremeTableSettings


def run(settings: XtremeTableSettings) -> int:
    """Read the scores, show the tables."""
    from lass_plugin.evaluation.xtreme.report import read_scores
    from lass_plugin.tables.xtreme_tables import (
        by_system,
        table_of_tasks,
        tables_of_languages,
    )

    systems = by_system([read_scores(path) for path in settings.scores])
    tables = [table_of_tasks(systems, settings.average)]
    tables += tables_of_languages(systems, settings.baseline)
    facts = {
        "scores": [str(path) for path in settings.scores],
        "baseline": settings.baseline,
        "average": settings.average,
    }
    settings.output.show("xtreme", tables, facts)
    return 0
