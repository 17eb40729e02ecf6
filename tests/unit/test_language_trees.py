"""``lass tree``: from masks to languages, families, files; and what it refuses."""

import csv
import json
import sys
from itertools import permutations

import numpy as np
import pytest
import torch

from lass_plugin.analysis import similarity_files
from lass_plugin.analysis.similarity import overlaps
from lass_plugin.analysis.trees import results
from lass_plugin.analysis.trees.distances import leaf_distances
from lass_plugin.analysis.trees.families import (
    Purity,
    amount_of_work,
    compare_with_families,
    family_splits,
    family_tree,
    restrict,
)
from lass_plugin.analysis.trees.results import draw_trees, families_of, read_tree
from lass_plugin.analysis.trees.topology import Tree, at_midpoint
from lass_plugin.anatomy.components import WHOLE
from lass_plugin.cli.main import main as lass
from lass_plugin.errors import LassError
from lass_plugin.language_families import (
    FAMILIES,
    PAPERS,
    family_of,
    read_families,
)
from lass_plugin.masks import Mask, MaskSet, Provenance, load_masks, save_masks

FC1, FC2 = "encoder.layers.0.fc1.weight", "decoder.layers.0.fc2.weight"

# a─1─┐       ┌─1─c
#     ├──1────┤
# b─1─┘       └─1─d
QUARTET = Tree(
    ("a", "b", "c", "d"),
    (0b0010, 0b0100, 0b1000, 0b1100, 0b1110),
    (1.0, 1.0, 1.0, 1.0, 1.0),
)


def draw(keys, seed: int = 0, same: bool = False, side: int = 24) -> MaskSet:
    generator = torch.Generator().manual_seed(seed)
    masks, bits = [], {}
    for key in keys:
        if not (same and bits):
            bits = {
                name: torch.rand((side, side), generator=generator) < 0.5
                for name in (FC1, FC2)
            }
        masks.append(Mask.from_tensors(key, bits, Provenance("test", None)))
    return MaskSet(masks)


def relatives(languages: dict[str, str], seed: int = 0) -> MaskSet:
    """Masks en→X and X→en, alike within a family."""
    generator = torch.Generator().manual_seed(seed)
    whole = torch.rand((64, 64), generator=generator)
    masks = []
    families = {
        family: torch.rand((64, 64), generator=generator)
        for family in sorted(set(languages.values()))
    }
    for language, family in languages.items():
        for key in (f"en-{language}", f"{language}-en"):
            own = torch.rand((64, 64), generator=generator)
            bits = whole + families[family] + 0.6 * own < 1.3
            masks.append(Mask.from_tensors(key, {FC1: bits}, Provenance("test", None)))
    return MaskSet(masks)


# -- from pairs to languages ---------------------------------------------------------


def test_languages_by_hand():
    keys = ["de-en", "en-de", "en-fr", "en-nl", "fr-en", "nl-en"]
    similarity = np.eye(6)
    for one, other, value in (
        *(("en-de", "en-fr", 0.9), ("en-de", "en-nl", 0.8), ("en-fr", "en-nl", 0.7)),
        *(("de-en", "fr-en", 0.6), ("de-en", "nl-en", 0.5), ("fr-en", "nl-en", 0.4)),
    ):
        i, j = keys.index(one), keys.index(other)
        similarity[i, j] = similarity[j, i] = value
    pairs = np.triu_indices(3, 1)
    expected = {
        "target": [0.1, 0.2, 0.3],
        "source": [0.4, 0.5, 0.6],
        "mean": [0.25, 0.35, 0.45],
        None: [0.25, 0.35, 0.45],
    }
    for direction, values in expected.items():
        found = leaf_distances(keys, similarity, direction=direction)
        assert found.leaves == ("de", "fr", "nl") and found.notes == ()
        np.testing.assert_allclose(found.distances[pairs], values)
    found = leaf_distances(keys, similarity, leaves="pairs")
    assert found.leaves == tuple(keys)
    assert found.distances[1, 2] == pytest.approx(0.1)


def test_the_distance_is_the_mean_of_both_directions_of_similarity():
    keys = ["a-z", "b-z", "c-z"]
    directed = np.array([[1, 0.8, 0.5], [0.6, 1, 0.5], [0.5, 0.5, 1]])
    found = leaf_distances(keys, directed)
    assert found.distances[0, 1] == found.distances[1, 0] == pytest.approx(0.3)


