"""Significance where no report has it: from the texts that lie beside the reports.

The scores are computed again from the texts, which also shows whether these are those
that were scored. COMET is left out: its model may not be here.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.evaluation.metrics import Metric, Score, bleu, chrf, spbleu
from lass_plugin.evaluation.significance import paired_bootstrap
from lass_plugin.languages import Pair
from lass_plugin.tables.compared_reports import ComparedReports, ComparedSystem
from lass_plugin.tables.kept_references import references_of, split_of

TESTABLE = ("BLEU", "chrF", "spBLEU")


def missing_tests(
    compared: ComparedReports, metrics: Sequence[str] = TESTABLE
) -> list[tuple[ComparedSystem, str]]:
    """(system, pair) whose differences in *metrics* have no test in the reports."""
    wanted = _testable(compared, metrics)
    return [
        (system, pair)
        for system in compared.others
        for pair in compared.pairs
        if any((system.name, metric, pair) not in compared.tests for metric in wanted)
    ]


def _testable(compared: ComparedReports, metrics: Sequence[str]) -> list[str]:
    return [name for name in compared.metrics if name in TESTABLE and name in metrics]


def add_tests(
    compared: ComparedReports,
    references: Path | None = None,
    metrics: Sequence[str] = TESTABLE,
) -> ComparedReports:
    """*compared* with the tests that it lacks, as far as the texts are there.

    Args:
        metrics: those that are wanted; COMET is left out.
        references: folder of ``SPLIT.SRC-TGT.LANG``; None for what ``lass evaluate``
            keeps beside its report.

    Returns:
        The same with tests; a note says what has none, its texts not being there.

    Raises:
        LassError: a text has another number of sentences than were scored, gives
            another score, or *references* lacks a pair.
    """
    wanted = missing_tests(compared, metrics)
    if not wanted:
        return compared
    tests, left_out = dict(compared.tests), dict[str, list[str]]()
    progress = Progress("testing differences", len(wanted))
    for system, pair in wanted:
        texts = _texts(compared, system, pair, references)
        if texts is None:
            left_out.setdefault(system.name, []).append(pair)
        else:
            lines, ours, theirs = texts
            scores = system.scores.pairs[pair].scores
            for name in _testable(compared, metrics):
                if (system.name, name, pair) in tests:
                    continue
                metric = _metric(scores[name], pair, lines)
                before = _statistics(metric, theirs, compared.baseline, pair)
                after = _statistics(metric, ours, system, pair)
                tests[system.name, name, pair] = paired_bootstrap(metric, before, after)
        progress.advance(1, f"{system.name} {pair}")
    progress.finish()
    notes = [
        f"no significance test of {name} on {', '.join(pairs)}: the translations or "
        "references are not beside the report"
        for name, pairs in left_out.items()
    ]
    return replace(compared, tests=tests, notes=(*compared.notes, *notes))


def _texts(
    compared: ComparedReports, system: ComparedSystem, pair: str, folder: Path | None
) -> tuple[list[str], list[str], list[str]] | None:
    """References and the translations of *system* and of the baseline, or None."""
    ours, theirs = (_translations(s, pair) for s in (system, compared.baseline))
    path = references_of(system.folders[pair], pair, folder)
    if ours is None or theirs is None or path is None:
        return None
    lines = list(read_lines(path))
    scored = system.scores.pairs[pair].sentences
    if len(lines) < scored or (folder is None and len(lines) != scored):
        raise LassError(
            f"{path} has {len(lines)} references but {scored} sentences of {pair} were "
            f"scored for {system.name}; give the references of that evaluation"
        )
    return lines[:scored], ours, theirs


def _translations(system: ComparedSystem, pair: str) -> list[str] | None:
    folder = system.folders[pair]
    split = split_of(folder)
    if split is None:
        return None
    target = Pair.parse(pair).target
    path = folder / "translations" / system.scores.name / f"{split}.{pair}.{target}"
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise LassError(f"{path} cannot be read ({error}); evaluate again") from error
    scored = system.scores.pairs[pair].sentences
    if len(lines) != scored:
        raise LassError(
            f"{path} has {len(lines)} translations but {scored} sentences were scored; "
            "the folder is half written or was changed, so evaluate again"
        )
    return lines


def _metric(score: Score, pair: str, references: list[str]) -> Metric:
    """The metric of *score* with its tokenizer, ready for *references*."""
    if score.metric != "BLEU":
        return {"chrF": chrf, "spBLEU": spbleu}[score.metric](pair, references)
    fields = dict(part.partition(":")[::2] for part in score.signature.split("|"))
    return bleu(pair, references, fields.get("tok"))


def _statistics(
    metric: Metric, hypotheses: list[str], system: ComparedSystem, pair: str
):
    rows = metric.statistics(hypotheses)
    score = system.scores.pairs[pair].scores[metric.name]
    again = metric.score_of(rows)
    if abs(again.value - score.value) > 1e-6:
        raise LassError(
            f"{metric.name} of {system.name} on {pair} is {again.value:.4f} by the "
            f"texts in {system.folders[pair]} and {score.value:.4f} in its report; the "
            "texts, the references or the version of sacreBLEU are others than in that "
            f"evaluation ({again.signature}; {score.signature})"
        )
    return rows
