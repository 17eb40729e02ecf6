"""ONNX: an exported encoder for onnxruntime, of any number and length of sentences."""

import os
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path
from lass_plugin.methods.gates.export import Export, build
from lass_plugin.methods.gates.export_settings import SCORES, STATES
from lass_plugin.models.narrow import options_of

TOKENS = "tokens"
"""Input, ``(batch, length)`` int64; padding is the dictionary's, at the end."""


class OnnxEncoder(nn.Module):
    """An encoder alone from tokens to what is asked for, without branches on data.

    Attention leaves out padding, which is known by its number in the dictionary.
    """

    def __init__(self, model: nn.Module, output: str):
        """
        Args:
            output: :data:`.STATES`, :data:`.SCORES`, or the name of a classification
                head.
        """
        super().__init__()
        self.model, self.output = model, output

    def forward(self, tokens: Tensor) -> Tensor:
        """``(batch, length, units)`` states, ``(batch, length, symbols)`` scores, or
        ``(batch, classes)``, of ``(batch, length)`` tokens."""
        encoder: Any = self.model.encoder
        inner = encoder.sentence_encoder
        padding = tokens.eq(inner.padding_idx)
        x = inner.embed_scale * inner.embed_tokens(tokens)
        if inner.embed_positions is not None:
            x = x + inner.embed_positions(tokens)
        if inner.layernorm_embedding is not None:
            x = inner.layernorm_embedding(x)
        x = x.masked_fill(padding.unsqueeze(-1), 0.0).transpose(0, 1)
        for layer in inner.layers:
            x = layer(x, encoder_padding_mask=padding)
        if inner.layer_norm is not None:
            x = inner.layer_norm(x)
        x = x.transpose(0, 1)
        if self.output == STATES:
            return x
        if self.output == SCORES:
            return encoder.output_layer(x)
        heads: Any = self.model.classification_heads
        return heads[self.output](x)


def onnx_encoder(made: Export, output: str) -> OnnxEncoder:
    """The model of an export, to be written by :func:`write_onnx`.

    Raises:
        LassError: it translates, or has no such classification head.
    """
    if not made.alone:
        raise LassError(
            "only encoders alone are written for ONNX; leave --onnx out for a model "
            "that translates"
        )
    # every attention is a narrow one, which has no branch on what it is given
    options = {**made.options, **options_of(made.narrow.widths)}
    model = build(options, made.narrow.tensors, "the exported model")
    heads: Any = model.classification_heads
    if output not in (STATES, SCORES, *heads):
        known = ", ".join((STATES, SCORES, *heads))
        raise LassError(f"--onnx-output {output} is unknown; choose from {known}")
    return OnnxEncoder(model, output).eval()


def write_onnx(target: str | os.PathLike, encoder: OnnxEncoder) -> None:
    """Write *encoder* to *target*, one file.

    Raises:
        LassError: the packages are not installed, or the file cannot be written.
    """
    needed("onnx", "onnxscript")
    tokens = torch.tensor([[0, 5, 2], [0, 2, 1]])
    shapes = {TOKENS: {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            encoder,
            (tokens,),
            input_names=[TOKENS],
            output_names=[encoder.output],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    with atomic_path(target) as temporary:
        program.save(str(temporary), external_data=False)


def write_int8(target: str | os.PathLike, encoder: OnnxEncoder) -> None:
    """Write *encoder* with the matrices of its layers in 8 bits to *target*.

    Weights are stored as integers, a scale for each output; what is multiplied with
    them is rounded when the model runs. The embedding stays as it is. Of the 8 bits 7
    are used: sums of two products of 8 bits do not fit into 16, in which processors
    without VNNI add them, and what does not fit is cut off without a word (seen on an
    AMD EPYC: errors of half of the largest output, 4 % with 7 bits).

    Raises:
        LassError: as :func:`write_onnx`.
    """
    needed("onnxruntime", "onnx")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory() as folder, atomic_path(target) as temporary:
        whole = Path(folder) / "whole.onnx"
        write_onnx(whole, encoder)
        quantize_dynamic(
            whole,
            temporary,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_exclude=_without_weights(whole),
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )


def _without_weights(path: Path) -> list[str]:
    """Names of the products of a layer without hidden units, which have no scale."""
    import onnx

    graph = onnx.load(path).graph
    empty = {each.name for each in graph.initializer if 0 in each.dims}
    return [node.name for node in graph.node if empty.intersection(node.input)]


def needed(*packages: str) -> None:
    """Refuse to begin without *packages*.

    Raises:
        LassError: names the first that is missing.
    """
    for name in packages:
        try:
            __import__(name)
        except ImportError as error:
            raise LassError(
                f"ONNX needs the package {name}, which is not installed; install "
                "lass-plugin[onnx]"
            ) from error
