"""Allocation: which neurons are general and which belong to which pairs.

Xie 2021:

    I(i) = 1/M Σ_m Θ^m(i)                                                 (Eq. 1)
    λ(i) = k · max_m Θ^m(i)                                               (Eq. 9)

The ρ share of the neurons of each site with the highest I are general. Every other
neuron belongs to the keys m with Θ^m(i) ≥ λ(i). (The paper's text has "larger than";
at k = 1 it gives a neuron to the pair of the highest importance and at k = 0 to all,
which is what ≥ does.)

Tan 2024: a key has the fewest neurons of each site whose scores, counts of activations,
reach a share of the sum of all (:func:`.selection.keep_share`). General are then those
that every key has.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lass_plugin.anatomy.places import SIDES, find_place
from lass_plugin.errors import LassError
from lass_plugin.languages import keys_of
from lass_plugin.masks import MaskSet, Provenance, load_masks, save_masks
from lass_plugin.masks.file import SUFFIX
from lass_plugin.masks.neurons import neuron_mask
from lass_plugin.neurons.budget import Budget
from lass_plugin.neurons.importance import NAME, Importance, save_importance
from lass_plugin.neurons.settings import Rule
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.plain_settings import record as options_of
from lass_plugin.selection import keep_share, select

RECORD = "allocation.json"
FORM = RecordFormat(
    "lass_plugin neuron allocation",
    f"an {RECORD} of 'lass neurons allocate'",
    advice="write it again with 'lass neurons allocate'",
)


@dataclass(frozen=True)
class Allocation:
    """The neurons of every pair."""

    rule: Rule
    general: dict[str, Tensor]
    """Site -> ``(neurons,)`` boolean."""
    kept: dict[str, dict[str, Tensor]]
    """Pair -> site -> ``(neurons,)`` boolean: general ones and the pair's own."""
    thresholds: dict[str, float]
    """Pair -> k in use: that of the rule (its share, where it is cumulative); under a
    budget, the relative importance of the last neuron that it had room for."""

    def specific(self, pair: str, site: str) -> Tensor:
        """``(neurons,)`` boolean: the pair's neurons that are not general."""
        return self.kept[pair][site] & ~self.general[site]

    def count_specific(self, pair: str) -> int:
        """How many neurons the pair has that are not general."""
        return sum(int(self.specific(pair, site).sum()) for site in self.general)

    def masks(self, importance: Importance) -> MaskSet:
        """The neuron masks of all pairs."""
        rule, masks = self.rule, []
        for pair, sites in self.kept.items():
            note = f"general {rule.general:g}, threshold {self.thresholds[pair]:.4g}"
            if rule.cumulative is not None:
                note = f"cumulative share {rule.cumulative:g}"
            if rule.by != "pair":
                note += f", by {rule.by}"
            provenance = Provenance(rule.criterion, None, "neurons", note=note)
            masks.append(neuron_mask(pair, sites, provenance, importance.base))
        return MaskSet(masks)


def allocate(
    importance: Importance, rule: Rule, budget: Budget | None = None
) -> Allocation:
    """Allocate the neurons of *importance* by *rule*.

    Args:
        budget: at most this much for each pair, instead of one k for all.

    Raises:
        LassError: the rule is out of range; a site would have no general neuron; or
            the budget is too small for the general neurons.
    """
    rule.check()
    if rule.cumulative is not None:
        if budget is not None:
            raise LassError(
                "--budget and --cumulative exclude each other; leave one of them out"
            )
        return _allocate_shares(importance, rule, rule.cumulative)
    theta = importance.theta(rule.criterion, rule.average)
    general: dict[str, Tensor] = {}
    relative: dict[str, Tensor] = {}
    for site, values in theta.items():
        by_key, places = _by_key(importance, site, rule, values)
        general[site] = _general(site, by_key, rule)
        relative[site] = _relative(by_key)[places]
    kept: dict[str, dict[str, Tensor]] = {}
    thresholds = dict.fromkeys(importance.pairs, rule.threshold)
    if budget is not None and rule.by != "pair":
        raise LassError(
            f"a budget is kept for each pair, so it does not go with --by {rule.by}"
        )
    for row, pair in enumerate(importance.pairs):
        own = {site: values[row] for site, values in relative.items()}
        if budget is None:
            kept[pair] = {
                site: general[site] | (values >= rule.threshold)
                for site, values in own.items()
            }
            continue
        ahead = {
            site: values[row] / values.mean(dim=0).clamp(min=1e-300)
            for site, values in theta.items()
        }
        kept[pair], thresholds[pair] = budget.choose(
            own, ahead, general, importance.counts[pair], pair
        )
    return Allocation(rule, general, kept, thresholds)


