"""A low-rank embedding of an encoder alone, E = Ê·P (Li 2022, Eq. 3).

The projection of masked language modelling shares the product where it shares the
embedding, so that a lower rank saves time there, too.
"""

from typing import Any

import torch
import torch.nn.functional as F
from fairseq.models.roberta.model import RobertaLMHead
from torch import Tensor, nn

from lass_plugin.errors import LassError
from lass_plugin.models.narrow import flag

RANK = "embedding_rank"


class LowRankEmbedding(nn.Module):
    """An embedding that is a product, E = Ê·P (Li 2022, Eq. 3)."""

    def __init__(self, symbols: int, units: int, rank: int, padding_idx: int):
        super().__init__()
        self.num_embeddings, self.embedding_dim = symbols, units
        self.padding_idx = padding_idx
        self.weight = nn.Parameter(torch.empty(symbols, rank))
        """``(symbols, rank)`` Ê."""
        self.projection = nn.Parameter(torch.empty(rank, units))
        """``(rank, units)`` P."""
        nn.init.normal_(self.weight, std=0.02)
        self.weight.data[padding_idx] = 0.0
        nn.init.orthogonal_(self.projection)

    def ranks(self, features: Tensor) -> Tensor:
        """``(…, rank)`` *features*, ``(…, units)``, times Pᵀ."""
        return F.linear(features, self.projection)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(…, units)`` rows of E at *tokens*."""
        return F.embedding(tokens, self.weight, self.padding_idx) @ self.projection


class LowRankHead(RobertaLMHead):
    """The head of masked language modelling that shares a product with the embedding.

    (x·Pᵀ)·Êᵀ takes rank × symbols products for a token, x·Eᵀ units × symbols. Its
    ``factors`` hold the embedding, in a tuple so that it is no second submodule.
    """

    def __init__(self, units: int, activation: str, embedding: LowRankEmbedding):
        super().__init__(
            units, embedding.num_embeddings, activation, weight=embedding.weight
        )
        self.factors = (embedding,)

    def forward(
        self, features: Tensor, masked_tokens: Tensor | None = None, **kwargs: Any
    ) -> Tensor:
        """``(…, symbols)`` scores of *features*, of those at *masked_tokens* only."""
        if masked_tokens is not None:
            features = features[masked_tokens, :]
        found = self.layer_norm(self.activation_fn(self.dense(features)))
        return F.linear(self.factors[0].ranks(found), self.weight) + self.bias


def make_low_rank(encoder: Any, rank: int, args: Any) -> None:
    """Put a product of *rank* in the place of the embedding of a RoBERTa encoder.

    Raises:
        LassError: the rank is not between 1 and the width of the model.
    """
    sentence_encoder = encoder.sentence_encoder
    old = sentence_encoder.embed_tokens
    if not 0 < rank <= old.embedding_dim:
        raise LassError(
            f"{flag(RANK)} {rank} is not between 1 and {old.embedding_dim}, the width "
            "of the model; give another"
        )
    new = LowRankEmbedding(old.num_embeddings, old.embedding_dim, rank, old.padding_idx)
    tied = encoder.lm_head.weight is old.weight
    sentence_encoder.embed_tokens = new
    if tied:
        encoder.lm_head = LowRankHead(old.embedding_dim, args.activation_fn, new)
