"""Narrow models: fewer heads and hidden units, in each layer as many as it needs.

fairseq has one number of heads and one width of feed-forward layers for a side, and
wants heads × units of a head = units of the model. Here each layer has its own, none
included: then the bias of out_proj or fc2 is what is left of it beside the residual.

    --arch roberta_narrow --encoder-heads-by-layer 12,9,0 --encoder-units-by-layer 700,…
    --arch transformer_narrow --cross-heads-by-layer 4,2,4 …
"""

from typing import Any, Mapping

import torch
import torch.nn.functional as F
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn

from lass_plugin.anatomy.places import (
    CROSS_ATTENTION,
    FC1,
    HEADS,
    SELF_ATTENTION,
    SIDES,
    find_place,
)
from lass_plugin.errors import LassError

BY_LAYER: dict[tuple[str, str], str] = {
    (SIDES[0], f"{SELF_ATTENTION}.{HEADS}"): "encoder_heads_by_layer",
    (SIDES[1], f"{SELF_ATTENTION}.{HEADS}"): "decoder_heads_by_layer",
    (SIDES[1], f"{CROSS_ATTENTION}.{HEADS}"): "cross_heads_by_layer",
    (SIDES[0], FC1): "encoder_units_by_layer",
    (SIDES[1], FC1): "decoder_units_by_layer",
}
"""Side and part of a site -> option with the numbers of its units, layer by layer."""


def flag(option: str) -> str:
    """The option as ``fairseq-train`` has it."""
    return f"--{option.replace('_', '-')}"


def option_of(site: str) -> str:
    """The option that has the number of units of *site*."""
    place = find_place(site)
    return BY_LAYER[place.side, place.part]


def options_of(widths: Mapping[str, int]) -> dict[str, str]:
    """Option -> numbers of units as text, from site -> number."""
    found: dict[str, dict[int, int]] = {}
    for site, width in widths.items():
        layer = find_place(site).layer
        assert layer is not None
        found.setdefault(option_of(site), {})[layer] = width
    return {
        name: ",".join(str(layers[number]) for number in sorted(layers))
        for name, layers in found.items()
    }


def component_sites(model: nn.Module) -> dict[str, nn.Module]:
    """Site of heads or hidden units -> the attention, or the layer, it stands in."""
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        for site in (f"{name}.{HEADS}", f"{name}.{FC1}"):
            place = find_place(site)
            inside = isinstance(module, MultiheadAttention) or hasattr(module, FC1)
            if inside and (place.side, place.part) in BY_LAYER:
                found[site] = module
    return found


def make_narrow(model: nn.Module, args: Any) -> None:
    """Give each layer of *model* as many heads and hidden units as *args* say.

    Args:
        model: as fairseq built it, without weights that matter.
        args: its options; one of :data:`BY_LAYER` that is not there changes nothing.

    Raises:
        LassError: names an option that is no list of numbers for these layers, or one
            of fairseq's that narrow layers have not.
    """
    _refuse_others(args)
    sites = component_sites(model)
    for option in dict.fromkeys(map(option_of, sites)):
        of_option = [site for site in sites if option_of(site) == option]
        widths = _numbers(args, option, len(of_option))
        for site, width in zip(of_option, widths or (), strict=widths is not None):
            module: Any = sites[site]
            if isinstance(module, MultiheadAttention):
                parent = model.get_submodule(site.rsplit(".", 2)[0])
                setattr(parent, site.split(".")[-2], NarrowAttention(module, width))
            else:
                module.fc1 = _linear(module.fc1, out_features=width)
                module.fc2 = _linear(module.fc2, in_features=width)


def _refuse_others(args: Any) -> None:
    for name in ("quant_noise_pq", "quant_noise_scalar", "scale_heads", "scale_fc"):
        if getattr(args, name, 0):
            raise LassError(f"narrow layers have no {flag(name)}; leave it out")
    for side in SIDES:
        if getattr(args, f"{side}_xformers_att_config", None):
            raise LassError("narrow layers have no attention of xformers; leave it out")


