"""Words per second of a search against plain fine-tuning of the same model.

Plain fine-tuning is stock fairseq with its Adam on one pair; the searches take the very
same batches. A gradual search selects its mask anew every 10 updates: updates with and
without a selection are timed apart and weighted 1 to 9, so that a few updates suffice.

    python benchmarks/search.py [--scale small] [--max-tokens 2048] [--quick]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import made_up_data
import pairing
import trainings

GOAL = 0.95
PAIR = "l01-en"
CRITERIA = ("gradient", "magnitude")
OPTIMIZER = ("--optimizer", "strict_adam")
INTERVAL = 10
"""The default of --pruning-interval."""


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--max-tokens", type=int, default=2048)
    options.add_argument("--rounds", type=int, default=0, help="0: chosen by the time")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args, folder: Path) -> bool:
    made_up_data.write_folder(folder, {PAIR: 5000})
    common = trainings.model_flags(args.scale)
    common += trainings.training_flags(args.max_tokens, args.device, args.seed)
    plain = trainings.Training(
        folder, [*trainings.stock_task_flags([PAIR]), *common, "--optimizer", "adam"]
    )
    searches = {
        name: trainings.Training(folder, search_flags(name, common))
        for name in CRITERIA
    }
    reader = searches[CRITERIA[0]]  # sentences are numbered differently by each task
    every = [reader.collate(batch) for batch in trainings.evenly(reader.batches, 40)]
    plain.step_with(every[0])
    start = time.perf_counter()
    plain.step_with(every[20])
    seconds = time.perf_counter() - start
    budget = 25 if args.quick else 140
    rounds = args.rounds or int(min(40, max(3, budget / (5 * seconds) - 1)))
    samples = [every[place] for place in trainings.places(len(every), rounds)]
    contestants = {"plain": lambda number: plain.step_with(samples[number])}
    for name, training in searches.items():
        contestants[f"{name}, no selection"] = at(training, samples, 3)
        contestants[name] = at(training, samples, INTERVAL - 1)
    times = pairing.take_turns(contestants, rounds, clock=args.clock)
    for name, values in times.items():
        print(f"{name}: {statistics.median(values):.3f} s an update")
    reached = []
    for name in CRITERIA:
        both = zip(times[f"{name}, no selection"], times[name], strict=True)
        mixed = [usual + (once - usual) / INTERVAL for usual, once in both]
        print(f"{name}: {pairing.spread(times['plain'], mixed)}")
        ratio = pairing.median_ratio(times["plain"], mixed)
        reached.append(pairing.result(f"search_{name}", ratio, GOAL))
    return all(reached)


def search_flags(criterion: str, common: list[str], pair: str = PAIR) -> list[str]:
    """Of a gradual search of *pair*."""
    flags = trainings.our_task_flags([pair])
    flags[flags.index("translation_subnetwork")] = "translation_subnetwork_search"
    flags += ["--pruning-criterion", criterion, "--pruning-schedule", "gradual"]
    flags += ["--pruning-ratio", "0.5", "--pruning-ramp", "50000"]
    return [*flags, *common, *([] if "--optimizer" in common else OPTIMIZER)]


def at(training: trainings.Training, samples: list, place: int):
    """An update in the middle of the ramp, *place* updates after a selection."""

    def update(number: int) -> None:
        training.task.method.only.updates = 25_000 + number * INTERVAL + place
        training.step_with(samples[number])

    return update


if __name__ == "__main__":
    sys.exit(main())
