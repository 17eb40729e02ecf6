"""fairseq's own parser of training options, in this process."""

import argparse
import contextlib
import io
from typing import Sequence

from lass_plugin.errors import LassError


def training_parser() -> argparse.ArgumentParser:
    """A fresh parser that knows this package's tasks, models and optimizers."""
    from fairseq import options

    import lass_plugin.models.transformer_architectures  # noqa: F401
    import lass_plugin.optim  # noqa: F401
    import lass_plugin.tasks.translation_lslo
    import lass_plugin.tasks.translation_subnetwork_search  # noqa: F401

    return options.get_training_parser()


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> argparse.Namespace:
    """fairseq's parsing; a wrong flag is one sentence instead of pages of usage."""
    from fairseq import options

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return options.parse_args_and_arch(parser, input_args=list(arguments))
    except LassError:
        raise
    except SystemExit as error:
        lines = said.getvalue().strip().splitlines() or [str(error)]
        reason = lines[-1].partition("error: ")[2] or lines[-1]
        raise LassError(
            f"fairseq-train does not take these flags: {reason}; correct what "
            "follows --"
        ) from None


def option_of(action: argparse.Action | None, name: str) -> str:
    """The long form of the option that sets *name*."""
    if action is None or not action.option_strings:
        return f"--{name.replace('_', '-')}"
    return max(action.option_strings, key=len)
