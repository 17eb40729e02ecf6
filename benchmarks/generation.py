"""Generation with a mask baked into the weights against the dense model.

Both models come from one checkpoint of joint training and translate the same batches
through ``task.build_generator`` and ``task.inference_step``, one with ``--dense``. The
length of the output is fixed, so that both do the same number of steps. As information:
a model that is switched between two pairs with every batch, as evaluation does.

    python benchmarks/generation.py [--scale small] [--quick]
"""

import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any, Sequence

import made_up_data
import pairing
import torch
import trainings

GOAL = 0.99
PAIRS = ("l01-en", "en-l01")


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--rounds", type=int, default=0)
    options.add_argument("--beam", type=int, default=5)
    options.add_argument("--words", type=int, default=20, help="of each translation")
    options.add_argument("--sentences", type=int, default=16, help="in a batch")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args, folder: Path) -> bool:
    data = folder / "data"
    made_up_data.write_folder(data, dict.fromkeys(PAIRS, 400))
    made_up_data.write_folder(data, dict.fromkeys(PAIRS, 400), split="test")
    checkpoint = _checkpoint(args, data, folder)
    baked = Translation(args, data, checkpoint, PAIRS[0])
    dense = Translation(args, data, checkpoint, PAIRS[0], dense=True)
    rounds = args.rounds or (5 if args.quick else 25)
    times = pairing.take_turns(
        {"baked": baked.translate, "dense": dense.translate}, rounds, clock=args.clock
    )
    print(f"speeds: {pairing.spread(times['dense'], times['baked'])}")

    switching = Switching(args, data, checkpoint)
    some = max(3, rounds // 3)
    more = pairing.take_turns(
        {"switching": switching.translate, "dense": dense.translate},
        some,
        clock=args.clock,
    )
    ratio = pairing.median_ratio(more["dense"], more["switching"])
    pairing.information("generation_switching_every_batch", ratio)
    ratio = pairing.median_ratio(times["dense"], times["baked"])
    return pairing.result("generation", ratio, GOAL)


def _checkpoint(args, data: Path, folder: Path) -> Path:
    """The checkpoint of joint training after one update."""
    flags = trainings.model_flags(args.scale)
    flags += trainings.training_flags(512, args.device, args.seed)
    flags += ["--optimizer", "strict_adam"]
    base = trainings.Training(data, [*trainings.our_task_flags(PAIRS), *flags])
    masks = trainings.random_masks(base.sites, PAIRS, folder / "masks")
    joint = trainings.Training(data, [*trainings.our_task_flags(PAIRS, masks), *flags])
    joint.step(trainings.evenly(joint.batches, 1)[0])
    return joint.save(folder / "checkpoint.pt")


class Translation:
    """A model of the checkpoint that translates one pair."""

    def __init__(
        self, args: Any, data: Path, checkpoint: Path, pair: str, dense: bool = False
    ):
        source, target = pair.split("-")
        overrides = {"source_lang": source, "target_lang": target, "dense": dense}
        self._load(args, data, checkpoint, overrides)
        self.samples = self._samples(args, pair)

    def _load(
        self, args: Any, data: Path, checkpoint: Path, overrides: dict[str, Any]
    ) -> None:
        from fairseq import checkpoint_utils

        unset = {"masks": None, "lang_pairs": None, "data": str(data)}
        self.models, cfg, self.task = checkpoint_utils.load_model_ensemble_and_task(
            [str(checkpoint)], arg_overrides={**unset, **overrides}
        )
        for model in self.models:
            model.eval().to(args.device)
            model.prepare_for_inference_(cfg)
        fixed = {"beam": args.beam, "max_len_a": 0.0, "max_len_b": args.words}
        self.generator = self.task.build_generator(
            self.models, Namespace(**fixed, min_len=args.words)
        )

    def _samples(self, args: Any, pair: str) -> list[dict[str, Any]]:
        from fairseq import utils

        self.task.load_dataset("test")
        dataset = self.task.dataset("test")
        first = [key for key in dataset.parts].index(pair) * 400
        samples = []
        for number in range(4):
            start = first + number * args.sentences
            batch = [dataset[start + place] for place in range(args.sentences)]
            sample = dataset.collater(batch)
            if args.device == "cuda":
                sample = utils.move_to_cuda(sample)
            samples.append(sample)
        return samples

    def translate(self, number: int) -> None:
        sample = self.samples[number % len(self.samples)]
        with torch.no_grad():
            self.task.inference_step(self.generator, self.models, sample)


class Switching(Translation):
    """A model whose sub-network changes with every batch."""

    def __init__(self, args: Any, data: Path, checkpoint: Path):
        self._load(args, data, checkpoint, {"lang_pairs": ",".join(PAIRS)})
        every: Sequence[list] = [self._samples(args, pair) for pair in PAIRS]
        self.samples = [sample for both in zip(*every, strict=True) for sample in both]


if __name__ == "__main__":
    sys.exit(main())
