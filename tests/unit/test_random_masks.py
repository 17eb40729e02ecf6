"""Random masks: exact, reproducible, different for every key and matrix."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.masks.file import digest
from lass_plugin.masks.random import random_mask, random_masks

FC1 = "encoder.layers.0.fc1.weight"
SHAPES = {FC1: (40, 30), "encoder.layers.1.fc1.weight": (40, 30)}
STORED = [116, 193, 254, 136]


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 10**9),
)
@settings(max_examples=100)
def test_exactly_the_rounded_share_is_removed(shape, ratio, seed):
    mask = random_mask("de-en", {FC1: shape}, ratio, seed)
    units = shape[0] * shape[1]
    assert units - mask.kept() == round(ratio * units)


def test_a_mask_depends_on_seed_key_and_site_only():
    masks = random_masks(["de-en", "en-de"], SHAPES, 0.5, seed=1)
    first, second = (masks["de-en"].bits[name] for name in SHAPES)
    assert not torch.equal(first, second)
    assert not torch.equal(first, masks["en-de"].bits[FC1])
    assert not torch.equal(first, random_mask("de-en", SHAPES, 0.5, seed=2).bits[FC1])
    alone = random_mask("de-en", {FC1: (40, 30)}, 0.5, seed=1)
    assert torch.equal(first, alone.bits[FC1])


def test_any_number_of_threads_draws_the_same():
    threads = torch.get_num_threads()
    try:
        digests = set()
        for count in (1, 4):
            torch.set_num_threads(count)
            masks = random_masks(["de-en"], {FC1: (300, 400)}, 0.3, seed=1)
            digests.add(digest(masks))
    finally:
        torch.set_num_threads(threads)
    assert len(digests) == 1


def test_a_higher_ratio_removes_what_a_lower_one_did():
    low, high = (random_mask("de-en", SHAPES, ratio, 1) for ratio in (0.3, 0.6))
    for name in SHAPES:
        assert not bool((high.unpack(name) & ~low.unpack(name)).any())


def test_the_draw_stays_what_it_is_in_every_release():
    mask = random_mask("de-en", {FC1: (4, 8)}, 0.5, seed=1)
    assert mask.bits[FC1].tolist() == STORED


def test_two_masks_share_what_chance_gives():
    masks = random_masks(["de-en", "en-de"], {FC1: (400, 500)}, 0.4, seed=5)
    first, second = (mask.unpack(FC1) for mask in masks.values())
    share = float((first & second).sum()) / float(first.sum())
    assert share == pytest.approx(0.6, abs=0.01)


def test_provenance_tells_the_seed():
    provenance = random_mask("de-en", SHAPES, 0.5, seed=7).provenance
    assert (provenance.criterion, provenance.ratio) == ("random", 0.5)
    assert provenance.note == "seed 7"


def test_a_ratio_that_is_no_share_is_refused():
    with pytest.raises(LassError, match="outside"):
        random_mask("de-en", SHAPES, 1.0, 1)