def test_sets_without_english_average_over_what_languages_share():
    codes = ("de", "fr", "it", "nl")
    keys = [f"{a}-{b}" for a, b in permutations(codes, 2)]
    similarity = np.random.default_rng(1).uniform(0.5, 1, (12, 12))
    similarity = (similarity + similarity.T) / 2
    found = leaf_distances(keys, similarity, direction="source")
    assert found.leaves == codes
    by_hand = [
        1 - similarity[keys.index(f"de-{common}"), keys.index(f"fr-{common}")]
        for common in ("it", "nl")
    ]
    assert found.distances[0, 1] == pytest.approx(np.mean(by_hand))


def test_missing_directions_are_said_or_refused():
    keys = ["de-en", "en-de", "en-fr", "en-nl", "fr-en"]
    similarity = np.full((5, 5), 0.5)
    found = leaf_distances(keys, similarity)
    assert found.leaves == ("de", "fr", "nl")
    assert "as targets only, for want of masks of nl as source" in found.notes[0]
    with pytest.raises(LassError, match="nl has masks as target but none"):
        leaf_distances(keys, similarity, direction="mean")
    with pytest.raises(LassError, match="three languages at least"):
        leaf_distances(keys, similarity, direction="source")
    keys = ["de-en", "fr-en", "fr-it", "nl-it", "nl-en"]
    with pytest.raises(LassError, match="unknown direction 'from'"):
        leaf_distances(keys, similarity, direction="from")
    keys = ["de-en", "fr-en", "nl-it", "es-it", "es-en"]
    with pytest.raises(LassError, match="de and nl cannot be compared as sources"):
        leaf_distances(keys, similarity)


def test_too_few_leaves():
    with pytest.raises(LassError, match="a tree needs three languages at least"):
        leaf_distances(["de-en", "en-de"], np.ones((2, 2)))
    with pytest.raises(LassError, match="a tree needs three pairs at least"):
        leaf_distances(["de-en", "en-de"], np.ones((2, 2)), leaves="pairs")
    with pytest.raises(LassError, match="use pairs as leaves"):
        leaf_distances(["general", "x", "y"], np.ones((3, 3)))
    with pytest.raises(LassError, match="leave it out"):
        leaf_distances(["a", "b", "c"], np.ones((3, 3)), "pairs", "mean")


def test_identical_masks_are_said():
    keys = ["de-en", "fr-en", "it-en"]
    similarity = np.array([[1, 1, 0.5], [1, 1, 0.5], [0.5, 0.5, 1]])
    assert "at distance zero: de and fr" in leaf_distances(keys, similarity).notes[0]
    assert "a star" in leaf_distances(keys, np.ones((3, 3))).notes[0]


# -- families ------------------------------------------------------------------------


def test_robinson_foulds_and_purity_by_hand():
    families = {"a": "x", "b": "x", "c": "y", "d": "y"}
    fit = compare_with_families(QUARTET, families)
    assert (fit.robinson_foulds, fit.most, fit.found, fit.family_edges) == (0, 2, 1, 1)
    assert fit.purity == 1
    # of the 6 ways to deal out x x y y, the true one and its mirror are as good
    assert (fit.arrangements, fit.exact) == (6, True)
    assert fit.robinson_foulds_p == fit.purity_p == pytest.approx(2 / 6)

    crossed = compare_with_families(QUARTET, {"a": "x", "b": "y", "c": "x", "d": "y"})
    assert (crossed.robinson_foulds, crossed.most, crossed.found) == (2, 2, 0)
    assert crossed.purity == pytest.approx(1 / 2)  # 2 of the 4 leaves at the root
    assert crossed.robinson_foulds_p == crossed.purity_p == 1


def test_purity_of_a_clade_with_a_stranger():
    # rooted: ((a, b), (c, d)); families x: a, b, c
    purity = Purity(at_midpoint(QUARTET), 4).of(["x", "x", "x", "y"])
    assert purity == pytest.approx((1 + 3 / 4 + 3 / 4) / 3)
    assert Purity(at_midpoint(QUARTET), 4).of(list("wxyz")) is None


def test_families_within_families():
    paths = ["I/G", "I/G", "I/R", "I/R", "S", "U", "U"]
    # G, R, U, and I, which is the same edge as the rest of the leaves
    assert family_splits(paths) == {0b1111100, 0b0001100, 0b1100000, 0b1110000}


