"""Translate lines of any direction from stdin with one model, held once.

    printf 'de-en\\tGuten Morgen\\nen-fr\\tGood morning\\n' |
        lass translate lslo/checkpoint_best.pt --data DATA

A line is a direction, a tab and a sentence; its translation is one line, in the order
of the input. A line without a sentence gives an empty line. Low-rank modules and masks
are switched between batches, so one process serves every direction of the checkpoint;
a dense checkpoint is translated with as it is.

Sentences become subwords by spm.model or bpe.codes of DATA, if there are any, or by
--spm; with --encoded they are subwords already. Where the text of DATA was tokenised,
truecased or normalised by 'lass prepare', so are they, and translations are written as
text again (--remove-bpe none leaves them in subwords).

N lines are read ahead (--buffer), put into batches of one direction each, and written
as batches finish; with --interactive each line is answered at once.
"""

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.errors import LassError
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import (
    Settings,
    argument,
    count,
    including,
    needless,
    option,
    required,
    switch,
)

if TYPE_CHECKING:
    from lass_plugin.data.subwords import Subwords

HELP = "translate lines of any direction from stdin with one model"

BUFFER = 1000


@dataclass(frozen=True, kw_only=True)
class TranslateSettings(Settings):
    """The model, and how the lines are read."""

    checkpoint: Path = argument(
        "of low-rank modules, of joint training, or dense", metavar="CHECKPOINT"
    )
    data: Path = required(
        "data folder that the model was trained with, for its dictionary",
        metavar="DATA",
    )
    pairs: tuple[Pair, ...] = option(
        (),
        "directions to serve (default: those that were trained and whose dictionaries "
        "are in DATA)",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )
    base: Path | None = option(
        None,
        "the base of low-rank modules, where it is no longer where it was in training",
        metavar="FILE",
    )
    inference_masks: str | None = option(
        None, "translate with these masks instead of the checkpoint's", metavar="MASKS"
    )
    dense: bool = switch("translate without the checkpoint's masks or low-rank modules")
    spm: Path | None = option(
        None,
        "SentencePiece model (default: spm.model of DATA, if there is one)",
        metavar="FILE",
        group="input",
    )
    encoded: bool = switch("the sentences are in subwords already", group="input")
    buffer: int | None = count(
        None, f"lines that are read ahead (default: {BUFFER})", group="input"
    )
    interactive: bool = switch("answer each line at once", group="input")
    keep_going: bool = switch(
        "give an empty translation for a line that cannot be read, and say so on "
        "stderr",
        group="input",
    )
    decoding: Decoding = including(
        Decoding, *(one.name for one in fields(Decoding) if one.name != "limit")
    )

    def check(self) -> None:
        super().check()
        if self.encoded:
            needless(self, "spm", "with --encoded")
        if self.interactive and self.buffer != 1:
            needless(self, "buffer", "with --interactive")


SETTINGS = TranslateSettings


def run(settings: TranslateSettings) -> int:
    """Translate until the input ends."""
    from lass_plugin.data.data_folder import first_folder, text_steps_of
    from lass_plugin.data.text_steps import TextSteps
    from lass_plugin.evaluation.engines import translator_of
    from lass_plugin.evaluation.evaluation import choose_pairs
    from lass_plugin.evaluation.lines import LineTranslator, translate_lines
    from lass_plugin.evaluation.systems import Saved, System
    from lass_plugin.evaluation.texts import find_subwords, with_subwords
    from lass_plugin.streams import lines_of_input

    system = System(
        "model",
        settings.checkpoint,
        settings.inference_masks,
        settings.dense,
        settings.base,
    )
    saved = Saved(system)
    data = first_folder(settings.data)
    encoding = _encoding(settings, data)
    pairs = settings.pairs or saved.pairs_at_hand(data, choose_pairs([saved]))
    ready = saved.set_up(data, pairs, encoding)
    dictionary = ready.task.target_dictionary
    decoding = with_subwords(settings.decoding, data, dictionary)
    steps = text_steps_of(data)
    before = TextSteps() if settings.encoded else steps
    cut = decoding.remove_bpe == "none" != find_subwords(data, dictionary)
    after = TextSteps() if cut else steps  # pieces are no tokens
    engine = translator_of(ready, decoding)
    translator = LineTranslator(engine, encoding, before, after)
    del saved
    buffer = 1 if settings.interactive else settings.buffer or BUFFER
    skip = _say if settings.keep_going else None
    for ready_lines in translate_lines(lines_of_input(), translator, buffer, skip):
        sys.stdout.write("".join(f"{line}\n" for line in ready_lines))
        sys.stdout.flush()
    return 0


def _say(error: LassError) -> None:
    print(f"note: {error.message}", file=sys.stderr, flush=True)


def _encoding(settings: TranslateSettings, data: Path) -> "Subwords":
    """How sentences become tokens."""
    from lass_plugin.data.data_folder import subwords_of
    from lass_plugin.data.parallel_text import sha256
    from lass_plugin.data.subwords import Subwords

    if settings.encoded:
        return Subwords("none")
    if settings.spm is None:
        return subwords_of(data)
    if not settings.spm.is_file():
        raise LassError(
            f"there is no SentencePiece model {settings.spm}; check the path"
        )
    return Subwords("sentencepiece", settings.spm, sha256(settings.spm))
