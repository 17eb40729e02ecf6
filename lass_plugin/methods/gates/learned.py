"""Gates that are learned: their parameters, and the penalties that pull at them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.errors import LassError
from lass_plugin.methods.gates import penalties
from lass_plugin.methods.gates.components import Components
from lass_plugin.methods.gates.dynamic import Slopes
from lass_plugin.methods.gates.hard_concrete import HardConcrete
from lass_plugin.methods.gates.sets import DYNAMIC, LEARNED, GateSets
from lass_plugin.training.stretches import (
    find_stretches,
    gradient_factor,
    innermost,
)
from lass_plugin.training.strict_update import check_optimizer, strict

NAME = "gates"
"""Of the parameters in the model."""


class GateParameters(nn.Module):
    """α (and, for any sparsity, the slope) of every key, as parameters of a model.

    A parameter is α divided by *rate*, so that an optimizer whose steps do not depend
    on the size of gradients (Adam) moves α by so many times its learning rate. A slope
    is learned as the logarithm of what it is multiplied by: it stays positive, and
    gates go on to open one after the other as the network grows.

    Args:
        carried: *sets* are of a checkpoint, whose slopes have been multiplied already.
    """

    def __init__(self, sets: GateSets, rate: float = 1.0, carried: bool = False):
        super().__init__()
        self.rate = rate
        self._carried = carried
        self.updates = 0
        """Updates that have been taken."""
        first = "alpha" if sets.kind == LEARNED else "offset"
        self.alpha = nn.ParameterDict(
            {key: nn.Parameter(rows[first] / rate) for key, rows in sets.rows.items()}
        )
        self.stretch = nn.ParameterDict()
        if sets.kind == DYNAMIC:
            for key, rows in sets.rows.items():
                self.stretch[key] = nn.Parameter(torch.zeros_like(rows["slope"]))

    def set_num_updates(self, updates: int) -> None:
        """fairseq says before every micro-batch how many updates there were."""
        self.updates = updates

    def upgrade_state_dict_named(self, state: dict[str, Any], name: str) -> None:
        """Begin from the values here where a checkpoint without gates is loaded."""
        mine = {f"{name}.{n}": v for n, v in self.state_dict().items()}
        if not any(n.startswith(f"{name}.") for n in state):
            state.update(mine)
        elif missing := sorted(mine.keys() - state.keys()):
            raise LassError(
                f"the checkpoint has gates, but no {missing[0]}; go on with the keys "
                "that it was trained with"
            )
        for own in mine if self._carried else ():
            if own.startswith(f"{name}.stretch."):
                state[own] = mine[own]  # zeros: not to be multiplied once more

    def arguments(
        self, key: str, rows: Mapping[str, Tensor], size: float | None
    ) -> Tensor:
        """α of *key*, or α + tθ (Eq. 14).

        Args:
            rows: of *key* in the gate sets, for what is not learned.
        """
        return _arguments(
            self.alpha[key] * self.rate,
            self.stretch[key] if key in self.stretch else None,
            rows,
            size,
        )

    def rows(self, key: str, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The rows of *key* as they are now, on the CPU in float32."""
        alpha = (self.alpha[key].detach().float() * self.rate).cpu()
        if key not in self.stretch:
            return {"alpha": alpha}
        slope = rows["slope"].cpu() * self.stretch[key].detach().float().exp().cpu()
        return {"offset": alpha, "slope": slope, "size": rows["size"].cpu()}


def _arguments(
    alpha: Tensor,
    stretch: Tensor | None,
    rows: Mapping[str, Tensor],
    size: float | None,
) -> Tensor:
    if stretch is None:
        return alpha
    assert size is not None
    slope = rows["slope"].to(alpha.device) * stretch.exp()
    return Slopes(alpha, slope, rows["size"].to(alpha.device)).arguments(size)


