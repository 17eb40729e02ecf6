"""Search the sub-network of every pair (phase 2), several pairs at a time.

Each pair is one run of fairseq-train that starts from the base. The architecture, the
language tokens, criterion, optimizer, learning rate and batch size are those of the
base, read from its checkpoint; flags of fairseq-train after -- replace them:

    lass search DATA --base base/checkpoint_best.pt --out search \\
        --pairs de-en,en-de --updates 80000 -- --max-tokens 16384 --dropout 0.3

A learning rate schedule with a long warm-up suits a long search only; for a short one
say -- --warmup-updates N. Progress goes to stderr, the log of a pair to
DIR/PAIR/train.log, its mask to DIR/masks/PAIR.safetensors. The same command again goes
on where it was, after Ctrl-C, a crash or the end of a job's time. Of a finished search
checkpoint_last.pt is kept; 'lass extract' takes masks at other ratios from it.

With --together all pairs are searched in one training (by gradient only): each update
is of one pair, and the pairs share the weights that are fine-tuned, so that the search
costs as much as its --updates say, not that for each pair; --start, --ramp and
--interval count the updates of each pair. --sampling-method after -- says how often a
pair is drawn (default: uniform).

On a cluster, one pair in each task of a job array, then collect and see the table:

    sbatch --array=0-7 --gpus=1 --wrap "lass search DATA --base BASE.pt --out DIR \\
        --pairs de-en,en-de,… --array \\$SLURM_ARRAY_TASK_ID"
    lass search DATA --base BASE.pt --out DIR --pairs de-en,en-de,…

For other schedulers, --print-commands prints one line of shell for each pair.
"""

import argparse
from pathlib import Path
from typing import Any, Sequence

