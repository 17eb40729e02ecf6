"""Control masks: as many kept in every matrix and bin, alike by what is asked for."""

import re

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lass_plugin.analysis.similarity import between, overlaps
from lass_plugin.checkpoints.torch_files import load_tensors
from lass_plugin.cli.main import main as lass
from lass_plugin.errors import LassError
from lass_plugin.masks import (
    Mask,
    MaskSet,
    Provenance,
    fingerprint,
    load_masks,
    save_masks,
)
from lass_plugin.masks.controls import BINS, MATCHES, matched_masks, overlapping_masks
from lass_plugin.masks.file import digest
from lass_plugin.masks.random import random_masks
from lass_plugin.selection import select

FC1, FC2 = "encoder.layers.0.fc1.weight", "encoder.layers.0.fc2.weight"
KEYS = ["de-en", "en-de", "nl-en"]


def sim(masks: MaskSet) -> float:
    (counts,) = overlaps(masks).values()
    return float(between(counts.symmetric()).mean())


def weights(sizes, seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(size, generator=generator) for name, size in sizes.items()
    }


def searched(base, noise: float, ratios, seed: int = 2) -> MaskSet:
    """Masks by |W| and noise, half of it of all pairs; a ratio for each pair."""
    generator = torch.Generator().manual_seed(seed)
    of_all = {
        name: weight.abs() + noise * torch.randn(weight.shape, generator=generator)
        for name, weight in base.items()
    }
    masks = []
    for key, ratio in zip(KEYS, ratios, strict=True):
        kept = {
            name: select(
                of_all[name] + noise * torch.randn(weight.shape, generator=generator),
                ratio,
            )
            for name, weight in base.items()
        }
        how = Provenance("magnitude", ratio, "oneshot", 3)
        masks.append(Mask.from_tensors(key, kept, how, fingerprint(base)))
    return MaskSet(masks)


def kept_by_bin(mask: Mask, weight: torch.Tensor, name: str) -> list[int]:
    """A slow count: sort the weights by size, cut them into bins, count."""
    flat, there = weight.abs().view(-1).tolist(), mask.unpack(name).view(-1).tolist()
    order = sorted(range(len(flat)), key=lambda place: (flat[place], place))
    bins = min(BINS, len(flat))
    edges = [len(flat) * number // bins for number in range(bins + 1)]
    return [
        sum(there[place] for place in order[start:end])
        for start, end in zip(edges, edges[1:], strict=False)
    ]


SIZES = st.tuples(st.integers(1, 13), st.integers(1, 11))
RATIO = st.floats(0, 1, exclude_max=True)


@given(SIZES, RATIO, st.floats(0, 1), st.integers(0, 10**6))
@settings(max_examples=60)
def test_an_overlap_leaves_the_counts_exact(size, ratio, place, seed):
    units = size[0] * size[1]
    assume(round(ratio * units) < units)
    chance = (units - round(ratio * units)) / units
    overlap = chance + place * (1 - chance)
    masks = overlapping_masks(KEYS, {FC1: size}, ratio, seed, overlap)
    assert [units - mask.kept() for mask in masks.values()] == [
        round(ratio * units)
    ] * 3


@given(SIZES, st.tuples(RATIO, RATIO, RATIO), st.integers(0, 10**6))
@settings(max_examples=60)
def test_every_pair_keeps_as_many_in_every_bin(size, ratios, seed):
    base = weights({FC1: size})
    masks = searched(base, 0.5, ratios)
    made = matched_masks(masks, seed, {"profile"}, base)
    for key, mask in masks.items():
        counts = kept_by_bin(mask, base[FC1], FC1)
        assert kept_by_bin(made[key], base[FC1], FC1) == counts
        assert made[key].provenance.ratio == mask.provenance.ratio
        assert made[key].base == mask.base


@pytest.mark.parametrize("ratio", [0.2, 0.4, 0.9])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.9, 1.0])
def test_masks_are_as_alike_as_asked_for(ratio, place):
    overlap = 1 - ratio + place * ratio
    sizes = {FC1: (300, 200), FC2: (100, 70)}
    masks = overlapping_masks(KEYS, sizes, ratio, 1, overlap)
    assert sim(masks) == pytest.approx(overlap, abs=0.01)
    (counts,) = overlaps(masks).values()  # every two of them, not only the mean
    assert between(counts.symmetric()) == pytest.approx([overlap] * 3, abs=0.015)


