"""Similarity of masks (Lin 2021, Eq. 2), its files and its heat maps."""

import csv
import json
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.analysis.similarity import (
    EVERY,
    average_by_group,
    curves_over_layers,
    group_pairs,
    overlaps,
)
from lass_plugin.analysis.similarity_files import (
    _group_starts,
    draw_similarity,
    read_similarity,
    write_similarity,
)
from lass_plugin.anatomy.components import BREAKDOWNS, WHOLE, parts_of
from lass_plugin.cli.main import main as lass
from lass_plugin.errors import LassError
from lass_plugin.languages import order_keys
from lass_plugin.masks import Mask, MaskSet, Provenance, packing, save_masks
from lass_plugin.records.figures import SPAN
from lass_plugin.records.heat_map import _limits, heat_map

FC1 = "encoder.layers.0.fc1.weight"
QUERY = "decoder.layers.0.self_attn.q_proj.weight"


def mask(key: str, **sites: list[list[int]]) -> Mask:
    names = {"fc1": FC1, "query": QUERY}
    tensors = {names[name]: torch.tensor(rows) == 1 for name, rows in sites.items()}
    return Mask.from_tensors(key, tensors, Provenance("test", None))


def draw(keys: list[str], shapes: dict, seed: int, density: float = 0.5) -> MaskSet:
    generator = torch.Generator().manual_seed(seed)
    return MaskSet(
        Mask.from_tensors(
            key,
            {
                n: torch.rand(s, generator=generator) < density
                for n, s in shapes.items()
            },
            Provenance("test", None),
        )
        for key in keys
    )


def whole(masks, sites=None):
    """The overlap of whole masks, or of some sites of them."""
    return overlaps(masks, {WHOLE: sites or list(masks.shapes)})[WHOLE]


# -- values --------------------------------------------------------------------------


def test_two_matrices_of_two_by_three_by_hand():
    masks = MaskSet(
        [
            mask("a-en", fc1=[[1, 1, 0], [0, 1, 0]]),  # keeps 3
            mask("b-en", fc1=[[1, 0, 0], [0, 1, 1]]),  # keeps 3, 2 of them in a
            mask("c-en", fc1=[[1, 1, 1], [1, 1, 1]]),  # keeps 6
        ]
    )
    directed = [[1, 2 / 3, 1], [2 / 3, 1, 1], [1 / 2, 1 / 2, 1]]
    np.testing.assert_allclose(whole(masks).directed(), directed)
    mean = [[1, 2 / 3, 3 / 4], [2 / 3, 1, 3 / 4], [3 / 4, 3 / 4, 1]]
    np.testing.assert_allclose(whole(masks).symmetric(), mean)


def test_chance_is_the_density_of_the_second_mask_where_that_is_the_same_everywhere():
    masks = MaskSet(
        [
            mask("a-en", fc1=[[1, 1, 0], [0, 1, 0]], query=[[1, 0]]),  # density 1/2
            mask("b-en", fc1=[[1, 0, 0], [0, 1, 1]], query=[[0, 1]]),  # density 1/2
        ]
    )
    chance = overlaps(masks)[WHOLE].chance()
    np.testing.assert_allclose(chance, [[1, 1 / 2], [1 / 2, 1]])


def test_chance_takes_every_matrix_by_itself():
    """Masks that keep one matrix whole share it, however small their density is."""
    sites = {"fc1": [[1, 1], [1, 1]], "query": [[0, 0], [0, 0]]}
    masks = MaskSet([mask("a-en", **sites), mask("b-en", **sites)])
    np.testing.assert_allclose(overlaps(masks)[WHOLE].chance(), np.ones((2, 2)))


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), min_size=1, max_size=4),
    st.integers(2, 4),
    st.integers(0, 1000),
    st.floats(0, 1),
)
@settings(max_examples=40)
def test_it_agrees_with_a_loop_over_weights(shapes, count, seed, density):
    shapes = {f"encoder.layers.{i}.fc1.weight": s for i, s in enumerate(shapes)}
    masks = draw([f"{c}-en" for c in "abcd"[:count]], shapes, seed, density)
    matrix = whole(masks).directed()
    flat = [
        torch.cat([m.unpack(name).reshape(-1) for name in shapes])
        for m in masks.values()
    ]
    for i, j in product(range(count), repeat=2):
        shared = int((flat[i] & flat[j]).sum())
        kept = int(flat[i].sum())
        assert matrix[i, j] == pytest.approx(shared / kept if kept else 1.0)