HELP = "search the sub-network of every pair"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass search``."""
    parser.usage = "lass search DATA --base BASE.pt --out DIR --pairs SRC-TGT,… "
    parser.usage += "[options] [-- fairseq-train flags]"
    add = parser.add_argument
    add("data", metavar="DATA", help="fairseq data folder")
    add("--base", metavar="FILE", type=Path, required=True, help="base checkpoint")
    add("--out", metavar="DIR", type=Path, required=True, help="one folder a pair here")
    add("--pairs", metavar="SRC-TGT,…", required=True, help="directions to search")
    _add_plan(parser)
    _add_running(parser)
    parser.parse_known_args = PassingOn(parser)  # type: ignore


def _add_plan(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the search").add_argument
    add("--criterion", default="gradient", help="gradient (default) or magnitude")
    add("--schedule", default="gradual", help="gradual (default) or oneshot")
    add(
        "--ratio",
        type=float,
        default=0.6,
        help="share of each matrix removed (default 0.6)",
    )
    add(
        "--updates",
        metavar="N",
        type=int,
        default=80_000,
        help="updates of each search, or of all together (default 80000)",
    )
    add("--start", metavar="T1", type=int, help="default: a twentieth of a pair's")
    add("--ramp", metavar="T2", type=int, help="default: nine twentieths of them")
    add(
        "--interval",
        metavar="N",
        type=int,
        default=10,
        help="select the mask anew every N updates (default 10)",
    )
    add(
        "--targets",
        metavar="WHAT,…",
        default="attention,feed-forward",
        help="matrices: attention, feed-forward, embeddings, output-projection",
    )
    add("--move-pruned", action="store_true", help="update masked weights too")
    add(
        "--stop-when-settled",
        metavar="SHARE",
        type=float,
        default=0.0,
        help="end a search once its mask agrees with itself so well above chance "
        "(default: never; 'lass settled' shows how it grows)",
    )
    add(
        "--stop-when-growth-below",
        metavar="SHARE",
        type=float,
        default=0.0,
        help="end a search once doubling its updates adds less than this to that "
        "agreement (default: never)",
    )
    add("--together", action="store_true", help="one training for all pairs")


def _add_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("running").add_argument
    add("--masks-out", metavar="DIR", type=Path, help="default: masks in --out")
    add(
        "--jobs", metavar="N", type=int, help="at a time (default: one per GPU or core)"
    )
    add("--devices", metavar="0,1,…", default="", help="GPUs to use (default: all)")
    add("--cpu", action="store_true", help="train on the CPU")
    add(
        "--threads",
        metavar="N",
        type=int,
        help="CPU threads of each search (default: $OMP_NUM_THREADS, or cores / jobs)",
    )
    add(
        "--stop-on-error",
        action="store_true",
        help="end all when one search fails (default: finish the others)",
    )
    add("--array", metavar="INDEX", type=int, help="search only this pair of the list")
    add(
        "--array-base",
        metavar="0|1",
        type=int,
        choices=(0, 1),
        default=0,
        help="index of the first pair (default 0)",
    )
    add(
        "--print-commands",
        action="store_true",
        help="print one shell command a pair and start nothing (with --devices 0: for "
        "a GPU that is not here)",
    )


class PassingOn:
    """Parses what stands before ``--`` and keeps the rest as ``flags``.

    argparse alone would take flags after ``--`` for further positional arguments.
    """

    def __init__(self, parser: argparse.ArgumentParser):
        self._parse = parser.parse_known_args

    def __call__(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words = list(args or ())
        place = words.index("--") if "--" in words else len(words)
        parsed, unknown = self._parse(words[:place], namespace)
        parsed.flags = tuple(words[place + 1 :])
        return parsed, unknown


def run(arguments: argparse.Namespace) -> int:
    """Search, and print a table of the results."""
    import logging
    import warnings

    logging.disable(logging.WARNING)  # fairseq's, about its own optional parts
    warnings.simplefilter("ignore")
    from lass_plugin.experiments.searches import run_searches, search_commands
    from lass_plugin.experiments.searches.results import table

    settings = settings_of(arguments)
    if arguments.print_commands:
        print("\n".join(search_commands(settings)))
        return 0
    print(table(run_searches(settings)))
    return 0


def settings_of(arguments: argparse.Namespace) -> Any:
    """The :class:`.SearchSettings` that the options describe."""
    from lass_plugin.errors import LassError
    from lass_plugin.experiments.searches import SearchSettings
    from lass_plugin.languages import parse_pairs
    from lass_plugin.masks import parse_targets

    pairs = parse_pairs(arguments.pairs)
    if arguments.array is not None and arguments.together:
        raise LassError(
            "--array is for one pair in each task, --together for all pairs in one "
            "training; give one of them"
        )
    if arguments.array is not None:
        first, last = arguments.array_base, arguments.array_base + len(pairs) - 1
        if not first <= arguments.array <= last:
            raise LassError(
                f"--array {arguments.array} is outside {first}-{last}; --pairs names "
                f"{len(pairs)}, counted from {first} (--array-base)"
            )
        pairs = [pairs[arguments.array - first]]
    return SearchSettings(
        data=arguments.data,
        base=arguments.base,
        out=arguments.out,
        pairs=tuple(pairs),
        criterion=arguments.criterion,
        schedule=arguments.schedule,
        ratio=arguments.ratio,
        updates=arguments.updates,
        start=arguments.start,
        ramp=arguments.ramp,
        interval=arguments.interval,
        targets=parse_targets(arguments.targets),
        move_pruned=arguments.move_pruned,
        stop_settled=arguments.stop_when_settled,
        stop_growth=arguments.stop_when_growth_below,
        together=arguments.together,
        flags=arguments.flags,
        cpu=arguments.cpu,
        devices=tuple(d.strip() for d in arguments.devices.split(",") if d.strip()),
        jobs=arguments.jobs,
        threads=arguments.threads,
        masks_out=arguments.masks_out,
        stop_on_error=arguments.stop_on_error,
    )
