"""Make an encoder without the pieces that some text does not use.

    lass encoder trim xlmr.base/ --text TEXT/ --out trimmed/

Most of a multilingual encoder's parameters are embeddings of pieces of other languages:
in XLM-R base 192 of 278 million. A piece stays that the text uses, or that is one
character, so that any word can still be spelt. The text is split as before, and states
of it are those of the encoder before. Give all text that matters, that of tasks, too:
words of other text may be split smaller.

OUT gets model.pt, dict.txt and sentencepiece.bpe.model, as the folder that is read.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.settings import Settings, argument, count, required

HELP = "an encoder without the pieces that some text does not use"


@dataclass(frozen=True, kw_only=True)
class TrimSettings(Settings):
    """The encoder, and the text whose pieces stay."""

    source: Path = argument("folder of the encoder", metavar="ENCODER")
    text: tuple[Path, ...] = required(
        "text, plain or .gz, or folders of such files", metavar="FILE,…"
    )
    min_count: int = count(1, "how often a piece must stand in the text to stay")
    out: Path = required("folder to make", metavar="DIR")


SETTINGS = TrimSettings
QUIET = True


def run(settings: TrimSettings) -> int:
    """Write it, and say what is left."""
    from lass_plugin.checkpoints.encoders.trimmed import trim_encoder

    made = trim_encoder(
        settings.source, settings.out, settings.text, settings.min_count
    )
    print(
        f"{settings.out}: {made.pieces:,} of {made.before:,} pieces, "
        f"{made.parameters_gone:,} parameters less"
    )
    return 0
