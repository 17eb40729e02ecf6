"""Attention that calls its projections against fairseq's own."""

import itertools
import math

import pytest
import torch
from fairseq.modules import MultiheadAttention

from lass_plugin.methods.lowrank.attention import (
    CalledAttention,
    as_it_was,
    call_projections,
)
from lass_plugin.methods.lowrank.modules import LowRankModules, put_beside
from lass_plugin.methods.routing import Chosen, Routing

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
        attention.requires_grad_(False)
        query, _, padding, mask = inputs(False, True, True)
        query.requires_grad_(True)
        output, _ = attention(query, query, query, padding, None, False, False, mask)
        output.pow(2).sum().backward()
        results.append(query.grad)
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("cross", [False, True])
def test_modules_beside_projections_take_part(cross, dropout):
    """As if each projection had been called by itself."""
    _, ours = attentions(cross)
    names = ("q_proj", "k_proj", "v_proj", "out_proj")
    routing = Routing()
    for name in names:
        ranks, scales = {"de": 2, "fr": 1}, {"de": 1.0, "fr": 2.0}
        low = LowRankModules(
            *(name, "target", WIDTH, WIDTH, ranks, scales, dropout, 1, routing)
        )
        for b in low.B.values():
            torch.nn.init.normal_(b)
        put_beside(getattr(ours, name), [low])
    query, memory, padding, mask = inputs(cross, cross, not cross)
    routing.choose(*[Chosen.of(["de", "fr", "de"])] * 2)
    given = (query, memory, memory, padding, None, False, cross, mask)
    ours.train(bool(dropout))
    torch.manual_seed(3)
    found, _ = ours(*given)
    torch.manual_seed(3)
    q, k, v = (
        ours._heads(getattr(ours, name)(each))
        for name, each in zip(names, (query, memory, memory), strict=False)
    )
    hidden = mask
    if padding is not None:
        hidden = torch.zeros(BATCH, 1, 1, len(memory))
        hidden.masked_fill_(padding[:, None, None, :], float("-inf"))
    attended = torch.softmax(q @ k.mT / math.sqrt(WIDTH // HEADS) + hidden, -1) @ v
    expected = ours.out_proj(attended.permute(2, 0, 1, 3).reshape(query.shape))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    routing.chosen = {}
    assert not torch.allclose(ours(*given)[0], found)


def test_it_becomes_the_stock_one_again():
    _, ours = attentions()
    as_it_was(ours)
    assert type(ours) is MultiheadAttention and not ours.skip_embed_dim_check