@pytest.mark.parametrize("match", ["overlap", "profile", "profile,overlap"])
def test_what_is_matched_is_alike_and_the_rest_is_not(match):
    base = weights({FC1: (300, 200), FC2: (100, 70)})
    masks = searched(base, 0.3, (0.4, 0.4, 0.5))
    made = matched_masks(masks, 1, match.split(","), base)
    same = [kept_by_bin(m[KEYS[0]], base[FC2], FC2) for m in (masks, made)]
    assert (same[0] == same[1]) == ("profile" in match)
    assert (abs(sim(made) - sim(masks)) < 0.005) == ("overlap" in match)
    for key, mask in masks.items():
        for name in base:
            assert made[key].kept(name) == mask.kept(name)
        assert made[key].provenance.criterion == "random"
        assert not torch.equal(made[key].bits[FC1], mask.bits[FC1])


def test_another_overlap_than_theirs_can_be_had_with_their_profile():
    base = weights({FC1: (300, 200)})
    masks = searched(base, 0.3, (0.4, 0.4, 0.4))
    made = matched_masks(masks, 1, {"profile"}, base, 0.95)
    assert sim(made) == pytest.approx(0.95, abs=0.005)
    with pytest.raises(LassError, match="0.6 cannot be reached.* have one of 0.764"):
        matched_masks(masks, 1, {"profile"}, base, 0.6)


def test_by_hand():
    """Two bins would be 10 weights each of 20; here a bin is one weight, so that the
    profile is the mask itself, and an overlap of 1 makes all masks one."""
    base = {FC1: torch.arange(20.0).view(4, 5)}
    masks = searched(base, 5.0, (0.5, 0.5, 0.5))
    made = matched_masks(masks, 1, {"profile"}, base)
    assert [made[key].bits[FC1].tolist() for key in KEYS] == [
        masks[key].bits[FC1].tolist() for key in KEYS
    ]
    alike = overlapping_masks(KEYS, {FC1: (4, 5)}, 0.5, 1, 1.0)
    assert len({tuple(mask.bits[FC1].tolist()) for mask in alike.values()}) == 1
    # half of 20 in common (5 kept), 5 of the other 10 each: at least 5 shared
    half = overlapping_masks(KEYS, {FC1: (4, 5)}, 0.5, 1, 0.75)
    shared = half["de-en"].unpack(FC1) & half["en-de"].unpack(FC1)
    assert int((shared & half["nl-en"].unpack(FC1)).sum()) >= 5


def test_a_profile_of_magnitude_masks_is_their_own():
    """At a ratio where bins end, bins are kept or removed as a whole."""
    base = weights({FC1: (40, 30)})
    masks = searched(base, 0.0, (0.4, 0.4, 0.4))
    made = matched_masks(masks, 1, {"profile", "overlap"}, base)
    assert digest(made) == digest(masks)


def test_masks_drawn_each_by_itself_are_those_without_an_overlap():
    shapes = {FC1: (40, 30), FC2: (30, 40)}
    made = overlapping_masks(KEYS, shapes, 0.4, 1, 0.6)
    assert digest(made) == digest(random_masks(KEYS, shapes, 0.4, 1))
    assert digest(made) != digest(overlapping_masks(KEYS, shapes, 0.4, 1, 0.7))


def test_random_masks_can_be_matched_though_they_are_a_little_below_chance():
    shapes = {FC1: (40, 30), FC2: (30, 40)}
    masks = random_masks(KEYS, shapes, 0.4, 5)
    assert sim(matched_masks(masks, 1, {"overlap"})) == pytest.approx(0.6, abs=0.02)


