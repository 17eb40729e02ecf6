"""A table as text, Markdown and LaTeX, with the unrounded values that it shows."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.evaluation.tables import WIDTH
from lass_plugin.records.text_tables import (
    aligned,
    escape,
    markdown_head,
    markdown_row,
    rule,
    widths_of,
)

_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{"→": r"$\rightarrow$", "↔": r"$\leftrightarrow$", "±": r"$\pm$"},
    **{"×": r"$\times$", "≥": r"$\geq$", "–": "--", "…": r"\dots{}", "∅": "--"},
}


@dataclass(frozen=True)
class Table:
    """Cells as they are shown, and what they were made of.

    Attributes:
        name: letters, digits and hyphens; part of file names and of LaTeX's label.
        title: what is shown, in a line.
        header: heading of each column; the first column names the rows.
        rows: a tuple of cells each, as many as the header has.
        strong: (row, column) of the cells that stand out, as the best of a column.
        notes: sentences below the table.
        records: one value with its unrounded numbers each, for CSV and JSON.
        may_turn: rows and columns may change places; not where a row is compared with
            a column.

    Raises:
        LassError: a row has another number of cells than the header.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[tuple[int, int]] = frozenset()
    notes: tuple[str, ...] = ()
    records: tuple[dict[str, Any], ...] = ()
    may_turn: bool = True

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise LassError(
                    f"a row of the table '{self.title}' has {len(row)} cells for "
                    f"{len(self.header)} columns"
                )

    def transposed(self) -> "Table":
        """The same table with rows as columns, if that says the same."""
        if not self.may_turn:
            return self
        grid = [self.header, *self.rows]
        turned = [tuple(row[column] for row in grid) for column in range(len(grid[0]))]
        strong = frozenset((column - 1, row + 1) for row, column in self.strong)
        return replace(self, header=turned[0], rows=tuple(turned[1:]), strong=strong)


def to_text(table: Table) -> str:
    """Aligned columns for a terminal; what is strong is not marked."""
    notes = [line for note in table.notes for line in wrap_note(note)]
    widths = widths_of([table.header, *table.rows])
    lines = [table.title, aligned(table.header, widths), rule(widths)]
    lines += [aligned(row, widths) for row in table.rows]
    return "\n".join([*lines, *notes]) + "\n"


def wrap_note(note: str) -> list[str]:
    """A note as lines for a terminal."""
    return textwrap.wrap(note, WIDTH, subsequent_indent="  ", break_long_words=False)


def to_markdown(tables: Sequence[Table], title: str, notes: Sequence[str] = ()) -> str:
    """A page of *tables* under *title*, *notes* at its end."""
    lines = [f"# {escape(title)}", ""]
    for table in tables:
        lines += [f"## {escape(table.title)}", "", *markdown_head(table.header)]
        lines += map(markdown_row, _marked(table, escape, "**{}**"))
        lines.append("")
        lines += [f"- {escape(note)}" for note in table.notes]
        lines += [""] if table.notes else []
    lines += [f"- {escape(note)}" for note in notes]
    return "\n".join(lines).rstrip() + "\n"


def to_latex(tables: Sequence[Table], notes: Sequence[str] = ()) -> str:
    r"""*tables* as ``table`` environments for ``\input``; *notes* as comments."""
    lines = [r"% \usepackage{booktabs}"]
    lines += [f"% {' '.join(note.split())}" for note in notes]
    for table in tables:
        lines += ["", r"\begin{table}[t]", r"\centering"]
        lines.append(rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}")
        lines += [r"\toprule", " & ".join(map(_latex, table.header)) + r" \\"]
        lines.append(r"\midrule")
        for cells in _marked(table, _latex, r"\textbf{{{}}}"):
            lines.append(" & ".join(cells) + r" \\")
        caption = "; ".join([table.title, *table.notes])
        lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{_latex(caption)}.}}"]
        lines += [rf"\label{{tab:{table.name}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def best_in_columns(
    values: Sequence[Sequence[float | None]], offset: int = 1
) -> frozenset[tuple[int, int]]:
    """(row, column + *offset*) of the largest values of each column, ties included.

    Columns with fewer than two values have no best one; None stands for no value.
    """
    found = set()
    for column in range(len(values[0]) if values else 0):
        present = [row[column] for row in values if row[column] is not None]
        if len(present) < 2:
            continue
        best = max(value for value in present if value is not None)
        found |= {
            (row, column + offset)
            for row, cells in enumerate(values)
            if cells[column] == best
        }
    return frozenset(found)


def _marked(table: Table, escape: Callable[[str], str], mark: str) -> list[list[str]]:
    """The rows with escaped cells, *mark* around those that are strong."""
    return [
        [
            mark.format(escape(cell)) if (row, column) in table.strong else escape(cell)
            for column, cell in enumerate(cells)
        ]
        for row, cells in enumerate(table.rows)
    ]


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
