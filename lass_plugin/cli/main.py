"""``lass``: one command, one subcommand a file (:mod:`.commands`).

What takes long is imported inside :func:`main`, where signals are heard already.
"""

import signal
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from lass_plugin.errors import LassError, of_the_system
from lass_plugin.signals import signals_as_exceptions
from lass_plugin.streams import discard_output, open_streams, output_fails, quiet_logs

if TYPE_CHECKING:
    import argparse

SUBCOMMANDS = {
    "corpus": "corpus",
    "prepare": "prepare",
    "search": "search",
    "extract": "extract",
    "list": "list_masks",
    "settled": "settled",
    "neurons": "neurons",
    "lslo": "lslo",
    "encoder": "encoder",
    "gates": "gates",
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
    "report": "report",
    "zero-shot": "zero_shot",
    "xtreme": "xtreme",
    "import-lass": "import_lass",
    "average": "average",
    "export": "export",
    "compact": "compact",
    "extend": "extend",
    "differences": "differences",
    "quickstart": "quickstart",
    "run": "run",
}
"""Name of each subcommand and the module of this package that holds it."""


@cache
def build_parser() -> "argparse.ArgumentParser":
    """The parser of ``lass`` with every subcommand."""
    import argparse

    from lass_plugin.cli.commands import add_commands

    parser = argparse.ArgumentParser(
        prog="lass",
        description="Language-specific sub-networks of multilingual models.",
    )
    add_commands(parser, SUBCOMMANDS, "subcommand")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; what a user or the system does ends with one sentence."""
    called, ended = ["lass"], list[int]()
    try:
        with signals_as_exceptions(ended):
            open_streams()
            status = _run(argv, called)
            sys.stdout.flush()
        return status
    except BaseException as error:
        return _status(error, called[-1], ended)
    finally:
        if argv is None and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python is ending


def _run(argv: Sequence[str] | None, called: list[str]) -> int:
    """Run what *argv* says, and note what that is."""
    import logging
    import warnings

    quiet_logs()
    disabled = logging.root.manager.disable  # subcommands silence what fairseq logs
    try:
        with warnings.catch_warnings():
            arguments = build_parser().parse_args(argv)
            called.append(f"lass {arguments.subcommand}")
            return arguments.run(arguments) or 0
    finally:
        logging.disable(disabled)


def _status(error: BaseException, command: str, ended: Sequence[int]) -> int:
    """The status that *error* ends with, after a sentence; what has none is raised."""
    output_failed = output_fails()
    if output_failed:
        discard_output()
    status, said = 1, of_the_system(error)
    if ended:
        # whatever it became on its way: modules that are being imported raise their own
        name = signal.Signals(ended[0]).name
        said = "interrupted" if name == "SIGINT" else f"ended by {name}"
        status = 128 + ended[0]
    elif isinstance(error, BrokenPipeError):  # whoever read the output, such as head
        return 141  # as a shell says of a program that SIGPIPE ended
    elif isinstance(error, LassError):
        said = str(error.code)
    elif output_failed:
        reason = getattr(error, "strerror", None) or "it is closed or full"
        said = f"what it prints cannot be written ({reason}); its files are whole"
    if said is None:
        raise error
    print(f"{command}: {said}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
