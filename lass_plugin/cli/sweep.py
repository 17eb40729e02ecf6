"""Compare pruning ratios: masks, joint training, scores, one table and one curve.

    lass sweep DATA --base base/checkpoint_best.pt --searches search --out sweep \\
        --updates 40000 -- --max-tokens 8192

Masks at all ratios are cut from the scores of one search a pair, so nine ratios cost
one search (He 2023, Fig. 1). Each variant is then trained jointly from the base for the
same number of updates, beside the dense baseline, and all are translated and scored.
What follows -- are flags of fairseq-train; they replace the base's options, as in 'lass
search'.

The scores of a one-shot search give exact masks at every ratio, and a one-shot search
by gradient those by magnitude too (--methods gradient-oneshot,magnitude-oneshot). A
gradual search trains under its mask: give the searches of each ratio, for instance
--searches search-0.1 search-0.2 …, or accept masks cut from another with --recut.

--ablation masks attention and feed-forward alone (He 2023, Table 2), --random draws the
control, --own-ratios gives each pair a ratio of its own ('lass allocate' says how).
--losses-only skips joint training: it measures the validation loss of the base's
weights under each mask, in minutes. That loss says what a mask costs before it is
trained, not how good the model will be.

Progress goes to stderr, the log of a training to DIR/joint/VARIANT/train.log. The same
command again goes on where it was; other ratios in the same DIR add to it.
"""

import argparse
from pathlib import Path
from typing import Any

from lass_plugin.cli.search import PassingOn

HELP = "compare pruning ratios, sub-layers and random masks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass sweep``."""
    parser.usage = "lass sweep DATA --base BASE.pt --searches DIR … --out DIR "
    parser.usage += "--updates N [options] [-- fairseq-train flags]"
    add_sources(parser)
    add = parser.add_argument_group("what is compared").add_argument
    add(
        "--ratios",
        metavar="R,…",
        default="0.1:0.9",
        help="ratios, 0.1,0.5 or 0.1:0.9 or 0.1:0.9:0.2 (default 0.1:0.9)",
    )
    add("--methods", metavar="M,…", help="default: those of the searches")
    add("--ablation", metavar="R,…", help="mask attention and feed-forward alone, too")
    add(
        "--own-ratios", metavar="R,…", help="mean ratios at which each pair has its own"
    )
    add("--random", metavar="R,…", help="random masks at these ratios")
    add("--seed", metavar="N", type=int, help="of the random masks (default: 1)")
    add_training(parser)
    parser.parse_known_args = PassingOn(parser)  # type: ignore


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add how every sweep trains and scores its variants."""
    add = parser.add_argument_group("joint training").add_argument
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--updates", metavar="N", type=int, help="of each variant")
    length.add_argument(
        "--losses-only",
        action="store_true",
        help="no joint training: the validation loss under each mask",
    )
    add(
        "--checkpoint",
        choices=("last", "best"),
        default="last",
        help="evaluate the last checkpoint, all after equal updates (default), or the "
        "best by the mean validation loss of the pairs",
    )
    add(
        "--jobs",
        metavar="N",
        type=int,
        help="trainings at a time (default: one per GPU or core)",
    )
    add("--devices", metavar="0,1,…", default="", help="GPUs to use (default: all)")
    add("--threads", metavar="N", type=int, help="CPU threads of each")
    add(
        "--stop-on-error",
        action="store_true",
        help="end all when one training fails (default: finish the others)",
    )
    add = parser.add_argument_group("scores").add_argument
    add("--split", default="test", help="split to translate (default: test)")
    add("--beam", metavar="N", type=int, default=5, help="beam (default: 5)")
    add("--lenpen", metavar="X", type=float, default=1.0, help="length penalty")
    add("--limit", metavar="N", type=int, help="only the first N sentences of a pair")


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add what ``lass sweep`` and ``lass allocate`` share."""
    add = parser.add_argument
    add_base(parser)
    add(
        "--searches",
        metavar="DIR",
        type=Path,
        nargs="+",
        required=True,
        help="folders of 'lass search', or checkpoints of searches",
    )
    add("--pairs", metavar="SRC-TGT,…", help="default: those of the searches")
    add(
        "--recut",
        action="store_true",
        help="accept masks cut from a gradual search that trained under another ratio",
    )


