"""What measuring the importance of neurons costs beside training steps.

A step of stock fairseq (forward, backward, Adam) and the measurement of all criteria at
all default units take the same batches of one pair in turns; so do the measurement of
every kind of unit and that under bfloat16 autocast, for information.

    python benchmarks/importance.py [--scale small] [--max-tokens 4096] [--quick]
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

GOAL = 1.15
PAIR = "l01-en"


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--max-tokens", type=int, default=4096)
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
    ours = trainings.Training(
        folder, [*trainings.our_task_flags([PAIR]), *common, "--optimizer", "adam"]
    )
    every = [ours.collate(batch) for batch in trainings.evenly(ours.batches, 40)]
    plain.step_with(every[0])
    start = time.perf_counter()
    plain.step_with(every[20])
    seconds = time.perf_counter() - start
    budget = 25 if args.quick else 120
    rounds = args.rounds or int(min(40, max(3, budget / (4 * seconds))))
    samples = [every[place] for place in trainings.places(len(every), rounds)]
    contestants = {
        "plain": lambda number: plain.step_with(samples[number]),
        "importance": _measuring(ours, samples),
        "every unit": _measuring(ours, samples, every_unit=True),
    }
    if torch.cuda.is_available() or processor_has_bfloat16():
        contestants["bf16"] = _measuring(ours, samples, precision="bfloat16")
    times = pairing.take_turns(contestants, rounds, clock=args.clock)
    for name, values in times.items():
        print(f"{name}: {statistics.median(values):.3f} s a batch in {rounds} rounds")
    print(f"rounds: {pairing.spread(times['importance'], times['plain'])}")
    for name in list(contestants)[2:]:
        ratio = pairing.median_ratio(times[name], times["plain"])
        pairing.information(f"importance_{name.replace(' ', '_')}", ratio)
    ratio = pairing.median_ratio(times["importance"], times["plain"])
    return pairing.result("importance", ratio, GOAL, at_most=True)


def _measuring(training, samples, every_unit=False, precision="float32"):
    """The measurement of a batch, with a model that is used for nothing else."""
    import copy

    from fairseq import utils

    from lass_plugin.anatomy.neurons import DEFAULT_UNITS, UNITS
    from lass_plugin.neurons.measuring import measure_batch
    from lass_plugin.neurons.recording import Recorder

    model = copy.deepcopy(training.model).eval()
    recorder = Recorder(model, UNITS if every_unit else DEFAULT_UNITS)
    device = next(model.parameters()).device
    sums = recorder.zeros(device)

    def measure(number: int) -> None:
        sample = samples[number]
        if device.type == "cuda":
            sample = utils.move_to_cuda(sample)
        measure_batch(recorder, sums, model, training.task, sample, precision)

    return measure


if __name__ == "__main__":
    sys.exit(main())
