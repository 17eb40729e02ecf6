"""Low-rank modules of each language in a frozen model (LSLo, Cao 2024).

    fairseq-train DATA --user-dir lass_plugin --task translation_lslo --base BASE …

count        parameters of modules of given ranks, before they are trained

Evaluation and translation use such checkpoints as every other. 'lass lslo MODE --help'
explains the options of each.
"""

import argparse

from lass_plugin.cli.modes import add_modes

HELP = "low-rank modules of each language: counting them (Cao 2024)"

_MODES = {"count": "lslo_count"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the modes of ``lass lslo``, each with its options."""
    add_modes(parser, _MODES)


def run(arguments: argparse.Namespace) -> int:
    """Run one mode."""
    return arguments.run_mode(arguments)