def _numbers(args: Any, option: str, layers: int) -> list[int] | None:
    text = getattr(args, option, None)
    if text is None:
        return None
    words = str(text).split(",")
    if len(words) != layers or not all(word.strip().isdecimal() for word in words):
        raise LassError(
            f"{flag(option)} {text} is not {layers} whole numbers with commas between "
            "them; give one for each layer"
        )
    return [int(word) for word in words]


def _linear(
    old: nn.Linear, in_features: int | None = None, out_features: int | None = None
) -> nn.Linear:
    """A layer of other widths; of no inputs or outputs, too."""
    result = nn.Linear(1, 1, bias=old.bias is not None)
    result.in_features = old.in_features if in_features is None else in_features
    result.out_features = old.out_features if out_features is None else out_features
    shape = (result.out_features, result.in_features)
    result.weight = nn.Parameter(torch.empty(shape))
    if result.weight.numel():
        nn.init.xavier_uniform_(result.weight)
    if result.bias is not None:
        result.bias = nn.Parameter(torch.zeros(result.out_features))
    return result


class NarrowAttention(MultiheadAttention):
    """fairseq's attention with any number of heads of the width that they had."""

    def __init__(self, old: MultiheadAttention, heads: int):
        """
        Args:
            old: whose widths and switches it has.
            heads: how many it has.
        """
        super().__init__(
            old.embed_dim,
            old.num_heads,
            kdim=old.kdim,
            vdim=old.vdim,
            dropout=old.dropout_module.p,
            self_attention=old.self_attention,
            encoder_decoder_attention=old.encoder_decoder_attention,
        )
        inner = heads * self.head_dim
        self.q_proj = _linear(old.q_proj, out_features=inner)
        self.k_proj = _linear(old.k_proj, out_features=inner)
        self.v_proj = _linear(old.v_proj, out_features=inner)
        self.out_proj = _linear(old.out_proj, in_features=inner)
        self.num_heads, self.embed_dim = heads, inner  # as fairseq's own pruning has it
        self.skip_embed_dim_check = True

    def forward(
        self,
        query: Tensor,
        key: Tensor | None,
        value: Tensor | None,
        key_padding_mask: Tensor | None = None,
        incremental_state: Any = None,
        need_weights: bool = True,
        static_kv: bool = False,
        attn_mask: Tensor | None = None,
        before_softmax: bool = False,
        need_head_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As fairseq's; all is ``(time, batch, units)``. Without heads no weights."""
        if not self.num_heads:
            return self._without_heads(query), None
        if (
            self.self_attention
            and incremental_state is None
            and attn_mask is None
            and not (need_weights or need_head_weights or before_softmax)
        ):
            return self._of_encoder(query, key_padding_mask), None
        result: tuple[Tensor, Tensor | None] = super().forward(
            query,
            key,
            value,
            key_padding_mask,
            incremental_state,
            need_weights,
            static_kv,
            attn_mask,
            before_softmax,
            need_head_weights,
        )
        return result

    def _without_heads(self, query: Tensor) -> Tensor:
        """What out_proj makes of nothing: its bias at every place of *query*."""
        width = self.out_proj.out_features
        nothing = query.new_zeros(*query.shape[:2], width)
        return nothing if self.out_proj.bias is None else nothing + self.out_proj.bias

    def _of_encoder(self, query: Tensor, padding: Tensor | None) -> Tensor:
        """Self-attention of whole sentences, by torch's fused product."""
        time, batch, _ = query.shape
        heads = [
            project(query).view(time, batch, self.num_heads, self.head_dim)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        ]
        q, k, v = (
            each.permute(1, 2, 0, 3) for each in heads
        )  # (batch, heads, time, ·)
        seen = None if padding is None else ~padding.bool()[:, None, None, :]
        trains = self.training or self.dropout_module.apply_during_inference
        dropout = self.dropout_module.p if trains else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, seen, dropout)
        mixed = mixed.permute(2, 0, 1, 3).reshape(time, batch, self.embed_dim)
        result: Tensor = self.out_proj(mixed)
        return result
