"""Tables of results as the papers print them: files in ``data/``, one for each paper.

A table is text, a line a system and a column a figure, so that it can be laid beside
the paper. Its second line (``=``) says what each column is, see :class:`Column`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lass_plugin.errors import LassError

DATA = Path(__file__).parent / "data"

MEAN, GIVEN, WINS, ON_TARGET = "mean", "given", "wins", "on-target"
LANGUAGES, PAIRS, GROUPS, TYPES = "languages", "pairs", "groups", "types"
METRICS, COST, TASKS, XNLI = "metrics", "cost", "tasks", "xnli"
ENCODER, DECODER = "encoder", "decoder"
KINDS = (
    *(LANGUAGES, PAIRS, GROUPS, TYPES),
    *(METRICS, COST, TASKS, XNLI),
    *(ENCODER, DECODER),
)
"""What the columns of a table are."""

MILLIONS = ("parameters", "parameters-of-pair", "own-parameters")
"""Columns in millions of parameters."""
DISK = "disk"
"""Columns in MiB."""
SPEEDS = ("GPU", "CPU")
"""Columns in tokens a second."""
COSTS = (*MILLIONS, DISK, *SPEEDS)

_FIGURE = re.compile(r"([+-]?\d+(?:\.(\d+))?)([MG%]?)(?: ± (\d+\.\d+))?")


@dataclass(frozen=True)
class Column:
    """A column: its heading in the paper, and what it holds.

    Attributes:
        code: a language (``fa``), a pair (``en-fa``), a group (``low``), a resource
            type (``H2V``), a metric, a task (``xnli``) or what :data:`COSTS` names;
            ``mean`` of the others; with a dot behind it which score of it
            (``low.wins``, ``fr-cs.on-target``, ``xquad.EM``).
    """

    name: str
    code: str

    @property
    def of(self) -> str:
        """The code without the score that it names."""
        return self.code.partition(".")[0]

    @property
    def score(self) -> str:
        """Which score of several the code names, else nothing."""
        return self.code.partition(".")[2]

    @property
    def unit(self) -> str:
        return "M" if self.code in (*MILLIONS, DISK) else ""


@dataclass(frozen=True)
class Figure:
    """One number as it is printed.

    Attributes:
        text: as in the paper.
        value: millions of parameters, MiB or what else the column is of.
        digits: after the point.
        gain: it is a difference to the table's baseline.
        deviation: behind ±.
    """

    text: str
    value: float
    digits: int
    gain: bool = False
    deviation: float | None = None


@dataclass(frozen=True)
class Row:
    """The figures of a system by the codes of their columns; none where it has a dash.

    *given* is what the paper says of the system beside its name, such as its sparsity.
    """

    name: str
    figures: Mapping[str, Figure]
    given: str = ""


@dataclass(frozen=True)
class Part:
    """A part of a table with columns of its own; most tables have one, without name."""

    name: str
    columns: tuple[Column, ...]
    rows: Mapping[str, Row]

    def measured(self) -> list[Column]:
        """The columns that a mean is over."""
        return [c for c in self.columns if c.code != MEAN and c.code not in COSTS]

    def digits(self, code: str) -> int:
        """Digits after the point of a column."""
        found = [row.figures[code] for row in self.rows.values() if code in row.figures]
        return max(each.digits for each in found)


@dataclass(frozen=True)
class PaperTable:
    """A table of results.

    Attributes:
        about: what it shows, in our words.
        columns: one of :data:`KINDS`.
        command: what makes the results that are laid beside it.
        metric: of its scores; empty where the columns name theirs.
        text: that was scored, ``tokenised`` or ``detokenised``, or ``not said``.
        baseline: the row that the others are compared with.
        gains: the scores of other rows are printed as differences to that row.
        wins_by: what wins are counted by, see :class:`.Layout`.
        average: how means of tasks are taken, see :mod:`.xtreme_tables`.
        turned: it has systems as columns.
        slips: row -> what is wrong with it in the paper.
        names: row -> names that our systems may have for it.
        differences: row -> what the paper prints as its differences to the baseline.
    """

    paper: str
    title: str
    number: int
    about: str
    columns: str
    command: str
    parts: tuple[Part, ...]
    metric: str = ""
    text: str = ""
    baseline: str = ""
    gains: bool = False
    wins_by: str | None = None
    average: str = "numbers"
    turned: bool = False
    slips: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    differences: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def rows(self) -> list[str]:
        """The systems of all parts."""
        return list(dict.fromkeys(name for part in self.parts for name in part.rows))

    def part(self, name: str) -> Part:
        """The part called *name*, or whose name begins or ends so.

        Raises:
            LassError: there is none, or more than one.
        """
        wanted = normal(name)
        found = [
            part
            for part in self.parts
            if part.name
            and (
                normal(part.name).startswith(wanted)
                or normal(part.name).endswith(wanted)
            )
        ]
        if len(found) != 1:
            known = ", ".join(part.name for part in self.parts if part.name)
            raise LassError(
                f"{self.title} has no single part '{name}'"
                + (f"; its parts are {known}" if known else ", it has no parts at all")
            )
        return found[0]


@dataclass(frozen=True)
class Paper:
    """A paper's tables of results, and why the others have none."""

    key: str
    name: str
    about: str
    tables: Mapping[int, PaperTable]
    without: Mapping[int, str]

    def table(self, number: int) -> PaperTable:
        """The table *number*.

        Raises:
            LassError: there is none, or it has no results.
        """
        if number in self.tables:
            return self.tables[number]
        if number in self.without:
            raise LassError(
                f"Table {number} of {self.name} has no results to compare with: "
                f"{self.without[number]}"
            )
        near = min(self.tables, key=lambda each: abs(each - number))
        raise LassError(
            f"{self.name} has no Table {number} (did you mean {near}?); its tables of "
            f"results are {', '.join(map(str, self.tables))}"
        )


def normal(name: str) -> str:
    """*name* without case, blanks and punctuation, by which names are compared."""
    return "".join(filter(str.isalnum, name.casefold()))


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
    read = _cells(cells, table.get("turned", False))
    gains, baseline = table.get("gains", False), table.get("baseline", "")
    parts = tuple(_part(*part, baseline if gains else None) for part in read)
    return PaperTable(
        key,
        f"{name}, Table {number}",
        number,
        parts=parts,
        names={str(row): tuple(map(str, of)) for row, of in names.items()},
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
    value = float(number) * (1024 if unit == "G" else 1)
    is_gain = gains and code not in COSTS and not code.endswith(f".{WINS}")
    spread = None if deviation is None else float(deviation)
    return Figure(text, value, len(digits or ""), is_gain, spread)