@dataclass(frozen=True)
class Penalty:
    """What is added to the loss for the gates of all keys (Eq. 13).

    Attributes:
        size_weight, diversity_weight: λ₁ and λ₂.
        target: t; None for the native form, which pulls all sizes to zero.
        prior: P, ``(keys, keys)``; None for no diversity.
        norm: see :meth:`.HardConcrete.open_probability`.
    """

    size_weight: float
    diversity_weight: float
    target: float | None
    prior: Tensor | None
    norm: str

    def __call__(
        self,
        arguments: Tensor,
        components: Components,
        gate: HardConcrete,
        target: float | None = None,
    ) -> Tensor:
        """The penalty, a scalar.

        Args:
            arguments: α or α + tθ of every key, ``(keys, components)``.
            target: t of this update, for gates of any sparsity.
        """
        probabilities = gate.open_probability(arguments, self.norm)
        every = components.weights().to(probabilities)
        counted = every * components.counted().to(probabilities)
        if self.target is None:
            return self.size_weight * penalties.native(probabilities, every)
        size = self.target if target is None else target
        found = self.size_weight * penalties.constraint(probabilities, counted, size)
        if self.prior is not None and self.diversity_weight:
            prior = self.prior.to(probabilities)
            alike = penalties.diversity(probabilities, prior, every)
            found = found + self.diversity_weight * alike
        return found


class LearnedTraining:
    """Updates of gates, and of weights once the gates have had their start.

    Args:
        model: possibly wrapped, with :class:`GateParameters`.
        alone: updates in which only gates move.
    """

    def __init__(
        self,
        model: nn.Module,
        sets: GateSets,
        penalty: Penalty,
        alone: int,
        optimizer: FairseqOptimizer,
    ):
        self._sets, self._penalty, self._alone = sets, penalty, alone
        self._optimizer = optimizer
        inner: Any = unwrap(model)
        self.parameters: GateParameters = getattr(inner, NAME)
        named = {n: p for n, p in inner.named_parameters() if p.requires_grad}
        self._weights = {
            name: parameter
            for name, parameter in named.items()
            if not name.startswith(f"{NAME}.")
        }
        self._stretches = find_stretches(optimizer, named)
        if alone:
            check_optimizer(optimizer)
        inner = innermost(optimizer)
        self._clip = partial(type(inner).clip_grad_norm, inner)
        inner.clip_grad_norm = self._pull_and_clip

    def belongs_to(self, optimizer: FairseqOptimizer) -> bool:
        """False after the trainer has rebuilt its optimizer."""
        return optimizer is self._optimizer

    @contextlib.contextmanager
    def update(self) -> Iterator[None]:
        """The optimizer's step; of gates only, as long as they move alone."""
        if self.parameters.updates >= self._alone:
            yield
            return
        held: dict[str, Tensor | None] = {}
        for name, parameter in self._weights.items():
            if self._stretches[name].owner is parameter:
                parameter.grad = None  # the optimizer passes it by
            else:
                held[name] = None
        with strict(self._optimizer, self._stretches, held):
            yield

    def _pull_and_clip(self, *limits: Any, **more: Any) -> Any:
        """Add the penalty's gradient to that of the loss, and clip both as one.

        fairseq has divided the gradient of the loss by the tokens by now. Clipped
        alone it would shrink beside the penalty, the more, the higher *rate* is. For
        gates of any sparsity the penalty is the mean over all sizes, whichever were
        drawn, the same on all ranks.
        """
        self._pull()
        return self._clip(*limits, **more)

    def _pull(self) -> None:
        sets, names = self._sets, {}
        for part in ("alpha", "stretch"):
            for key in getattr(self.parameters, part):
                names[part, key] = f"{NAME}.{part}.{key}"
        leaves = {
            place: self._stretches[name].value.clone().float().requires_grad_()
            for place, name in names.items()
        }
        found = torch.zeros(())
        sizes: Sequence[float | None] = sets.grid[1:] or (None,)
        for size in sizes:
            arguments = torch.stack(
                [
                    _arguments(
                        leaves["alpha", key] * self.parameters.rate,
                        leaves.get(("stretch", key)),
                        rows,
                        size,
                    )
                    for key, rows in sets.rows.items()
                ]
            )
            one = self._penalty(arguments, sets.components, sets.gate, size)
            found = found.to(one.device) + one / len(sizes)
        gradients = torch.autograd.grad(found, list(leaves.values()), allow_unused=True)
        factor = gradient_factor(self._optimizer)
        for name, gradient in zip(names.values(), gradients, strict=True):
            if gradient is None:
                continue
            stretch = self._stretches[name]
            if stretch.owner.grad is None:
                stretch.owner.grad = torch.zeros_like(stretch.owner)
            into = stretch.gradient
            assert into is not None
            into.add_((gradient / factor).to(into.dtype))
