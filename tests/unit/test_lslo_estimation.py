"""Demands (Cao 2024, Eq. 6) on hand-worked numbers and against slow loops."""

import csv
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from low_rank_models import (
    HIDDEN,
    LEARNING,
    PLACEMENT,
    RANKS,
    WIDTH,
    equipped,
    save,
    stretches,
)
from scipy.stats import pearsonr

from lass_plugin.anatomy.matrices import Matrix
from lass_plugin.errors import LassError
from lass_plugin.languages import written
from lass_plugin.methods.lowrank.estimation import demand_maps
from lass_plugin.methods.lowrank.estimation.data_amounts import (
    Amounts,
    correlate,
    flores_amounts,
    parse_amounts,
    pearson,
)
from lass_plugin.methods.lowrank.estimation.demand_maps import (
    Cells,
    draw_demands,
    order_languages,
    write_demands,
)
from lass_plugin.methods.lowrank.estimation.demands import (
    Demand,
    Estimate,
    estimate,
    read_estimate,
    write_estimate,
)
from lass_plugin.methods.lowrank.planning.placement import Placement
from lass_plugin.methods.lowrank.planning.plan import uniform
from lass_plugin.methods.lowrank.pruning import (
    LANGUAGE,
    LAYER,
    MATRIX,
    Pruner,
    PruningPlan,
)
from lass_plugin.methods.lowrank.stored import read_low_rank
from lass_plugin.records.heat_map import heat_panels


def pruned_checkpoint(
    tmp_path, group, ratio=0.7, placement=PLACEMENT, ranks=RANKS, epoch=1, **more
):
    """A checkpoint pruned in one step (E = 0, k = 1), and its model."""
    model, plan = equipped(placement, ranks)
    ratios = dict.fromkeys(ranks, ratio) if isinstance(ratio, float) else ratio
    more = {"start": 0, "length": 1, **more}
    pruner = Pruner(model, PruningPlan(group, ratios, **more))
    pruner.prune(epoch, stretches(model))
    return save(tmp_path / "checkpoint.pt", model, plan, pruner, epoch), model


def estimated(path) -> Estimate:
    return estimate(read_low_rank(path), str(path))


def by_hand(pruned, shapes=None, group=LAYER, ratio=0.5, placement=None, length=1):
    """An estimate of (matrix, language) -> (rank, pruned)."""
    placement = placement or Placement(("source", "target"), ("target",))
    languages = sorted({language for _, language in pruned})
    matrices = {}
    for name, _ in pruned:
        side, _, layer, kind = name.split(".")
        outputs, inputs = (shapes or {}).get(name, (10, 10))
        matrices[name] = Matrix(name, side, int(layer), kind, outputs, inputs)
    plan = uniform(matrices, dict.fromkeys(languages, 1), placement)
    ranks = {
        name: {each: pruned.get((name, each), (0, 0))[0] for each in languages}
        for name in matrices
    }
    plan = type(plan)(placement, ranks)
    demands = tuple(
        Demand(
            matrices[name],
            placement.of(matrices[name].side, matrices[name].layer),
            language,
            rank,
            gone,
            ratio,
        )
        for (name, language), (rank, gone) in pruned.items()
    )
    pruning = PruningPlan(group, dict.fromkeys(languages, ratio), 0, length)
    return Estimate(plan, pruning, demands, 1, "by hand", "01234567")


TWO_LAYERS = {
    ("encoder.layers.0.fc1", "de"): (1, 8),
    ("encoder.layers.0.fc1", "en"): (1, 2),
    ("encoder.layers.1.fc1", "de"): (1, 6),
    ("encoder.layers.1.fc1", "en"): (1, 4),
    ("decoder.layers.0.fc1", "de"): (2, 9),
    ("decoder.layers.0.fc1", "en"): (2, 11),
}


# -- Eq. 6 ----------------------------------------------------------------------------


def test_the_score_is_what_was_pruned_beyond_the_ratio():
    matrix = Matrix("encoder.layers.0.fc1", "encoder", 0, "fc1", 10, 4)
    demand = Demand(matrix, "source", "de", 2, 17, 0.7)
    assert demand.units == 20 and demand.pruned == 17
    assert demand.score == pytest.approx(3.0)
    assert demand.share == pytest.approx(0.15)
    assert demand.worth == Fraction(3, 10)
    needs_all = Demand(matrix, "source", "de", 2, 0, 0.7)
    assert needs_all.score == pytest.approx(-14.0)
    assert needs_all.worth == 2


