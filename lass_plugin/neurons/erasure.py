"""Random erasure: what pairs lose without some of the neurons (Xie 2021, §5.4).

A neuron that is erased has the output 0 for every pair: it leaves every mask that has
it. Erased are, each by itself and at random at every site,

    general     a share of the general neurons
    specific    for a pair, a share of its specific neurons
    unused      for a pair, as many specific neurons that it does not have: the control

Without neurons that it does not have a pair translates as before; what the others lose
then is what so many neurons are worth to them that are not of that pair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.evaluation.evaluation import Evaluation, evaluate
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import MaskSet
from lass_plugin.masks.neurons import neuron_mask
from lass_plugin.masks.random import random_mask
from lass_plugin.neurons.allocation import Allocation, read_allocation
from lass_plugin.neurons.settings import ErasureSettings

GENERAL, SPECIFIC, UNUSED = "general", "specific", "unused"

Neurons = dict[str, Tensor]
"""Site -> ``(neurons,)`` boolean."""


@dataclass(frozen=True)
class Erased:
    """Neurons that are erased together."""

    kind: str
    """:data:`GENERAL`, :data:`SPECIFIC` or :data:`UNUSED`."""
    pair: str | None
    """Whose specific neurons these are, or are not; None for general ones."""
    seed: int
    neurons: Neurons

    @property
    def label(self) -> str:
        """What is erased, in words."""
        if self.pair is None:
            return "general"
        kind = "specific" if self.kind == SPECIFIC else "not"
        return f"{kind} of {self.pair}"

    @property
    def name(self) -> str:
        """Name of the system in the scores, and of the folder of its translations."""
        return f"{self.label}, seed {self.seed}"

    @property
    def count(self) -> int:
        return sum(int(each.sum()) for each in self.neurons.values())

    def lost_by(self, masks: MaskSet, pair: str) -> int:
        """How many of its neurons a pair loses."""
        mask = masks[pair]
        return sum(
            int((mask.unpack(site) & each).sum()) for site, each in self.neurons.items()
        )


def choose(
    allocation: Allocation, settings: ErasureSettings
) -> tuple[list[Erased], list[str]]:
    """What is erased, for every seed; and sentences on what could not be.

    Raises:
        LassError: a pair is not of the allocation, or nothing is left to erase.
    """
    pairs = [str(pair) for pair in settings.pairs] or list(allocation.kept)
    for pair in pairs:
        if pair not in allocation.kept:
            raise LassError(
                f"{pair} of --pairs is not in the allocation, which is of "
                f"{', '.join(allocation.kept)}; leave it out"
            )
    erased: list[Erased] = []
    notes: list[str] = []
    for seed in settings.seeds:
        notes = []  # the numbers of neurons, so the notes too, are those of every seed
        if settings.general:
            erased += _of_general(allocation, settings.general, seed, notes)
        for pair in pairs if settings.specific else ():
            erased += _of_pair(allocation, pair, settings, seed, notes)
    if not erased:
        raise LassError(f"there is nothing to erase: {'; '.join(notes)}")
    return erased, notes


def _of_general(
    allocation: Allocation, share: float, seed: int, notes: list[str]
) -> list[Erased]:
    counts = share_of(allocation.general, share)
    if not any(counts.values()):
        notes.append(f"{share:g} of the general neurons of every site are none")
        return []
    drawn = draw(allocation.general, counts, GENERAL, seed)
    return [Erased(GENERAL, None, seed, drawn)]


def _of_pair(
    allocation: Allocation,
    pair: str,
    settings: ErasureSettings,
    seed: int,
    notes: list[str],
) -> list[Erased]:
    own = {site: allocation.specific(pair, site) for site in allocation.general}
    counts = share_of(own, settings.specific)
    wanted = sum(counts.values())
    if not wanted:
        few = any(bool(each.any()) for each in own.values())
        share = f"{settings.specific:g} of the specific neurons of {pair} are none"
        notes.append(share if few else f"{pair} has no specific neurons")
        return []
    erased = [Erased(SPECIFIC, pair, seed, draw(own, counts, pair, seed))]
    if settings.no_control:
        return erased
    others = unused(allocation, pair)
    possible = {
        site: min(count, int(others[site].sum())) for site, count in counts.items()
    }
    found = sum(possible.values())
    if found < wanted:
        notes.append(
            f"only {found:,} instead of {wanted:,} neurons are erased that are not of "
            f"{pair}, because at some sites there are no more specific ones"
            if found
            else f"{pair} has all specific neurons of the sites where it has any, so "
            "there is no control of it"
        )
    if found:
        drawn = draw(others, possible, f"not-{pair}", seed)
        erased.append(Erased(UNUSED, pair, seed, drawn))
    return erased


def unused(allocation: Allocation, pair: str) -> Neurons:
    """The specific neurons, of any pair, that *pair* does not have."""
    found = {}
    for site in allocation.general:
        every = [allocation.specific(other, site) for other in allocation.kept]
        found[site] = torch.stack(every).any(dim=0) & ~allocation.kept[pair][site]
    return found


def share_of(candidates: Mapping[str, Tensor], share: float) -> dict[str, int]:
    """round(share · n) of the n candidates of each site."""
    return {site: round(share * int(own.sum())) for site, own in candidates.items()}


def draw(
    candidates: Mapping[str, Tensor], counts: Mapping[str, int], key: str, seed: int
) -> Neurons:
    """So many of the candidates of each site, at random.

    The choice depends on the candidates, *seed*, *key* and the name of the site only;
    with a larger count the neurons of a smaller one are among those drawn.

    Args:
        candidates: site -> ``(neurons,)`` boolean.
        counts: site -> at most as many as it has candidates.
    """
    drawn = {}
    for site, own in candidates.items():
        count, places = counts[site], own.nonzero().view(-1)
        chosen = torch.zeros_like(own)
        if count == len(places):
            chosen = own.clone()
        elif count:
            ratio, shape = count / len(places), (len(places),)
            left = random_mask(key, {site: shape}, ratio, seed).unpack(site)
            chosen[places[~left]] = True
        drawn[site] = chosen
    return drawn


def without(masks: MaskSet, erased: Erased) -> MaskSet:
    """*masks*, of every pair, without the neurons that are erased."""
    return MaskSet(
        neuron_mask(
            pair,
            {site: mask.unpack(site) & ~erased.neurons[site] for site in mask.shapes},
            replace(
                mask.provenance, note=f"{mask.provenance.note}; erased: {erased.name}"
            ),
            mask.base,
        )
        for pair, mask in masks.items()
    )


def draws_of(erased: Sequence[Erased]) -> list[list[Erased]]:
    """*erased* with those together that differ in their seed only, in the order of
    what is erased: general, specific, controls."""
    groups: dict[tuple[str, str | None], list[Erased]] = {}
    for each in erased:
        groups.setdefault((each.kind, each.pair), []).append(each)
    kinds = (GENERAL, SPECIFIC, UNUSED)
    return [own for kind in kinds for key, own in groups.items() if key[0] == kind]


NOTHING = "nothing"


@dataclass(frozen=True)
class Erasure:
    """The scores of all pairs without the neurons of each of *erased*.

    The systems of *evaluation* are the whole model and then *erased*, in their order.
    """

    settings: ErasureSettings
    allocation: Allocation
    masks: MaskSet
    erased: tuple[Erased, ...]
    evaluation: Evaluation
    notes: tuple[str, ...]
    """What could not be erased, in sentences."""


def erase(settings: ErasureSettings) -> Erasure:
    """Translate every pair with the whole model and without neurons.

    Raises:
        LassError: the checkpoint has other masks than the allocation, or nothing can be
            erased; before anything is translated.
    """
    checkpoint, scoring = settings.checkpoint, settings.scoring
    allocation = read_allocation(settings.allocation)
    masks = Saved(System(NOTHING, checkpoint)).masks()
    check_masks(masks, allocation, checkpoint, settings.allocation)
    assert masks is not None
    erased, notes = choose(allocation, settings)
    systems = [System(NOTHING, checkpoint)] + [
        System(each.name, checkpoint, without(masks, each)) for each in erased
    ]
    pairs, out = parse_pairs(masks), settings.out
    evaluation = evaluate(settings.data, systems, pairs, out=out, **scoring.how)
    return Erasure(settings, allocation, masks, tuple(erased), evaluation, tuple(notes))


def check_masks(
    masks: MaskSet | None, allocation: Allocation, checkpoint: Path, folder: Path
) -> None:
    """Refuse a checkpoint whose masks are not those of the allocation.

    Raises:
        LassError: names the pair, and the site where its neurons differ.
    """
    advice = f"give a checkpoint that was trained jointly with --masks {folder}"
    if masks is None:
        raise LassError(f"{checkpoint} carries no masks; {advice}")
    for pair in sorted(masks.keys() ^ allocation.kept.keys()):
        where, other = (checkpoint, folder) if pair in masks else (folder, checkpoint)
        raise LassError(f"{where} has a mask of {pair}, but {other} has none; {advice}")
    for pair, sites in allocation.kept.items():
        for site in sorted(masks.shapes.keys() ^ sites.keys()):
            where = checkpoint if site in masks.shapes else folder
            raise LassError(
                f"the masks of {checkpoint} and {folder} are not the same (only "
                f"{where} covers {site}); {advice}"
            )
        for site, kept in sites.items():
            if not torch.equal(masks[pair].unpack(site), kept):
                raise LassError(
                    f"the masks of {checkpoint} and {folder} are not the same ({pair} "
                    f"has other neurons of {site}); {advice}"
                )
