"""Architectures of the papers: shapes of fairseq's own ``transformer``, nothing more.

Embeddings are three separate matrices, as the parameter count of He 2023 (Table 12)
implies, but in M2M-124; share them with ``--share-all-embeddings`` or
``--share-decoder-input-output-embed``.
"""

from typing import Any

from fairseq.models import register_model_architecture
from fairseq.models.transformer import base_architecture
from fairseq.models.transformer.transformer_legacy import (
    transformer_vaswani_wmt_en_de_big,
)


@register_model_architecture("transformer", "transformer_small")
def transformer_small(args: Any) -> None:
    """6 + 6 layers, 512 units, FFN 1024, 4 heads (He 2023, App. B; Wu 2019)."""
    _both(args, embed_dim=512, ffn_embed_dim=1024, attention_heads=4, layers=6)
    base_architecture(args)


@register_model_architecture("transformer", "lass_transformer_small")
def lass_transformer_small(args: Any) -> None:
    """transformer-small with GELU and learned positions (Lin 2021, §4)."""
    _gelu_and_learned_positions(args)
    transformer_small(args)


@register_model_architecture("transformer", "lass_transformer_base")
def lass_transformer_base(args: Any) -> None:
    """transformer-base (512, FFN 2048, 8 heads) with GELU and learned positions."""
    _gelu_and_learned_positions(args)
    base_architecture(args)


@register_model_architecture("transformer", "lass_transformer_big")
def lass_transformer_big(args: Any) -> None:
    """transformer-big (1024, FFN 4096, 16 heads) with GELU and learned positions."""
    _gelu_and_learned_positions(args)
    transformer_vaswani_wmt_en_de_big(args)


@register_model_architecture("transformer", "transformer_quickstart")
def transformer_quickstart(args: Any) -> None:
    """3 + 3 layers, 128 units, FFN 256, 4 heads: trains in minutes on two cores."""
    _both(args, embed_dim=128, ffn_embed_dim=256, attention_heads=4, layers=3)
    base_architecture(args)


@register_model_architecture("transformer", "m2m_124_615m")
def m2m_124_615m(args: Any) -> None:
    """12 + 12 layers, 1024, FFN 4096, 16 heads: M2M-124, 615M (Cao 2024, §5)."""
    _m2m_124(args, layers=12, embed_dim=1024, ffn_embed_dim=4096)


@register_model_architecture("transformer", "m2m_124_175m")
def m2m_124_175m(args: Any) -> None:
    """6 + 6 layers, 512 units, FFN 2048, 16 heads: M2M-124, 175M (Goyal 2022)."""
    _m2m_124(args, layers=6, embed_dim=512, ffn_embed_dim=2048)


def _m2m_124(args: Any, **shape: int) -> None:
    """Pre-norm, one embedding matrix, sinusoidal positions, as the published models."""
    _both(args, **shape, attention_heads=16, normalize_before=True)
    set_defaults(args, share_all_embeddings=True, attention_dropout=0.1)
    base_architecture(args)


def _gelu_and_learned_positions(args: Any) -> None:
    set_defaults(args, activation_fn="gelu")
    _both(args, learned_pos=True)


def _both(args: Any, **options: Any) -> None:
    """Set options of encoder and decoder alike, where they are not given."""
    for side in ("encoder", "decoder"):
        set_defaults(
            args, **{f"{side}_{name}": value for name, value in options.items()}
        )


def set_defaults(args: Any, **options: Any) -> None:
    """Set options that are not given."""
    for name, value in options.items():
        setattr(args, name, getattr(args, name, value))
