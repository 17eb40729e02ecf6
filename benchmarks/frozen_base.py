"""What it saves to cast a frozen base once, and not at every use, under autocast.

Low-rank modules are trained in a base under bfloat16 autocast, once as the package does
and once with the base in float32, which autocast then casts matrix by matrix in every
forward pass. Counted are the operations that an update of one micro-batch and of four
dispatches (see dispatched.py), and the bytes of the model and of what forward keeps for
backward (on a GPU less, where float32 numbers are in the host's memory). Timed is the
process time of a step of a translation, one word of one sentence, by a model of the
given scale; for information, of its updates and of those of a model of 16 units, whose
arithmetic is nothing.

    python benchmarks/frozen_base.py [--scale quickstart] [--quick]
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import made_up_data
import pairing
import torch
import trainings
from dispatched import Count

from lass_plugin.methods.lowrank import attaching

OPERATIONS_GOAL, MEMORY_GOAL, STEP_GOAL = 0.95, 1.01, 1.1
ONCE, EVERY_USE = "cast once", "cast at every use"


def main() -> int:
    args = trainings.parser(__doc__).parse_args()
    torch.set_num_threads(1)
    trainings.SHAPES["host"] = (6, 16, 32, 2)
    reached = []
    with tempfile.TemporaryDirectory() as folder:
        data, pairs = Path(folder) / "data", made_up_data.pair_names(8)
        made_up_data.write_folder(data, dict.fromkeys(pairs, 300))
        systems = _systems(data, pairs, args.scale, args)
        for number in (1, 4):
            found = {name: _count(each, number) for name, each in systems.items()}
            for name, count in found.items():
                print(f"{name}, {number}: {count} operations")
            name, ratio = f"frozen_base_{number}", found[ONCE] / found[EVERY_USE]
            reached.append(pairing.result(name, ratio, OPERATIONS_GOAL, at_most=True))
        most = {name: _most_bytes(each) for name, each in systems.items()}
        for name, count in most.items():
            print(f"{name}: {count / 1e6:.1f} MB of the model and for backward")
        ratio = most[ONCE] / most[EVERY_USE]
        reached.append(
            pairing.result("frozen_base_memory", ratio, MEMORY_GOAL, at_most=True)
        )
        rounds = 5 if args.quick else 25
        timed = _systems(data, pairs, "host", args)
        ratio = _time(timed, _step, rounds)
        pairing.information("frozen_base_host_time", ratio)
        ratio = _time(systems, _word, rounds)
        reached.append(pairing.result("frozen_base_step", ratio, STEP_GOAL))
        ratio = _time(systems, _step, rounds)
        pairing.information(f"frozen_base_{args.scale}", ratio)
    return 0 if all(reached) else 1


def _systems(data: Path, pairs: list[str], scale: str, args: Any) -> dict[str, Any]:
    flags = trainings.our_task_flags(pairs) + trainings.model_flags(scale)
    flags += trainings.training_flags(256, args.device, args.seed)
    flags += ["--optimizer", "adam"]
    base = trainings.Training(data, flags).save(data / f"base-{scale}.pt")
    flags[flags.index("--task") + 1] = "translation_lslo"
    flags += ["--base", str(base), "--lslo-ranks", "8", "--bf16-autocast"]
    once = trainings.Training(data, flags)
    attaching.cast_once, usual = (lambda model: None), attaching.cast_once
    every_use = trainings.Training(data, flags)
    attaching.cast_once = usual
    return {ONCE: once, EVERY_USE: every_use}


def _step(training: trainings.Training, number: int = 1) -> pairing.Contestant:
    batch = training.collate(training.batches[0])
    return lambda _: training.trainer.train_step([batch] * number)


def _count(training: trainings.Training, number: int) -> int:
    step = _step(training, number)
    step(0)
    with Count() as count:
        step(0)
    return sum(count.names.values())


def _most_bytes(training: trainings.Training) -> int:
    """Of the model, and of what forward keeps for backward: the peak of an update."""
    found: dict[int, int] = {}

    def seen(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
        _step(training)(0)
    for module in training.model.modules():
        every = list(module.parameters(recurse=False))
        if (cast := getattr(module, "cast", None)) is not None:
            every += [given for _, given in cast._given]
            every += [part for part in cast._made or () if part is not None]
        for tensor in every:
            seen(tensor)
    return sum(found.values())


def _word(training: trainings.Training) -> pairing.Contestant:
    """Ten times the next word of one sentence of two words."""
    sample = training.collate(training.batches[0][:1])
    inputs, model, task = sample["net_input"], training.model, training.task
    inputs = {
        **inputs,
        "src_tokens": inputs["src_tokens"][:, -2:],
        "src_lengths": torch.tensor([2]),
        "prev_output_tokens": inputs["prev_output_tokens"][:, :1],
    }

    def words(_: int) -> None:
        model.eval()
        key = sample["language_key"]
        with torch.no_grad(), task.method_of(model).using(key), task.autocast(sample):
            for _ in range(10):
                model(**inputs)

    return words


def _time(systems: dict[str, Any], work: Any, rounds: int) -> float:
    """Process time at every use by that of once: above 1 where once is faster."""
    runs = {name: work(training) for name, training in systems.items()}
    times = pairing.take_turns(runs, rounds, warm_up=2, clock="cpu")
    print(pairing.spread(times[EVERY_USE], times[ONCE]))
    return pairing.median_ratio(times[EVERY_USE], times[ONCE])


if __name__ == "__main__":
    sys.exit(main())
