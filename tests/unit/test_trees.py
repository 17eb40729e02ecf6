"""Trees: topologies, least squares, neighbour joining, roots and Newick."""

import io
from itertools import combinations

import numpy as np
import pytest
from Bio import Phylo
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.optimize import nnls
from scipy.spatial.distance import squareform

from lass_plugin.analysis.trees import reconstruction
from lass_plugin.analysis.trees.pictures import draw_tree, equal_angle, phylogram
from lass_plugin.analysis.trees.reconstruction import (
    delta_score,
    fit_of,
    fit_tree,
    join,
    power_weights,
)
from lass_plugin.analysis.trees.topology import (
    Tree,
    all_topologies,
    at_inner_node,
    at_midpoint,
    interchanges,
    is_inner,
    newick,
    paths,
)
from lass_plugin.errors import LassError


def compatible(splits) -> bool:
    """Whether one tree can have all *splits*: every two are nested or disjoint."""
    return all(a & b in (0, a, b) for a, b in combinations(splits, 2))


def random_tree(leaves: int, seed: int) -> Tree:
    """A binary tree with lengths between 0.05 and 1."""
    generator = np.random.default_rng(seed)
    splits = [0b010, 0b100, 0b110]
    for leaf in range(3, leaves):
        new, cut = 1 << leaf, splits[generator.integers(len(splits))]
        grown = [s | new if s & cut == cut and s != cut else s for s in splits]
        splits = [*grown, cut | new, new]
    lengths = tuple(generator.uniform(0.05, 1, len(splits)).tolist())
    return Tree(names(leaves), tuple(splits), lengths)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"l{number}" for number in range(count))


def random_distances(leaves: int, seed: int) -> np.ndarray:
    matrix = np.random.default_rng(seed).uniform(0.1, 1, (leaves, leaves))
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 0)
    return matrix


# a─0.1─┐        ┌─0.3─c
#       ├──0.5───┤
# b─0.2─┘        └─0.4─d
QUARTET = Tree(
    ("a", "b", "c", "d"),
    (0b0010, 0b0100, 0b1000, 0b1100, 0b1110),
    (0.2, 0.3, 0.4, 0.5, 0.1),
)
DISTANCES = np.array(
    [[0, 0.3, 0.9, 1.0], [0.3, 0, 1.0, 1.1], [0.9, 1.0, 0, 0.7], [1.0, 1.1, 0.7, 0]]
)


# -- topology ------------------------------------------------------------------------


def test_path_lengths_by_hand():
    np.testing.assert_allclose(QUARTET.distances(), DISTANCES)
    assert QUARTET.inner_splits() == {0b1100}


def test_a_tree_that_looks_like_a_star_is_drawn_with_shorter_leaves():
    lengths = (1.2, 1.3, 1.4, 0.2, 1.1)
    drawn, cut = Tree(QUARTET.leaves, QUARTET.splits, lengths).with_shorter_leaves()
    assert cut == pytest.approx(0.9)
    assert drawn.lengths == pytest.approx((0.3, 0.4, 0.5, 0.2, 0.2))
    assert drawn.splits == QUARTET.splits
    for lengths in ((0.9, 1.3, 1.4, 0.2, 1.1), (1.0, 1.0, 1.0, 0.0, 1.0)):
        tree = Tree(QUARTET.leaves, QUARTET.splits, lengths)
        assert tree.with_shorter_leaves() == (tree, 0.0)


def test_pictures_say_what_has_been_left_out_of_them(tmp_path):
    lengths = (1.2, 1.3, 1.4, 0.2, 1.1)
    tree = Tree(QUARTET.leaves, QUARTET.splits, lengths)
    for rooted in (False, True):
        for drawn, said in ((tree, True), (QUARTET, False)):
            _, svg = draw_tree(
                drawn, rooted, {}, tmp_path / "tree.png", "A title", "fits"
            )
            text = svg.read_text()
            assert ("every leaf edge is drawn shorter by 0.9" in text) is said
            assert "fits" in text and "A title" in text
            assert ("root in the middle" in text) is rooted


