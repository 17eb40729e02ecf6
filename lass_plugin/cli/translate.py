"""Translate lines of any direction from stdin with one model, held once.

    printf 'de-en\tGuten Morgen\nen-fr\tGood morning\n' |
        lass translate lslo/checkpoint_best.pt --data DATA

A line is a direction, a tab and a sentence; its translation is one line, in the order
of the input. A line without a sentence gives an empty line. Low-rank modules and masks
are switched between batches, so one process serves every direction of the checkpoint;
a dense checkpoint is translated with as it is.

Sentences become subwords by spm.model or bpe.codes of DATA, if there are any, or by
--spm; with --encoded they are subwords already. N lines are read ahead (--buffer), put
into batches of one direction each, and written as batches finish; with --interactive
each line is answered at once.
"""

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.cli.evaluate import add_translation_arguments

if TYPE_CHECKING:
    from lass_plugin.data.subwords import Subwords
    from lass_plugin.errors import LassError

HELP = "translate lines of any direction from stdin with one model"

BUFFER = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass translate``."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        help="of low-rank modules, of joint training, or dense",
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        type=Path,
        required=True,
        help="data folder that the model was trained with, for its dictionary",
    )
    parser.add_argument(
        "--pairs",
        metavar="SRC-TGT,…",
        help="directions to serve (default: those that were trained)",
    )
    parser.add_argument(
        "--base",
        metavar="FILE",
        type=Path,
        help="the base of low-rank modules, where it is no longer where it was in "
        "training",
    )
    parser.add_argument(
        "--inference-masks",
        metavar="MASKS",
        help="translate with these masks instead of the checkpoint's",
    )
    parser.add_argument(
        "--dense",
        action="store_true",
        help="translate without the checkpoint's masks or low-rank modules",
    )
    add = parser.add_argument_group("input").add_argument
    add(
        "--spm",
        metavar="FILE",
        type=Path,
        help="SentencePiece model (default: spm.model of DATA, if there is one)",
    )
    add("--encoded", action="store_true", help="the sentences are in subwords already")
    add(
        "--buffer",
        metavar="N",
        type=int,
        help=f"lines that are read ahead (default: {BUFFER})",
    )
    add("--interactive", action="store_true", help="answer each line at once")
    add(
        "--keep-going",
        action="store_true",
        help="give an empty translation for a line that cannot be read, and say so on "
        "stderr",
    )
    add_translation_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Translate until the input ends."""
    # before fairseq is loaded, which would log at length to stderr
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    buffer = _buffer(arguments)
    from lass_plugin.languages import parse_pairs

    pairs = None if arguments.pairs is None else parse_pairs(arguments.pairs)

    from lass_plugin.evaluation import texts
    from lass_plugin.evaluation.decoding import Decoding
    from lass_plugin.evaluation.evaluation import choose_pairs
    from lass_plugin.evaluation.lines import LineTranslator, translate_lines
    from lass_plugin.evaluation.systems import Saved, System

    names = set(Decoding.__dataclass_fields__) - {"limit"}
    decoding = Decoding(**{name: getattr(arguments, name) for name in names})
    system = System(
        "model",
        arguments.checkpoint,
        arguments.inference_masks,
        arguments.dense,
        arguments.base,
    )
    saved = Saved(system)
    ready = saved.set_up(arguments.data, choose_pairs([saved], pairs))
    encoding = _encoding(arguments)
    subwords = decoding.remove_bpe
    if subwords == "auto":
        subwords = texts.find_subwords(arguments.data, ready.task.target_dictionary)
    translator = LineTranslator(ready, decoding, encoding, subwords)
    del saved
    skip = _say if arguments.keep_going else None
    for ready_lines in translate_lines(sys.stdin.buffer, translator, buffer, skip):
        sys.stdout.write("".join(f"{line}\n" for line in ready_lines))
        sys.stdout.flush()
    return 0


def _say(error: "LassError") -> None:
    print(f"note: {error.message}", file=sys.stderr, flush=True)


def _buffer(arguments: argparse.Namespace) -> int:
    from lass_plugin.errors import LassError

    given: int | None = arguments.buffer
    if given is not None and given < 1:
        raise LassError(f"--buffer is {given}; give a number above 0")
    if arguments.interactive and given not in (None, 1):
        raise LassError(
            f"--buffer {given} has no effect with --interactive, which answers each "
            "line at once; leave one of them out"
        )
    return 1 if arguments.interactive else given or BUFFER


def _encoding(arguments: argparse.Namespace) -> "Subwords":
    """How sentences become tokens."""
    from lass_plugin.data.data_folder import subwords_of
    from lass_plugin.data.parallel_text import sha256
    from lass_plugin.data.subwords import Subwords
    from lass_plugin.errors import LassError

    if arguments.encoded:
        if arguments.spm is not None:
            raise LassError("--spm has no effect with --encoded; leave one of them out")
        return Subwords("none")
    if arguments.spm is None:
        return subwords_of(arguments.data)
    if not arguments.spm.is_file():
        raise LassError(
            f"there is no SentencePiece model {arguments.spm}; check the path"
        )
    return Subwords("sentencepiece", arguments.spm, sha256(arguments.spm))
