"""Recording the neurons of a model while it computes: activations and their gradients.

Hooks stand where a neuron's output is a tensor of its own. fairseq hands all weights of
self-attention to torch at once unless its check of sizes is skipped, and then calls the
matrices one by one; the result is the same.

Only the gradients of activations are needed. So the parameters get none, which saves
the third part of the work of a training step.
"""

import contextlib
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from lass_plugin.anatomy.neurons import UNITS, unit_of
from lass_plugin.anatomy.places import HEADS, find_place
from lass_plugin.anatomy.vocabulary import is_embedding
from lass_plugin.errors import LassError
from lass_plugin.scores.neuron import (
    CRITERIA,
    OF_GRADIENTS,
    add_activation,
    add_taylor,
)

Sums = Mapping[str, Mapping[str, Tensor]]
"""Site -> criterion -> ``(neurons,)`` float64."""

SOURCE, TARGET = "source", "target"


@dataclass(frozen=True)
class Site:
    """Where the outputs of a row of neurons can be seen."""

    name: str
    neurons: int
    run: int
    """Entries of the tensor that are one neuron: the width of a head, else 1."""
    side: str
    """The tokens that its positions are: :data:`SOURCE` or :data:`TARGET`."""
    module: nn.Module
    is_input: bool
    """Whether the tensor is what *module* reads, not what it gives."""


def find_neurons(model: nn.Module, units: Iterable[str]) -> dict[str, Site]:
    """The sites of *units* in *model*, layer by layer.

    Raises:
        LassError: the model has none of a unit.
    """
    modules = dict(model.named_modules())
    found: dict[str, Site] = {}
    for unit in (UNITS[name] for name in units):
        heads = [
            f"{name}.{HEADS}" for name, module in modules.items() if _heads(module) > 0
        ]
        sites = unit.sites([*modules, *heads])
        if not sites:
            raise LassError(
                f"this model has no units '{unit.name}'; leave them out of --units"
            )
        found.update({site: _site(site, modules) for site in sites})
    order = {name: number for number, name in enumerate(modules)}
    return dict(sorted(found.items(), key=lambda item: _place(item[0], order)))


def _heads(module: nn.Module) -> int:
    heads = getattr(module, "num_heads", 0)
    return heads if isinstance(heads, int) else 0


def _place(site: str, order: Mapping[str, int]) -> int:
    return order.get(site, order.get(site.rpartition(".")[0], 0))


def _site(name: str, modules: Mapping[str, nn.Module]) -> Site:
    unit, place, parent = unit_of(name), find_place(name), name.rpartition(".")[0]
    assert unit is not None
    side = SOURCE if place.reads_source else TARGET
    seen_in = modules[f"{parent}.{unit.seen_in}" if unit.seen_in else parent]
    if name in modules:
        matrix: Any = modules[name]
        return Site(name, matrix.weight.shape[0], 1, side, seen_in, unit.is_input)
    attention: Any = modules[parent]  # rows of whole heads
    width, heads = attention.head_dim, attention.num_heads
    return Site(name, heads, width, side, seen_in, unit.is_input)


class Recorder:
    """Adds the importance of every neuron of a batch to sums.

    Args:
        model: in evaluation mode; its parameters get no gradients from now on.
        units: see :data:`.anatomy.neurons.UNITS`.
        criteria: what is measured; without a criterion of gradients the model computes
            forward only.
    """

    def __init__(
        self,
        model: nn.Module,
        units: Iterable[str],
        criteria: Sequence[str] = CRITERIA,
    ):
        self.sites = find_neurons(model, units)
        self.criteria = tuple(criteria)
        self.goes_back = any(each in OF_GRADIENTS for each in criteria)
        self._model = model
        self._sums: Sums = {}
        self._padding: dict[str, Tensor] = {}
        self._scale = 1.0
        model.requires_grad_(False)

    def zeros(self, device: torch.device | None = None) -> Sums:
        """Sums to begin with."""
        return {
            name: {
                criterion: torch.zeros(site.neurons, dtype=torch.float64, device=device)
                for criterion in self.criteria
            }
            for name, site in self.sites.items()
        }

    @contextlib.contextmanager
    def recording(
        self,
        sums: Sums,
        source_padding: Tensor,
        target_padding: Tensor,
        scale: float = 1.0,
    ) -> Iterator[None]:
        """Add what the model computes in this block, forward and backward, to *sums*.

        Args:
            sums: changed in place.
            source_padding: ``(sentences, positions)``, True where there is no token.
            target_padding: the same of the target.
            scale: the loss will have been multiplied by this.
        """
        self._sums, self._scale = sums, scale
        self._padding = {
            SOURCE: source_padding.t().unsqueeze(-1),
            TARGET: target_padding.t().unsqueeze(-1),
        }
        handles = [self._watch(site) for site in self.sites.values()]
        embeddings = {
            id(module): module
            for name, module in self._model.named_modules()
            if is_embedding(name)
        }
        if self.goes_back:
            for module in embeddings.values():
                handles.append(module.register_forward_hook(_begin_graph))
        with contextlib.ExitStack() as stack:
            stack.callback(self._sums_forgotten)
            for handle in handles:
                stack.callback(handle.remove)
            every: Iterable[Any] = self._model.modules()
            for module in every:
                if hasattr(module, "skip_embed_dim_check"):
                    before = module.skip_embed_dim_check
                    stack.callback(setattr, module, "skip_embed_dim_check", before)
                    module.skip_embed_dim_check = True
            yield

    def _sums_forgotten(self) -> None:
        self._sums, self._padding = {}, {}

    def _watch(self, site: Site) -> torch.utils.hooks.RemovableHandle:
        if site.is_input:

            def before(module: nn.Module, inputs: tuple) -> None:
                self._see(site, inputs[0])

            return site.module.register_forward_pre_hook(before)

        def after(module: nn.Module, inputs: tuple, output: Any) -> Any:
            first = output[0] if isinstance(output, tuple) else output
            if unit_of(site.name) is UNITS["queries"]:
                # fairseq scales queries in place, and what is seen must not change
                self._see(site, first)
                return first.clone()
            self._see(site, first)
            return None

        return site.module.register_forward_hook(after)

    def _see(self, site: Site, activation: Tensor) -> None:
        sums, padding = self._sums[site.name], self._padding[site.side]
        add_activation(sums, activation, padding, site.run)
        if not activation.requires_grad:
            return
        value, scale = activation.detach(), self._scale

        def with_gradient(gradient: Tensor) -> None:
            if scale != 1.0:
                gradient = gradient.float() / scale
            add_taylor(sums, value, gradient, padding, site.run)

        activation.register_hook(with_gradient)


def _begin_graph(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    return output if output.requires_grad else output.detach().requires_grad_(True)
