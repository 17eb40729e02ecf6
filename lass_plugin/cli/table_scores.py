"""Tables of scores from one or several reports of 'lass evaluate', side by side.

    lass table scores report/
    lass table scores report/ --sizes data/ --low 1M --high 10M --out tables/
    lass table scores first=runs/a/report second=runs/b/report --baseline dense

The first system is the baseline. Tables that the pairs allow are made:

    languages     each language: mean of en→X and X→en (He 2023 and Lin 2021, Table 1)
    from-centre   each pair from English (He 2023, Tables 6-8)
    into-centre   each pair into English (He 2023, Tables 6-8)
    pairs         each pair without English
    sources       mean over the pairs of each source language, where not all pairs have
                  English; targets: of each target language
    types         from high-, medium-, low- and very-low-resource languages into each
                  (Cao 2024, Tables 1-4: H2H, H2M, …, AVG); needs --resource-types
    groups        low, medium, high resource with win ratio (He 2023, Tables 3 and 9;
                  Lin 2021, Table 2); needs --sizes
    wins          win ratio between every two systems
    metrics       mean over all pairs in every metric (He 2023, Tables 10 and 11)

A * marks p < 0.05 by paired bootstrap. For systems of different reports it is computed
from the translations and references that lie beside the reports.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lass_plugin.tables.layout import Layout
    from lass_plugin.tables.side_by_side import SideBySide

HELP = "scores by language, direction and resource group; win ratios"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass table scores``."""
    from lass_plugin.cli.table import add_output

    parser.add_argument(
        "reports",
        metavar="[LABEL=]REPORT",
        nargs="+",
        help="folder that lass evaluate wrote, or its scores.json; systems of one name "
        "in two reports become LABEL/NAME (default: the folder's name)",
    )
    add = parser.add_argument_group("what is compared").add_argument
    add("--systems", metavar="NAME,…", help="systems, in this order (default: all)")
    add(
        "--baseline", metavar="NAME", help="system to compare with (default: the first)"
    )
    add(
        "--common",
        action="store_true",
        help="only the pairs that all systems have, instead of an error",
    )
    add(
        "--metrics",
        metavar="NAME,…",
        help="BLEU, chrF, spBLEU, COMET (default: all that the reports have)",
    )
    add("--tables", metavar="NAME,…", help="tables to make (default: all possible)")
    add(
        "--references",
        metavar="DIR",
        type=Path,
        help="references for the paired bootstrap, SPLIT.SRC-TGT.LANG (default: those "
        "beside the report)",
    )
    add(
        "--no-test",
        action="store_true",
        help="do no paired bootstrap; show the tests that the reports have",
    )
    add = parser.add_argument_group("resource groups").add_argument
    add(
        "--sizes",
        metavar="PATH",
        type=Path,
        help="training sentences of each pair: a folder of lass prepare, or a file "
        "with a line PAIR NUMBER each (160000, 160K, 1.2M)",
    )
    add(
        "--low",
        metavar="N",
        help="low resource: fewer training sentences than this (default: 1M)",
    )
    add(
        "--high",
        metavar="N",
        help="high resource: this many or more (default: 10M)",
    )
    add(
        "--resource-types",
        metavar="TYPES",
        help="types of the languages: flores (Cao 2024, Table 6), 'H=en,fr;M=nl;V=oc', "
        "or a file with a language and its type on each line",
    )
    add = parser.add_argument_group("layout").add_argument
    add("--centre", metavar="LANG", default="en", help="centre language (default: en)")
    add(
        "--show",
        choices=("both", "score", "difference"),
        default="both",
        help="score and difference to the baseline (default), or one of them",
    )
    add(
        "--wins-by",
        choices=("pair", "language"),
        help="count wins of pairs (default; Lin 2021) or of languages, both directions "
        "in one mean (He 2023)",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the reports and show their tables."""
    from lass_plugin.cli.table import show
    from lass_plugin.errors import LassError
    from lass_plugin.tables.retesting import add_tests
    from lass_plugin.tables.scores import score_tables
    from lass_plugin.tables.side_by_side import Place, put_side_by_side

    if arguments.no_test and arguments.references:
        raise LassError("--references has no effect with --no-test; leave one out")
    layout = _layout(arguments)
    board = put_side_by_side(
        [Place.read(report) for report in arguments.reports],
        arguments.baseline,
        _names(arguments.systems),
        arguments.common,
    )
    if arguments.wins_by and not board.others:
        raise LassError(
            "--wins-by has no effect on one system; give another to compare"
        )
    metrics = _metrics(arguments.metrics)
    if not arguments.no_test:
        board = add_tests(board, arguments.references, metrics or board.metrics)
    tables = score_tables(board, layout, metrics, _names(arguments.tables))
    shown = metrics or list(board.metrics)
    show(arguments, tables, "Scores", _facts(board), _notes(board, shown))
    return 0


def _layout(arguments: argparse.Namespace) -> "Layout":
    from lass_plugin.data.amounts import Bounds, parse_count, read_sizes
    from lass_plugin.errors import LassError
    from lass_plugin.tables.layout import Layout

    given = {
        name: parse_count(value)
        for name in ("low", "high")
        if (value := getattr(arguments, name)) is not None
    }
    if given and arguments.sizes is None:
        raise LassError(
            "--low and --high have no effect without the sizes of the training data; "
            "give --sizes"
        )
    return Layout(
        arguments.centre,
        arguments.show,
        arguments.wins_by or "pair",
        None if arguments.sizes is None else read_sizes(arguments.sizes),
        Bounds(**given),
        arguments.resource_types,
    )


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return list(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))


def _metrics(text: str | None) -> list[str] | None:
    from lass_plugin.evaluation.choice import parse_metrics

    return parse_metrics(_names(text) or []) or None


def _facts(board: "SideBySide") -> dict:
    """What the JSON says of the systems."""
    return {
        "text": board.text,
        "baseline": board.baseline.name,
        "pairs": list(board.pairs),
        "systems": [
            {
                "name": entry.name,
                "checkpoint": entry.scores.checkpoint,
                "mask": entry.scores.mask,
                "reports": sorted({str(entry.folders[pair]) for pair in board.pairs}),
            }
            for entry in board.entries
        ],
    }


def _notes(board: "SideBySide", metrics: list[str]) -> list[str]:
    """Systems, signatures and how the text was made."""
    notes = []
    for entry in board.entries:
        mask = entry.scores.mask
        under = "no mask (dense)" if mask is None else f"mask {mask}"
        notes.append(f"{entry.name}: checkpoint {entry.scores.checkpoint}, {under}")
    for metric in metrics:
        pairs_of: dict[str, list[str]] = {}
        for pair in board.pairs:
            score = board.baseline.scores.pairs[pair].scores[metric]
            pairs_of.setdefault(score.signature, []).append(pair)
        for signature, pairs in pairs_of.items():
            where = "" if len(pairs_of) == 1 else f" ({', '.join(pairs)})"
            notes.append(f"{metric}{where}: {signature}")
    return [*notes, *board.notes]
