"""Generation with low-rank modules against the base that they stand in.

Modules of rank 8 stand beside all default matrices. Merged into the weights they cost
nothing; beside them, as where one process serves several directions, two thin products
a matrix. All translate the same batches; the length of the output is fixed, so that all
do the same number of steps. As information: a model whose direction changes with every
batch.

    python benchmarks/low_rank_inference.py [--scale small] [--quick]
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import made_up_data
import pairing
import trainings
from generation import PAIRS, Switching, Translation

MERGED_GOAL = 0.99
UNMERGED_GOAL = 0.85
RANK = 8


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--rounds", type=int, default=0)
    options.add_argument("--beam", type=int, default=5)
    options.add_argument("--words", type=int, default=20, help="of each translation")
    options.add_argument("--sentences", type=int, default=16, help="in a batch")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args: Any, folder: Path) -> bool:
    data = folder / "data"
    made_up_data.write_folder(data, dict.fromkeys(PAIRS, 400))
    made_up_data.write_folder(data, dict.fromkeys(PAIRS, 400), split="test")
    base, low_rank = _checkpoints(args, data, folder)
    dense = Translation(args, data, base, PAIRS[0])
    merged = Translation(args, data, low_rank, PAIRS[0])
    unmerged = Unmerged(args, data, low_rank)
    rounds = args.rounds or (5 if args.quick else 25)
    contestants = {
        "dense": dense.translate,
        "merged": merged.translate,
        "unmerged": unmerged.translate,
    }
    times = pairing.take_turns(contestants, rounds, clock=args.clock)
    for name in ("merged", "unmerged"):
        print(f"{name}: {pairing.spread(times['dense'], times[name])}")

    switching = Switching(args, data, low_rank)
    more = pairing.take_turns(
        {"switching": switching.translate, "dense": dense.translate},
        max(3, rounds // 3),
        clock=args.clock,
    )
    ratio = pairing.median_ratio(more["dense"], more["switching"])
    pairing.information("low_rank_switching_every_batch", ratio)
    reached = [
        pairing.result(f"low_rank_{name}", ratio, goal)
        for name, goal in (("merged", MERGED_GOAL), ("unmerged", UNMERGED_GOAL))
        for ratio in [pairing.median_ratio(times["dense"], times[name])]
    ]
    return all(reached)


def _checkpoints(args: Any, data: Path, folder: Path) -> tuple[Path, Path]:
    """Those of a base and of low-rank modules in it, after one update each."""
    flags = trainings.model_flags(args.scale)
    flags += trainings.training_flags(512, args.device, args.seed)
    flags += ["--optimizer", "strict_adam"]
    task = trainings.our_task_flags(PAIRS)
    base = _trained(data, [*task, *flags], folder / "base.pt")
    task[task.index("translation_subnetwork")] = "translation_lslo"
    task += ["--base", str(base), "--lslo-ranks", str(RANK)]
    return base, _trained(data, [*task, *flags], folder / "low_rank.pt")


def _trained(data: Path, flags: list[str], path: Path) -> Path:
    training = trainings.Training(data, flags)
    training.step(trainings.evenly(training.batches, 1)[0])
    return training.save(path)


class Unmerged(Translation):
    """A model that serves several directions, of which one is translated."""

    def __init__(self, args: Any, data: Path, checkpoint: Path):
        self._load(args, data, checkpoint, {"lang_pairs": ",".join(PAIRS)})
        self.samples = self._samples(args, PAIRS[0])


if __name__ == "__main__":
    sys.exit(main())
