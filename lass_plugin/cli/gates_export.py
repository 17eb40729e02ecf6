"""Write one key of a gated model as a smaller model.

    lass gates export joint/checkpoint_best.pt --key de --out de.pt
    lass gates export joint/checkpoint_best.pt --gates gates/ --key shared \\
        --sparsity 0.5 --out half.pt --onnx half.onnx --onnx-int8 half-int8.onnx

Gates go into the weights that read their components, and heads, hidden units and ranks
of the embedding whose gates are closed are cut out. Each layer of the result has as
many heads and hidden units as it needs, none included, so it is a model of the
architecture roberta_narrow, or transformer_narrow for one that translates; the flags
that build it again for 'fairseq-train --restore-file' are printed. Where all layers
have all their heads, one width and the full rank, it is a plain model of stock fairseq.
--fill makes it one in any case, by zeros: it is smaller only as far as its widest layer
is.

Nothing is written unless outputs on random tokens are those of the gated model.
--onnx writes the encoder for onnxruntime, which takes any number of sentences of any
length as numbers of the dictionary, and knows padding by its number.
"""

from typing import TYPE_CHECKING

from lass_plugin.methods.gates.export_settings import GatesExportSettings

if TYPE_CHECKING:
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.methods.gates.export import Export

HELP = "write one key as a smaller model"
QUIET = True
SETTINGS = GatesExportSettings


def run(settings: GatesExportSettings) -> int:
    """Export, print the sizes before and after, and how to go on with it."""
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.checkpoints.torch_files import save_tensors
    from lass_plugin.methods.gates.carried import gates_for
    from lass_plugin.methods.gates.export import export, with_todays_names
    from lass_plugin.methods.gates.hugging_face import (
        hugging_face_model,
        write_hugging_face,
    )
    from lass_plugin.methods.gates.onnx_model import (
        needed,
        onnx_encoder,
        write_int8,
        write_onnx,
    )

    if settings.onnx or settings.onnx_int8:
        needed("onnx", "onnxscript", *(["onnxruntime"] if settings.onnx_int8 else []))
    checkpoint = with_todays_names(Checkpoint.read_whole(settings.checkpoint))
    sets = gates_for(checkpoint, settings.gates)
    gates = sets.values(settings.key, settings.sparsity)
    made = export(checkpoint, settings.key, gates, settings.fill, settings.half)
    encoder = None
    if settings.onnx or settings.onnx_int8:
        encoder = onnx_encoder(made, settings.onnx_output)
    if settings.hugging_face:
        hugging_face_model(made)  # refused before anything is written
    save_tensors(settings.out, made.content)
    print_sizes(checkpoint, made)
    print(f"{settings.key} -> {settings.out}")
    if encoder is not None and settings.onnx:
        write_onnx(settings.onnx, encoder)
        print(f"{settings.onnx_output} -> {settings.onnx}")
    if encoder is not None and settings.onnx_int8:
        write_int8(settings.onnx_int8, encoder)
        print(f"{settings.onnx_output}, matrices in 8 bits -> {settings.onnx_int8}")
    if settings.hugging_face:
        for path in write_hugging_face(settings.hugging_face, made):
            print(path)
    if made.stock:
        print("stock fairseq loads it")
    else:
        print(f"to train it further: {' '.join(made.flags)}")
    return 0


def print_sizes(checkpoint: "Checkpoint", made: "Export") -> None:
    """Print parameters before and after, widths of each layer, and the difference."""
    from lass_plugin.anatomy.places import find_place
    from lass_plugin.records.text_tables import print_table

    rows = [["", "before", "after", "%"]]
    after = type(checkpoint)(checkpoint.path, made.content)
    for name, inside in (("parameters of layers", True), ("all parameters", False)):
        old, new = (
            sum(
                tensor.numel()
                for each, tensor in file.parameters.items()
                if not inside or find_place(each).layer is not None
            )
            for file in (checkpoint, after)
        )
        rows.append([name, f"{old:,}", f"{new:,}", f"{100 * new / old:.1f}"])
    print_table(rows)
    print()
    print_table(
        [
            ["", "before", "after"],
            *(
                [site, str(made.components.counts[site]), str(width)]
                for site, width in made.narrow.widths.items()
            ),
        ]
    )
    print(f"sparsity {made.sparsity:.3f} (heads and hidden units, Li 2022, App. B)")
    print(f"outputs differ by {made.difference:.1e} of the largest (on random tokens)")