@pytest.mark.parametrize("block", [8, 16, 24, 1 << 20])
def test_the_size_of_a_block_makes_no_difference(block, monkeypatch):
    masks = draw(["a-en", "b-en", "c-en"], {FC1: (17, 31), QUERY: (5, 5)}, seed=2)
    expected = overlaps(masks)[WHOLE].shared
    monkeypatch.setattr(packing, "_BLOCK", block)
    assert np.array_equal(overlaps(masks)[WHOLE].shared, expected)


def test_numpy_1_counts_the_same(monkeypatch):
    masks = draw(["a-en", "b-en"], {FC1: (33, 7)}, seed=3)
    expected = overlaps(masks)[WHOLE].shared
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert np.array_equal(overlaps(masks)[WHOLE].shared, expected)


def test_masks_that_keep_nothing_are_alike():
    masks = MaskSet([mask("a-en", fc1=[[0, 0]]), mask("b-en", fc1=[[0, 0]])])
    assert np.array_equal(whole(masks).symmetric(), np.ones((2, 2)))


def test_some_sites_only():
    masks = MaskSet(
        [
            mask("a-en", fc1=[[1, 1]], query=[[1, 0]]),
            mask("b-en", fc1=[[1, 1]], query=[[0, 1]]),
        ]
    )
    assert whole(masks, [FC1]).symmetric()[0, 1] == 1.0
    assert whole(masks, [QUERY]).symmetric()[0, 1] == 0.0
    assert whole(masks).symmetric()[0, 1] == pytest.approx(2 / 3)
    with pytest.raises(LassError, match="do not cover encoder.layers.9"):
        whole(masks, ["encoder.layers.9.fc1.weight"])


# -- parts and orders ----------------------------------------------------------------


def model_sites(layers: int) -> list[str]:
    sites = []
    for side, attentions in (
        ("encoder", ["self_attn"]),
        ("decoder", ["self_attn", "encoder_attn"]),
    ):
        for layer in range(layers):
            sites += [
                f"{side}.layers.{layer}.{attention}.{letter}_proj.weight"
                for attention in attentions
                for letter in ("q", "k", "v", "out")
            ]
            sites += [f"{side}.layers.{layer}.fc{n}.weight" for n in (1, 2)]
    return sites


def test_components_of_a_transformer():
    parts = parts_of(model_sites(2), "component")
    counts = {name: len(sites) for name, sites in parts.items()}
    assert counts == {
        WHOLE: 32,
        "encoder": 12,
        "decoder": 20,
        "encoder self-attention": 8,
        "decoder self-attention": 8,
        "cross-attention": 8,
        **{name: 6 for name in ("q_proj", "k_proj", "v_proj", "out_proj")},
        "fc1": 4,
        "fc2": 4,
    }


def test_layers_are_in_the_order_of_the_model():
    parts = parts_of(sorted(model_sites(12)), "layer")
    assert list(parts)[1:] == [
        f"{side} layer {layer}"
        for side in ("encoder", "decoder")
        for layer in range(12)
    ]
    assert [len(parts[f"{side} layer 10"]) for side in ("encoder", "decoder")] == [
        6,
        10,
    ]
    with pytest.raises(LassError, match="unknown breakdown 'heads'"):
        parts_of([], "heads")


def test_parts_add_up_to_the_whole():
    masks = draw(["a-en", "b-en"], {name: (3, 4) for name in model_sites(2)}, seed=1)
    counts = overlaps(masks, parts_of(masks.shapes, "component"))
    whole = counts["encoder"].shared + counts["decoder"].shared
    assert np.array_equal(whole, counts[WHOLE].shared)
    assert counts["encoder"].units + counts["decoder"].units == counts[WHOLE].units


