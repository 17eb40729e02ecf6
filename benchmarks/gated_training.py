"""Masked language modelling with gates, and their importance, against stock fairseq.

Stock fairseq's trainer (``masked_lm``, its Adam), ours with gates that are all open
(strict_adam), and the measurement of all components' importance take the same batches
of one language in turns. The encoder has the shape of multilingual-e5-small (--shape).

    python benchmarks/gated_training.py [--quick] [--shape LAYERS,UNITS,HIDDEN,HEADS]
"""

import argparse
import contextlib
import io
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import pairing
import torch
import trainings

GATED, IMPORTANCE = 0.95, 1.15
SHAPE = "12,384,1536,12"
LANGUAGES = ("l01", "l02")
PIECES = 4000


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--shape", default=SHAPE, help="default: %(default)s")
    options.add_argument("--max-tokens", type=int, default=2048)
    options.add_argument("--rounds", type=int, default=0)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args: argparse.Namespace, folder: Path) -> bool:
    import lass_plugin.tasks.masked_lm_gates  # noqa: F401, registers

    data = _data(folder)
    common = _flags(args)
    user_dir = ["--user-dir", str(trainings.PLUGIN)]
    plain = ["--task", "masked_lm", "--optimizer", "adam"]
    stock = _stock(data, [*plain, "--sample-break-mode", "eos", *common])
    gates = _all_open(stock.get_model(), folder / "gates")
    ours = ["--task", "masked_lm_gates", "--gates", str(gates), *user_dir]
    gated = trainings.Training(data, [*ours, "--optimizer", "strict_adam", *common])
    rounds = args.rounds or (4 if args.quick else 15)
    samples = [gated.collate(each) for each in trainings.evenly(gated.batches, rounds)]
    runs = {
        "stock": lambda number: stock.train_step([samples[number]]),
        "gated": lambda number: gated.step_with(samples[number]),
        "importance": _measuring(stock.get_model(), samples),
    }
    times = pairing.take_turns(runs, rounds, warm_up=2, clock=args.clock)
    for name in ("gated", "importance"):
        print(f"{name}: {pairing.spread(times['stock'], times[name])}")
    speed = pairing.median_ratio(times["stock"], times["gated"])
    cost = pairing.median_ratio(times["importance"], times["stock"])
    return pairing.result("gated_masked_lm", speed, GATED) & pairing.result(
        "gates_importance", cost, IMPORTANCE, at_most=True
    )


def _data(folder: Path) -> Path:
    """A data folder of made-up languages."""
    from lass_plugin.data.encoder_preparation import prepare_encoder
    from lass_plugin.data.preparation_settings import EncoderPreparationSettings

    generator = random.Random(1)
    (folder / "text").mkdir()
    for code in LANGUAGES:
        for split, count in (("train", 4000), ("valid", 20)):
            lines = (
                " ".join(
                    "".join(generator.choices("abcdefghiklmnoprst", k=4))
                    for _ in range(generator.randint(5, 40))
                )
                for _ in range(count)
            )
            (folder / "text" / f"{split}.{code}").write_text("\n".join(lines) + "\n")
    settings = EncoderPreparationSettings(
        text=folder / "text",
        out=folder / "data",
        languages=LANGUAGES,
        vocab_size=PIECES,
        workers=1,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        prepare_encoder(settings)
    return folder / "data"


def _flags(args: argparse.Namespace) -> list[str]:
    layers, units, hidden, heads = args.shape.split(",")
    flags = trainings.training_flags(args.max_tokens, args.device, args.seed)
    where = flags.index("--criterion")
    del flags[where : where + 4]  # with its label smoothing
    flags += ["--criterion", "masked_lm", "--arch", "roberta", "--max-positions", "512"]
    flags += ["--encoder-layers", layers, "--encoder-embed-dim", units]
    flags += ["--encoder-ffn-embed-dim", hidden, "--encoder-attention-heads", heads]
    return [*flags, "--tokens-per-sample", "256"]


def _stock(data: Path, flags: list[str]) -> Any:
    """A trainer that is given its batches."""
    from fairseq.trainer import Trainer

    task, cfg = trainings.set_up(data, flags)
    with contextlib.redirect_stdout(io.StringIO()):
        torch.manual_seed(cfg.common.seed)
        model = task.build_model(cfg.model)
        return Trainer(cfg, task, model, task.build_criterion(cfg.criterion))


def _all_open(model: Any, folder: Path) -> Path:
    from lass_plugin.methods.gates.gating import find_components
    from lass_plugin.methods.gates.sets import FIXED, GateSets, base_of, save_gates

    components = find_components(model, ("heads", "units"))
    rows = {
        code: {"open": torch.ones(components.total, dtype=torch.bool)}
        for code in LANGUAGES
    }
    base = base_of(components, dict(model.named_parameters()))
    save_gates(folder, GateSets(FIXED, components, rows, base))
    return folder


def _measuring(model: Any, samples: list[Any]) -> pairing.Contestant:
    import copy

    from torch.nn.functional import cross_entropy

    from lass_plugin.methods.gates.gating import find_components
    from lass_plugin.methods.gates.importance import ComponentRecorder

    model = copy.deepcopy(model).eval()
    components = find_components(model, ("heads", "units"))
    recorder = ComponentRecorder(model, components)
    padding = model.encoder.dictionary.pad()

    def measure(number: int) -> None:
        sample = samples[number]
        target = sample["target"]
        guessed = target.ne(padding)
        with recorder.batch(len(target)):
            output = model(**sample["net_input"], masked_tokens=guessed)[0]
            cross_entropy(output.float(), target[guessed], reduction="sum").backward()

    return measure


if __name__ == "__main__":
    sys.exit(main())
