"""What it costs to compare the checksums of a checkpoint's records.

The file was just written, so it is read from memory: the ratio to reading its weights
is the worst case.

    python benchmarks/checksums.py [--megabytes 500]
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import check_records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    size = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        torch.save({"model": {"weight": torch.randn(size * 250_000)}}, path)
        start = time.perf_counter()
        Checkpoint.read(path).weights["weight"].clone()
        read = time.perf_counter() - start
        start = time.perf_counter()
        check_records(path)
        checked = time.perf_counter() - start
    print(f"{size} MB: read in {read:.2f} s, checksums in {checked:.2f} s", end=", ")
    print(f"{size / checked:,.0f} MB/s")


if __name__ == "__main__":
    main()
