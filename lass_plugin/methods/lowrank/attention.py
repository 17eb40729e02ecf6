"""Attention whose projections are called one by one, at the speed of the stock one.

fairseq hands the weights of an attention to torch at once, which then calls no
projection; the path in which it calls them computes the softmax step by step. Here the
projections are called and torch's fused attention does the rest.
"""

from typing import Any

import torch
import torch.nn.functional as F
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn

from lass_plugin.methods.lowrank.modules import project


class CalledAttention(MultiheadAttention):
    """A :class:`MultiheadAttention` that calls its projections.

    An attention becomes one by :func:`call_projections`; its parameters stay what and
    where they are.
    """

    def forward(  # type: ignore[override]
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
        """As fairseq's: ``(time, batch, channel)``; weights only where asked for."""
        if (
            incremental_state is not None
            or (need_weights or need_head_weights or before_softmax)
            or (key is None or self.bias_k is not None or self.add_zero_attn)
        ):
            return super().forward(
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
        q, k, v = (
            self._heads(projected) for projected in self._projected(query, key, value)
        )
        mask = _merged(attn_mask, key_padding_mask, q.dtype)
        drops = self.training or self.dropout_module.apply_during_inference
        dropout = self.dropout_module.p if drops else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        return self.out_proj(attended.permute(2, 0, 1, 3).reshape(query.shape)), None

    def _projected(
        self, query: Tensor, key: Tensor, value: Tensor | None
    ) -> list[Tensor]:
        """Query, key and value; in one step those that are made of the same tensor."""
        found: dict[int, list[int]] = {}
        inputs = (query, key, value)
        projections = (self.q_proj, self.k_proj, self.v_proj)
        for number, each in enumerate(inputs):
            found.setdefault(id(each), []).append(number)
        projected: list[Any] = [None] * 3
        for numbers in found.values():
            given: Any = inputs[numbers[0]]
            outputs = project(given, [projections[number] for number in numbers])
            for number, output in zip(numbers, outputs, strict=True):
                projected[number] = output
        return projected

    def _heads(self, projected: Tensor) -> Tensor:
        """``(time, batch, channel)`` as ``(batch, heads, time, channel / heads)``."""
        time, batch, _ = projected.shape
        return projected.view(time, batch, self.num_heads, self.head_dim).permute(
            1, 2, 0, 3
        )


def _merged(
    attention: Tensor | None, padding: Tensor | None, dtype: torch.dtype
) -> Tensor | None:
    """What is added before the softmax, -∞ where nothing is seen.

    Args:
        attention: ``(queries, keys)``, added as it is.
        padding: ``(batch, keys)``, True where there is no token.
    """
    merged = None if attention is None else attention.to(dtype)
    if padding is not None:
        hidden = torch.zeros(padding.shape, dtype=dtype, device=padding.device)
        hidden.masked_fill_(padding.bool(), float("-inf"))
        hidden = hidden[:, None, None, :]
        merged = hidden if merged is None else merged + hidden
    return merged


def call_projections(attention: nn.Module) -> None:
    """Let *attention* call its projections, so that modules beside them take part."""
    if type(attention) is MultiheadAttention:
        attention.__class__ = CalledAttention
    if hasattr(attention, "skip_embed_dim_check"):
        # what is left to fairseq's own path calls them then, too
        attention.skip_embed_dim_check = True  # type: ignore[assignment]


def as_it_was(attention: nn.Module) -> None:
    """Undo :func:`call_projections`."""
    if isinstance(attention, CalledAttention):
        attention.__class__ = MultiheadAttention
        attention.skip_embed_dim_check = False
