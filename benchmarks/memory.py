"""Memory of joint training beyond training without masks.

Counted are the storages of all tensors alive: after an update, and at the most during
it (looked at whenever a module begins its forward pass and around the optimizer). Each
of the two trainings runs in a process of its own and takes the same update.

    python benchmarks/memory.py [--scale small] [--pairs 16] [--quick]
"""

import gc
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

import made_up_data
import pairing
import torch
import trainings
from epoch_setup import peak_memory

KINDS = ("masks", "plain", "joint")
"""What a process of its own does: only write the masks, or train."""
BITS = 1.1
"""Allowed bits for a maskable weight and pair."""


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--pairs", type=int, default=16)
    options.add_argument("--measure", choices=KINDS, help="itself only")
    options.add_argument("--folder", type=Path, help="used by the benchmark itself")
    args = options.parse_args()
    if args.measure:
        print(json.dumps(_measure(args)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        pairs = made_up_data.pair_names(args.pairs)
        made_up_data.write_folder(Path(folder) / "data", dict.fromkeys(pairs, 200))
        found = {kind: _in_own_process(kind, folder) for kind in KINDS}
    plain, joint = found["plain"], found["joint"]
    weights, working = joint["maskable"], 4 * joint["maskable"]
    allowed = BITS * weights * len(pairs) / 8
    held = joint["held"] - plain["held"]
    during = joint["during"] - plain["during"]
    print(
        f"{weights} maskable weights, {len(pairs)} pairs; beyond plain training: "
        f"{held / 1e6:.1f} MB held between updates, {during / 1e6:.1f} MB more at most "
        f"during one; a working copy is {working / 1e6:.1f} MB"
    )
    print(
        f"plain {plain['held'] / 1e6:.1f} MB of tensors between updates, peak memory "
        f"{plain['peak'] / 1e6:.0f} MB; joint {joint['held'] / 1e6:.1f} MB, peak "
        f"{joint['peak'] / 1e6:.0f} MB"
    )
    pairing.information("memory_of_the_process", joint["peak"] / plain["peak"])
    extra = max(held, during) - working
    return not pairing.result("memory", extra / allowed, 1, at_most=True)


def _in_own_process(kind: str, folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, *sys.argv[1:]]
    command += ["--measure", kind, "--folder", folder]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout.strip().splitlines()[-1])


def _measure(args) -> dict[str, float]:
    pairs = made_up_data.pair_names(args.pairs)
    data = args.folder / "data"
    flags = trainings.model_flags(args.scale)
    flags += trainings.training_flags(1024, args.device, args.seed)
    flags += ["--optimizer", "strict_adam"]
    masks = args.folder / "masks"
    task = trainings.our_task_flags(pairs, masks if args.measure == "joint" else None)
    training = trainings.Training(data, [*task, *flags])
    if args.measure == "masks":
        trainings.random_masks(training.sites, pairs, masks)
        return {}
    batch = trainings.evenly(training.batches, 1)[0]
    training.step(batch)  # makes the optimizer's state and the working copy
    most = [0]

    def look(*_: object) -> None:
        most[0] = max(most[0], bytes_of_tensors())

    training.model.encoder.layers[-1].register_forward_hook(look)
    training.model.decoder.layers[-1].register_forward_hook(look)
    _look_inside(training.trainer.optimizer.optimizer, look)
    training.step(batch)
    return {
        "held": bytes_of_tensors(),
        "during": most[0],
        "maskable": training.maskable,
        "peak": peak_memory(),
    }


def _look_inside(optimizer: Any, look: Callable[[], None]) -> None:
    """Call *look* in some of the calls of the fused kernel within a step."""
    fused, calls = optimizer._fused, itertools.count()

    def watched(columns: list, options: dict) -> None:
        if next(calls) % 40 == 0:
            look()
        fused(columns, options)

    optimizer._fused = watched


def bytes_of_tensors() -> int:
    """Bytes of the distinct storages of every tensor that Python can reach."""
    storages = {}
    for item in gc.get_objects():
        if not issubclass(type(item), torch.Tensor):
            continue
        gradient = item.grad if isinstance(item, torch.nn.Parameter) else None
        for tensor in (item, gradient):
            if tensor is not None and tensor.device.type != "meta":
                storage = tensor.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


if __name__ == "__main__":
    sys.exit(main())
