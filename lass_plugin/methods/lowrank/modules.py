"""Low-rank modules of every language beside one matrix, and the choice among them."""

from typing import Any, Iterable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lass_plugin.languages import written
from lass_plugin.methods.drawn import gaussian
from lass_plugin.methods.frozen_linear import FrozenLinear
from lass_plugin.methods.lowrank.products import Factors, together
from lass_plugin.methods.routing import Chosen, Routing


class LowRankModules(nn.Module):
    """The modules of all languages beside one matrix: B_l A_l x of the chosen
    language l (Cao 2024, Eq. 2 and 3).

    Args:
        name: of the matrix and the index, part of what A is drawn from.
        index: which language chooses, ``source`` or ``target``.
        outputs, inputs: shape of the matrix, d × k in the paper.
        ranks: language -> r_l; languages of rank 0 have no module.
        scales: language -> factor of its output.
        dropout: of the input, in training.
        seed: with the name and the language decides A.
        routing: says which languages are chosen.
    """

    def __init__(
        self,
        name: str,
        index: str,
        outputs: int,
        inputs: int,
        ranks: Mapping[str, int],
        scales: Mapping[str, float],
        dropout: float,
        seed: int,
        routing: Routing,
    ):
        super().__init__()
        self.index = index
        self.dropout = dropout
        self.routing = routing
        self._scales = dict(scales)
        self._ranks = {language: rank for language, rank in ranks.items() if rank}
        self._mixing: list[tuple[nn.Parameter, int]] = []
        self.A = nn.ParameterDict()
        self.B = nn.ParameterDict()
        for language, rank in self._ranks.items():
            drawn = gaussian(f"{seed}/{name}/{index}/{language}", rank, inputs)
            self.A[written(language)] = nn.Parameter(drawn)
            self.B[written(language)] = nn.Parameter(torch.zeros(outputs, rank))

    def mixed_by(self, weights: nn.Parameter, number: int) -> None:
        """Multiply the output by softmax(*weights*)[*number*] (Cao 2024, Eq. 5)."""
        self._mixing = [(weights, number)]  # in a list: it is registered elsewhere

    def factors(self, language: str) -> tuple[Tensor, Tensor] | None:
        """``(rank, inputs)`` A and ``(outputs, rank)`` B of *language*, or None."""
        if language not in self._ranks:
            return None
        name = written(language)
        return self.A[name], self.B[name]

    @property
    def languages(self) -> list[str]:
        return list(self._ranks)

    def delta(self, language: str) -> Tensor | None:
        """``(outputs, inputs)`` float32 that *language* adds to W; None for rank 0."""
        found = self.factors(language)
        if found is None:
            return None
        return product(*found, self._scales[language], self._weight())

    def _weight(self) -> Tensor | None:
        """The learned weight of this index, None where it is not learned."""
        if not self._mixing:
            return None
        weights, number = self._mixing[0]
        return mixing_weight(weights, number)

    def chosen_factors(self) -> Factors | None:
        """The factors of the batch's languages; None where nothing is added."""
        chosen = self.routing.chosen.get(self.index)
        if chosen is None:
            return None
        present = [each for each in chosen.keys if each in self._ranks]
        if not present:
            return None
        names = [written(language) for language in present]
        if len(present) == 1:
            a, b = self.A[names[0]], self.B[names[0]]
        else:
            a = torch.cat([self.A[name] for name in names])
            b = torch.cat([self.B[name] for name in names], dim=1)
        scale = self._scale_of(chosen, present, a.device)
        if (weight := self._weight()) is not None:
            scale = scale * weight
        return Factors(a, b, scale)

    def _scale_of(
        self, chosen: Chosen, present: Sequence[str], device: torch.device
    ) -> Tensor:
        """``(sentences, ranks of all present)``: the scale where a column is of the
        sentence's language, 0 elsewhere; one row where all are of one language."""
        ranks = tuple((each, self._ranks[each], self._scales[each]) for each in present)
        kept = self.routing.scales if chosen.rows is None else chosen.own
        place = (ranks, device)
        if place not in kept:
            scales = [scale for _, rank, scale in ranks for _ in range(rank)]
            own = torch.tensor([scales], device=device)
            if chosen.rows is not None:
                columns = [
                    chosen.keys.index(language)
                    for language, rank, _ in ranks
                    for _ in range(rank)
                ]
                of_columns = torch.tensor(columns, device=device)
                own = (chosen.rows.unsqueeze(1) == of_columns) * own
            kept[place] = own
        return kept[place]