@pytest.mark.parametrize("leaves, count", [(3, 1), (4, 3), (5, 15), (6, 105), (7, 945)])
def test_every_binary_tree_is_there_once(leaves, count):
    trees = all_topologies(leaves).tolist()
    assert len({tuple(sorted(tree)) for tree in trees}) == len(trees) == count
    assert reconstruction.trees_to_try(leaves) == count
    for tree in trees:
        assert len(set(tree)) == 2 * leaves - 3
        assert compatible(tree)
        assert sum(is_inner(split, leaves) for split in tree) == leaves - 3


def test_interchanges_of_a_quartet_are_the_two_other_trees():
    found = {frozenset(tree) for tree in interchanges(QUARTET.splits, 4).tolist()}
    leaves = {0b0010, 0b0100, 0b1000, 0b1110}
    assert found == {frozenset({*leaves, inner}) for inner in (0b1010, 0b0110)}


@given(st.integers(4, 12), st.integers(0, 1000))
@settings(max_examples=30)
def test_an_interchange_changes_one_inner_edge(leaves, seed):
    tree = random_tree(leaves, seed)
    found = [frozenset(other) for other in interchanges(tree.splits, leaves).tolist()]
    assert len(set(found)) == len(found) == 2 * (leaves - 3)
    for other in found:
        assert compatible(tuple(other)) and len(other - set(tree.splits)) == 1


@pytest.mark.parametrize("leaves", [3, 4, 6, 70])
def test_a_star_is_joined_to_a_binary_tree(leaves):
    splits = join(names(leaves), np.zeros((leaves, leaves))).splits
    assert len(set(splits)) == 2 * leaves - 3 and compatible(splits)


# -- least squares -------------------------------------------------------------------


@given(st.integers(3, 8), st.integers(0, 1000), st.sampled_from([0, 1, 2]))
@settings(max_examples=25)
def test_a_tree_is_found_again_from_its_distances(leaves, seed, power):
    tree = random_tree(leaves, seed)
    distances = tree.distances()
    found, best, _ = fit_tree(tree.leaves, distances, power_weights(distances, power))
    assert best
    assert found.inner_splits() == tree.inner_splits()
    np.testing.assert_allclose(found.distances(), distances, atol=1e-9)


@pytest.mark.parametrize("power", [0, 2])
@pytest.mark.parametrize("leaves, seed", [(4, 1), (5, 2), (6, 3), (6, 4), (6, 5)])
def test_no_tree_is_better_than_the_one_of_all_trees(leaves, seed, power):
    """Against non-negative least squares of scipy on every topology."""
    distances = random_distances(leaves, seed)
    weights = power_weights(distances, power)
    pairs = np.triu_indices(leaves, 1)
    root = np.sqrt(weights[pairs])
    residuals = [
        nnls(paths(tree, leaves) * root[:, None], root * distances[pairs])[1] ** 2
        for tree in all_topologies(leaves).tolist()
    ]
    found, best, tried = fit_tree(names(leaves), distances, weights)
    assert best and tried == len(residuals)
    assert min(found.lengths) >= 0
    fit = fit_of(found, distances, weights)
    assert fit.residual == pytest.approx(min(residuals), rel=1e-8)


def test_trees_of_any_chunk_give_the_same(monkeypatch):
    distances = random_distances(7, 6)
    weights = power_weights(distances, 0)
    expected = fit_tree(names(7), distances, weights)[0]
    monkeypatch.setattr(reconstruction, "_MEMORY", 1)
    monkeypatch.setattr(reconstruction, "_SWEEPS", 1)
    found = fit_tree(names(7), distances, weights)[0]
    assert found.inner_splits() == expected.inner_splits()
    assert found.lengths == pytest.approx(expected.lengths, rel=1e-8)


def test_interchanges_alone_find_an_exact_tree_and_good_others(monkeypatch):
    tree = random_tree(14, 7)
    distances = tree.distances()
    found, best, _ = fit_tree(tree.leaves, distances, power_weights(distances, 0))
    assert best and found.inner_splits() == tree.inner_splits()

    noisy = np.abs(distances + random_distances(14, 8) * 0.3)
    np.fill_diagonal(noisy, 0)
    weights = power_weights(noisy, 0)
    found, best, tried = fit_tree(tree.leaves, noisy, weights)
    joined = join(tree.leaves, noisy)
    assert not best and tried > 22
    residuals = [fit_of(one, noisy, weights).residual for one in (found, joined)]
    assert residuals[0] <= residuals[1]


