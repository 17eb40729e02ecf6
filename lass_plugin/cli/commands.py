"""Commands: subcommands of ``lass`` and modes of these, one a file.

Such a file has ``HELP`` (one line), a docstring, ``SETTINGS`` (the class whose fields
are the options, see :mod:`lass_plugin.settings`) and ``run(settings)``; perhaps
``ALIASES`` (other names), ``USAGE`` and ``QUIET = True``, which keeps back what fairseq
says about its own optional parts. Or it has ``MODES`` instead, such as ``lass table
cost``. Heavy imports (torch, fairseq) stay inside ``run``, so that ``lass --help``
answers at once.
"""

import argparse
import importlib
import logging
import warnings
from collections.abc import Mapping
from functools import partial
from types import ModuleType

from lass_plugin.settings import add_options, read_options


def add_commands(
    parser: argparse.ArgumentParser, commands: Mapping[str, str], kind: str
) -> None:
    """Add subcommands to *parser*, each with its options and its own help.

    ``run`` of the parsed arguments runs the one that was given, with them.

    Args:
        commands: name -> module of this package.
        kind: ``subcommand`` or ``mode``.
    """
    metavar = {"subcommand": "COMMAND"}.get(kind, kind.upper())
    parsers = parser.add_subparsers(dest=kind, metavar=metavar, required=True)
    for name, module_name in commands.items():
        module = importlib.import_module(f"lass_plugin.cli.{module_name}")
        one = parsers.add_parser(
            name,
            aliases=getattr(module, "ALIASES", ()),
            help=module.HELP,
            description=module.__doc__,
            usage=getattr(module, "USAGE", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if hasattr(module, "MODES"):
            add_commands(one, module.MODES, "mode")
        else:
            add_options(one, module.SETTINGS)
            one.set_defaults(run=partial(_run, module))


def _run(module: ModuleType, arguments: argparse.Namespace) -> int | None:
    """Run a command with the settings that the arguments describe."""
    if getattr(module, "QUIET", False):
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
    status: int | None = module.run(read_options(module.SETTINGS, arguments))
    return status
