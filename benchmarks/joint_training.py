"""Words per second of joint training under masks against stock fairseq.

The stock trainer takes mixed batches of ``translation_multi_simple_epoch`` with
fairseq's Adam; ours takes batches of one pair each under that pair's mask with
``strict_adam``. Both have the same model, data and ``--max-tokens``. Their updates
take turns in one process, with batches spread evenly from short to long sentences, and
words are those really processed: filling and speed both count. With --neurons the
masks are of neurons: of outputs of attention, of hidden and of output feed-forward
units, nine tenths of them general.

    python benchmarks/joint_training.py [--scale small] [--max-tokens 4096] [--quick]
    python benchmarks/joint_training.py --neurons
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import made_up_data
import pairing
import torch
import trainings

from lass_plugin.training.precision import processor_has_bfloat16

GOAL = 0.98
NEURONS_GOAL = 0.97


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--max-tokens", type=int, default=4096)
    options.add_argument("--pairs", type=int, default=8)
    options.add_argument("--rounds", type=int, default=0, help="0: chosen by the time")
    options.add_argument("--neurons", action="store_true", help="masks of neurons")
    options.add_argument("--data", type=Path, help="a folder that lass prepare wrote")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args, folder: Path) -> bool:
    data, pairs = args.data, made_up_data.pair_names(args.pairs)
    if data is None:
        data = folder / "data"
        sizes = made_up_data.unequal_sizes(len(pairs), 5000 * len(pairs))
        made_up_data.write_folder(data, dict(zip(pairs, sizes, strict=True)))
    else:
        pairs = made_up_data.names_in(data)
    common = trainings.model_flags(args.scale)
    common += trainings.training_flags(args.max_tokens, args.device, args.seed)
    stock = trainings.Training(
        data, [*trainings.stock_task_flags(pairs), *common, "--optimizer", "adam"]
    )
    draw = trainings.random_neurons if args.neurons else trainings.random_masks
    masks = draw(stock.model if args.neurons else stock.sites, pairs, folder / "masks")
    joint_flags = [*trainings.our_task_flags(pairs, masks), *common, "--optimizer"]
    joint = trainings.Training(data, [*joint_flags, "strict_adam"])
    adam = trainings.Training(data, [*joint_flags, "adam"])

    start = time.perf_counter()
    warm_up = trainings.evenly(stock.batches, 2)[1]
    for _ in range(2):
        stock.step(warm_up)
    seconds = (time.perf_counter() - start) / 2
    rounds = args.rounds or _rounds(seconds, 25 if args.quick else 170)
    mixed = trainings.evenly(stock.batches, rounds)
    grouped = trainings.evenly(joint.batches, rounds)

    def autocast(number: int) -> None:
        joint.task.cfg.bf16_autocast = True
        joint.step(grouped[number])
        joint.task.cfg.bf16_autocast = False

    contestants = {
        "stock": lambda number: stock.step(mixed[number]),
        "joint": lambda number: joint.step(grouped[number]),
    }
    times = pairing.take_turns(contestants, rounds, clock=args.clock)
    speeds = {
        "stock": _speeds(stock, mixed, times["stock"]),
        "joint": _speeds(joint, grouped, times["joint"]),
    }
    for name, values in speeds.items():
        print(f"{name}: {statistics.median(values):.0f} words/s in {rounds} updates")
    print(f"rounds: {pairing.spread(speeds['joint'], speeds['stock'])}")
    some = max(2, rounds // 3)
    places = trainings.places(rounds, some)

    def at(contestant):
        return lambda number: contestant(places[number])

    def stock_with_ours(number: int) -> None:
        stock.step_with(joint.collate(grouped[number]))

    others = {
        "joint": at(contestants["joint"]),
        "stock": at(stock_with_ours),
        "adam": at(lambda number: adam.step(grouped[number])),
    }
    has_bfloat16 = torch.cuda.is_available() or processor_has_bfloat16()
    if has_bfloat16:
        others["bf16"] = at(autocast)
    more = pairing.take_turns(others, some, clock=args.clock)
    ratio = pairing.median_ratio(speeds["joint"], speeds["stock"])
    slower = pairing.median_ratio(more["joint"], more["adam"])
    same = pairing.median_ratio(more["stock"], more["joint"])
    name = "joint_neurons" if args.neurons else "joint_training"
    pairing.information(f"{name}_same_batches", same)
    if has_bfloat16:
        faster = pairing.median_ratio(more["joint"], more["bf16"])
        pairing.information(f"{name}_bf16_autocast", ratio * faster)
    pairing.information(f"{name}_adam_made_strict", ratio * slower)
    return pairing.result(name, ratio, NEURONS_GOAL if args.neurons else GOAL)


def _rounds(seconds: float, budget: float) -> int:
    """Rounds that fit into *budget* seconds: two updates and a third of four more."""
    return int(min(60, max(3, budget / (3.3 * seconds))))


def _speeds(training, batches, seconds) -> list[float]:
    return [
        training.words(batch) / second
        for batch, second in zip(batches, seconds, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
