"""Parameters of the modules of Cao 2024, Tables 1, 2 and 4, counted by our own code."""

import pytest

from lass_plugin.anatomy.matrices import DEFAULT_KINDS, find_matrices
from lass_plugin.anatomy.places import count_layers
from lass_plugin.cli.main import main as lass
from lass_plugin.methods.lowrank.planning.placement import DEFAULT, parse_placement
from lass_plugin.methods.lowrank.planning.plan import count_parameters, uniform
from lass_plugin.methods.lowrank.planning.shapes import read_shape
from lass_plugin.resource_types import (
    LANG12,
    LANG30,
    parse_languages,
    parse_types,
    spread,
)

ATTENTION = ("q", "k", "v", "c-q", "c-k", "c-v")
FEED_FORWARD = ("fc1", "fc2")


@pytest.fixture(scope="module")
def tensors():
    return read_shape("615m")


def count(tensors, ranks, languages, kinds=DEFAULT_KINDS, square=True, rule=DEFAULT):
    matrices = find_matrices(tensors, kinds)
    numbers = spread(ranks, languages, parse_types(None, languages), "--lslo-ranks")
    placement = parse_placement(rule, count_layers(tensors))
    return count_parameters(uniform(matrices, numbers, placement), matrices, square)


@pytest.mark.parametrize(
    "ranks, languages, kinds, millions",
    [
        ("2;2;8", LANG12, DEFAULT_KINDS, 15.3),  # Table 1
        ("8;8;8", LANG12, DEFAULT_KINDS, 30.7),
        ("2;2;16", LANG12, DEFAULT_KINDS, 25.6),
        ("2;2;64", LANG12, DEFAULT_KINDS, 86.9),
        ("8;8;8;8", LANG30, DEFAULT_KINDS, 76.7),  # Table 2
        ("16;16;16;16", LANG30, DEFAULT_KINDS, 153.4),
        ("2;2;8;8", LANG30, DEFAULT_KINDS, 46.0),
        ("2;2;8", LANG12, ATTENTION, 10.6),  # Table 4
        ("2;2;16", LANG12, ATTENTION, 17.7),
        ("2;2;64", LANG12, FEED_FORWARD, 26.7),
    ],
)
def test_counted_as_square_they_are_those_of_the_paper(
    tensors, ranks, languages, kinds, millions
):
    assert round(count(tensors, ranks, languages, kinds) / 1e6, 1) == millions


@pytest.mark.parametrize(
    "ranks, kinds, millions, ours",
    [
        ("4;4;4", DEFAULT_KINDS, 15.35, 15.335),  # half of 30.7, which is rounded
        ("16;16;16", DEFAULT_KINDS, 61.4, 61.342),  # twice 30.7
        ("64;64;64", DEFAULT_KINDS, 245.6, 245.367),  # eight times 30.7
        ("2;2;32", FEED_FORWARD, 14.1, 14.156),  # cut off, not rounded
        ("2;2;16", FEED_FORWARD, 7.7, 7.864),  # not explained
    ],
)
def test_where_the_paper_multiplies_what_it_has_rounded(
    tensors, ranks, kinds, millions, ours
):
    counted = count(tensors, ranks, LANG12, kinds) / 1e6
    assert round(counted, 3) == ours
    assert counted == pytest.approx(millions, rel=0.022)


def test_a_unit_of_rank_by_hand(tensors):
    """12 encoder layers with 5 matrices and 12 decoder layers with 8."""
    square, long = 1024 + 1024, 1024 + 4096
    by_hand = 12 * (5 + 8) * square
    assert count(tensors, "1", ("de",)) == by_hand == 319_488
    true = 12 * (3 * square + 2 * long) + 12 * (6 * square + 2 * long)
    assert count(tensors, "1", ("de",), square=False) == true == 466_944
    assert count(tensors, "1", ("de",), FEED_FORWARD) == 98_304
    assert count(tensors, "1", ("de",), FEED_FORWARD, square=False) == 245_760


def test_the_modules_as_they_are(tensors):
    assert count(tensors, "4;4;4", LANG12, square=False) == 48 * 466_944 == 22_413_312


def test_weight_learning_has_both_indices(tensors):
    once, twice = (count(tensors, "8", LANG12, rule=r) for r in (DEFAULT, "learn"))
    assert twice == 2 * once


def test_the_models_have_the_parameters_of_their_names():
    for name, millions in (("615m", 615), ("175M", 175), ("m2m_124_175m", 175)):
        whole = sum(tensor.numel() for tensor in read_shape(name).values())
        assert round(whole / 1e6) == millions


def test_the_command_prints_both_counts(capsys):
    assert lass(["lslo", "count", "615m", "--ranks", "2;2;8", "4;4;4"]) == 0
    out = capsys.readouterr().out
    assert "614,990,848" in out.splitlines()[0] and "12 languages" in out
    assert out.count("22,413,312") == 2 and out.count("15,335,424") == 2
    assert "2.49%" in out  # the paper: 2.5 % of 615M


def test_the_command_on_a_checkpoint(base, capsys):
    words = ["--ranks", "2", "--languages", "de,en,nl", "--matrices", "fc1,fc2"]
    assert lass(["lslo", "count", str(base), *words]) == 0
    out = capsys.readouterr().out
    units = 2 * 2 * 2 * (32 + 64)  # two layers a side, two matrices
    assert f"{3 * 2 * units:,}" in out and f"{3 * 2 * 8 * 64:,}" in out


@pytest.mark.parametrize(
    "words, told",
    [
        (["nowhere.pt", "--ranks", "2"], "615m, 175m"),
        (["615m", "--ranks", "2;2"], "3 resource types"),
        (["615m", "--ranks", "2000"], "rank 2000 of"),
        (["615m", "--ranks", "2", "--languages", "de,de"], "de twice"),
        (["615m", "--ranks", "2", "--languages", ","], "--languages is empty"),
        (["615m", "--ranks", "2;8", "--languages", "xx,yy"], "xx has no resource type"),
    ],
)
def test_what_cannot_be_counted(words, told, capsys):
    assert lass(["lslo", "count", *words]) == 1
    assert told in capsys.readouterr().err


def test_lists_of_languages():
    assert len(parse_languages("lang12")) == 12 and len(parse_languages("lang30")) == 30
    assert parse_languages(" de, en") == ["de", "en"]
