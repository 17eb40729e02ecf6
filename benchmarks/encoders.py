"""An exported encoder at half of its components against the dense one, on the CPU.

The encoder has the shape of multilingual-e5-small (--shape other numbers). In every
layer half of the heads and half of the hidden units, drawn at random, are closed: a
sparsity of 50 % as Li 2022 counts. Both models compute the states of the same random
sentences, one at a time and 32 at a time, the dense one as stock fairseq does. Then the
exported one as ONNX with matrices in 8 bits under onnxruntime, where that is
installed, against the dense one in torch. What 8 bits change is printed as the largest
difference of states, as a share of the largest state, and as the change of the loss on
tokens that the float model finds likeliest.

The bytes are those that one more language's gates take on disk, in bits a component.

    python benchmarks/encoders.py [--quick] [--shape LAYERS,UNITS,HIDDEN,HEADS]
"""

import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import pairing
import torch
import trainings

FASTER, FASTER_INT8, BITS = 1.6, 3.0, 1.0
SYMBOLS = 8_000
SHAPE = "12,384,1536,12"
KEYS = 16


def main() -> int:
    options = trainings.parser(__doc__)
    options.add_argument("--shape", default=SHAPE, help="default: %(default)s")
    options.add_argument("--words", type=int, default=32, help="of a sentence")
    options.add_argument("--rounds", type=int, default=0)
    args = options.parse_args()
    torch.manual_seed(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        return 0 if _run(args, Path(folder)) else 1


def _run(args: Any, folder: Path) -> bool:
    from lass_plugin.methods.gates.export import build, export

    checkpoint = _dense(args.shape)
    gates = _half_open(checkpoint)
    made = export(checkpoint, "de", gates)
    dense = _stock(checkpoint)
    small = build(made.options, made.content["model"], "the exported model")
    rounds = args.rounds or (5 if args.quick else 25)
    reached = [_bytes(checkpoint, folder)]
    print(f"sparsity {made.sparsity:.3f}")
    for batch in (1, 32):
        tokens = torch.randint(4, SYMBOLS, (batch, args.words))
        runs = {"dense": _states(dense, tokens), "exported": _states(small, tokens)}
        times = pairing.take_turns(runs, rounds, warm_up=2, clock=args.clock)
        first, second = times["dense"], times["exported"]
        print(f"batch {batch}: {pairing.spread(first, second)}")
        ratio = pairing.median_ratio(first, second)
        reached.append(pairing.result(f"encoders_batch_{batch}", ratio, FASTER))
    reached += _int8(args, made, dense, folder / "int8.onnx", rounds)
    return all(reached)


def _dense(shape: str) -> Any:
    """A checkpoint of stock fairseq's RoBERTa with random weights."""
    from fairseq.models.roberta import RobertaModel

    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.methods.subnetworks.compaction import made_up_dictionary

    layers, units, hidden, heads = map(int, shape.split(","))
    options = Namespace(
        arch="roberta",
        encoder_layers=layers,
        encoder_embed_dim=units,
        encoder_ffn_embed_dim=hidden,
        encoder_attention_heads=heads,
        max_positions=512,
    )
    task = Namespace(source_dictionary=made_up_dictionary(SYMBOLS))
    model = RobertaModel.build_model(options, task)
    content = {
        "cfg": {"model": options, "task": {"_name": "masked_lm", "data": "."}},
        "model": model.state_dict(),
    }
    return Checkpoint(Path("random.pt"), content)


def _stock(checkpoint: Any) -> torch.nn.Module:
    from fairseq.models.roberta import RobertaModel

    from lass_plugin.methods.subnetworks.compaction import made_up_dictionary

    task = Namespace(source_dictionary=made_up_dictionary(SYMBOLS))
    model = RobertaModel.build_model(checkpoint.content["cfg"]["model"], task)
    model.load_state_dict(checkpoint.content["model"])
    return model.eval()


def _half_open(checkpoint: Any) -> dict[str, torch.Tensor]:
    """Site -> gates of which half are open, at random places."""
    from lass_plugin.methods.gates.components import is_rank
    from lass_plugin.methods.gates.narrowing import components_of

    counts = components_of(checkpoint.weights, checkpoint.model_options).counts
    return {
        site: (torch.randperm(count) < count // 2).float()
        for site, count in counts.items()
        if not is_rank(site)
    }


def _states(model: Any, tokens: torch.Tensor) -> pairing.Contestant:
    @torch.no_grad()
    def compute(_: int) -> torch.Tensor:
        return model(tokens, features_only=True)[0]

    return compute


def _bytes(checkpoint: Any, folder: Path) -> bool:
    """Whether the gates of one more key take at most a bit a component."""
    from lass_plugin.methods.gates.narrowing import components_of
    from lass_plugin.methods.gates.sets import FIXED, GateSets, base_of, save_gates

    components = components_of(checkpoint.weights, checkpoint.model_options)
    base = base_of(components, checkpoint.weights)
    sizes = []
    for keys in (1, 1 + KEYS):
        rows = {
            f"l{n}": {"open": torch.rand(components.total) < 0.5} for n in range(keys)
        }
        place = folder / f"gates{keys}"
        save_gates(place, GateSets(FIXED, components, rows, base))
        sizes.append(sum(file.stat().st_size for file in place.iterdir()))
    bits = 8 * (sizes[1] - sizes[0]) / KEYS / components.total
    return pairing.result("gates_bits", bits, BITS, at_most=True)


def _int8(args: Any, made: Any, dense: Any, path: Path, rounds: int) -> list[bool]:
    """Whether onnxruntime is as fast in 8 bits as it should be."""
    try:
        import onnxruntime
    except ImportError:
        print("onnxruntime is not installed: 8 bits are left out")
        return []
    from lass_plugin.methods.gates.onnx_model import onnx_encoder, write_int8

    encoder = onnx_encoder(made, "states")
    write_int8(path, encoder)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        str(path), settings, providers=["CPUExecutionProvider"]
    )
    reached = []
    for batch in (1, 32):
        tokens = torch.randint(4, SYMBOLS, (batch, args.words))
        numbers = tokens.numpy()
        runs = {
            "dense": _states(dense, tokens),
            "int8": lambda _, given=numbers: session.run(None, {"tokens": given}),
        }
        times = pairing.take_turns(runs, rounds, warm_up=2, clock=args.clock)
        print(f"int8, batch {batch}: {pairing.spread(times['dense'], times['int8'])}")
        ratio = pairing.median_ratio(times["dense"], times["int8"])
        name = f"encoders_int8_batch_{batch}"
        reached.append(pairing.result(name, ratio, FASTER_INT8))
    with torch.no_grad():
        states = encoder(tokens)
        rounded = torch.from_numpy(session.run(None, {"tokens": numbers})[0])
        difference = float((states - rounded).abs().max() / states.abs().max())
        scores = [encoder.model.encoder.output_layer(s) for s in (states, rounded)]
        likeliest = scores[0].argmax(-1).flatten()
        losses = [
            float(torch.nn.functional.cross_entropy(s.flatten(0, 1), likeliest))
            for s in scores
        ]
    pairing.information("encoders_int8_difference_of_states", difference)
    pairing.information("encoders_int8_loss", losses[1] / losses[0])
    return reached


if __name__ == "__main__":
    sys.exit(main())