@pytest.mark.parametrize("group", [MATRIX, LAYER, LANGUAGE])
@pytest.mark.parametrize("placement", [PLACEMENT, LEARNING])
def test_scores_are_those_of_a_slow_loop_over_the_bits(tmp_path, group, placement):
    path, model = pruned_checkpoint(tmp_path, group, 0.7, placement)
    tensors = torch.load(path, weights_only=True)["model"]
    expected = {}
    for name, tensor in tensors.items():
        if ".B." not in name:
            continue
        place, _, language = name.rpartition(".B.")
        packed = tensors[f"{place}.kept_B_{language}"].tolist()
        kept = 0
        for unit in range(tensor.numel()):
            kept += packed[unit // 8] >> (unit % 8) & 1
        assert kept == int((tensor != 0).sum())
        expected[place, language] = (tensor.numel() - kept) - 0.7 * tensor.numel()
    found = {
        (f"{d.matrix.name}.lslo_{d.index}", d.language): d.score
        for d in estimated(path).demands
    }
    assert found == expected


@pytest.mark.parametrize("ratio", [0.1, 0.55, 0.7, 0.93])
@pytest.mark.parametrize("group", [LAYER, LANGUAGE])
def test_the_scores_of_a_group_sum_to_0_but_for_rounding(tmp_path, group, ratio):
    path, _ = pruned_checkpoint(tmp_path, group, ratio)
    sums: dict[str, float] = {}
    for each in estimated(path).demands:
        matrix = each.matrix
        name = (matrix.side, matrix.layer) if group == LAYER else each.language
        sums[name] = sums.get(name, 0.0) + each.score
    assert len(sums) == 3
    assert all(abs(total) <= 0.5 + 1e-9 for total in sums.values())


def test_each_matrix_by_itself_says_nothing(tmp_path):
    path, _ = pruned_checkpoint(tmp_path, MATRIX, 0.7)
    found = estimated(path)
    assert not found.compared
    assert all(abs(each.score) <= 0.5 + 1e-9 for each in found.demands)
    written_files = write_demands(tmp_path / "out", found, None, ["why"])
    assert [each.name for each in written_files] == ["estimate.json", "estimate.csv"]


def test_the_ratio_is_that_of_the_epoch_of_the_checkpoint(tmp_path):
    path, _ = pruned_checkpoint(tmp_path, LAYER, 0.8, epoch=4, start=2, length=4)
    found = estimated(path)
    assert {each.ratio for each in found.demands} == {0.8 * 7 / 8}
    model, plan = equipped()
    pruner = Pruner(model, PruningPlan(LAYER, dict.fromkeys(RANKS, 0.8), 2, 4))
    pruner.prune(6, stretches(model))
    # at the end of an epoch fairseq writes down the next one, not yet begun
    path = save(tmp_path / "end.pt", model, plan, pruner, epoch=7, iterations=0)
    assert {each.ratio for each in estimated(path).demands} == {0.8}
    assert estimated(path).epoch == 6


def test_a_language_of_ratio_0_keeps_all_and_is_not_shown(tmp_path):
    ratios = {"de": 0.5, "en": 0.0, "nl": 0.5}
    path, _ = pruned_checkpoint(tmp_path, LANGUAGE, ratios)
    found = estimated(path)
    assert found.unpruned == ["en"]
    of_en = [each for each in found.demands if each.language == "en"]
    assert all(each.score == 0 and each.worth == 3 for each in of_en)
    assert set(Cells(found).languages) == {"de", "nl"}


def test_a_language_that_was_not_trained_competes_with_nobody(tmp_path):
    """Of a plan with more languages than the training has (--lslo-plan)."""
    path, _ = pruned_checkpoint(tmp_path, LAYER, {"de": 0.5, "nl": 0.5})
    found = estimated(path)
    assert found.unpruned == ["en"]
    pruned = sum(each.pruned for each in found.demands)
    assert pruned == sum(each.units for each in found.demands if each.ratio) // 2


# -- mistakes -------------------------------------------------------------------------


def test_a_checkpoint_of_something_else_is_named(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"model": {"a": torch.zeros(1)}}, path)
    with pytest.raises(LassError, match="x.pt holds no low-rank modules; give a"):
        read_low_rank(path)


