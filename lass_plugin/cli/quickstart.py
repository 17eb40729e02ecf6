"""From nothing to masks, a jointly trained model and its scores, on real text.

Without --data it collects the translations that four web packages ship (Django,
Wagtail, Django REST framework, django CMS; BSD licence): English to and from German,
Dutch, Spanish and Italian. About a quarter of an hour on two cores.

A second run uses what is there; an interrupted one goes on.
"""

import argparse

HELP = "the whole way on a small corpus of real text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass quickstart``."""
    parser.add_argument(
        "--out",
        metavar="DIR",
        default="runs/quickstart",
        help="folder for everything (default: runs/quickstart)",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="your own text: train|valid|test.SRC-TGT.LANG, plain or .gz",
    )
    parser.add_argument(
        "--pairs",
        metavar="SRC-TGT,…",
        help="directions of your text (default: all, both ways)",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="do everything again from the start"
    )
    parser.add_argument(
        "--base-updates", metavar="N", type=int, help="length of base training"
    )
    parser.add_argument(
        "--search-updates", metavar="N", type=int, help="length of each pair's search"
    )
    parser.add_argument(
        "--joint-updates", metavar="N", type=int, help="length of joint training"
    )
    parser.add_argument(
        "--vocabulary", metavar="N", type=int, help="number of subwords"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the quick start."""
    from lass_plugin.errors import LassError
    from lass_plugin.experiments.quickstart import Recipe, quickstart

    changed = {}
    for name in ("base_updates", "search_updates", "joint_updates", "vocabulary"):
        value = getattr(arguments, name)
        if value is not None:
            if value < 1:
                option = f"--{name.replace('_', '-')}"
                raise LassError(f"{option} is {value}; give 1 or more")
            changed[name] = value
    quickstart(
        arguments.out,
        arguments.data,
        arguments.pairs,
        arguments.fresh,
        Recipe(**changed),
    )
    return 0