def test_leaves_without_a_family_are_cut_off():
    five = Tree(
        ("a", "b", "c", "d", "e"),
        (0b00010, 0b00100, 0b01000, 0b10000, 0b01100, 0b11100, 0b11110),
        (1, 2, 3, 4, 5, 6, 7),
    )
    cut = restrict(five, ["a", "c", "d", "e"])
    kept = [0, 2, 3, 4]
    np.testing.assert_allclose(cut.distances(), five.distances()[np.ix_(kept, kept)])
    assert cut.inner_splits() == {0b0110}
    families = {"a": "x", "c": "y", "d": "y", "e": "x", "b": None}
    fit = compare_with_families(five, families)
    # the longest path is a to d, so a is one side of the root: (a, (e, (c, d)))
    assert (fit.leaves, fit.robinson_foulds, fit.purity) == (4, 0, (1 + 2 / 4) / 2)


def test_families_that_say_nothing():
    assert compare_with_families(QUARTET, {"a": "x", "b": "x", "c": "y"}) is None
    assert compare_with_families(QUARTET, dict.fromkeys("abcd", "x")) is None
    assert (
        compare_with_families(QUARTET, dict(zip("abcd", "wxyz", strict=True))) is None
    )


def test_drawn_arrangements_agree_with_all(monkeypatch):
    leaves = tuple("abcdefgh")
    generator = np.random.default_rng(2)
    from lass_plugin.analysis.trees.reconstruction import fit_tree, power_weights

    distances = generator.uniform(0.5, 1, (8, 8))
    distances = (distances + distances.T) / 2
    np.fill_diagonal(distances, 0)
    tree = fit_tree(leaves, distances, power_weights(distances, 0))[0]
    families = dict(zip(leaves, "xxxyyyzz", strict=True))
    exact = compare_with_families(tree, families)
    assert exact.exact and exact.arrangements == amount_of_work(families) == 560
    monkeypatch.setattr("lass_plugin.analysis.trees.families.EXACT", 100)
    monkeypatch.setattr("lass_plugin.analysis.trees.families.DRAWN", 3000)
    drawn = compare_with_families(tree, families)
    assert not drawn.exact and drawn.arrangements == amount_of_work(families) == 3000
    assert drawn.purity_p == pytest.approx(exact.purity_p, abs=0.04)
    assert drawn.robinson_foulds_p == pytest.approx(exact.robinson_foulds_p, abs=0.04)
    assert compare_with_families(tree, families) == drawn  # the same seed


def test_the_built_in_table():
    assert family_of("de") == family_of("deu_Latn") == "Indo-European/Germanic"
    assert family_of("zh_CN") == "Sino-Tibetan/Sinitic"
    assert family_of("fa") == "Indo-European/Iranian"
    assert family_of("qqq") is None
    assert len(FAMILIES) > 150
    assert all(2 <= len(code) <= 3 for code in FAMILIES)


def test_families_of_pairs():
    hub = families_of(("de-en", "en-ar", "en-qq"))
    assert list(hub.values()) == [
        *("Indo-European/Germanic", "Afro-Asiatic/Semitic", None)
    ]
    table = {"de": "G", "fr": "R", "it": "R"}
    other = families_of(("de-fr", "fr-it", "it-de"), table)
    assert list(other.values()) == ["G → R", "R → R", "R → G"]
    with pytest.raises(LassError, match="the family table has no it, nl"):
        families_of(("de", "it", "nl"), {"de": "G"})


def test_tables_of_families(tmp_path):
    path = tmp_path / "families"
    path.write_text("# mine\nde\tA/B\n\nfr \t C/\n")
    assert read_families(path) == {"de": "A/B", "fr": "C"}
    path.write_text('{"de": "A"}')
    assert read_families(path) == {"de": "A"}
    for text, sentence in {
        "de A\n": "line 1 of .* is not a language, a tab and a family: 'de A'",
        "de\tA\nde\tB\n": "has de twice",
        '{"de": "A", "de": "B"}': "has de twice",
        '{"de": 3}': "family of de .* is not a name",
        '{"de"': "is not JSON",
        "": "holds no language",
        "de\t\n": "without a name",
    }.items():
        path.write_text(text)
        with pytest.raises(LassError, match=sentence):
            read_families(path)
    with pytest.raises(LassError, match="cannot be read as a family table"):
        read_families(tmp_path / "none")


def test_the_tree_of_families_alone():
    tree = family_tree({**PAPERS["lin2021"], "en": None})
    assert "en" not in tree.leaves and len(tree.leaves) == 8
    distances = dict(zip(tree.leaves, tree.distances(), strict=True))
    place = {leaf: number for number, leaf in enumerate(tree.leaves)}
    far = [distances["es"][place[other]] for other in ("it", "de", "fa", "he")]
    assert far == [2, 4, 6, 6]  # one branch, one script, another script
    uneven = family_tree({"a": "x/y", "b": "x", "c": "z"}).distances()
    assert uneven.tolist() == [[0, 4, 6], [4, 0, 6], [6, 6, 0]]
    assert family_tree({"a": "x", "b": "y", "c": None}) is None


