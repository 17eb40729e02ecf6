"""Attention that calls its projections against fairseq's own."""

import itertools

import pytest
import torch
from fairseq.modules import MultiheadAttention

from lass_plugin.lowrank.attention import (
    CalledAttention,
    as_it_was,
    call_projections,
)

TIME, SOURCE, BATCH, WIDTH, HEADS = 5, 7, 3, 8, 2


def attentions(cross=False, **options):
    """fairseq's attention, and the same one that calls its projections."""
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        kind = {"encoder_decoder_attention": cross, "self_attention": not cross}
        found.append(MultiheadAttention(WIDTH, HEADS, **kind, **options).eval())
    call_projections(found[1])
    assert type(found[1]) is CalledAttention
    return found


def inputs(cross, padded, causal):
    torch.manual_seed(1)
    query = torch.randn(TIME, BATCH, WIDTH)
    memory = torch.randn(SOURCE, BATCH, WIDTH) if cross else query
    length = len(memory)
    padding = None
    if padded:
        padding = torch.zeros(BATCH, length, dtype=torch.bool)
        padding[1, -2:] = padding[2, :1] = True
    mask = None
    if causal:
        mask = torch.full((TIME, length), float("-inf")).triu(1)
    return query, memory, padding, mask


@pytest.mark.parametrize(
    ("cross", "padded", "causal"),
    [
        case
        for case in itertools.product((False, True), repeat=3)
        if case[:3:2] != (1, 1)
    ],
)
def test_it_computes_what_fairseq_computes(cross, padded, causal):
    stock, ours = attentions(cross)
    query, memory, padding, mask = inputs(cross, padded, causal)
    given = (query, memory, memory, padding)
    options = {"need_weights": False, "attn_mask": mask, "static_kv": cross}
    (expected, _), (found, weights) = stock(*given, **options), ours(*given, **options)
    assert weights is None
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    if not cross:  # fairseq hands this to the same kernel
        assert torch.equal(found, expected)


def test_gradients_are_the_same():
    results = []
    for attention in attentions():
        query, _, padding, mask = inputs(False, True, True)
        query.requires_grad_(True)
        output, _ = attention(query, query, query, padding, None, False, False, mask)
        output.pow(2).sum().backward()
        results.append([query.grad, *(p.grad for p in attention.parameters())])
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_weights_and_steps_of_decoding_are_left_to_fairseq():
    stock, ours = attentions(cross=True)
    query, memory, padding, _ = inputs(True, True, False)
    expected = stock(query, memory, memory, padding, need_weights=True, static_kv=True)
    found = ours(query, memory, memory, padding, need_weights=True, static_kv=True)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)
    stock, ours = attentions()
    caches = {}, {}
    for step in range(3):
        outputs = []
        for attention, cache in zip((stock, ours), caches, strict=True):
            given = query[step : step + 1]
            outputs.append(attention(given, given, given, incremental_state=cache)[0])
        torch.testing.assert_close(*outputs)


def test_dropout_is_of_the_attention_weights():
    _, ours = attentions(dropout=0.5)
    query, *_ = inputs(False, False, False)
    first = ours(query, query, query, need_weights=False)[0]
    assert torch.equal(first, ours(query, query, query, need_weights=False)[0])
    ours.train()
    torch.manual_seed(0)
    dropped = ours(query, query, query, need_weights=False)[0]
    assert not torch.allclose(first, dropped)


def test_projections_are_called():
    stock, ours = attentions()
    called = []
    for attention in (stock, ours):
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            module = getattr(attention, name)
            module.register_forward_hook(lambda *_, name=name: called.append(name))
        query, *_ = inputs(False, False, False)
        attention(query, query, query, need_weights=False)
    assert called == ["q_proj", "k_proj", "v_proj", "out_proj"]
    as_it_was(ours)
    assert type(ours) is MultiheadAttention and not ours.skip_embed_dim_check
