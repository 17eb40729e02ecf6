"""Modes: subcommands of a subcommand, one a file, such as ``lass table cost``."""

import argparse
import importlib
from collections.abc import Mapping


def add_modes(parser: argparse.ArgumentParser, modes: Mapping[str, str]) -> None:
    """Add modes, each with its options and its own help.

    ``run_mode`` of the parsed arguments is the ``run`` of the mode that was given.

    Args:
        modes: name -> module of this package, with ``HELP``, ``add_arguments(parser)``
            and ``run(arguments)`` as a subcommand has.
    """
    parsers = parser.add_subparsers(dest="mode", metavar="MODE", required=True)
    for name, module_name in modes.items():
        module = importlib.import_module(f"lass_plugin.cli.{module_name}")
        mode = parsers.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(mode)
        mode.set_defaults(run_mode=module.run)