def product(a: Tensor, b: Tensor, scale: float, weight: Tensor | None) -> Tensor:
    """``(outputs, inputs)`` float32 scale · B A, times the learned weight if any.

    Args:
        a: ``(rank, inputs)``.
        b: ``(outputs, rank)``.
        weight: ``()`` of the index, None where it is not learned.
    """
    delta = scale * (b.detach().float() @ a.detach().float())
    return delta if weight is None else delta * weight.detach()


def mixing_weight(weights: Tensor, number: int) -> Tensor:
    """``()`` entry *number* of softmax(*weights*), ``(2,)`` (Cao 2024, Eq. 5)."""
    return torch.softmax(weights.float(), 0)[number]


class LowRankLinear(FrozenLinear):
    """A linear layer of the base with low-rank modules beside its matrix.

    An ``nn.Linear`` becomes one by :func:`put_beside`, so its weight and bias stay the
    same objects under the same names.
    """

    _indices: tuple[str, ...]

    def low_rank(self) -> Iterator[LowRankModules]:
        for index in self._indices:
            module: Any = getattr(self, f"lslo_{index}")
            yield module

    def forward(self, input: Tensor) -> Tensor:
        """``(positions, sentences, inputs)`` to ``(positions, sentences, outputs)``."""
        low = None
        if (dropout := self.dropout) and self.training:
            low = F.dropout(input, dropout)
        return together(input, [self], [self.beside()], low)[0]

    @property
    def dropout(self) -> float:
        """Dropout of the input of the modules, in training."""
        return next(self.low_rank()).dropout

    def beside(self) -> Factors | None:
        """The factors that the batch chooses, of both indices where both add."""
        found = [module.chosen_factors() for module in self.low_rank()]
        chosen = [factors for factors in found if factors is not None]
        if len(chosen) < 2:
            return chosen[0] if chosen else None
        rows = max(len(factors.scale) for factors in chosen)
        return Factors(
            torch.cat([factors.a for factors in chosen]),
            torch.cat([factors.b for factors in chosen], dim=1),
            torch.cat([factors.scale.expand(rows, -1) for factors in chosen], dim=1),
        )


def project(x: Tensor, linears: Sequence[nn.Linear]) -> list[Tensor]:
    """What each of *linears*, which are not trained, makes of *x*.

    In one step where the modules beside them have no dropout: with one, each has an
    input of its own.
    """
    low_rank = [each for each in linears if isinstance(each, LowRankLinear)]
    if any(each.training and each.dropout for each in low_rank):
        return [linear(x) for linear in linears]
    beside = [
        linear.beside() if isinstance(linear, LowRankLinear) else None
        for linear in linears
    ]
    return together(x, linears, beside)


def put_beside(linear: nn.Linear, modules: Iterable[LowRankModules]) -> LowRankLinear:
    """Let *linear* add what *modules* give; it becomes a :class:`LowRankLinear`."""
    linear.__class__ = LowRankLinear
    assert isinstance(linear, LowRankLinear)
    modules = list(modules)
    linear._indices = tuple(module.index for module in modules)
    for module in modules:
        linear.add_module(f"lslo_{module.index}", module)
    return linear


def take_away(linear: LowRankLinear) -> None:
    """Undo :func:`put_beside`; the layer stays a frozen one."""
    for index in linear._indices:
        delattr(linear, f"lslo_{index}")
    del linear._indices
    linear.__class__ = FrozenLinear  # type: ignore[assignment]


def entry_name(matrix: str, index: str, factor: str, language: str) -> str:
    """Name in a state dict of the *factor* A or B of *language* beside *matrix*."""
    return f"{matrix}.lslo_{index}.{factor}.{written(language)}"