def test_modules_that_were_not_pruned_tell_nothing(tmp_path):
    path = save(tmp_path / "x.pt", *equipped())
    with pytest.raises(LassError, match="were not pruned.*--lslo-pruning layer"):
        estimated(path)


def test_a_checkpoint_before_the_first_pruning_is_refused(tmp_path):
    model, plan = equipped()
    pruner = Pruner(model, PruningPlan(LAYER, dict.fromkeys(RANKS, 0.7)))
    path = save(tmp_path / "x.pt", model, plan, pruner, epoch=2)
    with pytest.raises(LassError, match="of epoch 2, but pruning begins after epoch 2"):
        estimated(path)


def test_numbers_that_no_selection_gives_are_refused(tmp_path):
    path, _ = pruned_checkpoint(tmp_path, LAYER, 0.7)
    checkpoint = torch.load(path, weights_only=True)
    name = "encoder.layers.0.fc1.lslo_source.kept_B_de"
    checkpoint["model"][name][:] = 255
    checkpoint["model"][name][-1] = 0xF
    torch.save(checkpoint, path)
    with pytest.raises(
        LassError, match="of B of encoder layer 0 are pruned in .*0.7 g"
    ):
        estimated(path)


@pytest.mark.parametrize(
    "name, value",
    [
        ("encoder.layers.0.fc1.lslo_source.B.de", None),
        ("encoder.layers.0.fc1.lslo_source.B.de", torch.zeros(3, 3)),
        ("encoder.layers.0.fc2.lslo_source.A.en", torch.zeros(3, 3)),
        ("encoder.layers.0.fc1.lslo_source.kept_B_de", torch.zeros(1).byte()),
    ],
)
def test_damaged_modules_are_named(tmp_path, name, value):
    path, _ = pruned_checkpoint(tmp_path, LAYER)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["model"].pop(name)
    if value is not None:
        checkpoint["model"][name] = value
    torch.save(checkpoint, path)
    with pytest.raises(LassError, match="checkpoint.pt cannot be read"):
        read_low_rank(path)


# -- the file -------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    group=st.sampled_from([MATRIX, LAYER, LANGUAGE]),
    ratio=st.floats(0.01, 0.99),
    ranks=st.fixed_dictionaries(
        {"de": st.integers(1, 4), "zh-cn.x": st.integers(0, 3)}
    ),
    epoch=st.integers(2, 6),
)
def test_what_is_written_is_read_again(tmp_path_factory, group, ratio, ranks, epoch):
    tmp_path = tmp_path_factory.mktemp("estimate")
    path, _ = pruned_checkpoint(
        tmp_path, group, ratio, ranks=ranks, epoch=epoch, start=1, length=4
    )
    found = estimated(path)
    write_estimate(tmp_path / "estimate.json", found, None, ["note"])
    again = read_estimate(tmp_path)
    record = json.loads((tmp_path / "estimate.json").read_text())
    assert record["notes"] == ["note"]
    for one, other in zip(found.demands, again.demands, strict=True):
        assert (one.ratio, one.score, one.pruned) == (
            other.ratio,
            other.score,
            other.pruned,
        )
        assert one.matrix == other.matrix
        assert one.rank == other.rank
    assert again.plan == found.plan and again.pruning == found.pruning
    write_estimate(tmp_path / "again.json", again, None, ["note"])
    assert (tmp_path / "again.json").read_bytes() == (
        tmp_path / "estimate.json"
    ).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(format="lass_plugin lslo plan"),
        lambda r: r.update(version="1"),
        lambda r: r.pop("plan"),
        lambda r: r.update(modules=[]),
        lambda r: r["modules"][0].__setitem__(4, 10**6),
        lambda r: r["modules"][0].__setitem__(4, 1.5),
        lambda r: r["modules"][0].__setitem__(3, 9),
        lambda r: r["modules"][0].__setitem__(0, "encoder.layers.7.fc1"),
        lambda r: r["plan"]["placement"].update(encoder=[]),
    ],
)
def test_a_damaged_estimate_is_named(tmp_path, change):
    path = tmp_path / "estimate.json"
    write_estimate(path, by_hand(TWO_LAYERS), None)
    record = json.loads(path.read_text())
    record["version"] = record.pop("digest") and 1  # as before there were digests
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(LassError, match="estimate.json is not an estimate of demands"):
        read_estimate(path)


