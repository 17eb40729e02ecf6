"""What an update costs beside its arithmetic: operations dispatched, and host time.

A GPU that is done with its arithmetic waits for whoever launches the next operation.
Counted are the operations that an update dispatches, views and allocations left out,
with one micro-batch and with four, and the process time of updates of a model of 16
units, whose arithmetic is nothing. Joint training with strict_adam, with the code for a
GPU forced on the CPU, stands against stock fairseq's trainer with its Adam; and a
gradual search, which selects every ten updates, against fine-tuning by stock fairseq.
Waits are those of the host for a number, in an update that selects.

    python benchmarks/dispatched.py [--scale small] [--quick]
"""

import collections
import sys
import tempfile
from pathlib import Path
from typing import Any

import made_up_data
import pairing
import search
import torch
import trainings
from torch.utils._python_dispatch import TorchDispatchMode

from lass_plugin import devices

GOAL = 0.60
HOST_GOAL, SEARCH_GOAL = 1.05, 0.95
WAITS = ("_local_scalar_dense", "nonzero", "equal")
UNCOUNTED = frozenset(
    "view _unsafe_view t transpose permute expand slice select detach as_strided "
    "unsqueeze squeeze split split_with_sizes chunk alias unbind view_as reshape "
    "_reshape_alias unflatten is_same_size empty empty_like new_empty empty_strided "
    "new_empty_strided resize_ lift_fresh set_ _local_scalar_dense".split()
)


class Count(TorchDispatchMode):
    """Operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: collections.Counter[str] = collections.Counter()
        self.waits = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        self.waits += name in WAITS
        if name not in UNCOUNTED:
            self.names[name] += 1
        return func(*args, **(kwargs or {}))


def force_gpu() -> None:
    """Take the paths of a GPU on the CPU."""
    devices.ONE_BY_ONE = frozenset()


def main() -> int:
    args = trainings.parser(__doc__).parse_args()
    torch.set_num_threads(1)
    trainings.SHAPES["host"] = (6, 16, 32, 2)
    with tempfile.TemporaryDirectory() as folder:
        data, pairs = Path(folder) / "data", made_up_data.pair_names(8)
        made_up_data.write_folder(data, dict.fromkeys(pairs, 300))
        force_gpu()
        reached = []
        counted = _systems(data, pairs, args.scale, args.seed)
        for number in (1, 4):
            found = {}
            for name, training in counted.items():
                batch = training.collate(training.batches[0])
                training.trainer.train_step([batch] * number)
                with Count() as count:
                    training.trainer.train_step([batch] * number)
                found[name] = sum(count.names.values())
                print(f"{name}, {number}: {found[name]}")
            ratio = found["joint"] / found["stock"]
            reached.append(
                pairing.result(f"dispatched_{number}", ratio, GOAL, at_most=True)
            )
        timed = _systems(data, pairs, "host", args.seed)
        for number in (1, 4):
            runs = {name: _step(training, number) for name, training in timed.items()}
            rounds = 5 if args.quick else 25
            times = pairing.take_turns(runs, rounds, warm_up=2, clock="cpu")
            print(pairing.spread(times["stock"], times["joint"]))
            ratio = pairing.median_ratio(times["stock"], times["joint"])
            reached.append(pairing.result(f"host_time_{number}", ratio, HOST_GOAL))
        reached.append(_search(data, args))
    return 0 if all(reached) else 1


def _search(data: Path, args: Any) -> bool:
    """Ten updates, of which one selects, against ten of stock fairseq."""
    common = trainings.model_flags("host")
    common += trainings.training_flags(256, "cpu", args.seed)
    pair = search.PAIR
    stock_flags = [*trainings.stock_task_flags([pair]), *common, "--optimizer", "adam"]
    stock = trainings.Training(data, stock_flags)
    searched = trainings.Training(data, search.search_flags("gradient", common))
    samples = [searched.collate(searched.batches[n]) for n in range(search.INTERVAL)]
    places = range(search.INTERVAL)
    updates = [search.at(searched, samples, place) for place in places]
    for place, update in enumerate(updates):
        update(place)
    with Count() as count:
        updates[-1](search.INTERVAL - 1)
    print(f"search: {count.waits} waits, {sum(count.names.values())} operations")
    runs = {
        "stock": lambda _: [stock.step_with(sample) for sample in samples],
        "search": lambda _: [update(n) for n, update in enumerate(updates)],
    }
    rounds = 3 if args.quick else 12
    times = pairing.take_turns(runs, rounds, warm_up=1, clock="cpu")
    print(pairing.spread(times["stock"], times["search"]))
    ratio = pairing.median_ratio(times["stock"], times["search"])
    return pairing.result("host_time_search", ratio, SEARCH_GOAL)


def _step(training: Any, number: int) -> Any:
    batch = training.collate(training.batches[0])
    return lambda _: training.trainer.train_step([batch] * number)


def _systems(data: Path, pairs: list[str], scale: str, seed: int) -> dict[str, Any]:
    common = trainings.model_flags(scale) + trainings.training_flags(256, "cpu", seed)
    stock_flags = [*trainings.stock_task_flags(pairs), *common, "--optimizer", "adam"]
    stock = trainings.Training(data, stock_flags)
    masks = trainings.random_masks(stock.sites, pairs, data / f"masks-{scale}")
    flags = [*trainings.our_task_flags(pairs, masks), *common]
    joint = trainings.Training(data, [*flags, "--optimizer", "strict_adam"])
    return {"stock": stock, "joint": joint}


if __name__ == "__main__":
    sys.exit(main())
