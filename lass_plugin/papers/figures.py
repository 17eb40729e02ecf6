"""What a paper's table of results is: rows, columns, figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lass_plugin.errors import LassError

MEAN, GIVEN, WINS, ON_TARGET = "mean", "given", "wins", "on-target"
LANGUAGES, PAIRS, GROUPS, TYPES = "languages", "pairs", "groups", "types"
METRICS, COST, TASKS, XNLI = "metrics", "cost", "tasks", "xnli"
ENCODER, DECODER = "encoder", "decoder"
KINDS = (
    LANGUAGES,
    PAIRS,
    GROUPS,
    TYPES,
    METRICS,
    COST,
    TASKS,
    XNLI,
    ENCODER,
    DECODER,
)
"""What the columns of a table are."""

NOT_SAID = "not said"
"""The text that was scored, where the paper says nothing of it."""

MILLIONS = ("parameters", "parameters-of-pair", "own-parameters")
"""Columns in millions of parameters."""
DISK = "disk"
"""Columns in MiB."""
SPEEDS = ("GPU", "CPU")
"""Columns in tokens a second."""
COSTS = (*MILLIONS, DISK, *SPEEDS)


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
    def takes_reports(self) -> bool:
        return self.columns in (LANGUAGES, PAIRS, GROUPS, TYPES, METRICS)

    @property
    def takes_costs(self) -> bool:
        return any(column.code in COSTS for column in self._every_column())

    @property
    def takes_on_target(self) -> bool:
        return any(column.score == ON_TARGET for column in self._every_column())

    def _every_column(self) -> Iterator[Column]:
        return (column for part in self.parts for column in part.columns)

    @property
    def needs(self) -> list[str]:
        """The results that it is compared with, in words."""
        needs = {
            "a report of 'lass evaluate'": self.takes_reports,
            "--sizes": self.columns == GROUPS,
            "a table-cost.json": self.takes_costs,
            "a zero_shot.json": self.takes_on_target,
            "scores of 'lass xtreme evaluate'": self.columns in (TASKS, XNLI),
            "an estimate.json": self.columns in (ENCODER, DECODER),
        }
        return [name for name, needed in needs.items() if needed]

    @property
    def needless(self) -> list[str]:
        """Options that nothing of it depends on."""
        tasks = self.columns in (TASKS, XNLI)
        depends = {
            "part": len(self.parts) > 1,
            "baseline": self.takes_reports or tasks,
            "no_test": self.takes_reports or tasks,
            "references": self.takes_reports,
            "metric": self.takes_reports and self.columns != METRICS,
            "centre": self.columns in (LANGUAGES, GROUPS),
            "sizes": self.columns == GROUPS,
            "low": self.columns == GROUPS,
            "high": self.columns == GROUPS,
            "resource_types": self.columns == TYPES,
        }
        return [name for name, needed in depends.items() if not needed]

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