def test_orders_of_pairs():
    keys = ["de-en", "en-de", "en-zh", "fr-zh", "zh-en"]
    assert order_keys(keys) == ["en-de", "en-zh", "de-en", "zh-en", "fr-zh"]
    assert order_keys(keys, "source") == ["de-en", "en-de", "en-zh", "fr-zh", "zh-en"]
    assert order_keys(keys, "target") == ["en-de", "de-en", "zh-en", "en-zh", "fr-zh"]
    assert order_keys(["de-en", "en-de"]) == ["en-de", "de-en"]
    assert order_keys(["b", "a"]) == ["a", "b"]  # keys that are no pairs
    with pytest.raises(LassError, match="unknown order 'size'"):
        order_keys(keys, "size")


def test_a_line_is_drawn_where_a_group_ends():
    assert _group_starts(["en-de", "en-nl", "de-en", "nl-en", "fr-zh"]) == [2, 4]
    assert _group_starts(["de-en"]) == []


# -- files ---------------------------------------------------------------------------


@pytest.fixture
def masks() -> MaskSet:
    return draw(["de-en", "en-de", "en-nl"], {FC1: (8, 9), QUERY: (4, 4)}, seed=1)


def test_what_is_written(masks, tmp_path):
    paths = write_similarity(
        overlaps(masks, parts_of(masks.shapes, "component")), tmp_path / "new"
    )
    assert all(path.stat().st_size for path in paths)
    names = [path.name for path in paths]
    ends = ("json", "csv", "groups.csv", "png", "svg")
    assert names[:5] == [f"similarity.{end}" for end in ends]
    assert "similarity.decoder-self-attention.png" in names

    data = json.loads(paths[0].read_text())
    assert data["keys"] == ["en-de", "en-nl", "de-en"]
    order = [list(masks).index(key) for key in data["keys"]]
    matrix = whole(masks).symmetric()[np.ix_(order, order)]
    written = data["parts"][WHOLE]
    np.testing.assert_allclose(written["similarity"], matrix, atol=1e-6)
    assert written["kept"] == [masks[key].kept() for key in data["keys"]]

    with open(paths[1], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(data["parts"])
    row = next(row for row in rows if row["second"] == "de-en")
    shared, kept = int(row["shared"]), masks["en-de"].kept()
    assert float(row["first_in_second"]) == pytest.approx(shared / kept, abs=1e-6)


def test_the_same_masks_give_the_same_bytes(masks, tmp_path):
    first, second = (
        write_similarity(overlaps(masks), tmp_path / name) for name in "ab"
    )
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_pictures_of_earlier_masks_do_not_stay(masks, tmp_path):
    everything = overlaps(masks, parts_of(masks.shapes, "component"))
    assert len(write_similarity(everything, tmp_path)) > 6
    (tmp_path / "other.png").touch()
    written = write_similarity(overlaps(masks), tmp_path)
    assert {*tmp_path.iterdir()} == {*written, tmp_path / "other.png"}


def test_a_picture_can_be_drawn_again_from_its_data(masks, tmp_path):
    data, _, _, *pictures = write_similarity(overlaps(masks), tmp_path)
    before = [path.read_bytes() for path in pictures]
    for path in pictures:
        path.unlink()
    assert draw_similarity(data) == pictures
    assert [path.read_bytes() for path in pictures] == before
    assert before[0].startswith(b"\x89PNG") and b"<svg" in before[1]
    assert b"en-nl" in before[1]  # labels stay text in the SVG


@pytest.mark.parametrize("content", ["", "[]", '{"keys": ["a"]}', "\udcff"])
def test_data_that_is_no_similarity_is_named(tmp_path, content):
    path = tmp_path / "similarity.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(LassError, match="similarity.json is not"):
        draw_similarity(path)


def test_a_heat_map_of_other_matrices(tmp_path):
    paths = heat_map(
        np.array([[0.2, np.nan, -1.5]]),
        ["row"],
        tmp_path / "map",
        "title",
        columns=["a", "b", "c"],
    )
    assert [path.name for path in paths] == ["map.png", "map.svg"]


def test_noise_is_not_painted_as_structure():
    low, high = _limits(np.array([[np.nan, 0.5001], [0.5, np.nan]]))
    assert high - low == pytest.approx(SPAN)
    assert _limits(np.array([[0.2, 0.9]])) == (0.2, 0.9)
    assert _limits(np.array([[np.nan]])) == (0.0, 1.0)


# -- groups and layers ---------------------------------------------------------------


def test_groups_of_an_english_centric_set():
    keys = ["en-de", "en-nl", "de-en", "nl-en"]
    groups = group_pairs(keys)
    assert groups == {
        EVERY: [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)],
        "en→X": [(0, 1)],
        "X→en": [(2, 3)],
        "between": [(0, 2), (0, 3), (1, 2), (1, 3)],
        "same two languages": [(0, 2), (1, 3)],
    }


