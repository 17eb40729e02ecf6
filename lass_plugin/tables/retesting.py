"""Significance where no report has it: from the texts that lie beside the reports.

The scores are computed again from the texts, which also shows whether these are those
that were scored. COMET is left out: its model may not be here.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.evaluation.metrics import Metric, Score, bleu, chrf, spbleu
from lass_plugin.evaluation.significance import paired_bootstrap
from lass_plugin.evaluation.texts import find_raw
from lass_plugin.languages import Pair
from lass_plugin.tables.side_by_side import Entry, SideBySide

TESTABLE = ("BLEU", "chrF", "spBLEU")


def missing_tests(
    board: SideBySide, metrics: Sequence[str] = TESTABLE
) -> list[tuple[Entry, str]]:
    """(system, pair) whose differences in *metrics* have no test in the reports."""
    wanted = _testable(board, metrics)
    return [
        (entry, pair)
        for entry in board.others
        for pair in board.pairs
        if any((entry.name, metric, pair) not in board.tests for metric in wanted)
    ]


def _testable(board: SideBySide, metrics: Sequence[str]) -> list[str]:
    return [name for name in board.metrics if name in TESTABLE and name in metrics]


def add_tests(
    board: SideBySide,
    references: Path | None = None,
    metrics: Sequence[str] = TESTABLE,
) -> SideBySide:
    """*board* with the tests that it lacks, as far as the texts are there.

    Args:
        metrics: those that are wanted; COMET is left out.
        references: folder of ``SPLIT.SRC-TGT.LANG``; None for what ``lass evaluate``
            keeps beside its report.

    Returns:
        The board; a note says what has no test because its texts are not there.

    Raises:
        LassError: a text has another number of sentences than were scored, gives
            another score, or *references* lacks a pair.
    """
    wanted = missing_tests(board, metrics)
    tests, left_out = dict(board.tests), dict[str, list[str]]()
    if not wanted:
        return board
    progress = Progress("testing differences", len(wanted))
    for entry, pair in wanted:
        texts = _texts(board, entry, pair, references)
        if texts is None:
            left_out.setdefault(entry.name, []).append(pair)
        else:
            lines, ours, theirs = texts
            scores = entry.scores.pairs[pair].scores
            for name in _testable(board, metrics):
                if (entry.name, name, pair) in tests:
                    continue
                metric = _metric(scores[name], pair, lines)
                rows = [
                    _statistics(metric, found, one, pair)
                    for one, found in ((board.baseline, theirs), (entry, ours))
                ]
                tests[entry.name, name, pair] = paired_bootstrap(metric, *rows)
        progress.advance(1, f"{entry.name} {pair}")
    progress.finish()
    notes = [
        f"no significance test of {name} on {', '.join(pairs)}: the translations or "
        "references are not beside the report"
        for name, pairs in left_out.items()
    ]
    return replace(board, tests=tests, notes=(*board.notes, *notes))


def _texts(
    board: SideBySide, entry: Entry, pair: str, folder: Path | None
) -> tuple[list[str], list[str], list[str]] | None:
    """References and the translations of *entry* and of the baseline, or None."""
    ours = _translations(entry, pair)
    theirs = _translations(board.baseline, pair)
    path = _references(entry, pair, folder)
    if ours is None or theirs is None or path is None:
        return None
    lines = list(read_lines(path))
    scored = entry.scores.pairs[pair].sentences
    if len(lines) < scored or (folder is None and len(lines) != scored):
        raise LassError(
            f"{path} has {len(lines)} references but {scored} sentences of {pair} were "
            f"scored for {entry.name}; give the references of that evaluation"
        )
    return lines[:scored], ours, theirs


def _translations(entry: Entry, pair: str) -> list[str] | None:
    folder = entry.folders[pair]
    split = _split(folder)
    if split is None:
        return None
    target = Pair.parse(pair).target
    path = folder / "translations" / entry.original / f"{split}.{pair}.{target}"
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise LassError(f"{path} cannot be read ({error}); evaluate again") from error
    scored = entry.scores.pairs[pair].sentences
    if len(lines) != scored:
        raise LassError(
            f"{path} has {len(lines)} translations but {scored} sentences were scored; "
            "the folder is half written or was changed, so evaluate again"
        )
    return lines


def _references(entry: Entry, pair: str, folder: Path | None) -> Path | None:
    split, key = _split(entry.folders[pair]), Pair.parse(pair)
    if split is None:
        return None
    beside = entry.folders[pair] / "references"
    path = find_raw(folder or beside, split, key, key.target)
    if path is None and folder is not None:
        raise LassError(
            f"{folder} has no references of {pair} (looked for "
            f"{split}.{pair}.{key.target} and the reverse order); add them"
        )
    return path


def _split(folder: Path) -> str | None:
    """The split that was translated, from ``run.json``; None where there is none."""
    path = folder / "run.json"
    if not path.is_file():
        return None
    try:
        split = json.loads(path.read_text(encoding="utf-8"))["split"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LassError(
            f"{path} is not the record of an evaluation ({type(error).__name__}: "
            f"{error}); evaluate again"
        ) from error
    return str(split)


def _metric(score: Score, pair: str, references: list[str]) -> Metric:
    """The metric of *score* with its tokenizer, ready for *references*."""
    if score.metric == "chrF":
        return chrf(pair, references)
    if score.metric == "spBLEU":
        return spbleu(pair, references)
    fields = dict(part.partition(":")[::2] for part in score.signature.split("|"))
    return bleu(pair, references, fields.get("tok"))


def _statistics(metric: Metric, hypotheses: list[str], entry: Entry, pair: str):
    rows = metric.statistics(hypotheses)
    score = entry.scores.pairs[pair].scores[metric.name]
    again = metric.score_of(rows)
    if abs(again.value - score.value) > 1e-6:
        raise LassError(
            f"{metric.name} of {entry.name} on {pair} is {again.value:.4f} by the "
            f"texts in {entry.folders[pair]} and {score.value:.4f} in its report; the "
            "texts, the references or the version of sacreBLEU are others than in that "
            f"evaluation ({again.signature}; {score.signature})"
        )
    return rows
