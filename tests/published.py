"""Tiny checkpoints with the layout of the published M2M-100 and M2M-124."""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import torch

LANGUAGES = ("af", "de", "en", "fr", "nl")
"""Of the model, of which the data of the tests have three."""

_MODEL = (
    "--arch transformer_wmt_en_de_big --encoder-layers 2 --decoder-layers 2 "
    "--encoder-embed-dim 32 --decoder-embed-dim 32 --encoder-ffn-embed-dim 64 "
    "--decoder-ffn-embed-dim 64 --encoder-attention-heads 4 "
    "--decoder-attention-heads 4 --encoder-normalize-before "
    "--decoder-normalize-before --share-all-embeddings "
    "--dropout 0.1 --encoder-layerdrop 0.05 --decoder-layerdrop 0.05"
).split()

_NEWER = ("merge_src_tgt_embed", "base_layers", "min_params_to_wrap", "ema_decay")
"""Options that fairseq did not have when the models were published."""


@dataclass(frozen=True)
class Published:
    """What is unpacked: ``model.pt`` and the files that text is encoded with."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model.pt"

    @property
    def dictionary(self) -> Path:
        return self.folder / "dict.txt"

    @property
    def pieces(self) -> Path:
        return self.folder / "sentencepiece.bpe.model"

    @property
    def pairs(self) -> Path:
        return self.folder / "language_pairs.txt"


def write_text(folder: Path, languages=("de", "en", "nl")) -> None:
    """The same made-up sentences in every language, for all directions."""
    generator = random.Random(5)
    for split, count in (("train", 60), ("test", 9)):
        sentences = [
            [generator.randrange(20) for _ in range(generator.randint(2, 7))]
            for _ in range(count)
        ]
        for x in languages:
            for y in languages:
                for code in (x, y) if x < y else ():
                    lines = (
                        " ".join(f"{code}{word}" for word in sentence)
                        for sentence in sentences
                    )
                    path = folder / f"{split}.{x}-{y}.{code}"
                    path.write_text("".join(f"{line}\n" for line in lines))


def publish(folder: Path, text: Path, tokens_in_dictionary: bool) -> Published:
    """Write a model as it is published.

    The dictionary of M2M-124 holds pieces only, and the tokens of its 124 languages are
    appended when it is loaded: 255,997 + 4 + 124 = 256,125 embeddings. That of M2M-100
    has them, and 8 made-up words after them: 128,000 + 4 + 100 + 8 = 128,112.
    """
    from fairseq import options
    from fairseq.data import Dictionary
    from fairseq.models.transformer import TransformerModel
    from fairseq.tasks import translation_multi_simple_epoch

    from lass_plugin.data.subwords import Subwords, train_sentencepiece

    folder.mkdir()
    found = Published(folder)
    lines = [line for path in sorted(text.iterdir()) for line in path.open()]
    found.pieces.write_bytes(train_sentencepiece(lines, 30, 1.0))
    dictionary = Dictionary()
    for piece in Subwords("sentencepiece", found.pieces).pieces():
        dictionary.add_symbol(piece)
    if tokens_in_dictionary:
        for code in LANGUAGES:
            dictionary.add_symbol(f"__{code}__", 0)
        dictionary.pad_to_multiple_(8)
    dictionary.save(str(found.dictionary))
    pairs = ",".join(f"{x}-{y}" for x in LANGUAGES for y in LANGUAGES if x != y)
    found.pairs.write_text(pairs + "\n")

    parser = options.get_training_parser("translation_multi_simple_epoch")
    arguments = options.parse_args_and_arch(
        parser,
        [
            *(str(folder), "--task", "translation_multi_simple_epoch", *_MODEL),
            *("--lang-pairs", str(found.pairs), "--encoder-langtok", "src"),
            *("--decoder-langtok", "--lr", "0.0005", "--optimizer", "adam"),
            *("--fixed-dictionary", str(found.dictionary)),
        ],
    )
    task = translation_multi_simple_epoch.TranslationMultiSimpleEpochTask.setup_task(
        arguments
    )
    torch.manual_seed(11)
    model = TransformerModel.build_model(arguments, task)
    for parameter in model.parameters():  # layer norms, too, are not what they began as
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    weights = model.half().state_dict()
    weights["encoder.version"] = weights["decoder.version"] = torch.Tensor([3])
    for side in ("encoder", "decoder"):
        weights[f"{side}.embed_positions._float_tensor"] = torch.zeros(1)
    del weights["decoder.output_projection.weight"]  # as old fairseq, which had none
    old = {name: v for name, v in vars(arguments).items() if name not in _NEWER}
    for path in ("data", "fixed_dictionary", "save_dir"):
        old[path] = f"/elsewhere/{path}"
    old |= {"lr": 0.0005, "min_lr": -1.0, "an_option_of_those_days": True}
    state = {
        "args": argparse.Namespace(**old),
        "model": weights,
        "optimizer_history": [
            {
                "criterion_name": "LabelSmoothedCrossEntropyCriterion",
                "optimizer_name": "MemoryEfficientFP16Optimizer",
                "lr_scheduler_state": {"best": None},
                "num_updates": 9,
            }
        ],
        "extra_state": {"train_iterator": {"epoch": 1}},
    }
    torch.save(state, found.model)
    return found
