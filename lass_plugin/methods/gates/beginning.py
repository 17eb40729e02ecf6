"""What the learning of gates begins with, as the options describe it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lass_plugin.language_families import (
    LI_2022,
    MISSING_FAMILY,
    family_of_li_2022,
    read_families,
)
from lass_plugin.languages import Pair
from lass_plugin.methods.gates.components import Components
from lass_plugin.methods.gates.learned import Penalty
from lass_plugin.methods.gates.options import ALPHA, LI2022, NATIVE, SPREAD
from lass_plugin.methods.gates.penalties import family_prior
from lass_plugin.methods.gates.sets import LEARNED, GateSets, base_of

NONE = "none"
"""Of ``--gates-families``: any two keys are to differ."""
_SPARSITY = 0.5


def random_alpha(
    components: Components,
    keys: Sequence[str],
    parameters: Mapping[str, Tensor],
    cfg: Any,
) -> GateSets:
    """Gates of *keys* whose α are drawn at random (§4.2.1), by ``--gates-seed``."""
    generator = torch.Generator().manual_seed(cfg.gates_seed)
    rows = {
        key: {
            "alpha": ALPHA + SPREAD * torch.randn(components.total, generator=generator)
        }
        for key in keys
    }
    note = {"begun": "random", "seed": cfg.gates_seed}
    base = base_of(components, parameters)
    return GateSets(LEARNED, components, rows, base, note=note)


def penalty_of(cfg: Any, sets: GateSets) -> Penalty:
    """The penalty that the options ask for.

    Raises:
        LassError: a language has no family.
    """
    if str(cfg.gates_penalty) == NATIVE:
        return Penalty(cfg.gates_size_weight, 0.0, None, None, str(cfg.gates_norm))
    sparsity = _SPARSITY if cfg.gates_sparsity is None else cfg.gates_sparsity
    prior = None
    if len(sets.keys) > 1 and cfg.gates_diversity_weight:
        prior = prior_of(str(cfg.gates_families), sets.keys)
    return Penalty(
        cfg.gates_size_weight,
        cfg.gates_diversity_weight,
        1.0 - sparsity,
        prior,
        str(cfg.gates_norm),
    )


def prior_of(families: str, keys: Sequence[str]) -> Tensor:
    """P of Eq. 12 for *keys*; two pairs are alike where both their languages are.

    Raises:
        LassError: a language has no family.
    """
    if families == NONE:
        return family_prior(keys, {key: key for key in keys})
    table: Mapping[str, str] = LI_2022
    if families != LI2022:
        table = read_families(families)
    if any("-" not in key for key in keys) or all(key in table for key in keys):
        return family_prior(keys, _families_of(keys, table))
    parts = [Pair.parse(key) for key in keys]
    languages = sorted({each for pair in parts for each in (pair.source, pair.target)})
    table = _families_of(languages, table)
    family_prior(languages, table)  # names a language that has no family
    joined = {}
    for key, pair in zip(keys, parts, strict=True):
        both = (table[pair.source], table[pair.target])
        joined[key] = MISSING_FAMILY if MISSING_FAMILY in both else " > ".join(both)
    return family_prior(keys, joined)


def _families_of(
    languages: Sequence[str], table: Mapping[str, str]
) -> Mapping[str, str]:
    if table is not LI_2022:
        return table
    found = {each: family_of_li_2022(each) for each in languages}
    return {each: family for each, family in found.items() if family is not None}
