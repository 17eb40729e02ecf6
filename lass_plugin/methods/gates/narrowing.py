"""Narrowing: gates folded into the weights, and components that are closed cut out.

A gate multiplies what a component gives, so it goes into the weights that read it: a
head's into its columns of out_proj, a hidden unit's into its column of fc2, a rank's
into its row of P (Li 2022, Eq. 1 to 3). A gate of zero takes the component's weights
out. What is left computes the same but for the order of sums, and has in each layer as
many heads and hidden units as that layer needs (see :mod:`.models.narrow`).
"""

import os
from dataclasses import dataclass
from typing import Any, Iterable, Mapping

import torch
from torch import Tensor

from lass_plugin.anatomy.cuts import Cuts, Kept
from lass_plugin.anatomy.neurons import UNITS, owned_parameters
from lass_plugin.anatomy.places import (
    EMBEDDING,
    FC1,
    HEADS,
    OUTPUT_PROJECTION,
    QUERY,
    find_place,
)
from lass_plugin.errors import LassError
from lass_plugin.methods.export_settings import MULTIPLE
from lass_plugin.methods.gates.components import Components, is_rank
from lass_plugin.methods.gates.embedding import PROJECTION, factors_of
from lass_plugin.models.narrow import option_of


@dataclass(frozen=True, eq=False)
class Narrowed:
    """A model without its closed components."""

    tensors: dict[str, Tensor]
    """Name -> weight, under every name of a shared one."""
    widths: dict[str, int]
    """Site -> heads or hidden units it has now."""
    rank: int | None
    """Of the embedding where it is a product; None where it is one matrix."""


def components_of(
    tensors: Mapping[str, Tensor], options: Mapping[str, Any]
) -> Components:
    """The heads, hidden units and ranks of a model that is stored.

    Args:
        tensors: name -> weight.
        options: of the model, for the width of a head.
    """
    counts: dict[str, int] = {}
    widths: dict[str, int] = {}
    for name, tensor in tensors.items():
        place = find_place(name)
        if place.tensor != "weight":
            continue
        if place.matrix == QUERY:
            site = f"{place.owner.removesuffix(QUERY)}{HEADS}"
            units = int(options[f"{place.side}_embed_dim"])
            widths[site] = units // int(options[f"{place.side}_attention_heads"])
            counts[site] = len(tensor) // widths[site]
        elif place.part == FC1:
            counts[place.owner] = len(tensor)
        elif place.part == EMBEDDING and _is_alone(tensors):
            counts[place.owner] = tensor.shape[1]
    return Components(counts, widths)


def _is_alone(names: Iterable[str]) -> bool:
    """Whether it is an encoder alone, whose embedding can be a product."""
    return all(find_place(name).side != "decoder" for name in names)


def check_gates(
    gates: Mapping[str, Tensor], components: Components, where: str | os.PathLike
) -> None:
    """Refuse gates that are not of this model.

    Gates on heads only, or on another kind of component only, are of it; gates on the
    heads of some layers only are not.

    Args:
        gates: site -> ``(n,)``.
        where: the model, for messages.

    Raises:
        LassError: names the site at fault.
    """
    counts = components.counts
    groups = {_group(site) for site in gates}
    for site in gates.keys() | {each for each in counts if _group(each) in groups}:
        if site not in counts:
            raise LassError(
                f"the gates have a site {site}, which {where} has not; give gates of "
                "this model"
            )
        if site not in gates:
            raise LassError(
                f"{where} has a site {site}, which the gates have not; give gates of "
                "this model"
            )
        values = gates[site]
        if tuple(values.shape) != (counts[site],):
            raise LassError(
                f"the gates of {site} are {tuple(values.shape)} values, but {where} "
                f"has {counts[site]} components there; give gates of this model"
            )
        if not bool(((values >= 0) & (values <= 1)).all()):
            raise LassError(
                f"a gate of {site} is not between 0 and 1, so it is no gate; give "
                "gates that a training wrote"
            )


def _group(site: str) -> str:
    """What sites of one kind on one side have in common."""
    place = find_place(site)
    known = place.layer is not None and place.matrix in (HEADS, FC1)
    return option_of(site) if known else site


