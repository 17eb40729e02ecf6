"""Take masks out of checkpoints.

From a search the mask can be taken at any ratio, without new training:

    lass extract searches/de-en/checkpoint_last.pt --ratio 0.6 --out de-en.safetensors
    lass extract searches --out masks          (every searches/*/checkpoint_last.pt)

A search of several pairs together (lass search --together) gives a mask for each.

From a jointly trained checkpoint, the masks that it carries are taken as they are:

    lass extract joint/checkpoint_best.pt --pairs de-en,en-de --out masks
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import Settings, argument, needless, option, required

if TYPE_CHECKING:
    from lass_plugin.masks import Mask, MaskSet
    from lass_plugin.methods.search.plan import SearchPlan

HELP = "take masks out of checkpoints, at any ratio"


@dataclass(frozen=True, kw_only=True)
class ExtractSettings(Settings):
    """What is taken out of which checkpoints, and where it goes."""

    checkpoints: tuple[Path, ...] = argument(
        "checkpoint of a search, folder of searches, or joint checkpoint",
        metavar="CHECKPOINT",
        nargs="+",
    )
    out: Path = required(
        "folder for SRC-TGT.safetensors, or one file NAME.safetensors", metavar="PLACE"
    )
    ratio: float | None = option(
        None,
        "share of each matrix to remove (default: the ratio of the search)",
        metavar="SHARE",
        check=check_ratio,
    )
    criterion: str | None = option(
        None,
        "score to take the mask by (default: that of the search; a one-shot search by "
        "gradient gives the mask by magnitude too)",
        metavar="SCORE",
    )
    pairs: tuple[Pair, ...] = option(
        (),
        "take only the masks of these pairs (default: all)",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )


SETTINGS = ExtractSettings


def run(settings: ExtractSettings) -> int:
    """Extract, and print a line for each mask."""
    from lass_plugin.experiments.searches.results import checkpoint_files
    from lass_plugin.masks import MaskSet, save_mask
    from lass_plugin.masks.file import mask_files

    masks: dict[str, Mask] = {}
    origins: dict[str, Path] = {}
    remarks: dict[str, str] = {}
    for path in checkpoint_files(settings.checkpoints):
        for mask, remark in _masks_in(path, settings):
            if mask.key in masks:
                raise LassError(
                    f"{origins[mask.key]} and {path} both hold a mask of {mask.key}; "
                    "give one of them"
                )
            masks[mask.key], origins[mask.key] = mask, path
            remarks[mask.key] = remark
    for key in map(str, settings.pairs):
        if key not in masks:
            raise LassError(
                f"no mask of {key} is in the checkpoints given (they hold "
                f"{', '.join(sorted(masks)) or 'none of the pairs'})"
            )
    extracted = MaskSet(masks.values())
    _check_bases(extracted, origins)
    targets = mask_files(settings.out, extracted)
    for key, mask in extracted.items():
        save_mask(targets[key], mask)
        print(f"{_describe(mask)}; {remarks[key]} -> {targets[key]}")
    return 0


def _masks_in(path: Path, settings: ExtractSettings) -> "Iterator[tuple[Mask, str]]":
    """The masks of the wanted pairs in one checkpoint, with a remark on each."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.masks.file import carried_masks
    from lass_plugin.methods.search.plan import SearchPlan
    from lass_plugin.methods.search.searched_masks import search_states, searched_mask

    wanted = set(map(str, settings.pairs))
    checkpoint = Checkpoint.read(path)
    carried = carried_masks(checkpoint)
    if carried is not None:
        why = f"on {path}, which is jointly trained and has its masks as they are"
        needless(settings, ("ratio", "criterion"), why)
        for mask in carried.values():
            if not wanted or mask.key in wanted:
                yield mask, "carried by the checkpoint"
        return
    for key, state in search_states(checkpoint).items():
        if wanted and key not in wanted:
            continue
        mask = searched_mask(checkpoint, settings.ratio, settings.criterion, key)
        plan = SearchPlan.from_dict(state["plan"])
        unfinished = plan.unfinished(int(state["updates"]))
        for warning in (unfinished, _recut(plan, settings.ratio)):
            if warning:
                print(f"warning: {path}: {warning}", file=sys.stderr)
        yield mask, _settled(state)


def _settled(state: Mapping[str, Any]) -> str:
    """How settled the mask of a search is, in words."""
    report, plan = state["settled"], state["plan"]
    parts = [
        f"{label} share {report[name]:.3f}"
        for name, label in (
            ("halves", "masks of even and odd updates"),
            ("since_halfway", "mask and the one at half the updates"),
        )
        if name in report
    ]
    if not parts:
        return "too early to say how settled it is"
    return (
        f"{', '.join(parts)} (chance {report['chance']:.3f}) at ratio {plan['ratio']:g}"
    )


def _recut(plan: "SearchPlan", ratio: float | None) -> str:
    """What to tell of a mask at another ratio than a gradual search had, else ''."""
    if ratio is None or plan.is_exact_at(ratio, plan.targets):
        return ""
    return (
        f"the gradual search of {plan.key} trained under ratio {plan.ratio:g}, so its "
        f"mask at ratio {ratio:g} is near to what a search for that would find, but "
        "not the same"
    )


def _describe(mask: "Mask") -> str:
    source = mask.provenance
    how = " ".join(filter(None, (source.criterion, source.schedule)))
    ratio = "" if source.ratio is None else f", ratio {source.ratio:g}"
    return (
        f"{mask.key}: {how}{ratio}, {mask.kept():,} of {mask.units:,} weights kept, "
        f"after {source.updates:,} updates"
    )


def _check_bases(masks: "MaskSet", origins: Mapping[str, Path]) -> None:
    """Refuse masks of different base models: they could not be trained jointly."""
    from lass_plugin.masks.fingerprint import same_weights

    known = [mask for mask in masks.values() if mask.base]
    for mask in known[1:]:
        if not same_weights(known[0].base, mask.base):
            raise LassError(
                f"{origins[known[0].key]} and {origins[mask.key]} were searched on "
                "different base models; extract them into different folders"
            )
