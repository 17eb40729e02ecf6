"""X-MOD (Pfeiffer 2022) that begins from an encoder without modules."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from lass_plugin.anatomy.encoders import stands_alone
from lass_plugin.anatomy.older_names import todays_names
from lass_plugin.anatomy.places import FC1, FC2, find_place
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.encoders.changed import changed_encoder
from lass_plugin.errors import LassError

ARCHITECTURE = "xmod_from_encoder"
_MODULE = re.compile(r"\.adapter_modules\.([^.]+)\.")
BOTTLENECK = 2
"""The inner width of a module is that of the encoder divided by this, as X-MOD's."""


def has_modules(names: Iterable[str]) -> bool:
    """Whether weights of these names are of an encoder with modules of languages."""
    return any(".adapter_modules." in name for name in names)


def check_modules(names: Iterable[str], languages: Iterable[str], where: str) -> None:
    """Refuse languages that an encoder with modules has none of.

    Args:
        names: of its weights.
        where: the encoder, for messages.

    Raises:
        LassError: names the languages.
    """
    known = {found[1] for name in names if (found := _MODULE.search(name))}
    missing = [code for code in languages if known and code not in known]
    if missing:
        raise LassError(
            f"{where} has no module of {', '.join(missing)} (it has those of "
            f"{', '.join(sorted(known))}); prepare the task for languages that it has"
        )


def with_modules(
    checkpoint: Checkpoint, languages: Sequence[str], seed: int = 1
) -> dict[str, Any]:
    """A checkpoint of X-MOD with a module of each language behind each feed-forward.

    A module begins as nothing: its second matrix is 0, so the outputs are those of the
    encoder. The first is drawn as fairseq draws it (normal, deviation .02).

    Raises:
        LassError: it is no encoder alone, or has modules.
    """
    before = todays_names(checkpoint.weights)
    weights = dict(before)
    if has_modules(weights):
        raise LassError(f"{checkpoint.path} has modules of languages already")
    generator = torch.Generator().manual_seed(seed)
    found = 0
    for name, weight in before.items():
        place = find_place(name)
        if place.part != FC2 or place.tensor != "weight":
            continue
        if not stands_alone(name):
            raise LassError(
                f"{checkpoint.path} is no encoder alone; take one that 'lass encoder "
                "convert' or fairseq-train wrote"
            )
        found += 1
        width, inner = len(weight), len(weight) // BOTTLENECK
        layer = name.removesuffix(f"{FC2}.weight")
        for language in languages:
            start = f"{layer}adapter_modules.{language}"
            drawn = torch.randn(inner, width, generator=generator) * 0.02
            weights[f"{start}.{FC1}.weight"] = drawn.to(weight.dtype)
            weights[f"{start}.{FC1}.bias"] = weight.new_zeros(inner)
            weights[f"{start}.{FC2}.weight"] = weight.new_zeros(width, inner)
            weights[f"{start}.{FC2}.bias"] = weight.new_zeros(width)
    if not found:
        raise LassError(f"{checkpoint.path} has no layers that modules could stand in")
    changes = {
        "_name": "xmod_base",
        "arch": "xmod_base",  # fairseq's own: all of its options are stated
        "ffn_modules": False,
        "adapter_modules": True,
        "adapter_layer_norm": False,
        "adapter_reuse_layer_norm": False,
        "ln_before_adapter": True,
        "bottleneck": BOTTLENECK,
        "languages": list(languages),
    }
    return changed_encoder(checkpoint, weights, changes)