def test_families_of_a_paper_by_name(grown, capsys):
    out = grown / "named"
    words = ["tree", str(grown / "masks"), "--out", str(out), "--families"]
    assert lass([*words, "lin2021"]) == 0
    assert (out / "tree.families.svg").is_file()
    assert json.loads((out / "tree.json").read_text())["families"]["de"] == (
        "Latin/Germanic"
    )
    assert lass([*words, "lin2022"]) == 1
    assert "is neither a file nor one of he2023" in capsys.readouterr().err


# -- the command ---------------------------------------------------------------------

PICTURES = ("png", "svg")
LANGUAGES = {
    **dict.fromkeys(("de", "nl"), "Germanic"),
    **dict.fromkeys(("es", "it"), "Romance"),
    **dict.fromkeys(("ar", "he"), "Semitic"),
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Masks, and the folder that ``lass tree`` wrote of them."""
    folder = tmp_path_factory.mktemp("tree")
    save_masks(folder / "masks", relatives(LANGUAGES))
    assert lass(["tree", str(folder / "masks"), "--out", str(folder / "out")]) == 0
    return folder


def test_relatives_are_found(grown):
    record = json.loads((grown / "out" / "tree.json").read_text())
    assert record["leaves"] == ["ar", "de", "es", "he", "it", "nl"]
    assert record["described"] == "languages, mean of sources and targets"
    for name in ("least-squares", "neighbour-joining"):
        tree = read_tree(record, name)
        germanic = 1 << 1 | 1 << 5
        assert {germanic, 1 << 2 | 1 << 4} <= tree.inner_splits()
        compared = record["trees"][name]["families"]
        assert compared["purity"] == 1 and compared["purity_p"] < 0.1
        fit = record["trees"][name]["fit"]
        assert fit["explained"] > 0.9 and fit["cophenetic"] > 0.9
    assert record["trees"]["least-squares"]["best"] is True


def test_distances_are_called_what_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "draw_trees", lambda _: [])
    table = [[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.0]]
    given = {"keys": ["a", "b", "c"], "notes": ["of two models"]}
    given["parts"] = {WHOLE: {"similarity": table, "chance": table}}
    path = tmp_path / "similarity.json"
    words = ["tree", str(path), "--leaves", "pairs", "--out", str(tmp_path / "out")]
    for measure, told in (
        ({}, results.MEASURE),  # as earlier releases wrote it
        ({"measure": similarity_files.MEASURE}, results.MEASURE),
        (
            {"measure": "rank correlation"},
            "1 - similarity; similarity: rank correlation",
        ),
    ):
        similarity_files.SIMILARITY.write(path, {**given, **measure})
        assert lass(words) == 0
        record = json.loads((tmp_path / "out" / "tree.json").read_text())
        assert record["measure"] == told and "of two models" in record["notes"]


def test_the_files(grown):
    out = grown / "out"
    names = {path.name for path in out.iterdir()}
    pictures = {
        f"tree.{name}.{kind}.{suffix}"
        for name in ("least-squares", "neighbour-joining")
        for kind in ("unrooted", "rooted")
        for suffix in PICTURES
    }
    newick = {
        f"tree.{name}{kind}.nwk"
        for name in ("least-squares", "neighbour-joining")
        for kind in ("", ".rooted")
    }
    tables = {"tree.json", "tree.distances.csv", "tree.fit.csv"}
    others = {
        f"tree.{name}.{kind}" for name in ("fit", "families") for kind in PICTURES
    }
    assert names == pictures | newick | tables | others
    svg = (out / "tree.least-squares.unrooted.svg").read_text()
    assert "Indo-European / Germanic" in svg and ">nl<" in svg
    masks = load_masks(grown / "masks")
    keys = list(masks)
    similarity = overlaps(masks, {WHOLE: list(masks.shapes)})[WHOLE].symmetric()
    with open(out / "tree.fit.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 15
    row = next(row for row in rows if (row["first"], row["second"]) == ("de", "nl"))
    by_hand = [
        1 - similarity[keys.index(a), keys.index(b)]
        for a, b in (("en-de", "en-nl"), ("de-en", "nl-en"))
    ]
    assert float(row["distance"]) == pytest.approx(np.mean(by_hand), abs=1e-5)


def test_pictures_are_drawn_again_from_the_data(grown, tmp_path):
    data = tmp_path / "tree.json"
    data.write_bytes((grown / "out" / "tree.json").read_bytes())
    for path in draw_trees(data):
        assert path.read_bytes() == (grown / "out" / path.name).read_bytes()
    data.write_text("{}")
    with pytest.raises(LassError, match="is not a tree.json"):
        draw_trees(data)


@pytest.fixture
def no_pictures(monkeypatch):
    """Files without their pictures, of which other tests are."""
    monkeypatch.setattr(results, "draw_trees", lambda _: [])
    monkeypatch.setattr(similarity_files, "draw_similarity", lambda _: [])


def test_a_similarity_file_gives_the_same_tree(grown, no_pictures, tmp_path, capsys):
    masks, out = str(grown / "masks"), str(tmp_path)
    assert lass(["similarity", masks, "--by", "component", "--out", out]) == 0
    data = str(tmp_path / "similarity.json")
    assert lass(["tree", data, "--out", str(tmp_path / "tree")]) == 0
    one, other = (
        json.loads((folder / "tree.json").read_text())
        for folder in (grown / "out", tmp_path / "tree")
    )
    np.testing.assert_allclose(one["distances"], other["distances"], atol=2e-6)
    assert lass(["tree", data, "--part", "fc1", "--out", str(tmp_path / "fc1")]) == 0
    capsys.readouterr()
    assert lass(["tree", data, "--part", "fc9", "--out", str(tmp_path / "fc9")]) == 1
    assert "has no part 'fc9'" in capsys.readouterr().err


def mistake(capsys, *arguments) -> str:
    """The one sentence of a command that fails and writes nothing."""
    capsys.readouterr()
    assert lass(["tree", *map(str, arguments)]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("lass tree: error: ")
    return error


def test_bad_input(tmp_path, capsys):
    out = ("--out", tmp_path / "out")
    for name, masks in {
        "one": draw(["en-de"]),
        "two": draw(["en-de", "de-en"]),
        "three": draw(["en-de", "en-fr", "en-it"]),
        "small": draw(["en-nl"], side=8),
    }.items():
        save_masks(tmp_path / name, masks)
    three = tmp_path / "three"
    assert "one pair makes no tree" in mistake(capsys, tmp_path / "one", *out)
    assert "three languages" in mistake(capsys, tmp_path / "two", *out)
    other = mistake(capsys, three, tmp_path / "small", *out)
    assert "cover different matrices" in other
    assert "no part 'fc9'" in mistake(capsys, three, "--part", "fc9", *out)
    assert "outside 0 to 8" in mistake(capsys, three, "--weights-power", -1, *out)
    table = tmp_path / "families.tsv"
    table.write_text("de\tx\n")
    missing = mistake(capsys, three, "--families", table, *out)
    assert "the family table has no fr, it" in missing
    broken = tmp_path / "similarity.json"
    broken.write_text('{"keys": ["a-b"], "parts": {"whole model": {"similarity": [')
    assert "is not a similarity.json" in mistake(capsys, broken, *out)
    assert "not several" in mistake(capsys, broken, three, *out)
    assert not (tmp_path / "out").exists()


def test_identical_masks_work(tmp_path, capsys):
    save_masks(
        tmp_path / "masks", draw(["en-de", "en-fr", "en-it", "en-nl"], same=True)
    )
    assert lass(["tree", str(tmp_path / "masks"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "all masks are identical: the tree is a star without lengths" in printed
    arguments = [str(tmp_path / "masks"), "--weights-power", "2"]
    assert "distances are zero" in mistake(capsys, *arguments, "--out", tmp_path)


def test_unknown_languages_are_said_and_left_out(no_pictures, tmp_path, capsys):
    save_masks(tmp_path / "masks", draw(["en-de", "en-qq", "en-it", "en-nl"]))
    assert lass(["tree", str(tmp_path / "masks"), "--out", str(tmp_path / "out")]) == 0
    assert "no family is known of qq" in capsys.readouterr().out


@pytest.mark.parametrize("module, name", [("Bio", "biopython"), ("scipy", "scipy")])
def test_a_missing_package_is_named(module, name, grown, tmp_path, monkeypatch, capsys):
    for loaded in list(sys.modules):
        if loaded.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    error = mistake(capsys, grown / "masks", "--out", tmp_path / "out")
    assert f"needs {name}" in error and 'pip install "lass-plugin[trees]"' in error
