"""Parameters and bytes of made-up checkpoints against hand-worked ones."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from gated_models import transformer
from made_up_reports import report_of

from lass_plugin.analysis.gate_parameters import removed_parameters
from lass_plugin.cli.table_cost import CostTableSettings, _scores
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.systems import System
from lass_plugin.evaluation.throughput import Throughput
from lass_plugin.masks import Mask, MaskSet, Provenance, save_masks
from lass_plugin.masks.file import to_state
from lass_plugin.methods.gates.dynamic import TENTHS, slopes_of
from lass_plugin.methods.gates.gating import find_components
from lass_plugin.methods.gates.hard_concrete import HardConcrete
from lass_plugin.methods.gates.method import Gates
from lass_plugin.methods.gates.sets import GateSets, base_of
from lass_plugin.settings import parse_words
from lass_plugin.tables.cost import (
    Cost,
    cost_of,
    cost_of_system,
    pair_table,
    size_table,
    speed_table,
)

FC1 = "encoder.layers.0.fc1.weight"
FC2 = "encoder.layers.0.fc2.weight"


def model(shared: bool = False):
    """120 + 20 weights under masks, 5 of a bias, 28 (twice if not shared) embedded."""
    embedding = torch.ones(7, 4)
    return {
        "encoder.version": torch.tensor([3.0]),
        "encoder.embed_positions._float_tensor": torch.zeros(1),
        "encoder.embed_tokens.weight": embedding,
        "decoder.embed_tokens.weight": embedding if shared else torch.ones(7, 4),
        FC1: torch.ones(10, 12),
        FC2: torch.ones(4, 5),
        "encoder.layers.0.fc1.bias": torch.ones(5),
        "decoder.output_projection.weight": embedding if shared else torch.ones(7, 4),
    }


def mask(key: str, removed: int) -> Mask:
    """A mask of both matrices that removes the first weights of the first."""
    first = torch.ones(120, dtype=torch.bool)
    first[:removed] = False
    both = {FC1: first.reshape(10, 12), FC2: torch.ones(4, 5, dtype=torch.bool)}
    return Mask.from_tensors(key, both, Provenance("random", None))


MASKS = MaskSet([mask("de-en", 50), mask("en-de", 70)])


def save(path, shared: bool = False, masks: MaskSet | None = None):
    state = {
        "model": model(shared),
        "cfg": {"model": {"share_all_embeddings": shared}},
        "last_optimizer_state": {"exp_avg": torch.zeros(500)},
    }
    if masks is not None:
        state["task_state"] = {"masks": to_state(masks)}
    torch.save(state, path)
    return path


def test_parameters_are_counted_once_and_buffers_not(tmp_path):
    apart = cost_of("apart", save(tmp_path / "apart.pt"))
    assert apart.parameters == 120 + 20 + 5 + 3 * 28
    assert apart.weight_bytes == 4 * apart.parameters
    assert (apart.kept, apart.maskable, apart.mask_bytes) == ({}, 0, 0)
    assert apart.mask_bits is None
    shared = cost_of("shared", save(tmp_path / "shared.pt", shared=True))
    assert shared.parameters == 120 + 20 + 5 + 28


def test_carried_masks_are_counted_apart_from_the_checkpoint(tmp_path):
    path = save(tmp_path / "joint.pt", shared=True, masks=MASKS)
    cost = cost_of("joint", path)
    assert cost.maskable == 140
    assert cost.kept == {"de-en": 173 - 50, "en-de": 173 - 70}
    assert cost.mask_bytes == 2 * (120 // 8 + 3)  # 20 bits are 3 bytes
    assert cost.carried and cost.file_bytes == path.stat().st_size
    assert cost.checkpoint_bytes == cost.file_bytes - 36
    assert cost.mask_bits == 8 * 36 / 280


def test_mask_files_are_counted_as_they_lie_on_disk(tmp_path):
    path = save(tmp_path / "base.pt")
    save_masks(tmp_path / "masks", MASKS)
    cost = cost_of("base", path, str(tmp_path / "masks"))
    sizes = [file.stat().st_size for file in (tmp_path / "masks").iterdir()]
    assert cost.mask_bytes == sum(sizes) and not cost.carried
    assert cost.checkpoint_bytes == path.stat().st_size
    files = ",".join(str(file) for file in sorted((tmp_path / "masks").iterdir()))
    assert cost_of("base", path, files).mask_bytes == sum(sizes)
    joint = save(tmp_path / "joint.pt", masks=MASKS)
    assert cost_of("base", path, str(joint)).mask_bytes == 36


def test_gates_for_any_sparsity_are_counted_at_the_one_that_is_given(tmp_path):
    model = transformer()
    parameters = dict(model.named_parameters())
    components = find_components(model, ("heads", "units"))
    importance = components.split(torch.rand(components.total))
    found = slopes_of(components, importance, TENTHS, HardConcrete())
    rows = {"offset": found.offsets, "slope": found.slopes, "size": found.sizes}
    base = base_of(components, parameters)
    sets = GateSets("dynamic", components, {"de-en": rows}, base, grid=TENTHS)
    state = {"model": model.state_dict(), "task_state": Gates(sets, False).to_state()}
    torch.save({**state, "cfg": {}}, tmp_path / "any.pt")
    system = System("any", tmp_path / "any.pt", sparsity=0.5)
    units = model.encoder.embed_tokens.embedding_dim
    removed, _ = removed_parameters(components, sets.values("de-en", 0.5), 0, units)
    cost = cost_of_system(system)
    assert removed and cost.kept == {"de-en": cost.parameters - removed}
    with pytest.raises(LassError, match="say which one with --sparsity"):
        cost_of_system(replace(system, sparsity=None))


def test_a_score_of_another_checkpoint_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report_file.write(report_of(base={"en-de": 5.0}, joint={"en-de": 7.0}), tmp_path)
    words = ["--system", f"base={tmp_path / 'base.pt'}", "--system", "joint=new.pt"]
    settings = parse_words(CostTableSettings, [*words, "--scores", tmp_path])
    scores, notes = _scores(settings)
    assert scores == {"base": ("BLEU", 5.0), "joint": ("BLEU", 7.0)}
    told = "the score of joint is of joint.pt, its parameters and disk of new.pt"
    assert notes == [
        "BLEU: mean of en-de",
        "BLEU of base: checkpoint base.pt, no mask (dense)",
        "BLEU of joint: checkpoint joint.pt, mask masks",
        told,
    ]


def test_half_precision_takes_half(tmp_path):
    state = {"model": {FC1: torch.ones(10, 12).half()}, "cfg": {}}
    torch.save(state, tmp_path / "half.pt")
    assert cost_of("half", tmp_path / "half.pt").weight_bytes == 240


def test_masks_of_another_model_are_refused(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"model": {FC1: torch.ones(10, 12)}, "cfg": {}}, path)
    save_masks(tmp_path / "masks", MASKS)
    with pytest.raises(
        LassError, match=f"covers {FC2}, which .*other.pt does not have"
    ):
        cost_of("other", path, str(tmp_path / "masks"))
    with pytest.raises(LassError, match="there is no file"):
        cost_of("none", tmp_path / "none.pt")


COST = Cost(
    *("joint", "joint.pt", 78_000_000, 31_457_280),
    {"de-en": 78_000_000 - 31_457_280 // 2, "en-de": 78_000_000},
    *(312_000_000, 7_864_320, 320_000_000, True),
)
DENSE = Cost("base", "base.pt", 1_234_567, 0, {}, 4_938_268, 0, 2**20, False)


def test_the_table_of_sizes_rounds_as_the_paper_does():
    table = size_table([DENSE, COST], {"joint": ("BLEU", 28.804)})
    # 312,000,000 bytes are the 298M of He 2023, Table 12
    assert table.rows == (
        ("base", "–", "1.23M", "1.23M", "1.23M", "1.00", "4.71", "–", "–"),
        *[
            ("joint", "28.80", "78.0M", "62.3M–78.0M", "78.0M", "298", "298", "7.50")
            + ("1.000",)
        ],
    )
    assert table.records[1]["checkpoint_bytes"] == 320_000_000 - 7_864_320
    assert table.records[1]["score"] == 28.804
    assert size_table([DENSE]).header[1] == "a pair"


def test_the_table_of_pairs_has_the_share_of_the_maskable():
    (table,) = pair_table([DENSE, COST])
    assert table.header == ("pair", "joint")
    assert table.rows == (("de-en", "62.3M (50.0 %)"), ("en-de", "78.0M (100.0 %)"))
    assert table.records[0]["share_kept"] == 0.5
    assert pair_table([DENSE]) == []


def test_mean_and_deviation_over_runs_are_hand_worked():
    speed = Throughput((58.0, 60.0, 65.0), 700, 30)
    assert speed.mean == 61.0
    assert speed.deviation == 13**0.5  # (9 + 1 + 16) / 2
    assert Throughput((58.0,), 700, 30).deviation is None


def test_the_table_of_speed_has_a_column_a_device():
    runs = Throughput((58.0, 60.0, 65.0), 700, 30)
    once = Throughput((240.0,), 700, 30)
    table = speed_table(
        {"CPU": {"base": runs}, "GPU": {"base": once}},
        {"CPU": "a chip", "GPU": "a card"},
    )
    assert table.header == ("system", "CPU", "GPU")
    assert table.rows == (("base", "61.00 ± 3.61", "240.00"),)
    assert "over 3 runs of 30 sentences" in table.notes[0]
    assert table.notes[1:] == ("CPU: a chip", "GPU: a card")
    assert table.records[0]["each_run"] == "58.0000 60.0000 65.0000"


def test_a_model_is_timed_in_turns(monkeypatch):
    from lass_plugin.evaluation import throughput

    order, threads = [], torch.get_num_threads()

    class Sentences:
        number = 4

        def __init__(self, ready, split, decoding):
            self.name = ready

        def translate(self):
            order.append((self.name, torch.get_num_threads()))
            return 10, 2.0 if self.name == "a" else 0.5

    monkeypatch.setattr(throughput, "_Sentences", Sentences)
    found = throughput.measure({"a": "a", "b": "b"}, "test", SimpleNamespace(), runs=3)
    assert [name for name, _ in order] == ["a", "b", "b", "a", "a", "b"]
    assert {number for _, number in order} == {1}
    assert torch.get_num_threads() == threads
    assert found["a"] == Throughput((5.0,) * 3, 10, 4) and found["b"].mean == 20
