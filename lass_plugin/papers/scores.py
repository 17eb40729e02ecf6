"""Our scores in the columns of a paper's table, from reports of ``lass evaluate``.

Means, groups, win ratios and tests are those of ``lass table scores``: its tables are
made of the pairs that the paper's table has, and their records are looked up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lass_plugin.evaluation.report_tables import signature_notes
from lass_plugin.evaluation.significance import Difference
from lass_plugin.language_families import first_code
from lass_plugin.languages import Pair
from lass_plugin.papers.figures import (
    GROUPS,
    LANGUAGES,
    MEAN,
    METRICS,
    NOT_SAID,
    PAIRS,
    TYPES,
    WINS,
    PaperTable,
    Part,
)
from lass_plugin.papers.ours import Cell, Ours, is_sure
from lass_plugin.resource_types import FLORES
from lass_plugin.tables.compared_reports import (
    ComparedReports,
    LabelledReport,
    compare_reports,
    systems_of,
)
from lass_plugin.tables.layout import COLUMNS, Layout
from lass_plugin.tables.retesting import add_tests
from lass_plugin.tables.score_tables import score_tables

Records = list[dict[str, Any]]

_FLORES_101 = "tok:flores101"


@dataclass(frozen=True)
class Wanted:
    """How our scores are looked up.

    Attributes:
        layout: groups, resource types and the language in the centre.
        metric: instead of the table's own.
        tested: do the paired bootstraps that no report has.
        references: for these, see :func:`.add_tests`.
        known: (baseline, system, metric, pair) -> what was tested for another part.
    """

    layout: Layout
    metric: str | None = None
    tested: bool = True
    references: Path | None = None
    known: dict[tuple[str, str, str, str], Difference] = field(default_factory=dict)

    def test(
        self, compared: ComparedReports, metrics: Sequence[str]
    ) -> ComparedReports:
        """*compared* with its tests in *metrics*, each done once."""
        if not (self.tested and metrics and compared.others):
            return compared
        first = compared.baseline.name
        known = {key[1:]: of for key, of in self.known.items() if key[0] == first}
        compared = replace(compared, tests={**known, **compared.tests})
        compared = add_tests(compared, self.references, metrics)
        self.known.update({(first, *key): of for key, of in compared.tests.items()})
        return compared


def scores_of(
    table: PaperTable,
    part: Part,
    reports: Sequence[LabelledReport],
    systems: Sequence[str],
    baseline: str | None,
    wanted: Wanted,
) -> Ours:
    """The scores of *systems*, each over the pairs that *baseline* has, too.

    Args:
        systems: names as :func:`.systems_of` gives them.
        baseline: of them; None for no gains and no tests.

    Raises:
        LassError: two systems cannot be compared, see :func:`.compare_reports`.
    """
    ours = Ours(tuple(systems), baseline=baseline)
    layout = _layout(table, wanted.layout)
    if table.columns == GROUPS and layout.sizes is None:
        ours.notes.append("the groups of our pairs are not known; give --sizes")
        return ours
    pairs_of = {each.name: each.scores.pairs.keys() for each in systems_of(reports)}
    signatures: dict[str, None] = {}
    for system in systems:
        first = baseline
        if baseline is not None and not pairs_of[system] & pairs_of[baseline]:
            ours.notes.append(f"{system} has no pair in common with {baseline}")
            first = None
        both = list(dict.fromkeys(filter(None, (first, system))))
        compared = compare_reports(reports, first, both, common=True)
        columns = _columns(table, part, layout, compared.pairs)
        pairs = [pair for of in columns.values() for pair in of]
        if not pairs:
            continue
        if table.columns == LANGUAGES:
            alone = [of[0] for of in columns.values() if len(of) == 1]
            if alone:
                ours.notes.append(
                    f"{system} has one direction only of {', '.join(alone)}, and the "
                    "paper the mean of both"
                )
        kept = tuple(pair for pair in compared.pairs if pair in pairs)
        compared = replace(compared, pairs=kept)
        metrics = _metrics(table, part, compared, wanted.metric)
        compared = wanted.test(compared, metrics)
        found = _cells(table, part, layout, compared, metrics, columns)
        for record, code in found:
            if record["system"] == system:
                value = _cell(compared, system, first, record, code)
                ours.cells[system, code] = value
        signatures |= dict.fromkeys(_signatures(table, compared, metrics))
        ours.notes += [n for n in compared.notes if n not in ours.notes]
    ours.notes = [f"ours: {note}" for note in (*signatures, *ours.notes)]
    return ours


def relevant_systems(
    table: PaperTable,
    parts: Sequence[Part],
    reports: Sequence[LabelledReport],
    layout: Layout,
) -> list[str]:
    """The systems of *reports* that have pairs of the table's columns."""
    layout = _layout(table, layout)
    found = []
    for system in systems_of(reports):
        pairs = list(system.scores.pairs)
        if any(_columns(table, each, layout, pairs) for each in parts):
            found.append(system.name)
    return found


def _layout(table: PaperTable, layout: Layout) -> Layout:
    layout = replace(layout, wins_by=table.wins_by)
    if table.columns == TYPES and layout.resource_types is None:
        layout = replace(layout, resource_types=FLORES)
    return layout


