"""Tables as text: columns of equal width for a terminal, and Markdown."""

from collections.abc import Collection, Iterable, Sequence

WIDTH = 100
"""Columns of a terminal that tables are made for."""


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column of *rows*, which are all of the same length."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def aligned(
    cells: Sequence[str], widths: Sequence[int], left: Collection[int] = (0,)
) -> str:
    """One line, the columns numbered in *left* to the left, the others to the right."""
    texts = [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(texts).rstrip()


def rule(widths: Sequence[int]) -> str:
    """A line as long as one of :func:`aligned`."""
    return "-" * (sum(widths) + 2 * (len(widths) - 1))


def in_columns(
    rows: Sequence[Sequence[str]], left: Collection[int] = (0,)
) -> list[str]:
    """A line for each of *rows*, see :func:`aligned`."""
    widths = widths_of(rows)
    return [aligned(row, widths, left) for row in rows]


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* in columns, the first to the left and the others to the right."""
    print("\n".join(in_columns(rows)))


class Markdown(str):
    """Text that is Markdown already and is not escaped again."""


def escape(text: str) -> Markdown:
    """*text* as Markdown that shows it as it is, on one line."""
    if isinstance(text, Markdown):
        return text
    text = " ".join(text.split())
    for character in "\\|*_<`":
        text = text.replace(character, f"\\{character}")
    return Markdown(text)


def verbatim(text: str) -> Markdown:
    """*text* between backticks; those in it would end that, so they are replaced."""
    return Markdown("`" + text.replace("`", "'") + "`")


def markdown_row(cells: Iterable[str]) -> str:
    """A row of cells that are Markdown already."""
    return f"| {' | '.join(cells)} |"


def markdown_head(header: Sequence[str], left: int = 1) -> list[str]:
    """The header and the line below it; the first *left* columns to the left."""
    places = ["--:"] * len(header)
    places[:left] = [":--"] * left
    return [markdown_row(map(escape, header)), f"|{'|'.join(places)}|"]


def markdown_table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """The lines of a table, *rows* being plain text and the first one its header."""
    body = [markdown_row(map(escape, row)) for row in rows[1:]]
    return [*markdown_head(rows[0], left), *body]


def signed(number: float, digits: int = 2) -> str:
    """Write a difference with its sign; one that is shown as 0 has none."""
    text = f"{number:+.{digits}f}"
    return text.lstrip("+-") if not float(text) else text
