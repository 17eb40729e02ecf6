"""Import mask files that the public code of LaSS (Lin 2021) wrote.

    lass import-lass de-en.pt --pair de-en --out masks/de-en.safetensors
    lass import-lass 'old/mask_{source}_{target}.pt' --pairs de-en,en-de --out masks

Such a file holds a dictionary of parameter names and boolean tensors (or 0 and 1), True
for the weights that stay. With --checkpoint, names and shapes are checked against the
base model, and joint training will refuse any other base.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import OneOf, Settings, argument, option, required

HELP = "import masks of the public LaSS code"

_WHICH = OneOf(required=True)


@dataclass(frozen=True, kw_only=True)
class ImportSettings(Settings):
    """The files to import, and where their masks go."""

    file: str = argument(
        "mask file; with --pairs, a folder (FOLDER/{pair}.pt) or a path with {pair}, "
        "or {source} and {target}",
        metavar="FILE",
    )
    pair: Pair | None = option(
        None, "pair of one file", metavar="SRC-TGT", group=_WHICH
    )
    pairs: tuple[Pair, ...] = option(
        (),
        "pairs of several files",
        metavar="SRC-TGT,…",
        group=_WHICH,
        parse=parse_pairs,
    )
    out: Path = required("mask file to write, or folder with --pairs", metavar="PLACE")
    checkpoint: Path | None = option(
        None, "checkpoint of the base model", metavar="BASE"
    )
    targets: tuple[str, ...] | None = option(
        None,
        "import only these matrices: attention, feed-forward, embeddings, "
        "output-projection (default: all that the file prunes)",
        metavar="TARGET,…",
        parse="lass_plugin.masks:parse_targets",
    )


SETTINGS = ImportSettings


def run(settings: ImportSettings) -> int:
    """Import, and print what each mask keeps."""
    from lass_plugin.masks import save_mask
    from lass_plugin.masks.file import mask_files
    from lass_plugin.masks.lass_format import find_files, import_masks

    if settings.pair is not None:
        sources = {str(settings.pair): Path(settings.file)}
    else:
        sources = find_files(settings.file, settings.pairs)
    files = mask_files(settings.out, sources, single=settings.pair is not None)
    masks = import_masks(sources, settings.targets, settings.checkpoint)
    for key, mask in masks.items():
        save_mask(files[key], mask)
        print(
            f"{key}: {mask.kept():,} of {mask.units:,} weights kept, "
            f"{len(mask.shapes)} matrices -> {files[key]}"
        )
    if settings.checkpoint is None:
        print("the base is not known; --checkpoint BASE checks and records it")
    return 0
