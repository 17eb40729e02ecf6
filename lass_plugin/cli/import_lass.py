"""Import mask files that the public code of LaSS (Lin 2021) wrote.

    lass import-lass de-en.pt --pair de-en --out masks/de-en.safetensors
    lass import-lass 'old/mask_{source}_{target}.pt' --pairs de-en,en-de --out masks

Such a file holds a dictionary of parameter names and boolean tensors (or 0 and 1), True
for the weights that stay. With --checkpoint, names and shapes are checked against the
base model, and joint training will refuse any other base.
"""

import argparse
from pathlib import Path

HELP = "import masks of the public LaSS code"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass import-lass``."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="mask file; with --pairs, a folder (FOLDER/{pair}.pt) or a path with "
        "{pair}, or {source} and {target}",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--pair", metavar="SRC-TGT", help="pair of one file")
    which.add_argument("--pairs", metavar="SRC-TGT,…", help="pairs of several files")
    parser.add_argument(
        "--out",
        metavar="PLACE",
        type=Path,
        required=True,
        help="mask file to write, or folder with --pairs",
    )
    parser.add_argument(
        "--checkpoint", metavar="BASE", type=Path, help="checkpoint of the base model"
    )
    parser.add_argument(
        "--targets",
        metavar="TARGET,…",
        help="import only these matrices: attention, feed-forward, embeddings, "
        "output-projection (default: all that the file prunes)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import, and print what each mask keeps."""
    from lass_plugin.errors import LassError
    from lass_plugin.languages import Pair, parse_pairs
    from lass_plugin.masks import parse_targets, save_mask
    from lass_plugin.masks.file import SUFFIX
    from lass_plugin.masks.lass_format import find_files, import_masks

    targets = parse_targets(arguments.targets) if arguments.targets else None
    single = arguments.pair is not None
    if single:
        sources = {str(Pair.parse(arguments.pair)): Path(arguments.file)}
        if arguments.out.suffix != SUFFIX:
            raise LassError(f"--out {arguments.out} must be a file ending in {SUFFIX}")
    else:
        sources = find_files(arguments.file, parse_pairs(arguments.pairs))
    masks = import_masks(sources, targets, arguments.checkpoint)
    for key, mask in masks.items():
        target = arguments.out if single else arguments.out / f"{key}{SUFFIX}"
        save_mask(target, mask)
        print(
            f"{key}: {mask.kept():,} of {mask.units:,} weights kept, "
            f"{len(mask.shapes)} matrices -> {target}"
        )
    if arguments.checkpoint is None:
        print("the base is not known; --checkpoint BASE checks and records it")
    return 0
