"""The embedding of an encoder alone as a product, whose rank gates can lower (Eq. 3).

    E = Ê diag(G) P      Ê = U Σ, (symbols, d)      P = Vᵀ, (d, d)

The ranks stand in the order of the singular values. Ê keeps the name, the shape and the
place in the optimizer that E had, and what was tied to E is tied to Ê; P comes beside
it as ``embed_tokens.projection``. The output projection multiplies by Pᵀ, G and Êᵀ in
this order, so that a lower rank saves time there.
"""

from typing import Any

import torch
import torch.nn.functional as F
from fairseq.models.roberta.model import RobertaLMHead
from torch import Tensor, nn

from lass_plugin.errors import LassError
from lass_plugin.models.low_rank_embedding import LowRankHead

PROJECTION = "projection"
"""Of the embedding: P."""


class FactoredEmbedding(nn.Embedding):
    """An embedding that became a product by :func:`factor_embedding`."""

    projection: nn.Parameter
    gate: Tensor | None
    """G, ``(d,)``; None for ones."""
    tied: tuple[str, ...]
    """Other names of Ê in the state of the model."""

    def forward(self, tokens: Tensor) -> Tensor:
        rows = self.gated(super().forward(tokens))
        return rows @ self.projection

    def gated(self, ranks: Tensor) -> Tensor:
        """*ranks*, ``(…, d)``, under G; all that is made of ranks passes here."""
        return ranks if self.gate is None else ranks * self.gate.to(ranks.dtype)

    def ranks(self, features: Tensor) -> Tensor:
        """``(…, d)`` *features* times Pᵀ, under G; what the tied head multiplies."""
        return self.gated(F.linear(features, self.projection))

    def upgrade_state_dict_named(self, state: dict[str, Any], name: str) -> None:
        """Make Ê and P of the plain embedding of *state*, which fairseq loads."""
        weight, projection = f"{name}.weight", f"{name}.{PROJECTION}"
        if weight not in state or projection in state:
            return
        state[weight], state[projection] = factors_of(state[weight])
        for other in self.tied:
            if other in state:
                state[other] = state[weight]


@torch.no_grad()
def factors_of(embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Ê and P of *embedding*, ``(symbols, d)``, in its type.

    V are the eigenvectors of EᵀE in float64, and Ê = E V: no more rounding than a
    product has, and a row of zeros (padding) stays one.
    """
    wide = embedding.detach().double()
    _, vectors = torch.linalg.eigh(wide.T @ wide)
    vectors = vectors.flip(1)  # the largest singular value first
    largest = vectors.abs().argmax(dim=0)
    signs = vectors[largest, torch.arange(len(largest), device=vectors.device)].sign()
    vectors = vectors * signs
    kind = embedding.dtype
    return (wide @ vectors).to(kind), vectors.T.to(kind).contiguous()


@torch.no_grad()
def factor_embedding(model: nn.Module, site: str) -> FactoredEmbedding:
    """Make the embedding *site* of *model* a product in place. Idempotent.

    Raises:
        LassError: it is no plain embedding, or a head of another kind is tied to it.
    """
    embedding: Any = model.get_submodule(site)
    if isinstance(embedding, FactoredEmbedding):
        return embedding
    if type(embedding) is not nn.Embedding:
        raise LassError(
            f"{site} is a {type(embedding).__name__}, which cannot be made a product; "
            "gate heads and hidden units only"
        )
    own = f"{site}.weight"
    tied = [
        (name, module)
        for name, module in model.named_modules()
        if module is not embedding
        and module._parameters.get("weight") is embedding.weight
    ]
    for name, module in tied:
        if type(module) is not RobertaLMHead:
            raise LassError(
                f"{name} is tied to {own} and is a {type(module).__name__}, which "
                "cannot read a product; gate heads and hidden units only"
            )
    embeddings, projection = factors_of(embedding.weight)
    embedding.weight.copy_(embeddings)
    factored: Any = embedding
    factored.__class__ = FactoredEmbedding
    factored.register_parameter(PROJECTION, nn.Parameter(projection))
    factored.gate = None
    factored.tied = tuple(f"{name}.weight" for name, _ in tied)
    for _, head in tied:
        module_of_head: Any = head
        module_of_head.__class__ = LowRankHead
        module_of_head.factors = (factored,)
    return factored


@torch.no_grad()
def plain_embedding(weight: Tensor, projection: Tensor, gate: Tensor) -> Tensor:
    """E = Ê diag(G) P in the type of *weight*."""
    product = (weight.double() * gate.to(weight.device).double()) @ projection.double()
    return product.to(weight.dtype)
