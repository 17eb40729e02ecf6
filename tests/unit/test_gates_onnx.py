"""ONNX: onnxruntime computes what the exported model does, for any batch and length."""

import pytest
import torch
from narrow_models import RANKS, SYMBOLS, UNEQUAL, made
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.methods.gates.export import export
from lass_plugin.methods.gates.onnx_model import (
    TOKENS,
    needed,
    onnx_encoder,
    write_int8,
    write_onnx,
)


@pytest.fixture(scope="module")
def small():
    """Layers without heads and without hidden units, and a low rank."""
    return export(made(), "de", {**UNEQUAL, **RANKS})


def tokens_of(sentences: int, length: int) -> Tensor:
    """Random tokens, all sentences but the first with padding."""
    found = torch.randint(4, SYMBOLS, (sentences, length))
    found[1:, max(1, length - 2) :] = 1
    return found


def run(path, tokens: Tensor) -> Tensor:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {TOKENS: tokens.numpy()})[0])


@pytest.mark.parametrize(
    "output", ["scores", pytest.param("topic", marks=pytest.mark.slow)]
)
@torch.no_grad()
def test_outputs_are_equal_for_any_batch_and_length(small, output, tmp_path):
    pytest.importorskip("onnxscript")
    encoder = onnx_encoder(small, output)
    write_onnx(tmp_path / "small.onnx", encoder)
    for shape in ((1, 1), (1, 9), (4, 5), (2, 16)):
        tokens = tokens_of(*shape)
        found, wanted = run(tmp_path / "small.onnx", tokens), encoder(tokens)
        there = slice(None) if output == "topic" else tokens.ne(1)
        torch.testing.assert_close(found[there], wanted[there], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_what_is_written_is_the_model_of_fairseq(small):
    encoder = onnx_encoder(small, "states")
    tokens = tokens_of(3, 7)
    wanted, _ = encoder.model(tokens, features_only=True)
    there = tokens.ne(1)
    torch.testing.assert_close(encoder(tokens)[there], wanted[there])


@torch.no_grad()
def test_eight_bits_are_near(small, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    encoder = onnx_encoder(small, "states")
    write_int8(tmp_path / "small.onnx", encoder)
    nodes = {node.op_type for node in onnx.load(tmp_path / "small.onnx").graph.node}
    assert "MatMulInteger" in nodes
    tokens = tokens_of(3, 7)
    found, wanted = run(tmp_path / "small.onnx", tokens), encoder(tokens)
    there = tokens.ne(1)
    assert (found[there] - wanted[there]).abs().max() < 0.2 * wanted.abs().max()


def test_an_unknown_head_is_named(small):
    with pytest.raises(LassError, match="--onnx-output news .*states, scores, topic"):
        onnx_encoder(small, "news")


def test_a_missing_package_is_named():
    with pytest.raises(LassError, match=r"no_such_package.*lass-plugin\[onnx\]"):
        needed("no_such_package")
