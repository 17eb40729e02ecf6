"""Sites: the named weight matrices of a transformer that a mask can cover."""

from functools import partial
from typing import Any, Iterable, Mapping

from torch import Tensor, nn

from lass_plugin.anatomy.places import (
    ATTENTIONS,
    EMBEDDING,
    FEED_FORWARD,
    OUTPUT_PROJECTION,
    PROJECTIONS,
    find_place,
    parse_names,
)
from lass_plugin.errors import LassError

TARGETS: dict[str, tuple[str, ...]] = {
    "attention": tuple(f"{each}.{m}" for each in ATTENTIONS for m in PROJECTIONS),
    "feed-forward": FEED_FORWARD,
    "embeddings": (EMBEDDING,),
    "output-projection": (OUTPUT_PROJECTION,),
}
"""What can be masked, and the parts that each target covers. The papers mask attention
and feed-forward matrices (He 2023, §4.2; Lin 2021, §3.2)."""

DEFAULT_TARGETS = ("attention", "feed-forward")


parse_targets = partial(parse_names, TARGETS, "mask target")


def select_sites(
    tensors: Mapping[str, Tensor], targets: Iterable[str]
) -> dict[str, Tensor]:
    """The tensors (parameters or entries of a state dict) that *targets* cover."""
    parts = {part for target in targets for part in TARGETS[target]}
    return {
        name: tensor
        for name, tensor in tensors.items()
        if (place := find_place(name)).part in parts and place.tensor == "weight"
    }


def find_sites(model: nn.Module, targets: Iterable[str]) -> dict[str, nn.Parameter]:
    """The parameters of *model* that *targets* cover, in the model's own order.

    Raises:
        LassError: a target covers nothing here, or the output projection is the same
            tensor as an embedding (one mask would then act on both uses).
    """
    every_name = dict(model.named_parameters(remove_duplicate=False))
    unique = {name for name, _ in model.named_parameters()}
    found: dict[str, nn.Parameter] = {}
    for target in targets:
        sites = select_sites(every_name, [target])
        if not sites:
            raise LassError(
                f"mask target '{target}' covers no parameter of this model; "
                "leave it out or choose another architecture"
            )
        tied = sorted(sites.keys() - unique)
        if tied and target == "output-projection":
            raise LassError(
                f"{tied[0]} is the same tensor as an embedding, so a mask on it would "
                "mask the embedding too; train the base without "
                "--share-decoder-input-output-embed and --share-all-embeddings, or "
                "use the target 'embeddings', which then covers both uses"
            )
        found.update({name: every_name[name] for name in sites if name in unique})
    return {name: found[name] for name in every_name if name in found}


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside fairseq's (nested) data-parallel wrappers."""
    inner: Any = model
    while isinstance(getattr(inner, "module", None), nn.Module):
        inner = inner.module
    return inner
