"""Training low-rank modules against fine-tuning all weights, on the same batches.

The base is a model of the given scale; modules of rank 8 stand beside all matrices that
Cao 2024 names (q, k, v of both attentions, fc1, fc2). Counted are words per second of
whole updates, and the most bytes of tensors alive in an update, each kind of training
in a process of its own. Further rows: modules beside fc1 and fc2 alone, and batches
that mix all directions, whose modules are computed by one grouped product.

    python benchmarks/low_rank.py [--scale small] [--max-tokens 4096] [--quick]
    python benchmarks/low_rank.py --scale 615m --device cuda
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import made_up_data
import pairing
import torch
import trainings
from memory import bytes_of_tensors

GOALS = {"cpu": 1.2, "cuda": 1.3}
MEMORY_GOAL = 0.5
FULL = "full"


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--max-tokens", type=int, default=4096)
    options.add_argument("--pairs", type=int, default=8)
    options.add_argument("--rank", type=int, default=8)
    options.add_argument("--measure", choices=(FULL, "low_rank"), help="itself only")
    options.add_argument("--folder", type=Path, help="used by the benchmark itself")
    args = options.parse_args()
    if args.measure:
        print(json.dumps(_most_bytes(args)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        args.folder = Path(folder)
        pairs = made_up_data.pair_names(args.pairs)
        made_up_data.write_folder(args.folder / "data", dict.fromkeys(pairs, 2000))
        fast = _speed(args)
        most = {name: _in_own_process(args, name) for name in (FULL, "low_rank")}
        for name, count in most.items():
            print(f"{name}: {count / 1e6:.0f} MB of tensors at the most")
        ratio = most["low_rank"] / most[FULL]
        if args.device == "cpu":
            pairing.information("low_rank_memory", ratio)
            return 0 if fast else 1
        small = pairing.result("low_rank_memory", ratio, MEMORY_GOAL, at_most=True)
        return 0 if fast and small else 1


def _training(args: Any, name: str) -> trainings.Training:
    flags = trainings.our_task_flags(made_up_data.pair_names(args.pairs))
    flags += trainings.model_flags(args.scale)
    flags += trainings.training_flags(args.max_tokens, args.device, args.seed)
    flags += ["--optimizer", "adam"]
    if name != FULL:
        flags[flags.index("--task") + 1] = "translation_lslo"
        flags += [
            "--base",
            str(args.folder / "base.pt"),
            "--lslo-ranks",
            str(args.rank),
        ]
    flags += {
        "only_fc": ["--lslo-matrices", "fc1,fc2"],
        "mixed": ["--mixed-batches"],
    }.get(name, [])
    return trainings.Training(args.folder / "data", flags)


def _speed(args: Any) -> bool:
    """Words per second of all kinds, taking turns."""
    full = _training(args, FULL)
    full.save(args.folder / "base.pt")
    systems = {FULL: full}
    systems.update(
        (name, _training(args, name)) for name in ("low_rank", "only_fc", "mixed")
    )
    start = time.perf_counter()
    warm_up = trainings.evenly(full.batches, 2)[1]
    for _ in range(2):
        full.step(warm_up)
    seconds = (time.perf_counter() - start) / 2
    rounds = int(min(40, max(3, (20 if args.quick else 120) / (3.5 * seconds))))
    batches = {
        name: trainings.evenly(training.batches, rounds)
        for name, training in systems.items()
    }

    def contestant(name: str) -> pairing.Contestant:
        return lambda number: systems[name].step(batches[name][number])

    contestants = {name: contestant(name) for name in systems}
    times = pairing.take_turns(contestants, rounds, clock=args.clock)
    speeds = {}
    for name, training in systems.items():
        timed = zip(batches[name], times[name], strict=True)
        speeds[name] = [training.words(batch) / second for batch, second in timed]
        trained = [p.numel() for p in training.model.parameters() if p.requires_grad]
        speed = statistics.median(speeds[name])
        print(f"{name}: {sum(trained):,} parameters trained, {speed:.0f} words/s")
    print(f"rounds: {pairing.spread(speeds['low_rank'], speeds[FULL])}")
    for name in ("only_fc", "mixed"):
        ratio = pairing.median_ratio(speeds[name], speeds[FULL])
        pairing.information(f"low_rank_training_{name}", ratio)
    ratio = pairing.median_ratio(speeds["low_rank"], speeds[FULL])
    return pairing.result("low_rank_training", ratio, GOALS[args.device])


def _in_own_process(args: Any, name: str) -> int:
    command = [sys.executable, __file__, *sys.argv[1:]]
    command += ["--measure", name, "--folder", str(args.folder)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout.strip().splitlines()[-1])


def _most_bytes(args: Any) -> int:
    """Most bytes of tensors alive during the second update of a training."""
    training = _training(args, args.measure)
    batch = trainings.evenly(training.batches, 1)[0]
    training.step(batch)
    if args.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        training.step(batch)
        return torch.cuda.max_memory_allocated()
    most = [0]

    def look(*_: object) -> None:
        most[0] = max(most[0], bytes_of_tensors())

    training.model.decoder.layers[-1].register_forward_hook(look)
    training.trainer.optimizer.optimizer.register_step_pre_hook(look)
    training.step(batch)
    return most[0]


if __name__ == "__main__":
    sys.exit(main())
