"""Which papers and tables there are, what each needs and which command makes it."""

from lass_plugin.papers.comparing import needs_of
from lass_plugin.papers.figures import Paper, papers
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
    rows, records = [], []
    for table in paper.tables.values():
        needs = ", ".join(needs_of(table))
        rows.append((str(table.number), table.about, needs, table.command))
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
    return Table(
        f"{paper.key}-tables",
        f"{paper.name}: {paper.about}",
        ("--table", "about", "needs", "made by"),
        rows,
        notes=tuple(
            f"Table {number} has no results: {why}"
            for number, why in paper.without.items()
        ),
        records=tuple(records),
        left=4,
    )
