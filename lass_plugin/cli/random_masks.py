"""Make random masks: the baseline that searched masks have to beat.

For the pairs, matrices and base of masks that exist:

    lass random --like MASKS --ratio 0.5 --seed 1 --out DIR

or for a base model:

    lass random --checkpoint BASE.pt --pairs de-en,en-de --ratio 0.5 --seed 1 --out DIR

Exactly round(ratio · n) of the n weights of each matrix are removed. The choice depends
on the seed, the pair and the name of the matrix only.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import OneOf, Settings, needless, option, required

HELP = "make random masks"

_MODEL = OneOf(required=True)


@dataclass(frozen=True, kw_only=True)
class RandomSettings(Settings):
    """What masks are drawn for, and where they go."""

    like: Path | None = option(
        None,
        "folder of masks, mask file or joint checkpoint to imitate",
        metavar="MASKS",
        group=_MODEL,
    )
    checkpoint: Path | None = option(
        None, "checkpoint of the base model", metavar="FILE", group=_MODEL
    )
    pairs: tuple[Pair, ...] = option(
        (),
        "pairs to make masks for (with --like, default: all of its pairs)",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )
    targets: tuple[str, ...] = option(
        (),
        "matrices to mask, with --checkpoint (default: attention,feed-forward)",
        metavar="TARGET,…",
        parse="lass_plugin.masks:parse_targets",
    )
    ratio: float = required(
        "share of each matrix to remove", metavar="SHARE", check=check_ratio
    )
    seed: int = required(metavar="N")
    out: Path = required(metavar="DIR")

    def check(self) -> None:
        super().check()
        if self.like:
            why = "with --like, which takes the matrices of the masks it is given"
            needless(self, "targets", why)
        elif not self.pairs:
            raise LassError("--checkpoint needs --pairs, the pairs to make masks for")


SETTINGS = RandomSettings


def run(settings: RandomSettings) -> int:
    """Make the masks and print where they are."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.masks import DEFAULT_TARGETS, fingerprint, save_masks
    from lass_plugin.masks.file import masks_at
    from lass_plugin.masks.random import random_masks

    keys = list(map(str, settings.pairs))
    if settings.checkpoint:
        targets = settings.targets or DEFAULT_TARGETS
        sites = Checkpoint.read(settings.checkpoint).sites(targets)
        shapes = {name: tuple(weight.shape) for name, weight in sites.items()}
        base = fingerprint(sites)
    else:
        assert settings.like  # or the parser has refused it
        models = masks_at(settings.like)
        shapes, base = models.shapes, next(iter(models.values())).base
        keys = keys or list(models)
    masks = random_masks(keys, shapes, settings.ratio, settings.seed, base)
    files = save_masks(settings.out, masks)
    for mask, path in zip(masks.values(), files, strict=True):
        print(f"{mask.key}: {mask.kept():,} of {mask.units:,} weights kept -> {path}")
    return 0
