"""A table as text, Markdown, LaTeX and HTML, with the unrounded values it shows."""

import html
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.records.text_tables import (
    WIDTH,
    aligned,
    escape,
    markdown_head,
    markdown_row,
    rule,
    widths_of,
)

_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "→": r"$\rightarrow$",
    "↔": r"$\leftrightarrow$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "–": "--",
    "−": "$-$",
    "ρ": r"$\rho$",
    "…": r"\dots{}",
    "∅": "--",
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
        left: so many of the first columns are text, written from the left.
        foot: so many of the last rows, such as means, stand below a line.

    Raises:
        LassError: a row has another number of cells than the header.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[tuple[int, int]] = frozenset()
    notes: tuple[str, ...] = ()
    records: tuple[dict[str, Any], ...] = ()
    may_turn: bool = True
    left: int = 1
    foot: int = 0

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
        turned = list(zip(self.header, *self.rows, strict=True))
        strong = frozenset((column - 1, row + 1) for row, column in self.strong)
        return replace(self, header=turned[0], rows=tuple(turned[1:]), strong=strong)

    def fitting(self, width: int, keep: int = 1) -> Iterator["Table"]:
        """The table in parts of *width* characters, its first *keep* columns in each.

        A part has one further column at least; notes are those of the last part.
        """
        widths = widths_of([self.header, *self.rows])
        kept = list(range(keep))
        parts = [list(kept)]
        for column in range(keep, len(widths)):
            taken = sum(widths[each] + 2 for each in parts[-1])
            if len(parts[-1]) > keep and taken + widths[column] > width:
                parts.append(list(kept))
            parts[-1].append(column)
        for columns in parts:
            yield replace(
                self,
                header=[self.header[column] for column in columns],
                rows=[[row[column] for column in columns] for row in self.rows],
                strong=frozenset(
                    (row, columns.index(column))
                    for row, column in self.strong
                    if column in columns
                ),
                notes=self.notes if columns is parts[-1] else (),
            )


def to_text(table: Table) -> str:
    """Aligned columns for a terminal; what is strong is not marked."""
    widths, left = widths_of([table.header, *table.rows]), range(table.left)
    lines = [aligned(row, widths, left) for row in table.rows]
    if table.foot:
        lines.insert(-table.foot, rule(widths))
    head = [table.title, aligned(table.header, widths, left), rule(widths)]
    notes = [line for note in table.notes for line in wrap_note(note)]
    return "\n".join([*head, *lines, *notes]) + "\n"


def wrap_note(note: str) -> list[str]:
    """A note as lines for a terminal."""
    return textwrap.wrap(note, WIDTH, subsequent_indent="  ", break_long_words=False)


def to_markdown(
    tables: Sequence[Table], title: str = "", notes: Sequence[str] = ()
) -> str:
    """A page of *tables* under *title*, *notes* at its end.

    Texts are escaped, but not those of the class :class:`Markdown`.
    """
    lines = [f"# {escape(title)}", ""] if title else []
    for table in tables:
        lines += [f"## {escape(table.title)}", ""]
        lines += markdown_head(table.header, table.left)
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
        places = "l" * table.left + "r" * (len(table.header) - table.left)
        lines.append(rf"\begin{{tabular}}{{{places}}}")
        lines += [r"\toprule", " & ".join(map(_latex, table.header)) + r" \\"]
        lines.append(r"\midrule")
        for cells in _marked(table, _latex, r"\textbf{{{}}}"):
            lines.append(" & ".join(cells) + r" \\")
        caption = "; ".join([table.title, *table.notes])
        lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{_latex(caption)}.}}"]
        lines += [rf"\label{{tab:{table.name}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """*table* with its title as caption, its notes as a list below.

    What is wider than the page can be scrolled, by keyboard too.
    """
    title, *header = map(html.escape, [table.title, *table.header])
    cells = [f'<th scope="col">{name}</th>' for name in header]
    head = f"<thead>{_html_row(cells, table.left)}</thead>"
    rows = []
    for first, *others in _marked(table, _html, "<strong>{}</strong>"):
        texts = [f'<th scope="row">{first}</th>', *(f"<td>{t}</td>" for t in others)]
        rows.append(_html_row(texts, table.left))
    body = len(rows) - table.foot
    parts = [f"<tbody>{''.join(rows[:body])}</tbody>"]
    if table.foot:
        parts.append(f'<tbody class="foot">{"".join(rows[body:])}</tbody>')
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    return (
        f'<div class="table" role="region" aria-label="{title}" tabindex="0">\n'
        f"<table><caption>{title}</caption>{head}\n{''.join(parts)}</table></div>\n"
        + (f'<ul class="notes">{notes}</ul>\n' if notes else "")
    )


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


def _html(text: str) -> str:
    """A cell; the star of a number can be made to hang, so that numbers align."""
    escaped = html.escape(text)
    if re.search(r"\d\*$", text):
        return f'{escaped[:-1]}<span class="star">*</span>'
    return escaped


def _html_row(cells: Sequence[str], left: int) -> str:
    """A row of elements, those of text but the first marked as such."""
    marked = [
        cell.replace(">", ' class="text">', 1) if 0 < column < left else cell
        for column, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(marked)}</tr>\n"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
