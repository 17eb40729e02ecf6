"""Make random masks: the controls that searched masks have to beat.

For the pairs, matrices and base of masks that exist:

    lass random --like MASKS --ratio 0.5 --seed 1 --out DIR

or for a base model:

    lass random --checkpoint BASE.pt --pairs de-en,en-de --ratio 0.5 --seed 1 --out DIR

Exactly round(ratio · n) of the n weights of each matrix are removed. The choice depends
on the seed, the pair and the name of the matrix only. So masks of different pairs share
no more than chance gives, 1 − ratio; searched masks mostly share more, and remove small
weights more than large ones. Controls that are alike in this, too:

    lass random --like MASKS --ratio 0.5 --overlap 0.9 --seed 1 --out DIR
    lass random --like MASKS --match overlap --seed 1 --out DIR
    lass random --like MASKS --match profile,overlap --base BASE.pt --seed 1 --out DIR

--overlap is the mean similarity of every two masks ('lass compare'), from 1 − ratio to
1. --match keeps as many weights of each matrix as MASKS do: 'overlap' with the same
mean similarity, 'profile' as many in each of 20 equal bins of |W| of each matrix, from
the smallest weights to the largest. What has the profile of masks by magnitude is all
but those masks: the last figure of each line says how much of a mask is in MASKS.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import OneOf, Settings, needless, option, required

if TYPE_CHECKING:
    from lass_plugin.masks import MaskSet

HELP = "make random masks, alike or not"

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
    ratio: float | None = option(
        None,
        "share of each matrix to remove (needed without --match)",
        metavar="SHARE",
        check=check_ratio,
    )
    overlap: float | None = option(
        None,
        "mean similarity of every two masks (default: chance, 1 − ratio)",
        metavar="SHARE",
    )
    match: tuple[str, ...] = option(
        (),
        "what the masks have as --like has it: profile, overlap",
        metavar="WHAT,…",
        choices=("profile", "overlap"),
    )
    base: Path | None = option(
        None, "base that --like was searched on, for --match profile", metavar="FILE"
    )
    seed: int = required(metavar="N")
    out: Path = required(metavar="DIR")

    def check(self) -> None:
        super().check()
        if self.like:
            why = "with --like, which takes the matrices of the masks it is given"
            needless(self, "targets", why)
        else:
            why = "with --checkpoint; it is for --like, the masks to imitate"
            needless(self, ("match", "base"), why)
            if not self.pairs:
                raise LassError(
                    "--checkpoint needs --pairs, the pairs to make masks for"
                )
        if self.match:
            why = "with --match, which keeps as many weights as the masks of --like do"
            needless(self, "ratio", why)
        elif self.ratio is None:
            raise LassError(
                "--ratio is missing, the share of each matrix to remove; give it, or "
                "--like MASKS --match overlap to remove as many as masks do"
            )
        if "overlap" in self.match:
            needless(
                self, "overlap", "with --match overlap, which takes that of --like"
            )
        if "profile" not in self.match:
            needless(self, "base", "without --match profile")
        elif not self.base:
            raise LassError(
                "--match profile needs --base, the checkpoint that the masks of --like "
                "were searched on"
            )


SETTINGS = RandomSettings


def run(settings: RandomSettings) -> int:
    """Make the masks and print where they are."""
    from lass_plugin.analysis.similarity import between, overlaps
    from lass_plugin.masks import save_masks
    from lass_plugin.masks.packing import count_shared

    given, masks = _matched(settings) if settings.match else (None, _at_ratio(settings))
    files = save_masks(settings.out, masks)
    for mask, path in zip(masks.values(), files, strict=True):
        words = f"{mask.key}: {mask.kept():,} of {mask.units:,} weights kept"
        if given is not None:
            theirs = given[mask.key].bits
            both = sum(count_shared(mask.bits[name], theirs[name]) for name in theirs)
            words += (
                f", {both / max(1, mask.kept()):.3f} of them in {settings.like} too"
            )
        print(f"{words} -> {path}")
    if len(masks) > 1:
        (counts,) = overlaps(masks).values()
        similar, chance = between(counts.symmetric()), between(counts.chance())
        print(f"mean similarity {similar.mean():.3f} (chance {chance.mean():.3f})")
    return 0


def _matched(settings: RandomSettings) -> "tuple[MaskSet, MaskSet]":
    """The masks given, and those with as many weights in each matrix."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.masks.controls import matched_masks
    from lass_plugin.masks.file import masks_at

    assert settings.like  # or the settings have been refused
    given, weights = masks_at(settings.like), None
    if settings.pairs:
        given = given.only(map(str, settings.pairs))
    if settings.base:
        all_weights = Checkpoint.read_whole(settings.base).weights
        weights = {n: all_weights[n] for n in given.shapes if n in all_weights}
    words = (settings.seed, settings.match, weights, settings.overlap)
    return given, matched_masks(given, *words)


def _at_ratio(settings: RandomSettings) -> "MaskSet":
    """The masks with as many weights as the ratio says."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.masks import DEFAULT_TARGETS, fingerprint
    from lass_plugin.masks.controls import overlapping_masks
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
    assert settings.ratio is not None  # or the settings have been refused
    words = (keys, shapes, settings.ratio, settings.seed)
    if settings.overlap is None:
        return random_masks(*words, base)
    return overlapping_masks(*words, settings.overlap, base)
