"""Importance of components by Eq. 4: E |headᵀ ∂L/∂head|, for all in one pass.

The product headᵀ ∂L/∂head is the first-order change of the loss if a gate were closed:
∂L/∂g at g = 1. What is summed before the absolute value is taken:

    sentence    the outputs of a component over all positions of a sentence (default)
    batch       over all positions of all sentences of a batch

L is the loss summed over the tokens of the sentence or the batch. A rank has two
outputs where the output projection is tied to the embedding; their products are added.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lass_plugin.anatomy.places import FC2, HEADS, OUT
from lass_plugin.anatomy.targets import unwrap
from lass_plugin.anatomy.vocabulary import is_embedding
from lass_plugin.errors import LassError
from lass_plugin.methods.gates.components import Components, is_rank
from lass_plugin.methods.gates.embedding import FactoredEmbedding
from lass_plugin.methods.gates.gating import Gating
from lass_plugin.methods.lowrank.attention import as_it_was, call_projections
from lass_plugin.models.low_rank_embedding import LowRankHead

SENTENCE, BATCH = "sentence", "batch"
GRANULARITIES = (SENTENCE, BATCH)


class ComponentRecorder:
    """Sums of importance over batches.

    Args:
        model: in evaluation mode; its parameters get no gradients from now on, which
            saves a third of a training step, and its embedding becomes a product if
            *components* has ranks.
        granularity: see the head of this file.
    """

    def __init__(
        self, model: nn.Module, components: Components, granularity: str = SENTENCE
    ):
        self.components, self.granularity = components, granularity
        self._model: Any = unwrap(model)
        self._gating = Gating(model, components)
        self._changes: dict[str, Tensor] = {}
        self._rows: Tensor | None = None
        device = next(model.parameters()).device
        self._sums = {
            site: torch.zeros(count, dtype=torch.float64, device=device)
            for site, count in components.counts.items()
        }
        self.terms = 0
        """Sentences or batches that were added."""
        model.requires_grad_(False)

    def importance(self) -> dict[str, Tensor]:
        """Site -> ``(n,)`` float64, the mean over sentences or batches.

        Raises:
            LassError: nothing was recorded, or it is not finite.
        """
        if not self.terms:
            raise LassError("there is no sentence to measure importance on")
        found = {site: value.cpu() / self.terms for site, value in self._sums.items()}
        for site, value in found.items():
            if not bool(torch.isfinite(value).all()):
                raise LassError(
                    f"activations or gradients of {site} are not finite; take an "
                    "earlier checkpoint"
                )
        return found

    @contextlib.contextmanager
    def batch(self, sentences: int) -> Iterator[None]:
        """Add a batch, whose forward and backward are in this block.

        The loss that is propagated back has to be a sum over tokens.
        """
        self._changes = {}
        with contextlib.ExitStack() as stack:
            for handle in self._hooks(sentences):
                stack.callback(handle.remove)
            for name, module in self._model.named_modules():
                if f"{name}.{HEADS}" in self.components.counts:
                    call_projections(module)  # so that out_proj is called
                    stack.callback(as_it_was, module)
            with torch.enable_grad():
                yield
        for site, change in self._changes.items():
            summed = change if self.granularity == SENTENCE else change.sum(0)[None]
            self._sums[site] += summed.abs().sum(dim=0)
        self.terms += sentences if self.granularity == SENTENCE else 1
        self._changes = {}

    def _hooks(self, sentences: int) -> Iterator[Any]:
        for name, module in self._model.named_modules():
            if is_embedding(name) and not isinstance(module, FactoredEmbedding):
                yield module.register_forward_hook(_begin_graph)
        for site in self.components.counts:
            if is_rank(site):
                yield from self._rank_hooks(site, sentences)
                continue
            parent = site.rpartition(".")[0]
            reader = f"{parent}.{OUT if site.endswith(HEADS) else FC2}"
            run = self.components.widths.get(site, 1)
            yield self._model.get_submodule(reader).register_forward_pre_hook(
                self._seen(site, run, sentences)
            )

    def _seen(self, site: str, run: int, sentences: int) -> Any:
        """A hook that sees ``(positions, sentences, n · run)``."""

        def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            activation = inputs[0]
            value = activation.detach()

            def with_gradient(gradient: Tensor) -> None:
                change = (value.float() * gradient.float()).sum(dim=0)
                if run > 1:
                    change = change.unflatten(-1, (-1, run)).sum(dim=-1)
                self._add(site, change)

            if activation.requires_grad:
                activation.register_hook(with_gradient)

        return before

    def _add(self, site: str, change: Tensor) -> None:
        change = change.double()
        if site in self._changes:
            change = change + self._changes[site]
        self._changes[site] = change

    def _rank_hooks(self, site: str, sentences: int) -> Iterator[Any]:
        """Gates of one in place of G, a row for each sentence, whose gradient is ∂L/∂g.

        The embedding multiplies by them at both of its uses.
        """
        embedding = self._gating.embedding
        assert embedding is not None
        for module in self._model.modules():
            if isinstance(module, LowRankHead):
                yield module.register_forward_pre_hook(
                    self._of_head(site, embedding, sentences), with_kwargs=True
                )
        yield embedding.register_forward_pre_hook(
            self._of_tokens(site, embedding, sentences)
        )
        yield _Gate(embedding)

    def _of_tokens(
        self, site: str, embedding: FactoredEmbedding, sentences: int
    ) -> Any:
        def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            embedding.gate = self._ones(site, embedding, sentences)[:, None, :]

        return before

    def _of_head(self, site: str, embedding: FactoredEmbedding, sentences: int) -> Any:
        def before(module: nn.Module, inputs: tuple, options: Mapping) -> None:
            masked = options.get("masked_tokens", inputs[1] if inputs[1:] else None)
            ones = self._ones(site, embedding, sentences)
            if masked is None:
                embedding.gate = ones[:, None, :]
            else:  # only the masked positions are projected, one after the other
                embedding.gate = ones[masked.nonzero()[:, 0]]

        return before

    def _ones(self, site: str, embedding: FactoredEmbedding, sentences: int) -> Tensor:
        weight = embedding.weight
        ones = torch.ones(sentences, weight.shape[1], device=weight.device)
        ones.requires_grad_()
        ones.register_hook(lambda gradient: self._add(site, gradient.detach()))
        return ones


class _Gate:
    """What takes the gate of an embedding away, like a hook's handle."""

    def __init__(self, embedding: FactoredEmbedding):
        self._embedding = embedding

    def remove(self) -> None:
        self._embedding.gate = None


def _begin_graph(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    return output if output.requires_grad else output.detach().requires_grad_(True)
