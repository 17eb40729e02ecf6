"""Names of an encoder's weights as fairseq has them today."""

from collections.abc import Mapping

from torch import Tensor

from lass_plugin.anatomy.places import KEY, QUERY, VALUE

_IN = ".self_attn.in_proj_"
"""Query, key and value were one matrix."""


def todays_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """*weights* of an encoder alone, those of the public XLM-R with today's names.

    As fairseq itself does when it loads them; names of today stay.
    """
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if name.startswith(("decoder.sentence_encoder.", "decoder.lm_head.")):
            name = f"encoder.{name.removeprefix('decoder.')}"
        name = name.replace(".emb_layer_norm.", ".layernorm_embedding.")
        layer, old, kind = name.partition(_IN)
        if old:
            parts = zip((QUERY, KEY, VALUE), weight.chunk(3), strict=True)
            for part, own in parts:
                found[f"{layer}.self_attn.{part}.{kind}"] = own.clone()
        else:
            found[name] = weight
    return found
