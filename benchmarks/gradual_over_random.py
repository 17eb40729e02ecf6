"""BLEU under masks of gradual pruning by gradient against that under the best control.

A base is trained on two directions of the quick start's text (or of --text), the
sub-network of each is searched, and trained jointly for as long as under random masks,
drawn by chance and with the overlap and the |W| profile of those found. The ratio is
that of the mean BLEU of the directions to that of the better control. Every step is a
command that a user has; a quarter of an hour on two cores.

    python benchmarks/gradual_over_random.py [--text DIR] [--pairs SRC-TGT,…] [--quick]
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pairing
import trainings

from lass_plugin.experiments.quickstart import corpus
from lass_plugin.experiments.quickstart.recipe import Recipe

GOAL = 1.05
RATIO = 0.4
CONTROLS = "profile+overlap"


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--text", type=Path, help="default: the quick start's")
    options.add_argument("--pairs", default="en-de,de-en")
    options.add_argument("--base-updates", type=int, default=500)
    options.add_argument("--search-updates", type=int, default=600)
    options.add_argument("--joint-updates", type=int, default=200)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args, folder: Path) -> bool:
    text, data = args.text, folder / "data"
    if text is None:
        text = folder / "text"
        corpus.write_catalogues(text, folder / "packages")
    updates = [args.base_updates, args.search_updates, args.joint_updates]
    if args.quick:
        updates = [10, 4, 4]
    words = ["--vocab-size", "3000", "--pairs", args.pairs, "--out", data]
    run_lass("prepare", "--text", text, *words)
    cpu = [] if args.device == "cuda" else ["--cpu"]
    place = ["--user-dir", trainings.PLUGIN, "--lang-pairs", args.pairs]
    place += ["--save-dir", folder / "base", "--max-update", updates[0], *cpu]
    call("fairseq_cli.train", data, *place, *Recipe(seed=args.seed).base_flags())
    base = folder / "base" / "checkpoint_last.pt"
    found = folder / "search"
    seed = ["--seed", args.seed]
    jobs = ["--base", base, "--pairs", args.pairs, *cpu, "--updates"]
    search = [data, *jobs, updates[1], "--ratio", RATIO, "--out", found]
    smaller = ["--max-tokens", Recipe().search_max_tokens]
    run_lass("search", *search, "--", "--disable-validation", *seed, *smaller)
    sweep = [data, *jobs, updates[2], "--ratios", RATIO, "--random", RATIO]
    sweep += ["--searches", found, "--controls", CONTROLS, "--out", folder / "sweep"]
    sweep += ["--limit", 8] if args.quick else []
    rate = ["--lr-scheduler", "polynomial_decay", "--total-num-update", updates[2]]
    rate += ["--warmup-updates", max(1, updates[2] // 10)]
    run_lass("sweep", *sweep, *seed, "--", *rate, *seed)
    return _result(json.loads((folder / "sweep" / "sweep.json").read_text()))


def _result(record) -> bool:
    """Print every row and the line of the goal."""
    scores = {}
    for row in record["variants"]:
        scores[row["name"]] = row["averages"]["all"]["BLEU"]
        print(f"{row['name']}: BLEU {scores[row['name']]:.2f}")
    signatures = next(iter(record["variants"][0]["signatures"].values()))
    print(f"signature: {signatures['BLEU']}")
    gradual = f"gradient-gradual-{RATIO:g}"
    controls = [scores[f"random-{RATIO:g}"], scores[f"{gradual}-control-{CONTROLS}"]]
    ratio = scores[gradual] / max(*controls, 1e-9)
    return pairing.result("gradual_over_random", ratio, GOAL)


def run_lass(*words) -> None:
    call("lass_plugin.cli", *words)


def call(module: str, *words) -> None:
    """Run a module as a command; what it prints goes to stderr."""
    command = [sys.executable, "-m", module, *map(str, words)]
    path = os.pathsep.join([str(trainings.ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run(command, check=True, stdout=sys.stderr, env=environment)


if __name__ == "__main__":
    sys.exit(main())
