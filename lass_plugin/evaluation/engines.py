"""What translates: fairseq, or CTranslate2."""

from fairseq.models import FairseqEncoderDecoderModel

from lass_plugin.evaluation.settings import CTRANSLATE2, Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.translation import FairseqTranslator, Translator


def translator_of(
    ready: Ready,
    decoding: Decoding,
    model: FairseqEncoderDecoderModel | None = None,
) -> Translator:
    """A system with the engine that *decoding* names.

    Args:
        decoding: see :class:`.Translator`.
        model: of fairseq, that of *ready* where it has been built.
    """
    if decoding.engine == CTRANSLATE2:
        from lass_plugin.evaluation.ctranslate2_engine import CTranslate2Translator

        return CTranslate2Translator(ready, decoding)
    return FairseqTranslator(ready, decoding, model)
