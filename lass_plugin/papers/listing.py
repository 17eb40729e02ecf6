"""Which papers and tables there are, what each needs and which command makes it."""

from lass_plugin.papers.figures import Paper
from lass_plugin.papers.reading import papers
from lass_plugin.records.table import Table


def list_papers() -> Table:
    """A line for each paper."""
    rows, records = [], []
    for paper in papers().values():
        numbers = ", ".join(map(str, paper.tables))
        rows.append((paper.key, paper.name, numbers, paper.about))
        records.append(
            {
                "paper": paper.key,
                "name": paper.name,
                "tables": " ".join(map(str, paper.tables)),
                "about": paper.about,
            }
        )
    return Table(
        "papers",
        "Papers whose tables can be laid beside ours",
        ("--paper", "paper", "--table", "about"),
        rows,
        records=tuple(records),
        left=4,
    )


def list_tables(paper: Paper) -> Table:
    """A line for each table of results of *paper*."""
    made_by: dict[tuple[str, str], list[str]] = {}
    records = []
    for table in paper.tables.values():
        needs = " and ".join(table.needs)
        made_by.setdefault((needs, table.command), []).append(str(table.number))
        records.append(
            {
                "paper": paper.key,
                "table": table.number,
                "about": table.about,
                "rows": "; ".join(table.rows),
                "needs": needs,
                "command": table.command,
            }
        )
    notes = [
        f"{', '.join(numbers)}: from {needs}, by '{command}'"
        for (needs, command), numbers in made_by.items()
    ]
    notes += [
        f"{number} has no results: {why}" for number, why in paper.without.items()
    ]
    return Table(
        f"{paper.key}-tables",
        f"{paper.name}: {paper.about}",
        ("--table", "about"),
        [(str(table.number), table.about) for table in paper.tables.values()],
        notes=tuple(notes),
        records=tuple(records),
        left=2,
    )
