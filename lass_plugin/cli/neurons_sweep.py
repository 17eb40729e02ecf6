"""Compare shares of general neurons, thresholds, and ways to allocate neurons.

    lass neurons sweep DATA --base base.pt --importance importance/ --out sweep \\
        --general 0.8,0.9,0.95 --thresholds 0:1 --criterion taylor,absolute \\
        --by pair,source,target,separate --updates 40000 -- --max-tokens 8192

All masks are made of one file of importance. One thing is varied at a time, while the
others stay at ρ 0.9, k 0.7, pair and taylor (or, where one of these was not asked for,
at the first that was): k for every criterion (Xie 2021, Fig. 4), ρ (Table 3), and what
neurons are allocated to (Fig. 6). --grid takes everything with everything.

Each variant is trained jointly from the base for the same number of updates, beside the
dense baseline, and all are translated and scored. Variants that keep the same neurons
are trained once; at k 0 all neurons are kept, which is the dense baseline. What follows
-- are flags of fairseq-train; they replace the base's options, as in 'lass search'.

--losses-only skips joint training: it measures the validation loss of the base's
weights under each mask, in minutes. That loss says what a mask costs before it is
trained, not how good the model will be.

sweep.md, .csv and .json have the tables, sweep.threshold.png and sweep.general.png (and
.svg) the curves over k and ρ. Progress goes to stderr, the log of a training to
DIR/joint/VARIANT/train.log. The same command again goes on where it was; other values
in the same DIR add to it.
"""

import argparse
from pathlib import Path

from lass_plugin.cli.search import PassingOn
from lass_plugin.cli.sweep import add_base, add_training, training_settings

HELP = "compare shares of general neurons, thresholds and ways to allocate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass neurons sweep``."""
    parser.usage = "lass neurons sweep DATA --base BASE.pt --importance IMPORTANCE "
    parser.usage += "--out DIR --updates N [options] [-- fairseq-train flags]"
    add_base(parser)
    parser.add_argument(
        "--importance",
        metavar="IMPORTANCE",
        type=Path,
        required=True,
        help="what 'lass neurons importance' made of the base",
    )
    add = parser.add_argument_group("what is compared").add_argument
    add(
        "--general",
        metavar="RHO,…",
        default="0.8,0.9,0.95",
        help="shares of each site's neurons that are general (default: %(default)s)",
    )
    add(
        "--thresholds",
        metavar="K,…",
        default="0:1",
        help="k of Eq. 9, 0.5,0.7 or 0:1 or 0:1:0.2 (default: %(default)s)",
    )
    add(
        "--by",
        metavar="WHAT,…",
        default="pair",
        help="pair, source, target, separate (default: %(default)s)",
    )
    add(
        "--criterion",
        metavar="C,…",
        default="taylor",
        help="taylor, absolute, taylor-sentence (default: %(default)s)",
    )
    add(
        "--average",
        choices=("token", "sentence"),
        default="token",
        help="what the sums are divided by (default: %(default)s)",
    )
    add("--grid", action="store_true", help="everything with everything")
    add_training(parser)
    parser.parse_known_args = PassingOn(parser)  # type: ignore


def run(arguments: argparse.Namespace) -> int:
    """Sweep, and print the tables."""
    import logging
    import warnings

    logging.disable(logging.WARNING)  # fairseq's, about its own optional parts
    warnings.simplefilter("ignore")
    from lass_plugin.errors import LassError
    from lass_plugin.experiments.sweeps.neurons import (
        NeuronSweepSettings,
        run_neuron_sweep,
    )
    from lass_plugin.experiments.sweeps.neurons.table import to_markdown
    from lass_plugin.experiments.sweeps.neurons.variants import Axes
    from lass_plugin.experiments.sweeps.variants import parse_numbers

    training = training_settings(arguments)
    if arguments.valid_split is not None and not arguments.losses_only:
        raise LassError(
            "--valid-split has no effect without --losses-only; leave it out"
        )

    def words(text: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in text.split(","))

    settings = NeuronSweepSettings(
        **training,
        importance=arguments.importance,
        axes=Axes(
            criteria=words(arguments.criterion),
            general=parse_numbers("--general", arguments.general, "shares"),
            thresholds=parse_numbers(
                "--thresholds", arguments.thresholds, "thresholds"
            ),
            by=words(arguments.by),
            average=arguments.average,
        ),
        grid=arguments.grid,
    )
    print(to_markdown(run_neuron_sweep(settings)))
    print(f"written to {arguments.out}")
    return 0
