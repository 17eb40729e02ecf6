"""``lass``: one command, one subcommand a file (:mod:`.commands`)."""

import argparse
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence

from lass_plugin.cli.commands import add_commands
from lass_plugin.errors import LassError
from lass_plugin.signals import signals_as_exceptions

SUBCOMMANDS = {
    "prepare": "prepare",
    "search": "search",
    "extract": "extract",
    "list": "list_masks",
    "settled": "settled",
    "neurons": "neurons",
    "lslo": "lslo",
    "sweep": "sweep",
    "allocate": "allocate",
    "compare": "compare",
    "tree": "tree",
    "agreement": "agreement",
    "merge": "merge",
    "random": "random_masks",
    "evaluate": "evaluate",
    "translate": "translate",
    "table": "table",
    "zero-shot": "zero_shot",
    "import-lass": "import_lass",
    "average": "average",
    "export": "export",
    "compact": "compact",
    "extend": "extend",
    "quickstart": "quickstart",
}
"""Name of each subcommand and the module of this package that holds it."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``lass`` with every subcommand."""
    parser = argparse.ArgumentParser(
        prog="lass",
        description="Language-specific sub-networks of multilingual models.",
    )
    add_commands(parser, SUBCOMMANDS, "subcommand")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; a user's mistake ends with one sentence and status 1."""
    # fairseq sets logging up when it is imported; whoever is first decides
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    disabled = logging.root.manager.disable  # subcommands silence what fairseq logs
    command, ended = "lass", list[int]()
    try:
        with warnings.catch_warnings(), signals_as_exceptions(ended):
            arguments = build_parser().parse_args(argv)
            command = f"lass {arguments.subcommand}"
            status = arguments.run(arguments) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output, such as head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell says of a program that SIGPIPE ended
    except LassError as error:
        print(f"{command}: {error.code}", file=sys.stderr)
        return 1
    except BaseException:
        if not ended:
            raise
        # whatever it became on its way: modules that are being imported raise their own
        name = signal.Signals(ended[0]).name
        said = "interrupted" if name == "SIGINT" else f"ended by {name}"
        print(f"{command}: {said}", file=sys.stderr)
        return 128 + ended[0]
    finally:
        logging.disable(disabled)


if __name__ == "__main__":
    sys.exit(main())
