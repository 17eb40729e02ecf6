"""How the specific neurons are spread over layers and modules (Xie 2021, §5.2).

    LScore(l, m) = Ĩ_l^m / Ĩ_l                                            (Eq. 10)
    MScore(l, f) = 1/M Σ_m Ĩ_{l,f}^m / Ĩ_{l,f}                            (Eq. 11)

Ĩ_l is the number of specific neurons of layer l, those that are not general, and Ĩ_l^m
the number of them that are allocated to m, the encoder and the decoder apart; f is a
module (self-attention, cross-attention, FFN) or a site. Both shares are of the same
neurons, so that 1 means all of them in both. A neuron that is neither general nor
anybody's, which a budget can leave, counts in Ĩ.

Where a layer or module has no specific neuron, there are no shares: None, never 0.

Note:
    m is what the allocation is by: a pair, or a source or target, as the mean of Eq. 1
    is. The layers are numbered as in the names of the weights, from 0.
"""

from dataclasses import dataclass
from typing import Iterable

from lass_plugin.anatomy.components import ATTENTION_LABELS
from lass_plugin.anatomy.places import SIDES, find_place
from lass_plugin.neurons.allocation import Allocation, keys_of

LAYER = "layer"
MODULES = (*ATTENTION_LABELS.values(), "FFN")


@dataclass(frozen=True)
class Spread:
    """The neurons of one part of a layer."""

    side: str
    """``encoder`` or ``decoder``."""
    layer: int
    part: str
    """:data:`LAYER` for the whole, one of :data:`MODULES`, or a site of the layer, such
    as ``self_attn.out_proj``."""
    neurons: int
    specific: int
    """Ĩ, the number of neurons that are not general."""
    nobodys: int
    """How many of these are allocated to no key."""
    allocated: dict[str, int]
    """Key -> Ĩ^m, how many of the specific neurons it has."""

    def lscore(self, key: str) -> float | None:
        """LScore(l, m) of Eq. 10; None without specific neurons."""
        return self.allocated[key] / self.specific if self.specific else None

    def mscore(self) -> float | None:
        """MScore(l, f) of Eq. 11; None without specific neurons."""
        if not self.specific:
            return None
        return sum(self.allocated.values()) / self.specific / len(self.allocated)


def keys_of_side(allocation: Allocation, side: str) -> dict[str, str]:
    """What the neurons of the encoder or decoder are allocated to.

    Returns:
        Key -> a pair of that key, all of which have the same neurons of *side*.
    """
    place = SIDES.index(side)
    found: dict[str, str] = {}
    for pair in allocation.kept:
        found.setdefault(keys_of(pair, allocation.rule.by)[place], pair)
    return found


def spread_over_layers(allocation: Allocation) -> list[Spread]:
    """Count the specific neurons.

    Returns:
        Encoder, then decoder, layer by layer: the whole layer, its modules, its sites.
    """
    by_layer: dict[tuple[str, int], list[str]] = {}
    for site in allocation.general:
        side, number, _ = _place(site)
        by_layer.setdefault((side, number), []).append(site)
    spreads = []
    for side, layer in sorted(by_layer, key=lambda at: (SIDES.index(at[0]), at[1])):
        counted = [_count(allocation, site) for site in by_layer[side, layer]]
        spreads.append(_add(LAYER, counted))
        for module in MODULES:
            if own := [
                spread for spread in counted if module_of(spread.part) == module
            ]:
                spreads.append(_add(module, own))
        spreads += counted
    return spreads


def module_of(part: str) -> str:
    """The module that a site of a layer, such as ``encoder_attn.out_proj``, is of."""
    return ATTENTION_LABELS.get(part.partition(".")[0], MODULES[-1])


def _place(site: str) -> tuple[str, int, str]:
    found = find_place(site)
    assert found.layer is not None  # all neurons are in layers
    return found.side, found.layer, found.part


def _count(allocation: Allocation, site: str) -> Spread:
    """The neurons of one site."""
    side, layer, part = _place(site)
    general = allocation.general[site]
    somebodys = general.clone()
    allocated = {}
    for key, pair in keys_of_side(allocation, side).items():
        somebodys |= allocation.kept[pair][site]
        allocated[key] = int(allocation.specific(pair, site).sum())
    neurons, specific = general.numel(), int((~general).sum())
    nobodys = int((~somebodys).sum())
    return Spread(side, layer, part, neurons, specific, nobodys, allocated)


def _add(part: str, spreads: Iterable[Spread]) -> Spread:
    """The neurons of several sites of one layer."""
    first, *others = spreads
    allocated = dict(first.allocated)
    neurons, specific, nobodys = first.neurons, first.specific, first.nobodys
    for spread in others:
        neurons += spread.neurons
        specific += spread.specific
        nobodys += spread.nobodys
        for key, count in spread.allocated.items():
            allocated[key] += count
    return Spread(first.side, first.layer, part, neurons, specific, nobodys, allocated)
