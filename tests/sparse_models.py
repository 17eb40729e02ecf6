"""Masks for sparse differences, and runs that train them."""

from pathlib import Path

import torch
from conftest import PAIRS, load
from runs import Run

from lass_plugin.anatomy.targets import select_sites
from lass_plugin.languages import Pair, sides_of
from lass_plugin.masks import Mask, MaskSet, Provenance, save_masks
from lass_plugin.masks.fingerprint import fingerprint

TASK = ("--task", "translation_sparse_tuning")
TARGETS = ("attention", "feed-forward")
SIDES = sorted({key for pair in PAIRS for key in sides_of(Pair.parse(pair))})


def random_masks(base: Path, keys=SIDES, density=0.1, targets=TARGETS, seed=1):
    """Masks of *keys* that keep each weight of the base with probability *density*."""
    weights = load(base)["model"]
    sites = select_sites(weights, targets)
    if "embeddings" in targets:  # one tensor under three names
        shared = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")
        sites = {name: each for name, each in sites.items() if name not in shared}
    generator = torch.Generator().manual_seed(seed)
    made = Provenance("change", None)
    found = []
    for key in keys:
        kept = {
            site: torch.rand(weight.shape, generator=generator) < density
            for site, weight in sites.items()
        }
        found.append(Mask.from_tensors(key, kept, made, fingerprint(sites)))
    return MaskSet(found)


def sparse_run(data: Path, base: Path, folder: Path, masks: MaskSet, *flags) -> Run:
    """A training of the differences that *masks* choose."""
    save_masks(folder, masks)
    return Run(data, *TASK, "--base", base, "--masks", folder, "--dropout", 0, *flags)


def values_of(run: Run) -> dict[str, torch.nn.Parameter]:
    """Key -> the values of its difference."""
    return run.model.method.differences.values
