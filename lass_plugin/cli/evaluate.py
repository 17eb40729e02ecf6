"""Translate a test set with several systems and compare their scores.

    lass evaluate DATA --system baseline=base.pt --system sub-networks=joint.pt

The first system is the baseline. Every pair is translated under its own mask, which a
jointly trained checkpoint carries, in one process or, with --jobs, shared by several.
With --out a run that was killed goes on, and a system more costs only itself.

References are the untouched text in DATA/raw, where lass prepare has put it. Where it
tokenised the text (--moses), translations are detokenised and get their capitals back;
with --tokenize none both are scored in tokens.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.evaluation.settings import ScoringSettings, SystemsSettings
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import Settings, argument, including, option

HELP = "translate all pairs with several systems, score and compare them"


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(Settings):
    """What is evaluated, and where the scores go."""

    GROUP = "test set and scores"

    data: Path = argument("data folder", metavar="DATA")
    systems: SystemsSettings = including(SystemsSettings)
    dense: tuple[str, ...] = option(
        (),
        "translate without the masks of the checkpoint",
        metavar="NAME",
        group="systems",
        repeated=True,
    )
    pairs: tuple[Pair, ...] = option(
        (),
        "pairs to evaluate (default: those that the baseline was trained on)",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )
    scoring: ScoringSettings = including(ScoringSettings)
    out: Path | None = option(
        None,
        "folder for scores.json, .csv and .md, the translations with their sources and "
        "references, and run.json",
        metavar="DIR",
    )


SETTINGS = EvaluateSettings


def run(settings: EvaluateSettings) -> int:
    """Evaluate, and print the tables."""
    from lass_plugin.evaluation.evaluation import evaluate
    from lass_plugin.evaluation.report_tables import render

    systems = settings.systems.make(settings.dense)
    data, pairs, out = settings.data, settings.pairs, settings.out
    result = evaluate(data, systems, pairs, out=out, **settings.scoring.how)
    print(render(result.report))
    for name, speed in result.speeds.items():
        print(
            f"{name}: {speed.sentences} sentences in {speed.seconds:.1f} s "
            f"({speed.sentences_per_second:.0f} sentences/s, "
            f"{speed.tokens_per_second:.0f} tokens/s)"
        )
    if settings.out is not None:
        print(f"written to {settings.out}")
    return 0