def add_base(parser: argparse.ArgumentParser) -> None:
    """Add what every sweep begins from, and where it writes."""
    add = parser.add_argument
    add("data", metavar="DATA", help="fairseq data folder")
    add("--base", metavar="FILE", type=Path, required=True, help="base checkpoint")
    add("--out", metavar="DIR", type=Path, required=True, help="folder for everything")
    add("--valid-split", metavar="SPLIT", help="split for the losses (default: valid)")
    add("--cpu", action="store_true", help="do not use the GPU")


_OF_TRAINING = {
    "jobs": None,
    "threads": None,
    "limit": None,
    "devices": "",
    "stop_on_error": False,
    "checkpoint": "last",
    "split": "test",
    "beam": 5,
    "lenpen": 1.0,
}
"""Options that matter only with joint training, and their defaults."""


def training_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that :func:`add_base` and :func:`add_training` give.

    Raises:
        LassError: an option would have no effect.
    """
    from lass_plugin.errors import LassError
    from lass_plugin.evaluation.decoding import Decoding

    if arguments.updates is not None and arguments.updates < 1:
        raise LassError(f"--updates must be 1 or more, not {arguments.updates}")
    for name, default in _OF_TRAINING.items():
        if arguments.losses_only and getattr(arguments, name) != default:
            raise LassError(
                f"--{name.replace('_', '-')} has no effect with --losses-only; leave "
                "it out"
            )
    return {
        "data": arguments.data,
        "base": arguments.base,
        "out": arguments.out,
        "updates": arguments.updates or 0,
        "checkpoint": arguments.checkpoint,
        "flags": arguments.flags,
        "split": arguments.split,
        "decoding": Decoding(
            beam=arguments.beam,
            lenpen=arguments.lenpen,
            limit=arguments.limit,
            cpu=arguments.cpu,
        ),
        "valid_split": arguments.valid_split or "valid",
        "cpu": arguments.cpu,
        "devices": tuple(d.strip() for d in arguments.devices.split(",") if d.strip()),
        "jobs": arguments.jobs,
        "threads": arguments.threads,
        "stop_on_error": arguments.stop_on_error,
    }


def _refuse_ignored(arguments: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    from lass_plugin.errors import LassError

    if arguments.seed is not None and not arguments.random:
        raise LassError("--seed has no effect without --random; leave it out")
    measured = arguments.losses_only or arguments.own_ratios
    if arguments.valid_split is not None and not measured:
        raise LassError(
            "--valid-split has no effect without --losses-only or --own-ratios; leave "
            "it out"
        )


def run(arguments: argparse.Namespace) -> int:
    """Sweep, and print the table."""
    import logging
    import warnings

    logging.disable(logging.WARNING)  # fairseq's, about its own optional parts
    warnings.simplefilter("ignore")
    from lass_plugin.cli.extract import checkpoint_files
    from lass_plugin.experiments.sweeps import SweepSettings, run_sweep
    from lass_plugin.experiments.sweeps.table import to_markdown
    from lass_plugin.experiments.sweeps.variants import Method, parse_ratios
    from lass_plugin.languages import parse_pairs

    training = training_settings(arguments)
    _refuse_ignored(arguments)

    def ratios(option: str) -> tuple[float, ...]:
        text = getattr(arguments, option.strip("-").replace("-", "_"))
        return parse_ratios(option, text) if text else ()

    methods = (arguments.methods or "").split(",")
    settings = SweepSettings(
        **training,
        searches=tuple(checkpoint_files(arguments.searches)),
        pairs=tuple(parse_pairs(arguments.pairs)) if arguments.pairs else (),
        methods=tuple(Method.parse(text) for text in methods if text.strip()),
        ratios=ratios("--ratios"),
        ablation=ratios("--ablation"),
        own_ratios=ratios("--own-ratios"),
        random=ratios("--random"),
        seed=1 if arguments.seed is None else arguments.seed,
        recut=arguments.recut,
    )
    print(to_markdown(run_sweep(settings)))
    print(f"written to {arguments.out}")
    return 0