def test_an_estimate_that_is_not_there_or_does_not_add_up(tmp_path):
    with pytest.raises(
        LassError, match="is not an estimate .*No such.*lass lslo estimate"
    ):
        read_estimate(tmp_path)
    path = tmp_path / "estimate.json"
    write_estimate(
        path, by_hand({**TWO_LAYERS, ("encoder.layers.0.fc1", "de"): (1, 9)}), None
    )
    with pytest.raises(
        LassError, match="11 weights of B of encoder layer 0 are pruned"
    ):
        read_estimate(path)


# -- tables ---------------------------------------------------------------------------


def test_means_by_hand():
    cells = Cells(by_hand(TWO_LAYERS))
    assert cells.languages == ["en", "de"] and cells.breaks == []  # as in the paper
    table = cells.by_language()
    # de: 8 − 5 = 3 and 6 − 5 = 1 in the encoder, 9 − 10 = −1 in the decoder
    np.testing.assert_allclose(table.values["encoder"], [[-2.0], [2.0]])
    np.testing.assert_allclose(table.values["decoder"], [[1.0], [-1.0]])
    np.testing.assert_allclose(cells.by_layer().values["encoder"], [[0.0], [0.0]])
    first, second = map(cells.by_language, cells.layers)
    np.testing.assert_allclose(first.values["encoder"], [[-3.0], [3.0]])
    np.testing.assert_allclose(second.values["encoder"], [[-1.0], [1.0]])
    assert np.isnan(second.values["decoder"]).all()  # it has one layer
    of_en, of_de = map(cells.by_layer, ("en", "de"))
    np.testing.assert_allclose(of_de.values["encoder"], [[3.0], [1.0]])
    share = Cells(by_hand(TWO_LAYERS), share=True).by_language()
    np.testing.assert_allclose(share.values["encoder"], [[-0.2], [0.2]])
    np.testing.assert_allclose(share.values["decoder"], [[0.05], [-0.05]])


@pytest.mark.parametrize("share", [False, True])
def test_means_are_those_of_slow_loops(tmp_path, share):
    path, _ = pruned_checkpoint(tmp_path, LANGUAGE, 0.6, LEARNING)
    found = estimated(path)
    cells = Cells(found, share)
    tables = [cells.by_language(), cells.by_layer()]
    for table in tables:
        for side, kinds in table.columns.items():
            for column, kind in enumerate(kinds):
                for row, label in enumerate(table.rows):
                    sums: dict = {}
                    for each in found.demands:
                        m, language = each.matrix, each.language
                        own = language if table.by == "language" else str(m.layer)
                        if (m.side, m.kind, own) != (side, kind, label):
                            continue
                        score, units = sums.get((m.layer, language), (0.0, 0))
                        sums[m.layer, language] = (
                            score + each.score,
                            units + each.units,
                        )
                    values = [s / u if share else s for s, u in sums.values()]
                    expected = sum(values) / len(values) if values else math.nan
                    assert table.values[side][row, column] == pytest.approx(
                        expected, nan_ok=True
                    )


def test_a_language_without_a_module_leaves_a_gap():
    pruned = {
        ("encoder.layers.0.fc1", "de"): (1, 5),
        ("encoder.layers.0.fc2", "de"): (1, 7),
        ("encoder.layers.0.fc2", "en"): (1, 3),
    }
    table = Cells(by_hand(pruned)).by_language()
    np.testing.assert_array_equal(table.values["encoder"], [[np.nan, -2.0], [0.0, 2.0]])
    np.testing.assert_array_equal(table.average("encoder"), [-2.0, 1.0])


def test_languages_stand_by_resource_type_where_all_have_one():
    assert order_languages({"wo", "de", "ko", "en"}) == (
        ["en", "de", "ko", "wo"],
        [2, 3],
    )
    assert order_languages({"wo", "de", "xx"}) == (["de", "wo", "xx"], [])
    types = {"xx": "H", "wo": "V", "de": "H"}
    assert order_languages({"wo", "de", "xx"}, types) == (["xx", "de", "wo"], [2])


# -- files and pictures ---------------------------------------------------------------


