"""Architectures of encoders: shapes of fairseq's own ``roberta`` and ``xmod``."""

from typing import Any

from fairseq.models import register_model_architecture
from fairseq.models.roberta.model import base_architecture
from fairseq.models.xmod.model import XMODModel  # noqa: F401  registers it

from lass_plugin.models.transformer_architectures import set_defaults


@register_model_architecture("roberta", "roberta_quickstart")
def roberta_quickstart(args: Any) -> None:
    """4 layers, 128 units, FFN 512, 4 heads: trains in minutes on two cores."""
    set_defaults(
        args,
        encoder_layers=4,
        encoder_embed_dim=128,
        encoder_ffn_embed_dim=512,
        encoder_attention_heads=4,
    )
    base_architecture(args)


@register_model_architecture("xmod", "xmod_languages")
def xmod_languages(args: Any) -> None:
    """X-MOD (Pfeiffer 2022) with a module for each language of the task.

    As fairseq's ``xmod_base``, whose list of 81 languages is that of its checkpoint.
    """
    set_defaults(
        args,
        ffn_modules=False,
        adapter_modules=True,
        adapter_layer_norm=False,
        adapter_reuse_layer_norm=True,
        ln_before_adapter=True,
        languages=[],
    )
    base_architecture(args)


@register_model_architecture("xmod", "xmod_from_encoder")
def xmod_from_encoder(args: Any) -> None:
    """X-MOD as 'lass encoder modules' makes it: no layer norm is used twice."""
    set_defaults(args, adapter_reuse_layer_norm=False)
    xmod_languages(args)


@register_model_architecture("xmod", "xmod_quickstart")
def xmod_quickstart(args: Any) -> None:
    """``roberta_quickstart`` with a module for each language of the task."""
    roberta_quickstart(args)
    xmod_languages(args)