def folded(
    tensors: Mapping[str, Tensor], gates: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The weights with the gates of heads and hidden units in them, nothing cut."""
    result = dict(tensors)
    for site, values in gates.items():
        if is_rank(site) or bool((values == 1).all()):
            continue
        for name, axis in owned_parameters(site):
            if axis == 1:  # those that read the component
                weight = tensors[name]
                run = weight.shape[1] // len(values)
                scale = values.to(weight.dtype).repeat_interleave(run)
                result[name] = weight * scale
    return result


def narrowed(
    tensors: Mapping[str, Tensor],
    components: Components,
    gates: Mapping[str, Tensor],
    fill: bool = False,
) -> Narrowed:
    """A model with *gates* folded in and without what they close.

    Args:
        tensors: name -> weight; not changed.
        components: of the model.
        gates: site -> ``(n,)`` in [0, 1]; a site that is not there is left as it is.
        fill: keep all heads and the full rank, and give all layers of a side one width,
            filled up with zeros, as stock fairseq and other libraries need it.

    Raises:
        LassError: all ranks of the embedding are closed.
    """
    kept = _kept(components, gates, fill)
    cuts = Cuts(kept)
    cut = {name: cuts(name, each) for name, each in folded(tensors, gates).items()}
    rank = _cut_ranks(cut, gates, fill)
    return Narrowed(cut, {site: each.after for site, each in kept.items()}, rank)


def _kept(
    components: Components, gates: Mapping[str, Tensor], fill: bool
) -> dict[str, Kept]:
    counts = {s: n for s, n in components.counts.items() if not is_rank(s)}
    places = {
        site: gates[site].nonzero().squeeze(1) if site in gates else torch.arange(count)
        for site, count in counts.items()
    }
    after = {site: len(each) for site, each in places.items()}
    if fill:
        after = dict(counts)
        for site in UNITS["ffn-hidden"].sites(counts):
            side = find_place(site).side
            most = max(
                len(places[each])
                for each in UNITS["ffn-hidden"].sites(counts)
                if find_place(each).side == side
            )
            after[site] = min(counts[site], -(-max(most, 1) // MULTIPLE) * MULTIPLE)
    return {site: Kept(places[site], counts[site], after[site]) for site in counts}


def _cut_ranks(
    tensors: dict[str, Tensor], gates: Mapping[str, Tensor], fill: bool
) -> int | None:
    """Cut the embedding in *tensors*, and the projection that shares it.

    Returns:
        Its rank as a product, None where it is one matrix.
    """
    stored = [name for name in tensors if name.endswith(f"{EMBEDDING}.{PROJECTION}")]
    sites = [site for site in gates if is_rank(site)] or [
        name.removesuffix(f".{PROJECTION}") for name in stored
    ]
    if not sites:
        return None
    (site,) = sites
    name, second = f"{site}.weight", f"{site}.{PROJECTION}"
    tied = [
        each
        for each in tensors
        if find_place(each).part == OUTPUT_PROJECTION
        and find_place(each).tensor == "weight"
        and tensors[each].shape == tensors[name].shape
        and tensors[each].equal(tensors[name])
    ]
    values = gates.get(site, torch.ones(tensors[name].shape[1]))
    whole = second not in tensors
    if whole and bool((values == 1).all()):
        return None
    first, projection = (
        factors_of(tensors[name]) if whole else (tensors[name], tensors.pop(second))
    )
    open_ = values.nonzero().squeeze(1)
    if not len(open_):
        raise LassError(f"the gates close all ranks of {site}; give others")
    first = first.index_select(1, open_)  # (symbols, rank)
    scale = values[open_].to(projection.dtype).unsqueeze(1)
    projection = projection.index_select(0, open_) * scale  # (rank, units)
    symbols, units = len(first), projection.shape[1]
    if fill or len(open_) * (symbols + units) >= symbols * units:
        tensors[name] = first @ projection
    else:
        tensors[name], tensors[second] = first, projection
    for each in tied:
        tensors[each] = tensors[name]
    return len(open_) if second in tensors else None