def _allocate_shares(importance: Importance, rule: Rule, share: float) -> Allocation:
    """Allocate to each key the neurons that reach *share* (Tan 2024)."""
    general: dict[str, Tensor] = {}
    kept: dict[str, dict[str, Tensor]] = {pair: {} for pair in importance.pairs}
    for site, values in importance.theta(rule.criterion, rule.average).items():
        by_key, places = _by_key(importance, site, rule, values)
        own = torch.stack([keep_share(scores, share) for scores in by_key])
        general[site] = own.all(dim=0)
        for pair, place in zip(importance.pairs, places, strict=True):
            kept[pair][site] = own[place]
    return Allocation(rule, general, kept, dict.fromkeys(importance.pairs, share))


def _by_key(
    importance: Importance, site: str, rule: Rule, values: Tensor
) -> tuple[Tensor, list[int]]:
    """``(keys, neurons)`` means over the pairs of each key, and the key of each pair.

    Args:
        values: ``(pairs, neurons)``.
    """
    keys = _keys(importance, site, rule)
    every = list(dict.fromkeys(keys))
    places = [every.index(key) for key in keys]
    rows = torch.tensor(places)
    means = [values[rows == number].mean(dim=0) for number in range(len(every))]
    return torch.stack(means), places


def _keys(importance: Importance, site: str, rule: Rule) -> list[str]:
    """For each pair, what the neurons of *site* are allocated to."""
    side = SIDES.index(find_place(site).side)
    return [keys_of(pair, rule.by)[side] for pair in importance.pairs]


def _general(site: str, theta: Tensor, rule: Rule) -> Tensor:
    """The round(ρ·n) neurons of highest mean importance over the keys (Eq. 1).

    Args:
        theta: ``(keys, neurons)``.
    """
    mean = theta.mean(dim=0)
    count = round(rule.general * mean.numel())
    if count < 1:
        raise LassError(
            f"--general {rule.general:g} leaves {site} ({mean.numel()} neurons) "
            "without a general neuron; raise it"
        )
    if count == mean.numel():
        return torch.ones_like(mean, dtype=torch.bool)
    return select(mean, (mean.numel() - count) / mean.numel())


def _relative(theta: Tensor) -> Tensor:
    """``(keys, neurons)`` Θ^m(i) / max_m Θ^m(i), 1 where no key has any."""
    most = theta.max(dim=0, keepdim=True).values
    return torch.where(most > 0, theta / most, torch.ones_like(theta))


def write_allocation(
    folder: str | os.PathLike,
    allocation: Allocation,
    importance: Importance,
    copy: bool = True,
) -> None:
    """Write the masks and ``allocation.json``.

    Args:
        copy: write the importance beside them, so that other rules need no new pass.

    Raises:
        LassError: the folder holds masks of other pairs, or cannot be written.
    """
    folder, masks = Path(folder), allocation.masks(importance)
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if path.name.removesuffix(SUFFIX) not in masks:
            raise LassError(
                f"{folder} holds {path.name}, a mask of another set; choose another "
                "--out"
            )
    if copy:
        save_importance(folder / "importance" / NAME, importance)
    FORM.write(folder / RECORD, to_record(allocation))
    save_masks(folder, masks)


def read_allocation(folder: str | os.PathLike) -> Allocation:
    """What :func:`write_allocation` wrote.

    Raises:
        LassError: the folder holds no allocation, or a damaged one.
    """
    folder = Path(folder)
    path = folder / RECORD
    if not path.is_file():
        raise LassError(
            f"there is no {path}; give a folder that 'lass neurons allocate' wrote, or "
            "one below masks/ of 'lass neurons sweep'"
        )
    masks = load_masks(folder)
    with FORM.reading(path) as record:
        # an earlier release had no cumulative shares
        rule = filled(Rule, {"cumulative": None, **record}, "it")
        rule.check()
        general = {}
        for site, (count,) in masks.shapes.items():
            places = filled(list[int], record["sites"][site]["general"], site)
            if not all(0 <= place < count for place in places):
                raise ValueError(f"{site} has no such neurons: {places}")
            general[site] = torch.zeros(count, dtype=torch.bool)
            general[site][places] = True
        found = filled(dict[str, float], record["thresholds"], "thresholds")
        thresholds = {pair: found[pair] for pair in masks}
    kept = {
        pair: {site: mask.unpack(site) for site in general}
        for pair, mask in masks.items()
    }
    return Allocation(rule, general, kept, thresholds)


def to_record(allocation: Allocation) -> dict[str, Any]:
    """What ``allocation.json`` holds."""
    return {
        **options_of(allocation.rule),
        "thresholds": allocation.thresholds,
        "sites": {
            site: {
                "neurons": general.numel(),
                "general": general.nonzero().view(-1).tolist(),
                "specific": {
                    pair: int(allocation.specific(pair, site).sum())
                    for pair in allocation.kept
                },
            }
            for site, general in allocation.general.items()
        },
    }
