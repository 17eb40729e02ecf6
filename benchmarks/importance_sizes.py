"""Whether the importance of neurons takes longer for a sentence of a larger corpus.

A part of as many sentences is measured out of a corpus and out of one ten times as
large, of as many pairs, with a tiny model, so that little but the data is left to cost.

    python benchmarks/importance_sizes.py [--sentences 200000] [--quick]
"""

import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path

import made_up_data
import pairing
import trainings

GOAL = 1.1
TIMES = 10
PART = 500
"""Sentences of a part."""


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--sentences", type=int, default=0, help="of each pair")
    options.add_argument("--pairs", type=int, default=8)
    args = options.parse_args()
    sentences = args.sentences or (20_000 if args.quick else 200_000)
    pairs = made_up_data.pair_names(args.pairs)
    with tempfile.TemporaryDirectory() as place:
        contestants = {}
        for name, size in (("small", sentences // TIMES), ("large", sentences)):
            folder = Path(place) / name
            made_up_data.write_folder(folder, dict.fromkeys(pairs, size))
            contestants[name] = _measuring(args, folder, pairs)
        rounds = 3 if args.quick else 8
        times = pairing.take_turns(contestants, rounds, clock=args.clock)
    for name, values in times.items():
        took = statistics.median(values) / PART
        print(f"{name}: {1e3 * took:.2f} ms a sentence in {rounds} rounds")
    ratio = pairing.median_ratio(times["large"], times["small"])
    reached = pairing.result("importance_sizes", ratio, GOAL, at_most=True)
    return 0 if reached else 1


def _measuring(args, folder: Path, pairs: list[str]):
    """The measurement of a part, by the number of the round."""
    from lass_plugin.evaluation.systems import Saved, System
    from lass_plugin.languages import parse_pairs
    from lass_plugin.neurons.measuring import Measuring
    from lass_plugin.neurons.settings import MeasuringSettings

    flags = [*trainings.our_task_flags(pairs), *trainings.model_flags("tiny")]
    flags += trainings.training_flags(4096, args.device, args.seed)
    training = trainings.Training(folder, [*flags, "--optimizer", "adam"])
    checkpoint = training.save(folder / "checkpoint.pt")
    settings = MeasuringSettings(
        data=folder,
        checkpoint=checkpoint,
        out=folder / "importance",
        cpu=args.device == "cpu",
    )
    ready = Saved(System("base", checkpoint, dense=True)).set_up(
        folder, parse_pairs(pairs)
    )
    measuring = Measuring(settings, ready)
    parts = [
        dataclasses.replace(part, sentences=part.sentences[:PART])
        for part in measuring.parts
        if len(part.sentences) >= PART
    ]

    def measure(number: int) -> None:
        measuring.measure(parts[number % len(parts)], lambda sentences, pair: None)

    return measure


if __name__ == "__main__":
    sys.exit(main())
