"""Generation with half of the hidden units cut out against generation under the mask.

Both models come from one checkpoint of joint training under masks of neurons, which
keep a random half of the hidden units of every feed-forward layer (four times as many
as the model has units, as in Vaswani 2017 and so in Xie 2021). One has the mask
multiplied into matrices of the full size, the other is what ``lass compact`` makes of
it; they translate the same batches, with a fixed length of the output. The promise is
what the matrix products say: the FLOPs of translating these batches (as torch counts
them while it is done) with the full matrices, divided by those with the cut ones. The
goal is that promise less 15 %.

    python benchmarks/compaction.py [--scale small] [--quick]
"""

import sys
import tempfile
from pathlib import Path

import generation
import made_up_data
import pairing
import torch
import trainings

SHARE = 0.85
"""Of the promise, that the goal is."""
PAIRS = ("l01-en", "en-l01")


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--rounds", type=int, default=0)
    options.add_argument("--beam", type=int, default=5)
    options.add_argument("--words", type=int, default=20, help="of each translation")
    options.add_argument("--sentences", type=int, default=16, help="in a batch")
    options.add_argument("--hidden", type=int, help="units (default: 4 × the model's)")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args, folder: Path) -> bool:
    data = folder / "data"
    made_up_data.write_folder(data, dict.fromkeys(PAIRS, 400))
    made_up_data.write_folder(data, dict.fromkeys(PAIRS, 400), split="test")
    whole = _checkpoint(args, data, folder)
    small = _compacted(whole, folder / "small.pt")
    models = {
        name: generation.Translation(args, data, path, PAIRS[0])
        for name, path in {"masked": whole, "compacted": small}.items()
    }
    flops = {name: _flops(model) for name, model in models.items()}
    promise = flops["masked"] / flops["compacted"]
    rounds = args.rounds or (5 if args.quick else 15)
    times = pairing.take_turns(
        {name: model.translate for name, model in models.items()},
        rounds,
        clock=args.clock,
    )
    print(f"speeds: {pairing.spread(times['masked'], times['compacted'])}")
    pairing.information("compaction_promise", promise)
    ratio = pairing.median_ratio(times["masked"], times["compacted"])
    return pairing.result("compaction", ratio, round(SHARE * promise, 4))


def _checkpoint(args, data: Path, folder: Path) -> Path:
    """A checkpoint of joint training that carries masks of neurons."""
    flags = trainings.model_flags(args.scale)
    hidden = args.hidden or 4 * trainings.SHAPES[args.scale][1]
    for side in ("encoder", "decoder"):
        flags += [f"--{side}-ffn-embed-dim", str(hidden)]
    flags += trainings.training_flags(512, args.device, args.seed)
    flags += ["--optimizer", "strict_adam"]
    base = trainings.Training(data, [*trainings.our_task_flags(PAIRS), *flags])
    masks = _half_of_the_hidden_units(base.model, folder / "masks", args.seed)
    joint = trainings.Training(data, [*trainings.our_task_flags(PAIRS, masks), *flags])
    joint.step(trainings.evenly(joint.batches, 1)[0])
    return joint.save(folder / "checkpoint.pt")


def _half_of_the_hidden_units(model: torch.nn.Module, folder: Path, seed: int) -> Path:
    """Write masks of both pairs that keep the same half of each layer's units."""
    from lass_plugin.masks import MaskSet, Provenance, save_masks
    from lass_plugin.masks.neurons import neuron_mask
    from lass_plugin.neurons.recording import find_neurons

    generator = torch.Generator().manual_seed(seed)
    kept = {}
    for name, site in find_neurons(model, ["ffn-hidden"]).items():
        order = torch.randperm(site.neurons, generator=generator)
        kept[name] = order < site.neurons // 2
    made = Provenance("random", 0.5)
    save_masks(folder, MaskSet(neuron_mask(pair, kept, made) for pair in PAIRS))
    return folder


def _compacted(whole: Path, target: Path) -> Path:
    """What ``lass compact`` makes of *whole*; prints what it cut."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.cli.compact import print_cut
    from lass_plugin.masks.file import carried_masks
    from lass_plugin.methods.subnetworks.compaction import compacted_group

    checkpoint = Checkpoint.read(whole)
    masks = carried_masks(checkpoint)
    assert masks is not None
    result, cut, difference = compacted_group(checkpoint, masks)
    save_tensors(target, result)
    print_cut(checkpoint.content, result, cut, difference)
    return target


def _flops(model: generation.Translation) -> int:
    """FLOPs of the matrix products of translating every batch once."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        for number in range(len(model.samples)):
            model.translate(number)
    return counter.get_total_flops()


if __name__ == "__main__":
    sys.exit(main())
