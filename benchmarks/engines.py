"""``lass evaluate`` by CTranslate2, in float32 and int8, against fairseq's beam search.

All test sentences of eight directions, those of the quick start's text with a base that
is trained for it (or of --data with --checkpoint), in turns; converting and loading are
not counted. BLEU of all three stands beside, and must not differ by more than .3.

    python benchmarks/engines.py [--data DATA --checkpoint CHECKPOINT] [--quick]
"""

import sys
import tempfile
from pathlib import Path

import pairing
import trainings
from gradual_over_random import call, run_lass

from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System
from lass_plugin.experiments.quickstart import corpus
from lass_plugin.experiments.quickstart.recipe import LANGUAGES, Recipe

GOALS = {"float32": 3.0, "int8": 4.0}
APART = 0.3


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--data", type=Path)
    options.add_argument("--checkpoint", type=Path)
    options.add_argument("--base-updates", type=int, default=400)
    options.add_argument("--rounds", type=int, default=3)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args, folder: Path) -> bool:
    data, checkpoint = args.data, args.checkpoint
    if checkpoint is None:
        data, checkpoint = _base(args, folder)
    same = {"beam": 4, "max_len_a": 1.2, "max_len_b": 10}
    same |= {"cpu": args.device == "cpu", "limit": 8 if args.quick else None}
    fast = {"engine": "ctranslate2", "converted": folder / "models"}
    how = {"fairseq": Decoding(**same)}
    for numbers in GOALS:
        how[numbers] = Decoding(**same, **fast, quantization=numbers)
    speeds: dict[str, list[float]] = {name: [] for name in how}
    scores = {}
    system = System("system", checkpoint)
    for _ in range(1 if args.quick else args.rounds):
        for name, decoding in how.items():
            found = evaluate(data, [system], decoding=decoding)
            speeds[name].append(found.speeds["system"].seconds)
            scored = found.report.baseline
            scores[name] = scored.average("BLEU", found.report.pairs)
    reached = []
    for name, seconds in speeds.items():
        print(f"{name}: BLEU {scores[name]:.2f}, seconds {seconds}")
    for name, goal in GOALS.items():
        ratio = pairing.median_ratio(speeds["fairseq"], speeds[name])
        reached.append(pairing.result(f"ctranslate2_{name}", ratio, goal))
        apart = abs(scores[name] - scores["fairseq"])
        reached.append(pairing.result(f"bleu_{name}_apart", apart, APART, True))
    return all(reached)


def _base(args, folder: Path) -> tuple[Path, Path]:
    """Data of eight directions, and a base trained on it."""
    corpus.write_catalogues(folder / "text", folder / "packages")
    words = [
        "--text",
        folder / "text",
        "--vocab-size",
        "3000",
        "--out",
        folder / "data",
    ]
    run_lass("prepare", *words)
    pairs = [pair for code in LANGUAGES for pair in (f"en-{code}", f"{code}-en")]
    updates = 4 if args.quick else args.base_updates
    place = ["--user-dir", trainings.PLUGIN, "--lang-pairs", ",".join(pairs)]
    place += ["--save-dir", folder / "base", "--max-update", updates]
    cpu = [] if args.device == "cuda" else ["--cpu"]
    flags = Recipe(seed=args.seed).base_flags()
    call("fairseq_cli.train", folder / "data", *place, *flags, *cpu)
    return folder / "data", folder / "base" / "checkpoint_last.pt"


if __name__ == "__main__":
    sys.exit(main())
