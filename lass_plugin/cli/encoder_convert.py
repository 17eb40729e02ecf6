"""Convert an encoder from Hugging Face's layout to a folder that fairseq reads.

    lass encoder convert DIR OUT

DIR holds config.json, model.safetensors, and sentencepiece.bpe.model or a
tokenizer.json with unigram pieces: XLM-R, or a BERT with XLM-R's pieces such as
multilingual-e5. OUT gets model.pt, dict.txt and sentencepiece.bpe.model, as the public
xlmr.base has them; the options of the model are printed. Embeddings of token types are
added to those of positions (the first type), the pooler is left out, and a model
without a head for masked language modelling gets one that begins from its embedding.

The public checkpoints of fairseq, with older names of weights, need no conversion:
give their model.pt to --finetune-from-model.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.settings import Settings, argument

HELP = "an encoder in Hugging Face's layout as a folder of fairseq's"


@dataclass(frozen=True, kw_only=True)
class ConvertSettings(Settings):
    """What is read, and where it goes."""

    source: Path = argument("folder in Hugging Face's layout", metavar="DIR")
    out: Path = argument("folder to make", metavar="OUT")


SETTINGS = ConvertSettings
QUIET = True


def run(settings: ConvertSettings) -> int:
    """Convert, and print the options to train it with."""
    from lass_plugin.checkpoints.encoders.folder import MODEL, write_encoder
    from lass_plugin.checkpoints.encoders.huggingface import read_encoder

    shape, tensors, pieces, subword_model = read_encoder(settings.source)
    write_encoder(settings.out, shape, tensors, pieces, subword_model)
    print(f"{settings.out}: {len(pieces)} pieces, {shape.layers} layers")
    print(f"--finetune-from-model {settings.out / MODEL} {shape.flags()}")
    return 0
