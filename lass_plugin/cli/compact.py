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

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from lass_plugin.methods.export_settings import MULTIPLE, CompactSettings

if TYPE_CHECKING:
    from lass_plugin.methods.subnetworks.compaction import Cut

HELP = "cut out what none of some pairs uses"
SETTINGS = CompactSettings


def run(settings: CompactSettings) -> int:
    """Compact, and print what was cut."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.errors import LassError
    from lass_plugin.masks.belonging import other_base
    from lass_plugin.masks.file import carried_masks, masks_at
    from lass_plugin.methods.subnetworks.compaction import compacted_group

    path, given = settings.checkpoint, settings.masks
    checkpoint = Checkpoint.read_whole(path)
    carried = carried_masks(checkpoint)
    masks = masks_at(given) if given else carried
    if not masks:
        raise LassError(
            f"{path} carries no masks; give a jointly trained checkpoint, or the mask "
            "with --masks"
        )
    if settings.pairs:
        masks = masks.only(map(str, settings.pairs))
    if given:  # what is written says that they are of its own weights
        if told := other_base(masks, carried, checkpoint.weights, str(path)):
            print(f"note: {told}", file=sys.stderr, flush=True)
    multiple = settings.multiple or MULTIPLE
    result, cut, difference = compacted_group(checkpoint, masks, multiple)
    save_tensors(settings.out, result)
    print_cut(checkpoint.content, result, cut, difference)
    print(f"{', '.join(masks)} -> {settings.out}")
    return 0


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