def _columns(
    table: PaperTable, part: Part, layout: Layout, pairs: Sequence[str]
) -> dict[str, list[str]]:
    """Code of each column that our pairs have -> those of its mean."""
    codes = [column.of for column in part.measured()]
    if table.columns == LANGUAGES:
        return _named(codes, layout.with_centre(pairs))
    if table.columns == PAIRS:
        return _named(codes, {pair: [pair] for pair in pairs})
    if table.columns == TYPES:
        every = COLUMNS[TYPES].make(layout, pairs)
        return {code: every[code] for code in codes if code in every}
    return {"": list(pairs)}


def _named(codes: Sequence[str], ours: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Keep what *codes* name of *ours*, in any script or region.

    Where several of ours are one of the paper's, only the very code counts.
    """
    found = {}
    for code in dict.fromkeys(codes):
        alike = [of for name, of in ours.items() if _first_codes(name) == code]
        if code in ours:
            found[code] = ours[code]
        elif len(alike) == 1:
            found[code] = alike[0]
    return found


def _first_codes(name: str) -> str:
    """A language or pair in the codes of the papers."""
    if "-" not in name:
        return first_code(name)
    pair = Pair.parse(name)
    return f"{first_code(pair.source)}-{first_code(pair.target)}"


def _metrics(
    table: PaperTable, part: Part, compared: ComparedReports, chosen: str | None
) -> list[str]:
    """The metrics of ours that the columns take, those that our reports have."""
    if table.columns == METRICS:
        codes = [column.code for column in part.columns]
        return [code for code in codes if code in compared.metrics]
    if chosen is not None:
        return [chosen]  # the tables refuse what not all systems have
    scores = compared.baseline.scores.pairs[compared.pairs[0]].scores
    if table.metric == "spBLEU" and _FLORES_101 not in scores["BLEU"].signature:
        return ["spBLEU" if "spBLEU" in compared.metrics else "BLEU"]
    return ["BLEU"]


def _cells(
    table: PaperTable,
    part: Part,
    layout: Layout,
    compared: ComparedReports,
    metrics: Sequence[str],
    columns: Mapping[str, Sequence[str]],
) -> Iterable[tuple[dict[str, Any], str]]:
    """Records of ``lass table scores``, each with the code of its column here."""
    if not metrics:
        return
    make = partial(_records, compared, layout, metrics)
    whole = len(columns) == len({column.of for column in part.measured()})
    if table.columns == METRICS:
        yield from ((record, record["metric"]) for record in make(METRICS))
    elif table.columns == GROUPS:
        for record in make(GROUPS):
            yield record, record["column"]
            if "win_ratio" in record:
                share = {**record, "score": 100 * record["win_ratio"]}
                yield share, f"{record['column']}.{WINS}"
    else:
        kinds = [table.columns]
        if table.columns == PAIRS:
            kinds = ["from-centre", "into-centre", PAIRS]
        of_pairs = {frozenset(pairs): code for code, pairs in columns.items()}
        for kind in kinds:
            if COLUMNS[kind].make(layout, compared.pairs):
                for record in make(kind):
                    if record["column"] in ("Average", "AVG"):
                        continue
                    yield record, of_pairs[frozenset(record["pairs"].split())]
        if whole:
            last = make(METRICS if table.columns == PAIRS else table.columns)
            names = ("all",) if table.columns == PAIRS else ("Average", "AVG")
            yield from ((each, MEAN) for each in last if each["column"] in names)


def _records(
    compared: ComparedReports, layout: Layout, metrics: Sequence[str], kind: str
) -> Records:
    (table,) = score_tables(compared, layout, metrics, [kind])
    return list(table.records)


def _cell(
    compared: ComparedReports,
    system: str,
    baseline: str | None,
    record: Mapping[str, Any],
    code: str,
) -> Cell:
    pairs = record["pairs"].split()
    known = [compared.tests.get((system, record["metric"], pair)) for pair in pairs]
    tests = [(each.delta, each.p_value) for each in known if each is not None]
    compares = baseline is not None and system != baseline
    is_share = code.endswith(f".{WINS}")
    facts = {"metric": record["metric"], "pairs": record["pairs"]}
    facts |= {k: record[k] for k in ("p_value", "low", "high") if k in record}
    return Cell(
        record["score"],
        record["difference"] if compares and not is_share else None,
        is_sure(tests)
        if compares and not is_share and len(tests) == len(pairs)
        else None,
        facts,
    )


def _signatures(
    table: PaperTable, compared: ComparedReports, metrics: Sequence[str]
) -> list[str]:
    """What ours were scored with, and whether that is what the paper's were."""
    last = compared.systems[-1].scores.pairs
    scores = [(pair, last[pair].scores[m]) for m in metrics for pair in compared.pairs]
    notes = [f"{compared.text} text, {note}" for note in signature_notes(scores)]
    other = table.text not in ("", NOT_SAID, compared.text)
    for _, score in scores:
        name = "spBLEU of FLORES-200" if score.metric == "spBLEU" else score.metric
        name = "spBLEU" if _FLORES_101 in score.signature else name
        other |= table.metric not in ("", name)
    if other:
        notes.append(f"another metric than the paper's {table.metric}, see above")
    return notes
