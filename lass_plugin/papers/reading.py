"""Tables of results as the papers print them: files in ``data/``, one for each paper.

A table is text, a line a system and a column a figure, so that it can be laid beside
the paper. Its second line (``=``) says what each column is, see :class:`.Column`; a
line that begins with ``#`` begins a part. A dash is a cell without a figure; two
figures of one cell have a stroke between them, as have their codes.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lass_plugin.errors import LassError
from lass_plugin.papers.figures import (
    COSTS,
    GIVEN,
    WINS,
    Column,
    Figure,
    Paper,
    PaperTable,
    Part,
    Row,
    normal,
)

DATA = Path(__file__).parent / "data"

_FIGURE = re.compile(r"([+-]?\d+(?:\.(\d+))?)([MG%]?)(?: ± (\d+\.\d+))?")


@cache
def papers() -> dict[str, Paper]:
    """Key -> each paper that there is, by year."""
    found = [read_paper(path) for path in DATA.glob("*.yaml")]
    return {
        paper.key: paper for paper in sorted(found, key=lambda p: (p.key[-4:], p.key))
    }


def paper_of(name: str) -> Paper:
    """The paper called *name*: ``he2023``, ``He 2023``.

    Raises:
        LassError: there is none.
    """
    known = papers()
    if normal(name) in known:
        return known[normal(name)]
    near = get_close_matches(normal(name), known, 1, 0.4)
    meant = f"did you mean {near[0]}? " if near else ""
    raise LassError(f"there is no paper '{name}' ({meant}there are {', '.join(known)})")


def read_paper(path: Path) -> Paper:
    """Read one file of :data:`DATA`."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    tables, without = {}, {}
    for number, table in content["tables"].items():
        if "without" in table:
            without[number] = table["without"]
            continue
        names = {**content["names"], **table.pop("names", {})}
        tables[number] = _table(path.stem, content["paper"], number, names, table)
    return Paper(path.stem, content["paper"], content["about"], tables, without)


def _table(
    key: str, name: str, number: int, names: dict[str, list[str]], table: dict[str, Any]
) -> PaperTable:
    cells, differences = table.pop("cells"), table.pop("differences", "")
    also = {normal(str(row)): tuple(map(str, of)) for row, of in names.items()}
    read = _cells(cells, table.get("turned", False))
    baseline = table.get("baseline", "")
    over = baseline if table.get("gains") else None
    parts = tuple(_part(*part, over) for part in read)
    rows = dict.fromkeys(row for part in parts for row in (*part.rows, baseline))
    return PaperTable(
        key,
        f"{name}, Table {number}",
        number,
        parts=parts,
        names={row: also[normal(row)] for row in rows if normal(row) in also},
        differences={row: tuple(of) for row, *of in _lines(differences)},
        **table,
    )


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.strip():
            yield [cell.strip() for cell in line.split("|")]


def _cells(text: str, turned: bool) -> list[tuple[str, list[list[str]]]]:
    """Name of each part, and its lines: headings, codes, systems."""
    found: list[tuple[str, list[list[str]]]] = []
    for line in _lines(text):
        if line[0].startswith("#"):
            found.append((line[0].lstrip("# "), []))
            continue
        if not found:
            found.append(("", []))
        found[-1][1].append(line)
    if not turned:
        return found
    return [(name, [list(c) for c in zip(*of, strict=True)]) for name, of in found]


def _part(name: str, lines: Sequence[Sequence[str]], baseline: str | None) -> Part:
    """One part.

    Args:
        baseline: the row whose scores are no gains, where the others' are.
    """
    (_, *headings), (_, *codes), *systems = lines
    columns = [
        column
        for heading, code in zip(headings, codes, strict=True)
        for column in _split(heading, code)
    ]
    rows = {}
    for system, *cells in systems:
        texts = [
            text
            for code, cell in zip(codes, cells, strict=True)
            for text in (cell.split("/") if "/" in code else [cell])
        ]
        found = dict(zip((c.code for c in columns), texts, strict=True))
        given = found.pop(GIVEN, "")
        gains = baseline is not None and system != baseline
        figures = {
            code: figure_of(text, code, gains)
            for code, text in found.items()
            if text != "-"
        }
        rows[system] = Row(system, figures, given)
    return Part(name, tuple(c for c in columns if c.code != GIVEN), rows)


def _split(heading: str, code: str) -> list[Column]:
    """A column, or the two whose figures share a cell (``XQuAD F1/EM``)."""
    if "/" not in code:
        return [Column(heading, code)]
    name, _, scores = heading.rpartition(" ")
    both = zip(scores.split("/"), code.split("/"), strict=True)
    return [Column(f"{name} {score}", each) for score, each in both]


def figure_of(text: str, code: str, gains: bool = False) -> Figure:
    """A cell as a number.

    Args:
        code: of its column.
        gains: scores are differences.

    Raises:
        ValueError: it is none.
    """
    found = _FIGURE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' in column {code} is no figure")
    number, digits, unit, deviation = found.groups()
    value = float(number)
    if unit == "G":  # of bytes; the others of such a column are in M, without fractions
        value, digits = value * 1024, ""
    is_gain = gains and code not in COSTS and not code.endswith(f".{WINS}")
    spread = None if deviation is None else float(deviation)
    return Figure(text, value, len(digits or ""), is_gain, spread)
