"""Add pairs, also of new languages, to a jointly trained model (Lin 2021, Fig. 3).

    lass extend joint/checkpoint_best.pt --data data/ --text new-text/ \\
        --pairs en-uk,uk-en --out extended/ --dense dense/checkpoint_best.pt \\
        --search-updates 2000 --updates 2000 -- --max-tokens 4096 --warmup-updates 100

Four stages, each of which is skipped where it has been done:

  extend  encodes the new text with the model's subwords, appends symbols and language
          tokens to the dictionary and rows to the embeddings (no old index moves)
  search  finds the sub-networks of the new pairs from there
  train   trains the new pairs only, once for each way of --ways:
            sub-network  their whole sub-networks, and all that no mask covers
            hold-shared  only their sub-networks and the embeddings of new symbols
            disjoint     only weights that no older pair's mask keeps, and these
                         embeddings: older pairs keep their outputs bit for bit
          and with --dense once more without masks, from a model without masks
  report  scores new and older pairs at --points checkpoints: OUT/extend.md, .json,
          .csv, curve.png, .svg, .csv

Flags of fairseq-train after -- hold for the search and for training; all others are
those of the checkpoint. The checkpoints of a way in OUT/checkpoints/ carry the masks of
all pairs and translate with the data folder OUT/data.
"""

import argparse
from pathlib import Path

from lass_plugin.cli.search import PassingOn

HELP = "add pairs to a trained model and show what it costs the older pairs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass extend``."""
    parser.usage = (
        "lass extend CHECKPOINT --data DIR --text DIR --pairs SRC-TGT,… --out DIR "
        "[options] [-- fairseq-train flags]"
    )
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", type=Path, help="jointly trained model")
    add("--data", metavar="DIR", type=Path, required=True, help="its data folder")
    add(
        "--text",
        metavar="DIR",
        type=Path,
        required=True,
        help="parallel text of the new pairs, as for lass prepare",
    )
    add("--pairs", metavar="SRC-TGT,…", required=True, help="directions to add")
    add("--out", metavar="DIR", type=Path, required=True, help="folder for everything")
    add(
        "--dense",
        metavar="FILE",
        type=Path,
        help="a model of the same data without masks, for comparison",
    )
    add(
        "--until",
        default="report",
        metavar="STAGE",
        help="stop after extend, search or train (default: report)",
    )
    add("--fresh", action="store_true", help="do everything again from the start")
    _add_vocabulary(parser)
    _add_search(parser)
    _add_training(parser)
    _add_scores(parser)
    parser.parse_known_args = PassingOn(parser)  # type: ignore


def _add_vocabulary(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("vocabulary").add_argument
    add(
        "--spm-model",
        metavar="FILE",
        type=Path,
        help="SentencePiece model of the old text (default: that in --data)",
    )
    add(
        "--min-count",
        metavar="N",
        type=int,
        default=2,
        help="a token of the new text that the dictionary lacks becomes a symbol if "
        "it occurs N times (default 2)",
    )
    add("--seed", type=int, default=1, help="of the new embeddings (default 1)")


def _add_search(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("search, see lass search").add_argument
    add("--criterion", default="magnitude", help="magnitude (default) or gradient")
    add("--schedule", default="oneshot", help="oneshot (default) or gradual")
    add("--ratio", type=float, default=0.6, help="share removed (default 0.6)")
    add("--search-updates", metavar="N", type=int, default=1000, help="default 1000")


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add(
        "--ways",
        metavar="WAY,…",
        default="sub-network,disjoint",
        help="sub-network, hold-shared, disjoint (default: sub-network,disjoint)",
    )
    add("--updates", metavar="N", type=int, default=1000, help="of each way (1000)")
    add("--cpu", action="store_true", help="do not use the GPU")
    add("--threads", metavar="N", type=int, help="CPU threads (default: all cores)")


def _add_scores(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("scores").add_argument
    add(
        "--points",
        metavar="N",
        type=int,
        default=10,
        help="checkpoints that are scored, evenly spaced (default 10)",
    )
    add(
        "--old-pairs",
        metavar="SRC-TGT,…",
        help="older pairs to watch (default: all)",
    )
    add("--split", default="test", help="split of the data (default: test)")
    add("--limit", metavar="N", type=int, help="first N sentences of every pair only")
    add("--beam", metavar="N", type=int, default=5, help="beam (default 5)")


def run(arguments: argparse.Namespace) -> int:
    """Extend, and print the table."""
    import logging
    import warnings

    logging.disable(logging.WARNING)  # fairseq's, about its own optional parts
    warnings.simplefilter("ignore")
    from lass_plugin.experiments.new_pairs.report import read_report, to_text
    from lass_plugin.experiments.new_pairs.run import extend
    from lass_plugin.experiments.new_pairs.settings import ExtendSettings
    from lass_plugin.languages import parse_pairs

    values = {
        name: getattr(arguments, name)
        for name in ExtendSettings.__dataclass_fields__
        if name in arguments
    }
    values["pairs"] = tuple(parse_pairs(arguments.pairs))
    watched = arguments.old_pairs
    values["old_pairs"] = tuple(parse_pairs(watched)) if watched else ()
    values["ways"] = tuple(way for way in arguments.ways.split(",") if way)
    settings = ExtendSettings(**values, least=arguments.min_count)
    written = extend(settings)
    if written:
        print(to_text(read_report(written[0])))
        print(f"written to {arguments.out}")
    return 0