def test_the_seed_decides():
    base = weights({FC1: (40, 30)})
    masks = searched(base, 0.5, (0.4, 0.4, 0.4))
    both = {"profile", "overlap"}
    made = [digest(matched_masks(masks, seed, both, base)) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_what_cannot_be_had_is_refused(caplog):
    with pytest.raises(LassError, match="0.5 cannot .* 0.600 .* to 1.000"):
        overlapping_masks(KEYS, {FC1: (40, 30)}, 0.4, 1, 0.5)
    with pytest.raises(LassError, match="of de-en only.* leave the overlap out"):
        overlapping_masks(["de-en"], {FC1: (40, 30)}, 0.4, 1, 0.7)
    apart = torch.arange(1200).view(40, 30) < 600
    how = Provenance("imported", 0.5)
    masks = MaskSet(
        Mask.from_tensors(key, {FC1: kept}, how)
        for key, kept in (("de-en", apart), ("en-de", ~apart))
    )
    with pytest.raises(LassError, match="overlap by 0.000, .* 0.500 or more"):
        matched_masks(masks, 1, {"overlap"})
    # a sweep has other rows to make, so it takes the nearest that there is, and says so
    near = matched_masks(masks, 1, {"overlap"}, nearest=True)
    assert sim(near) == pytest.approx(0.5, abs=0.05)
    assert "0.000" in caplog.text and "the control has that overlap" in caplog.text
    base = weights({FC1: (40, 30)})
    others = weights({FC1: (40, 30)}, seed=9)
    with pytest.raises(LassError, match="other weights than those of the base"):
        matched_masks(searched(base, 0.5, (0.4,) * 3), 1, {"profile"}, others)


# -- lass random -----------------------------------------------------------------------


@pytest.fixture
def found(tmp_path):
    """A base as a checkpoint, and a folder of masks searched on it."""
    base = weights({FC1: (40, 30), FC2: (30, 40)})
    torch.save({"model": base, "args": None}, tmp_path / "base.pt")
    save_masks(tmp_path / "masks", searched(base, 0.3, (0.4, 0.4, 0.4)))
    return tmp_path


def drawn(folder, *words) -> int:
    like = ["random", "--like", str(folder / "masks"), "--seed", "1"]
    return lass([*like, "--out", str(folder / "out"), *words])


def test_the_command_matches_masks(found, capsys):
    masks = load_masks(found / "masks")
    words = ("--match", "profile,overlap", "--base", str(found / "base.pt"))
    assert drawn(found, *words) == 0
    made = load_masks(found / "out")
    base = load_tensors(found / "base.pt", "a checkpoint")["model"]
    assert digest(made) == digest(matched_masks(masks, 1, MATCHES, base))
    said = capsys.readouterr().out
    assert f"of them in {found / 'masks'} too" in said
    assert f"mean similarity {sim(made):.3f} (chance 0.600)" in said
    assert made["de-en"].provenance.note == (
        "seed 1; profile of masks given; overlap of masks given"
    )


def test_the_command_draws_an_overlap(found):
    assert drawn(found, "--ratio", "0.5", "--overlap", "0.8") == 0
    made = load_masks(found / "out")
    expected = overlapping_masks(KEYS, made.shapes, 0.5, 1, 0.8)
    assert digest(made) == digest(expected)
    words = ("--match", "overlap", "--pairs", "de-en,nl-en")
    assert drawn(found, *words) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--ratio is missing, .*; give it, or --like MASKS --match overlap"),
        (("--match", "profile"), "--match profile needs --base, the checkpoint that"),
        (("--match", "size"), "--match size is unknown; choose from profile, overlap"),
        (
            ("--match", "overlap", "--ratio", "0.5"),
            "--ratio has no effect with --match",
        ),
        (("--match", "overlap", "--overlap", "0.9"), "--overlap has no effect with"),
        (
            ("--match", "overlap", "--base", "b.pt"),
            "--base has no effect without --match",
        ),
        (("--ratio", "0.4", "--overlap", "0.5"), "0.5 cannot be reached.*0.600.*1.000"),
        (("--match", "overlap", "--pairs", "de-fr"), "no mask of de-fr"),
        (("--match", "overlap", "--pairs", "de-en"), "leave the overlap out"),
    ],
)
def test_the_command_refuses_by_name(found, capsys, words, told):
    assert drawn(found, *words) == 1
    assert re.search(told, capsys.readouterr().err)
    assert not (found / "out").exists()


def test_without_masks_nothing_is_matched(found, capsys):
    words = ["--checkpoint", str(found / "base.pt"), "--pairs", "de-en", "--seed", "1"]
    words += ["--out", str(found / "out"), "--match", "overlap"]
    assert lass(["random", *words]) == 1
    assert "--match has no effect with --checkpoint" in capsys.readouterr().err
