"""Making a batch out of mapped files at once against sentence by sentence.

The same batches of 8,192 tokens, of pairs as fairseq-train reads them; in turns.

    python benchmarks/batches.py [--quick]
"""

import sys
import tempfile
from pathlib import Path

import made_up_data
import pairing
import trainings

GOAL = 20.0
TOKENS = 8192


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--rounds", type=int, default=0)
    args = options.parse_args()
    pairs = made_up_data.pair_names(2 if args.quick else 8)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        made_up_data.write_folder(data, dict.fromkeys(pairs, 4000))
        common = trainings.model_flags("small")
        common += trainings.training_flags(TOKENS, "cpu", args.seed)
        flags = [*trainings.our_task_flags(pairs), *common]
        training = trainings.Training(data, [*flags, "--optimizer", "strict_adam"])
        dataset, batches = training.iterator.dataset, training.batches
    rounds = args.rounds or min(len(batches), 5 if args.quick else 40)
    runs = {
        "one by one": lambda n: dataset.collater([dataset[i] for i in batches[n]]),
        "at once": lambda n: dataset.batch(batches[n]),
    }
    times = pairing.take_turns(runs, rounds, clock=args.clock)
    slow, fast = times["one by one"], times["at once"]
    each = [1e3 * sum(seconds) / len(seconds) for seconds in (slow, fast)]
    print(f"{each[0]:.2f} and {each[1]:.2f} ms a batch; {pairing.spread(slow, fast)}")
    ratio = pairing.median_ratio(slow, fast)
    return 0 if pairing.result("batches", ratio, GOAL) else 1


if __name__ == "__main__":
    sys.exit(main())
