"""Gates on a model: a head's or a unit's output is multiplied by its gate (Eq. 1, 2).

Σ G_i head_i and (h ⊙ G_f) W_2 are products with the columns of W_o and W_2 that read a
head or a unit. So a gate multiplies these columns, for the time of a block: fairseq's
attention has several paths (torch's function, its own with a cache of keys, weights of
attention that are asked for), and all of them read this weight. A parameter keeps its
name, its gradient and its place in the optimizer, and gates get a gradient where they
want one. A site whose gates are all one is left alone, to the bit.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn

from lass_plugin.anatomy.encoders import stands_alone
from lass_plugin.anatomy.neurons import UNITS
from lass_plugin.anatomy.places import EMBEDDING, FC1, FC2, HEADS, OUT, find_place
from lass_plugin.anatomy.targets import unwrap
from lass_plugin.errors import LassError
from lass_plugin.methods.gates.components import Components, is_rank
from lass_plugin.methods.gates.embedding import FactoredEmbedding, factor_embedding


def find_components(
    model: nn.Module, kinds: tuple[str, ...] = ("heads", "units")
) -> Components:
    """The components of *model*, layer by layer, ranks last.

    Raises:
        LassError: it has none of a kind, or a layer that gates do not fit.
    """
    counts: dict[str, int] = {}
    widths: dict[str, int] = {}
    for name, module in unwrap(model).named_modules():
        site = f"{name}.{HEADS}"
        if isinstance(module, MultiheadAttention) and find_place(site):
            if "heads" in kinds:
                counts[site], widths[site] = module.num_heads, module.head_dim
        elif find_place(name).part == FC1 and "units" in kinds:
            layer: Any = unwrap(model).get_submodule(name.rpartition(".")[0])
            if getattr(layer, "ffn_layernorm", None) is not None:
                raise LassError(
                    f"{name} is read by a layer norm (--scale-fc), through which a "
                    "closed unit still acts; gate models without it"
                )
            counts[name] = module.weight.shape[0]  # type: ignore[index, union-attr]
    for kind, unit in (("heads", UNITS["heads"]), ("units", UNITS["ffn-hidden"])):
        if kind in kinds and not unit.sites(counts):
            raise LassError(
                f"this model has no {kind} that gates could stand on; leave them out"
            )
    if "ranks" in kinds:
        site = _embedding_of(unwrap(model))
        embedding: Any = unwrap(model).get_submodule(site)
        counts[site] = embedding.embedding_dim
    return Components(counts, widths)


def _embedding_of(model: nn.Module) -> str:
    found = [
        name
        for name, module in model.named_modules()
        if find_place(name).part == EMBEDDING and not find_place(name).tensor
    ]
    if len(found) != 1 or not stands_alone(found[0]):
        raise LassError(
            "ranks are those of the embedding of an encoder alone, such as XLM-R; gate "
            "heads and units of this model"
        )
    return found[0]


@dataclass(frozen=True)
class _Columns:
    """Columns of a matrix that read components, each *run* wide."""

    linear: nn.Module
    run: int


class Gating:
    """A model and the places where its gates act.

    Args:
        model: of fairseq, possibly wrapped; its embedding becomes a product if
            *components* has ranks.

    Raises:
        LassError: the model does not have these components.
    """

    def __init__(self, model: nn.Module, components: Components):
        self.components = components
        inner = unwrap(model)
        check_components(inner, components)
        self.embedding: FactoredEmbedding | None = None
        self._columns: dict[str, _Columns] = {}
        for site in components.counts:
            if is_rank(site):
                self.embedding = factor_embedding(inner, site)
                continue
            parent = site.rpartition(".")[0]
            reader = f"{parent}.{OUT if site.endswith(HEADS) else FC2}"
            linear = inner.get_submodule(reader)
            run = components.widths.get(site, 1)
            self._columns[site] = _Columns(linear, run)
        for module in inner.modules():
            if hasattr(module, "can_use_fastpath"):
                # stock fairseq 0.12.2 would compute with copies of the weights
                module.can_use_fastpath = False  # type: ignore[assignment]

    @contextlib.contextmanager
    def applied(self, gates: Mapping[str, Tensor]) -> Iterator[None]:
        """Compute under *gates* inside this block.

        Args:
            gates: site -> ``(n,)``, on the device of the model; a site that is not
                here has gates of one.
        """
        own: list[tuple[nn.Module, Any]] = []
        try:
            for site, gate in gates.items():
                if is_rank(site):
                    assert self.embedding is not None
                    self.embedding.gate = gate
                    continue
                columns = self._columns[site]
                weight: Any = columns.linear._parameters["weight"]
                factor = gate.to(weight.dtype).repeat_interleave(columns.run)
                own.append((columns.linear, weight))
                columns.linear._parameters["weight"] = weight * factor
            yield
        finally:
            for linear, weight in own:
                linear._parameters["weight"] = weight
            if self.embedding is not None:
                self.embedding.gate = None

    @torch.no_grad()
    def put_in(self, gates: Mapping[str, Tensor]) -> None:
        """Fold *gates* into the weights for good, fractions too."""
        for site, gate in gates.items():
            if is_rank(site):
                assert self.embedding is not None
                weight: Tensor = self.embedding.weight
                weight.mul_(gate.to(weight.device, weight.dtype))
                continue
            columns = self._columns[site]
            weight = columns.linear.weight  # type: ignore[assignment]
            factor = gate.to(weight.device, weight.dtype)
            weight.mul_(factor.repeat_interleave(columns.run))


def check_components(model: nn.Module, components: Components) -> None:
    """Refuse components that are not those of *model*.

    Raises:
        LassError: names the site.
    """
    sites = components.counts
    kinds = tuple(
        kind
        for kind, has in (
            ("heads", UNITS["heads"].sites(sites)),
            ("units", UNITS["ffn-hidden"].sites(sites)),
            ("ranks", [site for site in sites if is_rank(site)]),
        )
        if has
    )
    mine = find_components(model, kinds)
    for site in {**sites, **mine.counts}:
        here, there = mine.counts.get(site), sites.get(site)
        if here != there or mine.widths.get(site) != components.widths.get(site):
            raise LassError(
                f"the gates are of {there or 'no'} components of {site}, of which this "
                f"model has {here or 'none'}; they belong to another model"
            )


def without_ones(gates: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """*gates* without the sites whose gates are all one, which change nothing."""
    return {site: gate for site, gate in gates.items() if not bool((gate == 1).all())}
