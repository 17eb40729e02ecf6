"""Time and memory to set up an epoch over many pairs of unequal sizes.

The data files are made first (about 1.2 GB for 10 million sentence pairs; deleted
afterwards). A process of its own then loads them, draws the batches and makes the
iterator of the first epoch; its peak memory counts everything, the import of torch and
fairseq too, and the pages of data files that it has touched.

    python benchmarks/epoch_setup.py [--sentences 10000000] [--pairs 36] [--quick]
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import made_up_data
import pairing
import trainings

SECONDS = 30.0
BYTES = 1e9


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--sentences", type=int, default=0, help="of all pairs")
    options.add_argument("--pairs", type=int, default=36)
    options.add_argument("--temperature", type=float, default=5.0)
    options.add_argument("--max-tokens", type=int, default=4096)
    options.add_argument("--folder", type=Path, help="where the data files may lie")
    options.add_argument("--measure", type=Path, help="used by the benchmark itself")
    args = options.parse_args()
    if args.measure is not None:
        print(json.dumps(_measure(args)))
        return 0
    total = args.sentences or (1_000_000 if args.quick else 10_000_000)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        names = made_up_data.pair_names(args.pairs)
        sizes = made_up_data.unequal_sizes(args.pairs, total)
        made_up_data.write_lengths_only(
            Path(folder), dict(zip(names, sizes, strict=True)), seed=args.seed
        )
        print(f"{sum(sizes)} sentences in {len(sizes)} pairs of {min(sizes)} and more")
        runs = [_in_own_process(folder) for _ in range(1 if args.quick else 3)]
    best = min(runs, key=lambda run: run["seconds"])
    print(
        f"set-up in {[round(run['seconds'], 1) for run in runs]} s (processor time "
        f"{best['processor']:.1f} s) for {best['batches']} batches; peak memory "
        f"{best['peak'] / 1e6:.0f} MB, {best['imports'] / 1e6:.0f} MB of it before the "
        "data (imports)"
    )
    scale = 10_000_000 / total
    if args.quick:
        print("with --quick the seconds are multiplied up to 10 million sentences")
    reached = pairing.result(
        "epoch_setup_seconds", best["seconds"] * scale / SECONDS, 1, at_most=True
    )
    peak = max(run["peak"] for run in runs)
    reached &= pairing.result("epoch_setup_memory", peak / BYTES, 1, at_most=True)
    return 0 if reached else 1


def _in_own_process(folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, *sys.argv[1:], "--measure", folder]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout.strip().splitlines()[-1])


def _measure(args) -> dict[str, float]:
    """Set up one epoch; seconds and bytes."""
    training = _imports(args)
    before = peak_memory()
    start, processor = time.perf_counter(), time.process_time()
    task, options = training
    task.load_dataset("train", epoch=1)
    iterator = task.get_batch_iterator(
        dataset=task.dataset("train"),
        max_tokens=options.dataset.max_tokens,
        max_positions=task.max_positions(),
        ignore_invalid_inputs=True,
        required_batch_size_multiple=8,
        seed=args.seed,
        epoch=1,
    )
    iterator.first_batch  # noqa: B018 - the trainer asks for it
    batches = iterator.next_epoch_itr(shuffle=True)
    next(iter(batches))
    return {
        "seconds": time.perf_counter() - start,
        "processor": time.process_time() - processor,
        "batches": len(iterator),
        "imports": before,
        "peak": peak_memory(),
    }


def _imports(args):
    """The task, with everything imported but nothing loaded."""
    folder = args.measure
    flags = trainings.our_task_flags(
        made_up_data.names_in(folder, mirrored=False), temperature=args.temperature
    )
    flags += trainings.model_flags("tiny")
    flags += trainings.training_flags(args.max_tokens, "cpu", args.seed)
    return trainings.set_up(folder, [*flags, "--optimizer", "adam"])


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with the parent's memory on Linux
        line = next(x for x in status.read_text().splitlines() if "VmHWM" in x)
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    sys.exit(main())
