"""Write a smaller checkpoint for some pairs: what none of them uses is cut out.

    lass compact joint/checkpoint_best.pt --pairs de-en,fr-en --out small.pt

The result is a checkpoint of --task translation_subnetwork that carries the masks of
these pairs, cut as its matrices are, and translates each of them as before. (A single
pair for stock fairseq: 'lass export … --compact'.)

Cut are the hidden units of the feed-forward layers that contribute to none of these
pairs. fairseq has one width for all layers of the encoder and one for the decoder: a
side shrinks to the most units that one of its layers uses, and the other layers are
filled up with zeros. Attention keeps its size (heads × units of a head = units of the
model), and so do the outputs of a layer, which are added to its input: what the masks
remove there is not cut. Nothing is written unless the outputs are the same.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

if TYPE_CHECKING:
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.masks import MaskSet
    from lass_plugin.methods.subnetworks.compaction import Cut

HELP = "cut out what none of some pairs uses"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass compact``."""
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=Path, help="jointly trained checkpoint"
    )
    parser.add_argument(
        "--pairs",
        metavar="SRC-TGT,…",
        help="the pairs that the result is for (default: all that have a mask)",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="checkpoint to write"
    )
    parser.add_argument(
        "--masks",
        metavar="PATH",
        type=Path,
        help="take the masks from here instead (default: the checkpoint's own)",
    )
    add_multiple(parser)


def add_multiple(parser: argparse.ArgumentParser) -> None:
    """Add the option that widths are rounded by."""
    parser.add_argument(
        "--multiple",
        metavar="N",
        type=int,
        help="round widths up to a multiple of N, which GPUs compute faster "
        "(default: 8)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compact, and print what was cut."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.languages import parse_pairs
    from lass_plugin.methods.subnetworks.compaction import compacted_group

    path = arguments.checkpoint
    check_checkpoint_name(arguments.out)
    multiple = multiple_of(arguments)
    checkpoint = Checkpoint.read(path)
    masks = masks_for(checkpoint, arguments.masks)
    if arguments.pairs:
        masks = masks.only(map(str, parse_pairs(arguments.pairs)))
    result, cut, difference = compacted_group(checkpoint, masks, multiple)
    save_tensors(arguments.out, result)
    print_cut(checkpoint.content, result, cut, difference)
    print(f"{', '.join(masks)} -> {arguments.out}")
    return 0


def check_checkpoint_name(out: Path) -> None:
    """Refuse a file that would not be taken for a checkpoint.

    Raises:
        LassError: its name does not end in ``.pt``.
    """
    from lass_plugin.errors import LassError

    if out.suffix != ".pt":
        raise LassError(f"--out {out} must be a file that ends in .pt")


def masks_for(checkpoint: "Checkpoint", given: Path | None) -> "MaskSet":
    """The masks at *given*, or those that *checkpoint* carries.

    Raises:
        LassError: there are none.
    """
    from lass_plugin.errors import LassError
    from lass_plugin.masks.places import carried_masks, masks_at

    masks = carried_masks(checkpoint) if given is None else masks_at([given])
    if not masks:
        raise LassError(
            f"{checkpoint.path} carries no masks; give a jointly trained checkpoint, "
            "or the mask with --masks"
        )
    return masks


def multiple_of(arguments: argparse.Namespace) -> int:
    """What widths are rounded by.

    Raises:
        LassError: it is not 1 or more.
    """
    from lass_plugin.errors import LassError
    from lass_plugin.methods.subnetworks.compaction import MULTIPLE

    if arguments.multiple is None:
        return MULTIPLE
    if arguments.multiple < 1:
        raise LassError(f"--multiple must be 1 or more, not {arguments.multiple}")
    return int(arguments.multiple)


def print_cut(
    before: Mapping[str, Any], after: Mapping[str, Any], cut: "Cut", difference: float
) -> None:
    """Print the sizes of a checkpoint before and after, and that it is the same."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.records.text_tables import print_table

    files = [Checkpoint(Path(), content) for content in (before, after)]
    models = [file.parameters.values() for file in files]
    sizes = {
        "parameters": [sum(each.numel() for each in model) for model in models],
        "bytes": [sum(each.nbytes for each in model) for model in models],
    }
    for side, width in cut.before.items():
        sizes[f"{side} FFN width"] = [width, cut.after[side]]
    rows = [
        [name, f"{old:,}", f"{new:,}", f"{100 * new / old:.1f}"]
        for name, (old, new) in sizes.items()
    ]
    print_table([["", "before", "after", "%"], *rows])
    if cut.before == cut.after:
        print("nothing was cut: on each side some layer uses (nearly) all hidden units")
    print(f"outputs differ by {difference:.1e} of the largest (on random sentences)")