def test_weights_are_a_power_of_the_distance():
    weights = power_weights(DISTANCES, 2)
    assert weights[0, 1] == pytest.approx(1 / 0.09) and weights[0, 0] == 0
    assert power_weights(DISTANCES, 0)[0, 1] == 1
    with pytest.raises(LassError, match="--weights-power 0"):
        power_weights(np.zeros((3, 3)), 1)


def test_weights_decide_between_trees():
    """The heavier distances are fitted better."""
    distances = random_distances(5, 9)
    weights = np.ones((5, 5)) - np.eye(5)
    weights[0, 1] = weights[1, 0] = 1e6
    tree = fit_tree(names(5), distances, weights)[0]
    assert tree.distances()[0, 1] == pytest.approx(distances[0, 1], abs=1e-4)


def test_zero_distances_make_a_star():
    found = fit_tree(names(5), np.zeros((5, 5)), np.ones((5, 5)))[0]
    assert found.inner_splits() == set() and set(found.lengths) == {0.0}
    assert newick(at_midpoint(found), names(5)) == "(l0:0,l1:0,l2:0,l3:0,l4:0);"


def test_equal_distances_make_a_star():
    distances = 0.4 * (np.ones((6, 6)) - np.eye(6))
    found = fit_tree(names(6), distances, power_weights(distances, 0))[0]
    assert found.inner_splits() == set()
    assert found.lengths == pytest.approx([0.2] * 6)


# -- neighbour joining, Newick, roots ------------------------------------------------


@given(st.integers(3, 10), st.integers(0, 1000))
@settings(max_examples=25)
def test_neighbour_joining_finds_a_tree_again(leaves, seed):
    tree = random_tree(leaves, seed)
    joined = join(tree.leaves, tree.distances())
    assert set(joined.splits) == set(tree.splits)
    np.testing.assert_allclose(joined.distances(), tree.distances(), atol=1e-9)


@given(st.integers(3, 10), st.integers(0, 1000), st.booleans())
@settings(max_examples=25)
def test_biopython_reads_the_same_distances_in_newick(leaves, seed, rooted):
    tree = random_tree(leaves, seed)
    root = (at_midpoint if rooted else at_inner_node)(tree)
    read = Phylo.read(io.StringIO(newick(root, tree.leaves)), "newick")
    distances = tree.distances()
    for i, j in combinations(range(leaves), 2):
        found = read.distance(tree.leaves[i], tree.leaves[j])
        assert found == pytest.approx(distances[i, j], abs=1e-8)
    if rooted:
        depths = sorted(read.depths().values())
        assert depths[-1] == pytest.approx(distances.max() / 2, abs=1e-8)


def test_newick_by_hand():
    assert newick(at_inner_node(QUARTET), QUARTET.leaves) == (
        "(a:0.1,b:0.2,(c:0.3,d:0.4):0.5);"
    )
    # the longest path is b to d, 1.1: its middle is 0.35 from the node of a and b
    assert newick(at_midpoint(QUARTET), QUARTET.leaves) == (
        "((c:0.3,d:0.4):0.15,(a:0.1,b:0.2):0.35);"
    ) or newick(at_midpoint(QUARTET), QUARTET.leaves) == (
        "((a:0.1,b:0.2):0.35,(c:0.3,d:0.4):0.15);"
    )
    assert newick(at_inner_node(QUARTET), ("zh_CN", "it's", "c", "d")).startswith(
        "('zh_CN':0.1,'it''s':0.2,"
    )


def test_a_midpoint_at_a_node_is_that_node():
    star = Tree(("a", "b", "c"), (0b010, 0b100, 0b110), (0.5, 0.5, 0.5))
    assert newick(at_midpoint(star), star.leaves) == "(a:0.5,b:0.5,c:0.5);"


def test_negative_lengths_are_kept_in_newick_and_not_drawn():
    tree = Tree(QUARTET.leaves, QUARTET.splits, (0.2, 0.3, -0.4, 0.5, 0.1))
    assert "d:-0.4" in newick(at_inner_node(tree), tree.leaves)
    assert "d:0" in newick(at_midpoint(tree), tree.leaves)
    assert fit_of(tree, DISTANCES, np.ones((4, 4))).negative == 1


