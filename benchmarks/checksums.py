"""What it costs to compare the checksums of a checkpoint's records.

The file was just written, so it is read from memory: the ratio to reading its weights
is the worst case.

    python benchmarks/checksums.py [--megabytes 500] [--quick]
"""

import tempfile
from pathlib import Path

import pairing
import torch
import trainings

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import check_records


def main() -> None:
    options = trainings.parser(__doc__)
    options.add_argument("--megabytes", type=int, default=500)
    args = options.parse_args()
    size = 50 if args.quick else args.megabytes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        torch.save({"model": {"weight": torch.randn(size * 250_000)}}, path)
        works = {
            "read": lambda _: Checkpoint.read(path).weights["weight"].clone(),
            "checked": lambda _: check_records(path),
        }
        rounds = 3 if args.quick else 5
        seconds = pairing.take_turns(works, rounds, clock=args.clock)
    read, checked = (sorted(seconds[name])[rounds // 2] for name in works)
    print(f"{size} MB: read in {read:.2f} s, checksums in {checked:.2f} s")
    ratio = pairing.median_ratio(seconds["checked"], seconds["read"])
    pairing.information("checksums", ratio)


if __name__ == "__main__":
    main()
