"""Random erasure: which neurons, how many, and which masks lose them."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import MaskSet, Provenance
from lass_plugin.masks.neurons import neuron_mask
from lass_plugin.masks.random import random_mask
from lass_plugin.neurons import erasure_report
from lass_plugin.neurons.allocation import Allocation
from lass_plugin.neurons.erasure import (
    Erased,
    check_masks,
    choose,
    draw,
    draws_of,
    share_of,
    unused,
    without,
)
from lass_plugin.neurons.erasure_report import FORM, draw_erasure
from lass_plugin.neurons.settings import ErasureSettings, Rule
from lass_plugin.settings import parse_words

FC1, FC2 = "encoder.layers.0.fc1", "decoder.layers.0.fc2"
A, B, C = "de-en", "en-de", "nl-en"


PLACES = {
    "data": Path("data"),
    "checkpoint": Path("joint.pt"),
    "allocation": Path("masks"),
    "out": Path("out"),
}


def wanted(**options) -> ErasureSettings:
    return ErasureSettings(**PLACES, **options)


def bits(text: str) -> torch.Tensor:
    return torch.tensor([character == "1" for character in text])


def allocation_of(general: dict, kept: dict) -> Allocation:
    return Allocation(
        Rule(),
        {site: bits(row) for site, row in general.items()},
        {
            pair: {site: bits(row) for site, row in sites.items()}
            for pair, sites in kept.items()
        },
        dict.fromkeys(kept, 0.7),
    )


def masks_of(allocation: Allocation) -> MaskSet:
    made = Provenance("taylor", None, "neurons", note="general 0.9")
    return MaskSet(
        neuron_mask(pair, sites, made) for pair, sites in allocation.kept.items()
    )


@pytest.fixture
def by_hand() -> Allocation:
    """Four general neurons at each site. At FC1 neurons 4 to 7 are specific: de-en has
    4, 5, 6, en-de has 6 and 7, nl-en has none; 8 is nobody's. At FC2 only en-de has
    one."""
    return allocation_of(
        {FC1: "111100000", FC2: "11110"},
        {
            A: {FC1: "111111100", FC2: "11110"},
            B: {FC1: "111100110", FC2: "11111"},
            C: {FC1: "111100000", FC2: "11110"},
        },
    )


def erased_by(erased: list[Erased]) -> dict[tuple, Erased]:
    return {(each.kind, each.pair, each.seed): each for each in erased}


def places(neurons: torch.Tensor) -> set[int]:
    return set(neurons.nonzero().view(-1).tolist())


def test_all_specific_neurons_by_hand(by_hand):
    erased, notes = choose(by_hand, wanted(general=0.5, specific=1.0))
    found = erased_by(erased)
    assert list(found) == [
        *(("general", None, 1), ("specific", A, 1), ("unused", A, 1)),
        *(("specific", B, 1), ("unused", B, 1)),
    ]
    assert places(found["specific", A, 1].neurons[FC1]) == {4, 5, 6}
    assert not places(found["specific", A, 1].neurons[FC2])
    assert places(found["specific", B, 1].neurons[FC1]) == {6, 7}
    assert places(found["specific", B, 1].neurons[FC2]) == {4}
    # de-en lacks 7 only; 8 is nobody's, so it is no specific neuron
    assert places(found["unused", A, 1].neurons[FC1]) == {7}
    assert places(found["unused", B, 1].neurons[FC1]) == {4, 5}
    assert not places(found["unused", B, 1].neurons[FC2])
    assert notes == [
        f"only 1 instead of 3 neurons are erased that are not of {A}, because at some "
        "sites there are no more specific ones",
        f"only 2 instead of 3 neurons are erased that are not of {B}, because at some "
        "sites there are no more specific ones",
        f"{C} has no specific neurons",
    ]


def test_shared_neurons_leave_every_mask_that_has_them(by_hand):
    masks = masks_of(by_hand)
    erased, _ = choose(by_hand, wanted(specific=1.0, pairs=tuple(parse_pairs(A))))
    own = erased_by(erased)["specific", A, 1]
    rest = without(masks, own)
    assert rest[A].unpack(FC1).int().tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert rest[B].unpack(FC1).int().tolist() == [1, 1, 1, 1, 0, 0, 0, 1, 0]
    assert rest[C].bits[FC1].equal(masks[C].bits[FC1])
    for pair in (A, B, C):
        assert rest[pair].bits[FC2].equal(masks[pair].bits[FC2])
        assert rest[pair].base == masks[pair].base
    assert [own.lost_by(masks, pair) for pair in (A, B, C)] == [3, 1, 0]
    assert own.count == 3
    assert rest[A].provenance.note == "general 0.9; erased: specific of de-en, seed 1"


def test_general_neurons_are_the_same_ones_for_all_pairs(by_hand):
    masks = masks_of(by_hand)
    erased, _ = choose(by_hand, wanted(general=0.5, specific=0.0, no_control=True))
    (one,) = erased
    assert [int(one.neurons[site].sum()) for site in (FC1, FC2)] == [2, 2]
    rest = without(masks, one)
    for pair in (A, B, C):
        for site in (FC1, FC2):
            gone = masks[pair].unpack(site) & ~rest[pair].unpack(site)
            assert gone.equal(one.neurons[site])
            assert places(gone) <= {0, 1, 2, 3}
        assert one.lost_by(masks, pair) == one.count == 4


def test_the_control_takes_nothing_from_its_pair_and_as_many_neurons():
    allocation = allocation_of(
        {FC1: "1" + 16 * "0"},
        {A: {FC1: "1" + 8 * "1" + 8 * "0"}, B: {FC1: "1" + 8 * "0" + 8 * "1"}},
    )
    masks = masks_of(allocation)
    erased, notes = choose(allocation, wanted(general=0.0, specific=0.5))
    assert not notes
    for pair, other in ((A, B), (B, A)):
        own, control = (
            erased_by(erased)[kind, pair, 1] for kind in ("specific", "unused")
        )
        assert own.count == control.count == 4
        assert own.lost_by(masks, pair) == control.lost_by(masks, other) == 4
        assert control.lost_by(masks, pair) == own.lost_by(masks, other) == 0


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 70), min_size=1, max_size=3),
    st.floats(0.0, 1.0),
    st.integers(0, 5),
)
def test_exact_counts_of_each_site_and_nothing_but_candidates(sizes, share, seed):
    generator = torch.Generator().manual_seed(seed)
    candidates = {
        f"encoder.layers.{number}.fc1": torch.rand(90, generator=generator) < size / 90
        for number, size in enumerate(sizes)
    }
    counts = share_of(candidates, share)
    drawn = draw(candidates, counts, "general", seed)
    for site, own in candidates.items():
        assert counts[site] == round(share * int(own.sum()))
        assert int(drawn[site].sum()) == counts[site]
        assert not bool((drawn[site] & ~own).any())


def test_a_draw_depends_on_seed_key_and_site_only():
    own = torch.arange(64) % 2 == 0
    counts = {FC1: 16, FC2: 16}
    one = draw({FC1: own, FC2: own}, counts, A, 1)
    alone = draw({FC1: own}, counts, A, 1)
    assert one[FC1].equal(alone[FC1])
    assert not one[FC1].equal(one[FC2])
    assert not alone[FC1].equal(draw({FC1: own}, counts, A, 2)[FC1])
    assert not alone[FC1].equal(draw({FC1: own}, counts, B, 1)[FC1])
    more = draw({FC1: own}, {FC1: 20}, A, 1)[FC1]
    assert places(alone[FC1]) < places(more)
    # the project's own seeded draw, among the candidates
    removed = ~random_mask(A, {FC1: (32,)}, 0.5, 1).unpack(FC1)
    assert places(alone[FC1]) == {2 * number for number in places(removed)}


def test_every_neuron_of_a_site_is_drawn_about_equally_often():
    own = torch.ones(10, dtype=torch.bool)
    times = torch.zeros(10)
    for seed in range(400):
        times += draw({FC1: own}, {FC1: 3}, "general", seed)[FC1]
    assert times.sum() == 1200
    assert times.min() > 85 and times.max() < 155  # 120 ± 9.2


def test_draws_of_several_seeds_belong_together(by_hand):
    erased, notes = choose(by_hand, wanted(general=0.5, specific=1.0, seeds=(3, 5)))
    groups = draws_of(erased)
    assert [(own[0].kind, own[0].pair) for own in groups] == [
        *(("general", None), ("specific", A), ("specific", B)),
        *(("unused", A), ("unused", B)),
    ]
    assert all([each.seed for each in own] == [3, 5] for own in groups)
    assert len(notes) == len(set(notes)) == 3
    names = [each.name for each in erased]
    assert len(set(names)) == len(names) == 10
    assert names[:3] == [
        *("general, seed 3", "specific of de-en, seed 3", "not of de-en, seed 3")
    ]


def test_what_cannot_be_erased_is_a_note_and_only_nothing_at_all_an_error(by_hand):
    alone = wanted(general=0.5, pairs=tuple(parse_pairs(C)))
    erased, notes = choose(by_hand, alone)
    assert [each.kind for each in erased] == ["general"]
    assert notes == [f"{C} has no specific neurons"]
    only = wanted(general=0.0, pairs=tuple(parse_pairs(C)))
    with pytest.raises(LassError, match=f"nothing to erase: {C} has no specific"):
        choose(by_hand, only)
    few = wanted(general=0.01, specific=0.1, pairs=tuple(parse_pairs(A)))
    with pytest.raises(LassError, match="0.01 of the general .* 0.1 of the specific"):
        choose(by_hand, few)
    with pytest.raises(LassError, match="fr-en of --pairs is not in the allocation"):
        choose(by_hand, wanted(pairs=tuple(parse_pairs("fr-en"))))


def test_a_pair_that_has_all_specific_neurons_has_no_control():
    allocation = allocation_of({FC1: "1100"}, {A: {FC1: "1111"}, B: {FC1: "1110"}})
    assert not unused(allocation, A)[FC1].any()
    erased, notes = choose(
        allocation, wanted(general=0.0, specific=1.0, pairs=tuple(parse_pairs(A)))
    )
    assert [each.kind for each in erased] == ["specific"]
    assert "there is no control of it" in notes[0]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"general": 1.2}, "--general 1.2 is not a share"),
        ({"specific": -0.1}, "--specific -0.1 is not a share"),
        ({"general": float("nan")}, "--general nan"),
        ({"general": 0.0, "specific": 0.0}, "erase nothing"),
        ({"specific": 0.0, "pairs": (A,)}, "--pairs has no effect with --specific 0"),
        ({"specific": 0.0, "no_control": True}, "--no-control has no effect"),
        (
            {"general": 1.0, "specific": 1.0, "no_control": True, "seeds": (1, 2)},
            "several seeds have no effect",
        ),
    ],
)
def test_options_out_of_range_or_without_effect(options, words):
    with pytest.raises(LassError, match=words):
        wanted(**options).check()


def test_options_at_the_ends_are_taken():
    wanted(general=1.0, specific=1.0, seeds=(1, 2)).check()
    wanted(general=0.0).check()
    wanted(specific=0.0).check()


def seeds_of(text: str) -> tuple[int, ...]:
    words = ("data", "--checkpoint", "c", "--allocation", "a", "--out", "o", "--seed")
    return parse_words(ErasureSettings, [*words, text]).seeds


@pytest.mark.parametrize("text", ["", "x", "1,", "1.5", "-1", "1,1", "²"])
def test_seeds_that_are_none(text):
    with pytest.raises(LassError, match="--seed"):
        seeds_of(text)


def test_seeds():
    assert seeds_of("3") == (3,)
    assert seeds_of("1, 2,10") == (1, 2, 10)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "x", "version": 1}'])
def test_a_picture_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "erasure.json").write_text(content)
    with pytest.raises(LassError, match="is not an erasure.json of 'lass neurons eras"):
        draw_erasure(tmp_path / "erasure.json")


def test_the_colours_are_those_of_specific_neurons(tmp_path, monkeypatch):
    """General neurons cost so much that nothing else would be told apart."""
    deltas = {("general", None): [-18.0, -16.0], ("specific", A): [-3.0, 0.2]}
    record = {
        **FORM.mark({}),
        "seeds": [1],
        "nothing": {A: {}, B: {}},
        "erased": [
            {
                "kind": kind,
                "label": kind,
                "mean": {
                    pair: {"BLEU": {"delta": delta}}
                    for pair, delta in zip((A, B), values, strict=True)
                },
            }
            for (kind, _), values in deltas.items()
        ],
    }
    drawn = []
    monkeypatch.setattr(
        erasure_report, "heat_map", lambda *given, **more: drawn.append((given, more))
    )
    (tmp_path / "erasure.json").write_text(json.dumps(record))
    draw_erasure(tmp_path / "erasure.json")
    ((values, labels, *_), more) = drawn[0]
    assert values.tolist() == list(deltas.values()) and labels == [
        "general",
        "specific",
    ]
    assert more["limits"] == (-3.0, 0.2) and more["columns"] == [A, B]
    assert more["caption"] == "one draw; all below -3.00 is as dark"
    # noise is not stretched to the ends of the scale
    record["erased"][1]["mean"] = {p: {"BLEU": {"delta": -0.1}} for p in (A, B)}
    (tmp_path / "erasure.json").write_text(json.dumps(record))
    draw_erasure(tmp_path / "erasure.json")
    assert drawn[1][1]["limits"] == (-1.0, 0.0)


def test_masks_that_are_not_those_of_the_allocation(by_hand):
    masks, joint, folder = masks_of(by_hand), Path("joint.pt"), Path("masks")
    check_masks(masks, by_hand, joint, folder)
    with pytest.raises(LassError, match="joint.pt carries no masks; give a checkpoint"):
        check_masks(None, by_hand, joint, folder)
    with pytest.raises(
        LassError, match="masks has a mask of nl-en, but joint.pt has no"
    ):
        check_masks(masks.only([A, B]), by_hand, joint, folder)
    del by_hand.kept[C]
    with pytest.raises(
        LassError, match="joint.pt has a mask of nl-en, but masks has n"
    ):
        check_masks(masks, by_hand, joint, folder)
    by_hand.kept[C] = {FC1: bits("111100000"), FC2: bits("11111")}
    with pytest.raises(LassError, match=f"nl-en has other neurons of {FC2}"):
        check_masks(masks, by_hand, joint, folder)
    for sites in by_hand.kept.values():
        del sites[FC2]
    with pytest.raises(LassError, match=f"only joint.pt covers {FC2}"):
        check_masks(masks, by_hand, joint, folder)
