"""Tiny models of fairseq that gates stand on, and batches for them."""

from argparse import Namespace

import torch
from fairseq.data import Dictionary
from fairseq.models.roberta import RobertaModel
from fairseq.models.transformer import TransformerModel
from fairseq.models.transformer import base_architecture as transformer_base

WORDS = 20


def dictionary(mask: bool = False) -> Dictionary:
    words = Dictionary()
    for number in range(WORDS):
        words.add_symbol(f"w{number}")
    if mask:
        words.add_symbol("<mask>")
    return words


def _task(words: Dictionary) -> Namespace:
    return Namespace(source_dictionary=words, target_dictionary=words)


def roberta(seed: int = 1, **more: object) -> RobertaModel:
    """Two layers of 16 units, 4 heads of 4, 24 hidden units."""
    torch.manual_seed(seed)
    options = {
        "encoder_layers": 2,
        "encoder_embed_dim": 16,
        "encoder_ffn_embed_dim": 24,
        "encoder_attention_heads": 4,
        "max_positions": 32,
        "tokens_per_sample": 32,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        **more,
    }
    return RobertaModel.build_model(Namespace(**options), _task(dictionary(True)))


def transformer(seed: int = 1, **more: object) -> TransformerModel:
    """Two layers each of 16 units, 4 heads of 4, 24 hidden units."""
    torch.manual_seed(seed)
    options = {
        "share_all_embeddings": True,
        "dropout": 0.0,
        "max_source_positions": 32,
        "max_target_positions": 32,
        **more,
    }
    for side in ("encoder", "decoder"):
        options.setdefault(f"{side}_layers", 2)
        options.setdefault(f"{side}_embed_dim", 16)
        options.setdefault(f"{side}_ffn_embed_dim", 24)
        options.setdefault(f"{side}_attention_heads", 4)
    arguments = Namespace(**options)
    transformer_base(arguments)
    return TransformerModel.build_model(arguments, _task(dictionary()))


def tokens(sentences: int = 3, length: int = 7, seed: int = 2) -> torch.Tensor:
    """``(sentences, length)``, the last sentence padded by two."""
    generator = torch.Generator().manual_seed(seed)
    found = torch.randint(4, 4 + WORDS, (sentences, length), generator=generator)
    found[:, -1] = 2
    found[-1, -3] = 2
    found[-1, -2:] = 1
    return found


def translation_batch(**options: int) -> dict[str, torch.Tensor]:
    """What a transformer takes."""
    source, target = tokens(seed=3, **options), tokens(seed=4, **options)
    return {
        "src_tokens": source,
        "src_lengths": source.ne(1).sum(dim=1),
        "prev_output_tokens": target,
    }
