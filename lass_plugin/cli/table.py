"""Make the tables of the sub-network papers from results.

    lass table scores report/ --sizes data/ --out tables/
    lass table cost --system base=base.pt --system joint=joint.pt --data data/
    lass table data data/

'lass table scores' reads what 'lass evaluate --out' wrote, 'lass table cost' reads
checkpoints, 'lass table data' a prepared data folder. All print the tables, and with
--out write them as Markdown, LaTeX, CSV and JSON. 'lass table MODE --help' explains the
options of each.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lass_plugin.records.table import Table

HELP = "tables of scores, parameters, disk and speed, in Markdown, LaTeX, CSV"

MODES = {"scores": "table_scores", "cost": "table_cost", "data": "table_data"}


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add what all modes print and write."""
    add = parser.add_argument_group("output").add_argument
    add(
        "--format",
        choices=("text", "markdown", "latex"),
        default="text",
        help="what is printed (default: text)",
    )
    add(
        "--transpose",
        action="store_true",
        help="systems as columns; for many languages",
    )
    add(
        "--out",
        metavar="DIR",
        help="folder for the tables as Markdown, LaTeX, CSV and JSON (each number "
        "unrounded)",
    )


def show(
    arguments: argparse.Namespace,
    tables: Sequence["Table"],
    title: str,
    facts: dict,
    notes: Sequence[str],
) -> None:
    """Print the tables; write them where ``--out`` says."""
    from lass_plugin.records.table import to_latex, to_markdown, to_text, wrap_note
    from lass_plugin.tables.writing import write_tables

    if arguments.transpose:
        tables = [table.transposed() for table in tables]
    paths = []
    if arguments.out is not None:  # first: printing fails where its reader has gone
        paths = write_tables(tables, arguments.out, arguments.mode, title, facts, notes)
    if arguments.format == "markdown":
        print(to_markdown(tables, title, notes), end="")
    elif arguments.format == "latex":
        print(to_latex(tables, notes), end="")
    else:
        lines = [line for note in notes for line in wrap_note(note)]
        print("\n".join([*map(to_text, tables), *lines]))
    if paths:
        print(f"written to {arguments.out}: {', '.join(path.name for path in paths)}")
