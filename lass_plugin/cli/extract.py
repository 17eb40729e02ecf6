"""Take masks out of checkpoints.

From a search the mask can be taken at any ratio, without new training:

    lass extract searches/de-en/checkpoint_last.pt --ratio 0.6 --out de-en.safetensors
    lass extract searches --out masks          (every searches/*/checkpoint_last.pt)

A search of several pairs together (lass search --together) gives a mask for each.

From a jointly trained checkpoint, the masks that it carries are taken as they are:

    lass extract joint/checkpoint_best.pt --pairs de-en,en-de --out masks

With --base the checkpoints are ordinary fine-tunings of that model, and a mask keeps
what moved most from it (LT-SFT, Ansell 2022), 1 - ratio of all weights together:

    lass extract tuned --base base.pt --ratio 0.95 --by language --out masks

--by language makes a mask for each source (source@de) and each target (target@en) out
of the mean over their pairs, for --task translation_sparse_tuning.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.schedules import check_ratio
from lass_plugin.settings import Settings, argument, needless, option, required

if TYPE_CHECKING:
    from lass_plugin.masks import Mask

TUNED = "fine-tuned checkpoints"
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
    base: Path | None = option(
        None,
        "the model that the checkpoints were fine-tuned from, to compare them with",
        metavar="PT",
        group=TUNED,
    )
    over: str = option(
        "model",
        "what --ratio is of: each matrix, or the whole model (default: %(default)s)",
        choices=("matrix", "model"),
        group=TUNED,
    )
    by: str = option(
        "pair",
        "a mask for each pair, or for each source and each target language (default: "
        "%(default)s)",
        choices=("pair", "language"),
        group=TUNED,
    )
    targets: tuple[str, ...] = option(
        ("attention", "feed-forward"),
        "matrices that masks cover (default: %(default)s)",
        metavar="WHAT,…",
        parse="lass_plugin.anatomy.targets:parse_targets",
        group=TUNED,
    )

    def check(self) -> None:
        super().check()
        if self.base is None:
            why = "without --base, for fine-tuned checkpoints"
            needless(self, ("over", "by", "targets"), why)
        elif self.ratio is None:
            raise LassError("--base needs --ratio, the share of the weights to remove")
        elif self.by == "language":
            needless(self, "pairs", "with --by language, whose masks are of languages")


SETTINGS = ExtractSettings


def run(settings: ExtractSettings) -> int:
    """Extract, and print a line for each mask."""
    from lass_plugin.experiments.searches.results import checkpoint_files
    from lass_plugin.masks import MaskSet, save_mask
    from lass_plugin.masks.file import mask_files

    found: dict[str, tuple[Mask, str, Path]] = {}
    paths = checkpoint_files(settings.checkpoints)
    if settings.base is not None:
        found = _masks_of_changes(paths, settings)
    for path in paths if settings.base is None else ():
        for mask, remark in _masks_in(path, settings):
            if mask.key in found:
                raise LassError(
                    f"{found[mask.key][2]} and {path} both hold a mask of {mask.key}; "
                    "give one of them"
                )
            found[mask.key] = mask, remark, path
    for key in map(str, settings.pairs):
        if key not in found:
            raise LassError(
                f"no mask of {key} is in the checkpoints given (they hold "
                f"{', '.join(sorted(found)) or 'none of the pairs'})"
            )
    _check_bases((mask, path) for mask, _, path in found.values())
    masks = MaskSet(mask for mask, _, _ in found.values())
    targets = mask_files(settings.out, masks)
    for key, mask in masks.items():
        save_mask(targets[key], mask)
        source = mask.provenance
        how = " ".join(filter(None, (source.criterion, source.schedule)))
        ratio = "" if source.ratio is None else f", ratio {source.ratio:g}"
        print(
            f"{key}: {how}{ratio}, {mask.kept():,} of {mask.units:,} weights kept, "
            f"after {source.updates:,} updates; {found[key][1]} -> {targets[key]}"
        )
    return 0


def _masks_in(path: Path, settings: ExtractSettings) -> "Iterator[tuple[Mask, str]]":
    """The masks of the wanted pairs in one checkpoint, with a remark on each."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.masks.file import carried_masks
    from lass_plugin.methods.search.plan import SearchPlan
    from lass_plugin.methods.search.searched_masks import search_states, searched_mask
    from lass_plugin.methods.search.settling import described, measure_of

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
    ratio = settings.ratio
    for key, state in search_states(checkpoint).items():
        if wanted and key not in wanted:
            continue
        mask = searched_mask(checkpoint, ratio, settings.criterion, key)
        plan, settled = SearchPlan.from_dict(state["plan"]), state["settled"]
        warnings = [plan.unfinished(int(state["updates"]))]
        if ratio is not None and not plan.is_exact_at(ratio, plan.targets):
            warnings.append(
                f"the gradual search of {key} trained under ratio {plan.ratio:g}, so "
                f"its mask at ratio {ratio:g} is near to what a search for that would "
                "find, but not the same"
            )
        for warning in filter(None, warnings):
            print(f"warning: {path}: {warning}", file=sys.stderr)
        remark = "too early to say how settled it is"
        if measure_of(settled):
            remark = f"{described(settled)} at ratio {plan.ratio:g}"
        yield mask, remark


def _masks_of_changes(
    paths: "Sequence[Path]", settings: ExtractSettings
) -> "dict[str, tuple[Mask, str, Path]]":
    """The masks that fine-tuned checkpoints give, beside the one that each is of."""
    from lass_plugin.data.progress import Progress
    from lass_plugin.methods.search.tuned_masks import TunedMasks

    assert settings.base is not None and settings.ratio is not None
    criterion, targets = settings.criterion, settings.targets
    tuned = TunedMasks.read(paths, settings.base, criterion, targets, settings.by)
    wanted = set(map(str, settings.pairs))
    keys = [key for key in tuned.keys if not wanted or key in wanted]
    progress, found = Progress("masks", len(keys)), {}
    for key in keys:
        mask = tuned.mask(key, settings.ratio, settings.over)
        found[key] = mask, mask.provenance.note, tuned.keys[key][0].path
        progress.advance(1, key)
    progress.finish()
    return found


def _check_bases(found: "Iterable[tuple[Mask, Path]]") -> None:
    """Refuse masks of different base models: they could not be trained jointly."""
    from lass_plugin.masks.fingerprint import same_weights

    known = [(mask.base, path) for mask, path in found if mask.base]
    for base, path in known[1:]:
        if not same_weights(known[0][0], base):
            raise LassError(
                f"{known[0][1]} and {path} were searched on different base models; "
                "extract them into different folders"
            )
