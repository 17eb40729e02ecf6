"""Pictures of gates: their numbers by hand, and the parameters of exported models."""

import json

import numpy as np
import pytest
import torch
from narrow_models import ENCODER, RANKS, UNEQUAL, made

from lass_plugin.analysis.gate_parameters import removed_parameters, write_parameters
from lass_plugin.analysis.gate_shares import System, distances, shares, write_shares
from lass_plugin.analysis.gate_speed import Sized, check_scores, read_scores
from lass_plugin.anatomy.places import find_place
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.methods.gates.components import Components
from lass_plugin.methods.gates.export import export
from lass_plugin.methods.gates.narrowing import components_of

LAYER = f"{ENCODER}.layers.{{}}"
HEADS, UNITS = "self_attn.heads", "fc1"
RANK = f"{ENCODER}.embed_tokens"


def components() -> Components:
    """Two layers of two heads of width 4 and four hidden units, and six ranks."""
    counts = {}
    for number in range(2):
        counts[f"{LAYER.format(number)}.{HEADS}"] = 2
        counts[f"{LAYER.format(number)}.{UNITS}"] = 4
    widths = {site: 4 for site in counts if site.endswith("heads")}
    return Components({**counts, RANK: 6}, widths)


def gates(*rows: str) -> dict[str, torch.Tensor]:
    """Of digits; 5 stands for a half."""
    values = {"0": 0.0, "1": 1.0, "5": 0.5}
    tensors = [torch.tensor([values[digit] for digit in row]) for row in rows]
    return dict(zip(components().counts, tensors, strict=True))


DE = gates("01", "0011", "11", "1111", "111000")
SW = gates("11", "0000", "10", "1150", "111111")


@pytest.fixture
def system() -> System:
    return System("ours", components(), {0.3: {"de": DE, "sw": SW}})


def test_shares_by_hand(system):
    found = {(row["what"], row["name"]): row["removed"] for row in shares(system)}
    assert found["site", f"{LAYER.format(0)}.{HEADS}"] == 0.25
    assert found["site", f"{LAYER.format(0)}.{UNITS}"] == 0.75
    assert found["kind", "embedding"] == 0.25
    assert found["kind", "attention heads"] == 0.25
    # a head weighs 4 · 4, a unit 2: 32 · 1/4 + 8 · 3/4 of 40; 32 · 1/4 + 8 · 1/8
    assert found["layer", "encoder 0"] == pytest.approx(0.35)
    assert found["layer", "encoder 1"] == pytest.approx(0.225)
    assert found["all", "all"] == pytest.approx((0.35 + 0.225) / 2)


def test_all_is_the_mean_sparsity_of_the_keys(system):
    found = [row["removed"] for row in shares(system) if row["what"] == "all"]
    each = [system.components.sparsity(gates_of) for gates_of in (DE, SW)]
    assert found == pytest.approx([sum(each) / 2], abs=1e-6)


def test_distances_by_hand():
    """Of 18 components one head, two units, one head, a unit and three ranks differ; a
    fraction is open."""
    found = distances({"de": DE, "sw": SW, "da": DE})
    assert found[0, 1] == pytest.approx(8 / 18)
    assert np.array_equal(found, found.T) and not found.diagonal().any()
    assert found[0, 2] == 0.0


def test_files_of_a_system_that_serves_any_sparsity(system, tmp_path):
    later = {0.6: {"de": SW, "sw": SW}}
    dynamic = System("dynamic", system.components, {**system.gates, **later})
    written = write_shares([system, dynamic], 0.3, tmp_path)
    assert {path.name for path in written} == {
        "gates_drawn.json",
        "gates_drawn.csv",
        *(
            f"{name}.{kind}"
            for kind in ("png", "svg")
            for name in (
                "layers",
                "kinds_over_sparsity",
                "layers_over_sparsity",
                "distances-ours",
                "distances-dynamic",
            )
        ),
    }
    record = json.loads((tmp_path / "gates_drawn.json").read_text())
    assert record["distances"][0]["keys"] == ["de", "sw"]
    assert all(path.stat().st_size for path in written)


def test_parameters_are_those_of_exported_models(tmp_path):
    dense = made()
    given = {**UNEQUAL, **RANKS}
    small = export(dense, "de", given)
    after = Checkpoint(tmp_path, small.content)
    sizes = []
    for each in (dense.parameters, after.parameters):
        inside = [t.numel() for n, t in each.items() if find_place(n).layer is not None]
        sizes.append((sum(inside), sum(t.numel() for t in each.values())))
    gone = removed_parameters(small.components, given, 40, 12)
    assert gone[0] == sizes[0][0] - sizes[1][0]
    assert sum(gone) == sizes[0][1] - sizes[1][1]
    system = System("ours", small.components, {0.5: {"de": given}})
    table = write_parameters([system], dense, tmp_path).read_text().splitlines()
    left = f"ours,0.5,{sizes[1][0]},{sizes[1][1]}"
    assert table == ["system,sparsity,layers,all", left]


def test_gates_of_another_model_have_no_parameters_of_this_one(tmp_path):
    dense = made()
    whole = components_of(dense.weights, dense.model_options)
    given = {**UNEQUAL, **RANKS}
    for change, said in (
        ({f"{LAYER.format(1)}.{UNITS}": 9}, "they are 9 at .*layers.1.fc1"),
        ({f"{LAYER.format(3)}.{UNITS}": 10}, "they are 10 at .*layers.3.fc1"),
        (None, "nothing of its encoder layer 2"),
    ):
        counts = {**whole.counts, **(change or {})}
        if change is None:
            counts = {site: n for site, n in counts.items() if ".layers.2." not in site}
        of_model = Components(counts, whole.widths)
        system = System("ours", of_model, {0.5: {"de": given}})
        with pytest.raises(LassError, match=f"ours are not of dense.pt: .*{said}"):
            write_parameters([system], dense, tmp_path)
    assert not list(tmp_path.iterdir())


def test_parameters_of_hidden_units_alone():
    site = LAYER.format(0) + "." + UNITS
    found = removed_parameters(
        Components({site: 4}, {}), {site: torch.tensor([0.0, 1, 0, 1])}, 40, 6
    )
    assert found == (2 * (6 + 6 + 1), 0)


def test_scores_of_what_is_not_measured_are_refused(tmp_path):
    models = [Sized("fixed", 0.493827, 0.493827, torch.nn.Module(), 1, 2)]
    path = tmp_path / "scores.txt"
    path.write_text("fixed 0.4938272 81\n")
    check_scores(read_scores(path), models)
    path.write_text("fixed 0.5 81\n")
    with pytest.raises(LassError, match="fixed 0.5, which is not .* fixed 0.493827"):
        check_scores(read_scores(path), models)
