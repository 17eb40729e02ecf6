"""``lass``: one command, one subcommand a file (:mod:`.commands`)."""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence

from lass_plugin.cli.commands import add_commands
from lass_plugin.errors import LassError

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
    arguments = build_parser().parse_args(argv)
    disabled = logging.root.manager.disable  # subcommands silence what fairseq logs
    try:
        with warnings.catch_warnings():
            status = arguments.run(arguments) or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output, such as head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell says of a program that SIGPIPE ended
    except LassError as error:
        print(f"lass {arguments.subcommand}: {error.code}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"lass {arguments.subcommand}: interrupted", file=sys.stderr)
        return 130
    finally:
        logging.disable(disabled)


if __name__ == "__main__":
    sys.exit(main())