def test_the_csv_has_a_line_for_each_B(tmp_path, monkeypatch):
    monkeypatch.setattr(demand_maps, "draw_demands", lambda *_: [])
    write_demands(tmp_path, by_hand(TWO_LAYERS), None, [])
    with open(tmp_path / "estimate.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(TWO_LAYERS)
    assert rows[0] == {
        "matrix": "encoder.layers.0.fc1",
        "side": "encoder",
        "layer": "0",
        "kind": "fc1",
        "index": "source",
        "language": "de",
        "rank": "1",
        "units": "10",
        "pruned": "8",
        "ratio": "0.5",
        "score": "3.0",
        "share": "0.3",
    }


def test_pictures_of_everything_and_again_from_the_json(tmp_path):
    written_files = write_demands(tmp_path, by_hand(TWO_LAYERS), None, [])
    names = [path.name for path in written_files]
    assert names[:2] == ["estimate.json", "estimate.csv"]
    assert names[2::2] == [
        "score.png",
        "score.layer-0.png",
        "score.layer-1.png",
        "score.layers.png",
        "score.layers.en.png",
        "score.layers.de.png",
    ]
    pictures = written_files[2:]
    before = [path.read_bytes() for path in pictures]
    assert draw_demands(tmp_path / "estimate.json") == pictures
    assert [path.read_bytes() for path in pictures] == before


def test_pictures_of_shares_have_their_own_names(tmp_path):
    write_estimate(
        tmp_path / "estimate.json", three({"de": 1, "ko": 0, "wo": -1}), None
    )
    record = json.loads((tmp_path / "estimate.json").read_text())
    assert [row[4] for row in record["modules"]] == [6, 5, 4]
    names = [path.name for path in draw_demands(tmp_path / "estimate.json", True)]
    assert names[::2] == ["share.png", "share.layer-0.png", "share.layers.png"] + [
        f"share.layers.{language}.png" for language in ("de", "ko", "wo")
    ]


def test_red_is_below_0_and_one_scale_holds_for_all(tmp_path):
    panels = {
        "encoder": (["q", "fc1"], np.array([[-2.0, np.nan], [0.0, 1.0]])),
        "decoder": (["c-q"], np.array([[2.0], [-2.0]])),
    }
    _, svg = heat_panels(
        panels, ["de", "wo"], tmp_path / "x.png", "t", limit=2.0, breaks=[1]
    )
    text = svg.read_text()
    assert "#67001f" in text and "#053061" in text  # −2: darkest red, 2: darkest blue
    assert "#f7f7f7" in text or "#f6f7f7" in text  # 0: white
    for label in ("encoder", "decoder", "c-q", "wo"):
        assert f">{label}<" in text
    _, weak = heat_panels(panels, ["de", "wo"], tmp_path / "y.png", "t", limit=200.0)
    cells = weak.read_text().split("QuadMesh_1")[1].split("</g>")[0]
    assert "#67001f" not in cells


# -- the amount of data ---------------------------------------------------------------


def three(scores):
    """An estimate of one encoder layer in which languages have these scores."""
    return by_hand(
        {
            ("encoder.layers.0.fc1", language): (1, 5 + score)
            for language, score in scores.items()
        }
    )


def test_the_correlation_is_that_of_the_definition():
    scores = {"de": 3, "ko": 1, "oc": -1, "wo": -3}
    amounts = Amounts({"de": 100.0, "ko": 40.0, "oc": 30.0, "wo": 2.0}, "pairs")
    record = correlate(Cells(three(scores)), amounts)
    found = record["sides"]["encoder"]["fc1"]
    x, y = np.array([100.0, 40, 30, 2]), np.array([3.0, 1, -1, -3])
    dx, dy = x - x.mean(), y - y.mean()
    r = (dx * dy).sum() / math.sqrt((dx**2).sum() * (dy**2).sum())
    assert found["r"] == pytest.approx(r) and found["n"] == 4
    assert found["p"] == pytest.approx(pearsonr(x, y).pvalue)
    assert record["sides"]["encoder"]["AVG"] == found
    assert record["sizes"] == dict(amounts.sizes)
    assert list(record["sides"]) == ["encoder"]


def test_the_amounts_of_the_paper_leave_english_out():
    amounts = flores_amounts()
    assert amounts.sizes["fr"] == 289e6 and amounts.sizes["oc"] == 5110
    assert "en" not in amounts.sizes
    cells = Cells(three({"en": 2, "de": 1, "ko": -1, "wo": -2}))
    assert list(correlate(cells, amounts)["sizes"]) == ["de", "ko", "wo"]


def test_p_values_are_of_the_size_that_the_paper_gives():
    """Table 9: eleven languages, r = .67, p = .023."""
    x = np.arange(11.0)
    x = (x - x.mean()) / x.std()
    z = np.cos(3 * np.arange(11.0))
    z -= z.mean() + x * (z * x).mean()
    y = 0.67 * x + math.sqrt(1 - 0.67**2) * z / z.std()
    found = pearson(x, y)
    assert found["r"] == pytest.approx(0.67)
    assert found["p"] == pytest.approx(0.024, abs=0.001)


def test_no_correlation_of_what_does_not_vary():
    found = correlate(
        Cells(three({"de": 0, "ko": 0, "wo": 0})), Amounts(flores_amounts().sizes, "x")
    )
    assert found["sides"]["encoder"]["fc1"] == {"n": 3, "r": None, "p": None}


def test_fewer_than_three_languages_are_refused():
    with pytest.raises(
        LassError, match="needs 3 languages with pairs, but 2 of de, xx"
    ):
        correlate(
            Cells(three({"xx": 1, "de": 0, "yy": -1})),
            Amounts({"de": 1.0, "xx": 2.0}, "pairs"),
        )


def test_amounts_are_read_from_every_place(tmp_path):
    assert parse_amounts("de=1000, fr=2M").sizes == {"de": 1000, "fr": 2_000_000}
    path = tmp_path / "sizes.txt"
    path.write_text("# bitext\nde 3K\nfr, 500\n")
    assert parse_amounts(str(path)).sizes == {"de": 3000, "fr": 500}
    path.write_text("de-en 3K\nen-fr 500\nfr-de 7\n")
    amounts = parse_amounts(str(path))
    assert amounts.sizes == {"de": 3000, "fr": 500}
    assert "sentence pairs with en in" in amounts.described
    record = {"counts": {"train.de-en": {"kept": 7}, "train.en-nl": {"kept": 8}}}
    (tmp_path / "preparation.json").write_text(json.dumps(record))
    assert parse_amounts(str(tmp_path)).sizes == {"de": 7, "nl": 8}


@pytest.mark.parametrize(
    "text, said",
    [
        ("de=many", "'many' is not a number of sentences"),
        ("de=1,de=2", "--sizes names de for the second time"),
        ("nowhere", "there is no file nowhere"),
    ],
)
def test_amounts_that_cannot_be_read(text, said):
    with pytest.raises(LassError, match=said):
        parse_amounts(text)


def test_a_file_with_a_line_of_something_else(tmp_path):
    path = tmp_path / "sizes.txt"
    path.write_text("de 1000\nfr\n")
    with pytest.raises(LassError, match="has the line 'fr'; write a language"):
        parse_amounts(str(path))


# -- contents -------------------------------------------------------------------------


def test_contents_of_a_checkpoint(tmp_path):
    path, model = pruned_checkpoint(tmp_path, MATRIX, {"de": 0.5, "en": 0.0, "nl": 0.9})
    contents = read_low_rank(path)
    assert contents.epoch == 1 and not contents.weights
    assert {m.name: (m.outputs, m.inputs) for m in contents.matrices.values()} == {
        f"{layer}.{name}": shape
        for layer in ("encoder.layers.0", "encoder.layers.1", "decoder.layers.0")
        for name, shape in (("fc1", (HIDDEN, WIDTH)), ("fc2", (WIDTH, HIDDEN)))
    }
    for module in contents.modules:
        share = {"de": 0.5, "en": 0.0, "nl": 0.9}[module.language]
        assert module.rank == RANKS[module.language]
        assert module.pruned == {
            "A": round(share * module.a.numel()),
            "B": round(share * module.b.numel()),
        }


def test_languages_of_rank_0_have_no_modules(tmp_path):
    path, _ = pruned_checkpoint(tmp_path, LAYER, ranks={"de": 0, "x.y": 2})
    contents = read_low_rank(path)
    assert {module.language for module in contents.modules} == {"x.y"}
    assert written("x.y") == "x~y"
    assert contents.entry.plan.languages == ("de", "x.y")