def test_groups_of_other_sets():
    groups = group_pairs(["de-fr", "de-it", "nl-it", "fr-de"])
    assert groups["shared source"] == [(0, 1)]
    assert groups["shared target"] == [(1, 2)]
    assert groups["neither shared"] == [(0, 2), (0, 3), (1, 3), (2, 3)]
    assert groups["same two languages"] == [(0, 3)]
    assert list(group_pairs(["general", "x"])) == [EVERY]  # keys that are no pairs


def test_averages_by_hand():
    matrix = np.array([[1, 0.5, 0.2], [0.5, 1, 0.4], [0.2, 0.4, 1]])
    chance = np.full((3, 3), 0.25)
    found = list(
        average_by_group(["en-de", "en-nl", "de-en"], {WHOLE: (matrix, chance)})
    )
    assert [record["group"] for record in found] == [
        *(EVERY, "en→X", "between", "same two languages")
    ]
    assert found[0] == {
        **{"part": WHOLE, "group": EVERY, "comparisons": 3, "mean": 0.366667},
        **{"least": 0.2, "most": 0.5, "chance": 0.25},
    }
    assert [record["mean"] for record in found[1:]] == [0.5, 0.3, 0.2]


def test_every_matrix_of_every_layer_is_a_part():
    parts = parts_of(sorted(model_sites(12)), "layer-component")
    assert len(parts) == 1 + 12 * 6 + 12 * 10
    name = "decoder layer 11 encoder_attn q_proj"
    assert parts[name] == ["decoder.layers.11.encoder_attn.q_proj.weight"]
    every = parts_of(model_sites(2), "every")
    singles = [parts_of(model_sites(2), by) for by in BREAKDOWNS[1:-1]]
    assert every.keys() == set().union(*singles)


def test_curves_over_the_layers(tmp_path):
    keys = ["de-en", "en-de", "en-nl"]
    masks = draw(keys, {name: (4, 4) for name in model_sites(2)}, seed=4)
    paths = write_similarity(
        overlaps(masks, parts_of(masks.shapes, "layer-component")), tmp_path
    )
    names = {path.name for path in paths}
    assert {"similarity.groups.csv", "similarity.layers.png"} <= names
    assert "similarity.layers.en-to-x.svg" in names
    assert "similarity.png" in names
    assert not any("layer-0" in name for name in names)  # no heat map of each matrix

    curves = curves_over_layers(read_similarity(paths[0])["averages"])
    assert {(record["side"], record["layer"]) for record in curves} == {
        *(("encoder", 0), ("encoder", 1), ("decoder", 0), ("decoder", 1))
    }
    point = next(
        record
        for record in curves
        if (record["group"], record["side"], record["layer"]) == (EVERY, "decoder", 1)
        and record["matrix"] == "encoder_attn v_proj"
    )
    value = "decoder.layers.1.encoder_attn.v_proj.weight"
    matrix = whole(masks, [value]).symmetric()
    mean = matrix[np.triu_indices(3, 1)].mean()
    assert point["mean"] == pytest.approx(mean, abs=1e-6)

    with open(tmp_path / "similarity.groups.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    groups = {EVERY, "en→X", "between", "same two languages"}
    assert {row["group"] for row in rows} == groups


def test_similarity_is_another_name_of_compare(masks, tmp_path, capsys):
    save_masks(tmp_path, masks)
    assert lass(["compare", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert lass(["similarity", str(tmp_path)]) == 0
    assert capsys.readouterr().out == printed
    assert "en→X" in printed
