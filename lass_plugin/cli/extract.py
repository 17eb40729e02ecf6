"""Take masks out of checkpoints.

From a search the mask can be taken at any ratio, without new training:

    lass extract searches/de-en/checkpoint_last.pt --ratio 0.6 --out de-en.safetensors
    lass extract searches --out masks          (every searches/*/checkpoint_last.pt)

A search of several pairs together (lass search --together) gives a mask for each.

From a jointly trained checkpoint, the masks that it carries are taken as they are:

    lass extract joint/checkpoint_best.pt --pairs de-en,en-de --out masks
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

if TYPE_CHECKING:
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.masks import Mask, MaskSet

HELP = "take masks out of checkpoints, at any ratio"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass extract``."""
    parser.add_argument(
        "checkpoints",
        metavar="CHECKPOINT",
        nargs="+",
        type=Path,
        help="checkpoint of a search, folder of searches, or joint checkpoint",
    )
    parser.add_argument(
        "--out",
        metavar="PLACE",
        type=Path,
        required=True,
        help="folder for SRC-TGT.safetensors, or one file NAME.safetensors",
    )
    parser.add_argument(
        "--ratio",
        metavar="SHARE",
        type=float,
        help="share of each matrix to remove (default: the ratio of the search)",
    )
    parser.add_argument(
        "--criterion",
        metavar="SCORE",
        help="score to take the mask by (default: that of the search; a one-shot "
        "search by gradient gives the mask by magnitude too)",
    )
    parser.add_argument(
        "--pairs",
        metavar="SRC-TGT,…",
        help="take only the masks of these pairs (default: all)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Extract, and print a line for each mask."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.errors import LassError
    from lass_plugin.experiments.searches.results import checkpoint_files
    from lass_plugin.languages import parse_pairs
    from lass_plugin.masks import MaskSet, save_mask
    from lass_plugin.masks.places import carried_masks
    from lass_plugin.schedules import check_ratio

    if arguments.ratio is not None:
        check_ratio(arguments.ratio, "--ratio")
    wanted = None
    if arguments.pairs:
        wanted = [str(pair) for pair in parse_pairs(arguments.pairs)]
    masks: dict[str, Mask] = {}
    origins: dict[str, Path] = {}
    remarks: dict[str, str] = {}
    for path in checkpoint_files(arguments.checkpoints):
        checkpoint = Checkpoint.read(path)
        carried = carried_masks(checkpoint)
        if carried is not None:
            options = {"ratio": arguments.ratio, "criterion": arguments.criterion}
            found = _from_joint(carried, path, options)
        else:
            found = _from_search(checkpoint, path, arguments, wanted)
        for mask, remark in found:
            if wanted is not None and mask.key not in wanted:
                continue
            if mask.key in masks:
                raise LassError(
                    f"{origins[mask.key]} and {path} both hold a mask of {mask.key}; "
                    "give one of them"
                )
            masks[mask.key], origins[mask.key] = mask, path
            remarks[mask.key] = remark
    for key in wanted or ():
        if key not in masks:
            raise LassError(
                f"no mask of {key} is in the checkpoints given (they hold "
                f"{', '.join(sorted(masks)) or 'none of the pairs'})"
            )
    extracted = MaskSet(masks.values())
    _check_bases(extracted, origins)
    targets = _targets(arguments.out, list(extracted))
    for key, mask in extracted.items():
        save_mask(targets[key], mask)
        print(f"{_describe(mask)}; {remarks[key]} -> {targets[key]}")
    return 0


def _from_joint(
    carried: "MaskSet", path: Path, options: Mapping[str, Any]
) -> "list[tuple[Mask, str]]":
    from lass_plugin.errors import LassError

    for name, value in options.items():
        if value is not None:
            raise LassError(
                f"{path} is jointly trained: its masks are fixed, so --{name} has no "
                "effect; leave it out, or give the checkpoints of the searches"
            )
    return [(mask, "carried by the checkpoint") for mask in carried.values()]


def _from_search(
    checkpoint: "Checkpoint",
    path: Path,
    arguments: argparse.Namespace,
    wanted: list[str] | None,
) -> "list[tuple[Mask, str]]":
    from lass_plugin.methods.search.searched_masks import search_states, searched_mask

    found = []
    for key, state in search_states(checkpoint).items():
        if wanted is not None and key not in wanted:
            continue  # before the work
        options = (arguments.ratio, arguments.criterion)
        mask = searched_mask(checkpoint, *options, key=key)
        for warning in (unfinished(state), recut(state, arguments.ratio)):
            if warning:
                print(f"warning: {path}: {warning}", file=sys.stderr)
        found.append((mask, settled(state)))
    return found


def settled(state: Mapping[str, Any]) -> str:
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


def unfinished(state: Mapping[str, Any]) -> str:
    """What to tell of a gradual search that has not reached its ratio, else ''."""
    from lass_plugin.methods.search.plan import SearchPlan

    return SearchPlan.from_dict(state["plan"]).unfinished(int(state["updates"]))


def recut(state: Mapping[str, Any], ratio: float | None) -> str:
    """What to tell of a mask at another ratio than a gradual search had, else ''."""
    from lass_plugin.methods.search.plan import SearchPlan

    plan = SearchPlan.from_dict(state["plan"])
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
    from lass_plugin.errors import LassError
    from lass_plugin.masks.fingerprint import same_weights

    known = [mask for mask in masks.values() if mask.base]
    for mask in known[1:]:
        if not same_weights(known[0].base, mask.base):
            raise LassError(
                f"{origins[known[0].key]} and {origins[mask.key]} were searched on "
                "different base models; extract them into different folders"
            )


def _targets(out: Path, keys: list[str]) -> dict[str, Path]:
    """Where the mask of each key goes: one file, or files of a folder."""
    from lass_plugin.errors import LassError
    from lass_plugin.masks.file import SUFFIX

    if out.suffix == SUFFIX and not out.is_dir():
        if len(keys) > 1:
            raise LassError(
                f"--out {out} is one file, but there are {len(keys)} masks "
                f"({', '.join(keys)}); give a folder, or one of the --pairs"
            )
        return {key: out for key in keys}
    if out.is_file():
        raise LassError(f"--out {out} is a file; give a folder or NAME{SUFFIX}")
    return {key: out / f"{key}{SUFFIX}" for key in keys}
