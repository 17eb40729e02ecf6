"""Measure the importance of every neuron for every pair.

    lass neurons importance DATA --checkpoint base.pt --sample 20000 --out importance/

One pass over the data gives all criteria at once: |∂L/∂h · h| of each position and of
each sentence (Taylor expansion, Eq. 7) and |h| (Eq. 8). Padding never counts. The
result is importance.safetensors in the folder of --out.

A run that is killed goes on when the same command is given again. Several processes,
on one machine or many, share the work with --share 1/8 … --share 8/8 and the same
--out; the last one to finish puts the parts together, and the numbers are the same.
"""

import argparse
from pathlib import Path

HELP = "measure the importance of every neuron for every pair"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass neurons importance``."""
    parser.add_argument(
        "data", metavar="DATA", type=Path, help="folder of binarized data"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="PT",
        type=Path,
        required=True,
        help="the trained base model",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        required=True,
        help="folder for the importance",
    )
    parser.add_argument(
        "--pairs",
        metavar="de-en,…",
        help="(default: those that the model was trained on)",
    )
    parser.add_argument(
        "--units",
        default="attention-output,ffn-hidden,ffn-output",
        metavar="UNIT,…",
        help="kinds of neurons: attention-output, ffn-hidden, ffn-output, queries, "
        "keys, values, heads (default: %(default)s)",
    )
    data = parser.add_argument_group("data").add_argument
    data("--split", default="train", help="split of the data (default: %(default)s)")
    data(
        "--sample",
        type=int,
        default=0,
        metavar="N",
        help="so many sentences of each pair, chosen at random (0: all, the default)",
    )
    data("--seed", type=int, default=1, help="of the sample (default: %(default)s)")
    data(
        "--max-tokens",
        type=int,
        default=4096,
        metavar="N",
        help="tokens of a batch, padding included (default: %(default)s)",
    )
    data(
        "--part",
        type=int,
        default=5000,
        metavar="N",
        help="sentences after which what was measured is saved (default: %(default)s)",
    )
    how = parser.add_argument_group("how").add_argument
    how(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of matrix products; sums are float64 (default: %(default)s)",
    )
    how("--cpu", action="store_true", help="do not use the GPU")
    how(
        "--share",
        default="1/1",
        metavar="I/N",
        help="measure only the I-th of N shares in this process (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, and say what there is."""
    import logging
    import warnings

    logging.disable(logging.WARNING)  # fairseq's, about its own optional parts
    warnings.simplefilter("ignore")
    from lass_plugin.anatomy.neurons import parse_units
    from lass_plugin.errors import LassError
    from lass_plugin.languages import parse_pairs
    from lass_plugin.neurons.importance import NAME
    from lass_plugin.neurons.measuring import MeasuringPlan, measure

    first, slash, last = arguments.share.partition("/")
    if not (slash and first.isdigit() and last.isdigit()):
        raise LassError(f"--share {arguments.share} is not I/N, such as 1/8")
    pairs = parse_pairs(arguments.pairs) if arguments.pairs else []
    importance = measure(
        MeasuringPlan(
            checkpoint=arguments.checkpoint,
            data=arguments.data,
            out=arguments.out,
            pairs=tuple(map(str, pairs)),
            units=parse_units(arguments.units),
            split=arguments.split,
            sample=arguments.sample,
            part=arguments.part,
            seed=arguments.seed,
            max_tokens=arguments.max_tokens,
            precision=arguments.precision,
            cpu=arguments.cpu,
            share=(int(first), int(last)),
        )
    )
    if importance is None:
        print(f"share {arguments.share} is measured; parts of other shares are missing")
        return 0
    neurons = sum(importance.neurons.values())
    sentences = sum(counts.sentences for counts in importance.counts.values())
    print(
        f"{neurons} neurons at {len(importance.neurons)} sites, "
        f"{len(importance.pairs)} pairs, {sentences} sentences: "
        f"{arguments.out / NAME}"
    )
    return 0
