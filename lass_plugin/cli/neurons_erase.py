"""Translate without some neurons, drawn at random: what does each pair lose?

    lass neurons erase DATA --checkpoint joint/checkpoint_best.pt --allocation masks/ \\
        --general 0.2 --specific 0.5 --seed 1,2,3 --out DIR

Erased, each by itself, are --general of the general neurons of every site; for each
pair --specific of its specific neurons of every site; and, as a control, as many
specific neurons that this pair does not have. An erased neuron leaves the masks of all
pairs, and all pairs are translated and compared with the whole model (Xie 2021, §5.4,
Fig. 5).

DIR gets erasure.json, .draws.csv (each draw), .csv (their means), .md and the picture
erasure.png and .svg, and what 'lass evaluate' writes. A run that is killed goes on when
the same command is given again; more seeds or pairs translate only what is new.
"""

import argparse
from pathlib import Path

from lass_plugin.evaluation.decoding import Decoding
from lass_plugin.settings import add_options, read_options

HELP = "translate without some general or specific neurons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass neurons erase``."""
    parser.add_argument("data", metavar="DATA", help="data folder")
    parser.add_argument(
        "--checkpoint",
        metavar="PT",
        type=Path,
        required=True,
        help="the model that was trained jointly with the masks of --allocation",
    )
    parser.add_argument(
        "--allocation",
        metavar="MASKS",
        type=Path,
        required=True,
        help="what 'lass neurons allocate' made",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        required=True,
        help="folder for tables, picture and translations",
    )
    add = parser.add_argument_group("what is erased").add_argument
    add(
        "--general",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="of the general neurons (default: %(default)s; 0: leave them alone)",
    )
    add(
        "--specific",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="of a pair's specific neurons (default: %(default)s; 0: leave them alone)",
    )
    add(
        "--pairs",
        metavar="de-en,…",
        help="pairs whose specific neurons are erased (default: all)",
    )
    add(
        "--no-control",
        action="store_true",
        help="do not erase as many specific neurons that the pair does not have",
    )
    add(
        "--seed",
        default="1",
        metavar="N,…",
        help="of the draw; several for means and deviations (default: %(default)s)",
    )
    add = parser.add_argument_group("test set and scores").add_argument
    add("--split", default="test", help="split of the data (default: test)")
    add("--references", metavar="DIR", help="folder of SPLIT.X-Y.Y (default: DATA/raw)")
    add("--tokenize", metavar="NAME", help="tokenizer of BLEU for all pairs")
    add_options(parser, Decoding)


def run(arguments: argparse.Namespace) -> int:
    """Translate, score, print the tables and write them."""
    from lass_plugin.languages import parse_pairs
    from lass_plugin.neurons.erasure import Options, erase, parse_seeds
    from lass_plugin.neurons.erasure_report import record_of, to_text, write

    pairs = parse_pairs(arguments.pairs) if arguments.pairs is not None else []
    options = Options(
        general=arguments.general,
        specific=arguments.specific,
        pairs=tuple(pairs),
        control=not arguments.no_control,
        seeds=parse_seeds(arguments.seed),
        split=arguments.split,
        references=arguments.references,
        tokenize=arguments.tokenize,
    )
    result = erase(
        arguments.data,
        arguments.checkpoint,
        arguments.allocation,
        options,
        arguments.out,
        read_options(Decoding, arguments),
    )
    record = record_of(result)
    print(to_text(record), end="")
    for path in write(record, arguments.out):
        print(path)
    return 0