# -- fit -----------------------------------------------------------------------------


def test_fit_by_hand():
    measured = DISTANCES.copy()
    measured[0, 1] = measured[1, 0] = 0.5  # the tree has 0.3
    weights = np.ones((4, 4))
    weights[0, 1] = weights[1, 0] = 3
    fit = fit_of(QUARTET, measured, weights)
    assert fit.residual == pytest.approx(3 * 0.2**2)
    values = np.array([0.5] * 3 + [0.9, 1.0, 1.0, 1.1, 0.7])
    spread = ((values - values.mean()) ** 2).sum()
    assert fit.explained == pytest.approx(1 - 0.12 / spread)
    pairs = np.triu_indices(4, 1)
    correlation = np.corrcoef(measured[pairs], DISTANCES[pairs])[0, 1]
    assert fit.cophenetic == pytest.approx(correlation)


def test_cophenetic_correlation_agrees_with_scipy():
    distances = random_distances(6, 10)
    condensed = squareform(distances)
    linkage = hierarchy.average(condensed)
    correlation, fitted = hierarchy.cophenet(linkage, condensed)
    fitted = squareform(fitted)
    ultrametric = fit_tree(names(6), fitted, power_weights(fitted, 0))[0]
    fit = fit_of(ultrametric, distances, power_weights(distances, 0))
    assert fit.cophenetic == pytest.approx(correlation)


def test_a_fit_of_equal_distances_is_undefined():
    star = Tree(("a", "b", "c"), (0b010, 0b100, 0b110), (0.5, 0.5, 0.5))
    fit = fit_of(star, star.distances(), np.ones((3, 3)))
    assert (fit.explained, fit.cophenetic, fit.residual) == (None, None, 0)


def test_delta_score_by_hand():
    # sums of DISTANCES: ab|cd 1.0, ac|bd 2.0, ad|bc 2.0: a tree
    assert delta_score(DISTANCES) == pytest.approx(0)
    box = np.array([[0, 1, 1, 1], [1, 0, 1, 1.5], [1, 1, 0, 1], [1, 1.5, 1, 0]])
    # sums 2, 2.5, 2: (2.5 − 2) / (2.5 − 2) = 1
    assert delta_score(box) == pytest.approx(1)
    box[0, 1] = box[1, 0] = 1.25  # sums 2.25, 2.5, 2
    assert delta_score(box) == pytest.approx(0.5)
    assert delta_score(np.zeros((5, 5))) == 0
    assert delta_score(np.zeros((3, 3))) is None


def test_delta_score_of_a_tree_and_of_noise():
    assert delta_score(random_tree(9, 11).distances()) == pytest.approx(0, abs=1e-9)
    assert delta_score(random_distances(16, 12)) == pytest.approx(0.5, abs=0.05)


# -- layout --------------------------------------------------------------------------


@given(st.integers(3, 12), st.integers(0, 1000))
@settings(max_examples=20)
def test_edges_of_an_unrooted_drawing_have_their_lengths_and_do_not_cross(leaves, seed):
    tree = random_tree(leaves, seed)
    drawing = equal_angle(at_inner_node(tree))
    drawn = sorted(np.hypot(*(np.array(a) - b)) for a, b in drawing.lines)
    np.testing.assert_allclose(drawn, sorted(tree.lengths), atol=1e-9)
    assert drawing.ends.keys() == set(range(leaves))
    for (a, b), (c, d) in combinations(np.array(drawing.lines), 2):
        if not (np.allclose(a, c) or np.allclose(b, c) or np.allclose(a, d)):
            assert not (
                turn(a, b, c) * turn(a, b, d) < 0 > turn(c, d, a) * turn(c, d, b)
            )


def turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0.0 if abs(value) < 1e-12 else float(value)


def test_a_rooted_drawing_ends_at_the_distances_from_the_root():
    drawing = phylogram(at_midpoint(QUARTET))
    ends = {QUARTET.leaves[leaf]: x for leaf, ((x, _), _) in drawing.ends.items()}
    assert ends == pytest.approx({"a": 0.45, "b": 0.55, "c": 0.45, "d": 0.55})
    assert sorted(y for (_, y), _ in drawing.ends.values()) == [0, 1, 2, 3]
