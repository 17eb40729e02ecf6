"""Cost of one search of several pairs together against the search of one pair.

Both take the very same batches, an update each in turn; the gradual schedules select a
mask anew every 10 updates of a pair, so updates with and without a selection are timed
apart and weighted 1 to 9. The ratio is that of two searches of equally many updates;
as many searches of single pairs would cost as many times one as there are pairs. What
the checkpoint and a report on how settled the masks are cost is printed beside it.

    python benchmarks/search_together.py [--scale small] [--pairs 8] [--quick]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import made_up_data
import pairing
import trainings
from search import INTERVAL

GOAL = 1.1
MIDDLE = 25_000
"""Updates of a pair, in the middle of the ramp."""


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--pairs", type=int, default=8)
    options.add_argument("--max-tokens", type=int, default=2048)
    options.add_argument("--rounds", type=int, default=0, help="0: chosen by the time")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args, folder: Path) -> bool:
    pairs = made_up_data.pair_names(args.pairs)
    made_up_data.write_folder(folder, dict.fromkeys(pairs, 1500))
    common = trainings.model_flags(args.scale)
    common += trainings.training_flags(args.max_tokens, args.device, args.seed)
    together = trainings.Training(folder, _flags(pairs, pairs, common))
    alone = trainings.Training(folder, _flags(pairs, pairs[:1], common))
    batches = {pair: [] for pair in pairs}
    for batch in together.batches:
        key = together.iterator.dataset.locate(int(batch[0]))[0]
        batches[key].append(batch)
    rows = [trainings.evenly(batches[pair], 20) for pair in pairs]
    every = [  # one pair after another, from long sentences to short ones
        together.collate(rows[n % len(pairs)][n // len(pairs) % 20])
        for n in range(20 * len(pairs))
    ]
    for sample in every[: len(pairs)]:
        _step(together, sample, 3)  # makes the optimizer's state
    start = time.perf_counter()
    _step(together, every[0], 3)
    seconds = time.perf_counter() - start
    budget = 25 if args.quick else 140
    rounds = args.rounds or int(min(40, max(3, budget / (4 * seconds) - 1)))
    samples = [every[place] for place in trainings.places(len(every), rounds)]
    contestants = {
        f"{name}{label}": _update(training, samples, place)
        for name, training in (("one pair", alone), ("together", together))
        for label, place in (("", INTERVAL - 1), (", no selection", 3))
    }
    times = pairing.take_turns(contestants, rounds, clock=args.clock)
    mixed = {}
    for name in ("one pair", "together"):
        both = zip(times[f"{name}, no selection"], times[name], strict=True)
        mixed[name] = [usual + (once - usual) / INTERVAL for usual, once in both]
        print(f"{name}: {statistics.median(mixed[name]):.3f} s an update")
    print(pairing.spread(mixed["together"], mixed["one pair"]))
    _beside(args, folder, alone, together)
    ratio = pairing.median_ratio(mixed["together"], mixed["one pair"])
    name = f"search_together_{len(pairs)}_pairs"
    return pairing.result(name, ratio, GOAL, at_most=True)


def _flags(every: list[str], pairs: list[str], common: list[str]) -> list[str]:
    """The options of a search of *pairs* with the language tokens of *every* pair."""
    flags = trainings.our_task_flags(every)
    flags[flags.index("translation_subnetwork")] = "translation_subnetwork_search"
    flags[flags.index("--lang-pairs") + 1] = ",".join(pairs)
    flags += ["--pruning-criterion", "gradient", "--pruning-schedule", "gradual"]
    flags += ["--pruning-ratio", "0.5", "--pruning-ramp", "50000"]
    own = [*common, "--max-update", str(200_000 * len(every)), "--no-epoch-checkpoints"]
    return [*flags, *own, "--optimizer", "strict_adam"]


def _step(training: trainings.Training, sample: dict, place: int) -> None:
    """An update in the middle of the ramp, *place* updates after a selection."""
    searches = training.task.method.searches
    key = sample["language_key"]
    if key not in searches:  # the only pair there takes the batches of all
        (key,) = searches
    searches[key].updates = MIDDLE + place
    training.step_with({**sample, "language_key": key})


def _update(training: trainings.Training, samples: list, place: int):
    return lambda number: _step(training, samples[number], place)


def _beside(args, folder: Path, alone, together) -> None:
    """What is paid now and then: the report of the search, and its checkpoint."""
    searches = together.task.method.searches
    start = time.perf_counter()
    next(iter(searches.values())).settled()
    seconds = time.perf_counter() - start
    sizes = [
        training.save(folder / f"{name}.pt").stat().st_size
        for name, training in (("alone", alone), ("together", together))
    ]
    scores = 8 * together.maskable * len(searches)
    print(
        f"a report on one pair: {seconds:.2f} s; scores: {scores / 1e9:.2f} GB for "
        f"{len(searches)} pairs; checkpoint: {sizes[0] / 1e9:.2f} GB of one pair, "
        f"{sizes[1] / 1e9:.2f} GB of all together"
    )
    pairing.information("search_together_disk", sizes[1] / (len(searches) * sizes[0]))


if __name__ == "__main__":
    sys.exit(main())
