"""Seconds and memory of comparing the masks of 36 pairs of a transformer-base.

44 million weights under random masks at ratio .5, on packed bits, as the command does
it: read the files, compare every two masks in the whole model and in each component,
print the tables. It runs in a process of its own, whose time and peak memory are taken
with everything that it imports. The same with the files and heat maps of --out is given
for information.

    python benchmarks/similarity.py [--masks 36] [--quick]
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pairing
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SECONDS = 20
BYTES = 1e9
LAYERS, UNITS, HIDDEN = 6, 512, 2048


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--masks", type=int, default=36)
    options.add_argument("--quick", action="store_true", help="eight masks")
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--clock",
        choices=list(pairing.CLOCKS),
        default="wall",
        help="cpu counts the process's own time, for a machine that others load too",
    )
    args = options.parse_args()
    count = 8 if args.quick else args.masks
    with tempfile.TemporaryDirectory() as folder:
        weights = _write_masks(Path(folder) / "masks", count, args.seed)
        command = [sys.executable, "-m", "lass_plugin.cli", "similarity"]
        command += [f"{folder}/masks", "--by", "component"]
        seconds, peak = _run(command, args.clock)
        drawn, drawn_peak = _run([*command, "--out", f"{folder}/out"], args.clock)
    print(
        f"{count} masks of {weights:,} weights: {seconds:.1f} s, peak memory "
        f"{peak / 1e6:.0f} MB; with files and heat maps {drawn:.1f} s, "
        f"{drawn_peak / 1e6:.0f} MB"
    )
    pairing.information("similarity_drawn_seconds", drawn / SECONDS)
    pairing.information("similarity_drawn_memory", drawn_peak / BYTES)
    reached = [
        pairing.result("similarity_seconds", seconds / SECONDS, 1, at_most=True),
        pairing.result("similarity_memory", peak / BYTES, 1, at_most=True),
    ]
    return 0 if all(reached) else 1


def _run(command: list[str], clock: str) -> tuple[float, float]:
    """Seconds and peak memory in bytes of a process, the greatest so far."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, **quiet)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if clock == "cpu":
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, after.ru_maxrss * 1024  # Linux counts KiB


def _write_masks(folder: Path, count: int, seed: int) -> int:
    """Write *count* masks of a transformer-base; returns the weights of one."""
    from lass_plugin.masks import Mask, Provenance, save_mask

    shapes = dict(_sites())
    generator = np.random.default_rng(seed)
    for number in range(count):
        language = f"l{number // 2:02d}"
        pair = f"en-{language}" if number % 2 else f"{language}-en"
        bits = {
            name: torch.from_numpy(generator.integers(0, 256, a * b // 8, np.uint8))
            for name, (a, b) in shapes.items()
        }
        mask = Mask(pair, bits, shapes, Provenance("random", 0.5))
        save_mask(folder / f"{pair}.safetensors", mask)
    return mask.units


def _sites():
    """Name and shape of every matrix of attention and feed-forward."""
    for side, attentions in (
        ("encoder", ("self_attn",)),
        ("decoder", ("self_attn", "encoder_attn")),
    ):
        for layer in range(LAYERS):
            for attention in attentions:
                for letter in ("q", "k", "v", "out"):
                    name = f"{side}.layers.{layer}.{attention}.{letter}_proj.weight"
                    yield name, (UNITS, UNITS)
            yield f"{side}.layers.{layer}.fc1.weight", (HIDDEN, UNITS)
            yield f"{side}.layers.{layer}.fc2.weight", (UNITS, HIDDEN)


if __name__ == "__main__":
    sys.exit(main())
