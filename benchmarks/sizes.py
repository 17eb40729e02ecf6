"""Bits that a weight's mask takes: in a mask file, and a pair in a checkpoint. Bytes
that a finished search by gradient takes, cut down to its scores, a parameter.

The checkpoints are written by fairseq's trainer, one of base training and one of joint
training with 16 pairs; their difference is what the masks cost. The masks are random
at ratio .5, which no compression could make smaller.

    python benchmarks/sizes.py [--scale small] [--pairs 16] [--quick]
"""

import sys
import tempfile
from pathlib import Path

import made_up_data
import pairing
import torch
import trainings
from search import search_flags

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.methods.search.cut_down import cut_down

GOAL, SEARCH_GOAL = 1.02, 8.0


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--pairs", type=int, default=16)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args, folder: Path) -> bool:
    pairs = made_up_data.pair_names(args.pairs)
    data = folder / "data"
    made_up_data.write_folder(data, dict.fromkeys(pairs, 50))
    common = trainings.model_flags(args.scale)
    common += trainings.training_flags(1024, args.device, args.seed)
    common += ["--optimizer", "strict_adam"]
    base = trainings.Training(data, [*trainings.our_task_flags(pairs), *common])
    masks = trainings.random_masks(base.sites, pairs, folder / "masks")
    weights = base.maskable
    file_bytes = max(path.stat().st_size for path in masks.iterdir())

    joint = trainings.Training(data, [*trainings.our_task_flags(pairs, masks), *common])
    saved = [base.save(folder / "base.pt"), joint.save(folder / "joint.pt")]
    extra = saved[1].stat().st_size - saved[0].stat().st_size
    print(
        f"{weights} maskable weights; mask file {file_bytes} bytes; checkpoint "
        f"{saved[0].stat().st_size} bytes, with masks of {len(pairs)} pairs {extra} "
        "more"
    )
    bits = {"file": 8 * file_bytes / weights}
    bits["checkpoint"] = 8 * extra / (weights * len(pairs))
    reached = [
        pairing.result(f"sizes_{place}", value, GOAL, at_most=True)
        for place, value in bits.items()
    ]
    reached.append(_search(data, common, pairs[0], folder))
    return all(reached)


def _search(data: Path, common: list[str], pair: str, folder: Path) -> bool:
    """A search of one update; all that it keeps of longer ones is of the same size."""
    training = trainings.Training(data, search_flags("gradient", common, pair))
    training.step(training.batches[0])
    whole, cut = training.save(folder / "search.pt"), folder / "cut.pt"
    torch.save(cut_down(Checkpoint.read(whole)), cut)
    parameters = sum(each.numel() for each in training.model.parameters())
    before, after = (path.stat().st_size / parameters for path in (whole, cut))
    print(
        f"a search: {before:.2f} bytes a parameter, {after:.2f} cut down to its scores"
    )
    return pairing.result("sizes_search", after, SEARCH_GOAL, at_most=True)


if __name__ == "__main__":
    sys.exit(main())
