"""Make a data folder for an encoder from text of single languages.

The text folder holds {train,valid}.LANG, plain or .gz, one sentence a line; empty lines
are dropped, and valid may be missing. Text for a pretrained encoder is encoded with the
encoder's own files, and nothing is learned:

    lass encoder prepare --text DIR --out DATA --languages de,en,sw \\
        --spm-model xlmr.base/sentencepiece.bpe.model --dict xlmr.base/dict.txt

Without --dict the dictionary has the pieces of the model in their order, as that of
XLM-R has; without --spm-model a model is learned, from as many sentences of each
language. DATA holds LANG/{train,valid}.{bin,idx}, dict.txt, langs.txt and spm.model;
'fairseq-train DATA --task masked_lm_languages' reads it, and fairseq's own
multilingual_masked_lm. How sentences become samples is said there
(--sample-break-mode). Run it again and it does nothing, or goes on where it was
interrupted.
"""

from lass_plugin.data.preparation_settings import EncoderPreparationSettings

HELP = "a data folder from text of single languages"
SETTINGS = EncoderPreparationSettings


def run(settings: EncoderPreparationSettings) -> int:
    """Prepare, and print what the folder holds."""
    from lass_plugin.cli.prepare import report
    from lass_plugin.data.encoder_preparation import prepare_encoder

    return report(settings.out, prepare_encoder(settings), "sentences")
