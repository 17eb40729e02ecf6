"""Gate sets on disk: one bit a component, read strictly, of one model only."""

import json

import pytest
import torch
from gated_models import roberta
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.methods.gates import sets as gate_sets
from lass_plugin.methods.gates.dynamic import TENTHS, slopes_of
from lass_plugin.methods.gates.gating import find_components
from lass_plugin.methods.gates.hard_concrete import HardConcrete
from lass_plugin.methods.gates.ranking import keep_most_important
from lass_plugin.methods.gates.sets import (
    GateSets,
    base_of,
    from_state,
    load_gates,
    save_gates,
)

MODEL = roberta(encoder_ffn_embed_dim=25)
COMPONENTS = find_components(MODEL, ("heads", "units", "ranks"))
BASE = base_of(COMPONENTS, dict(MODEL.named_parameters()))


def importance(seed):
    values = torch.rand(COMPONENTS.total, generator=torch.Generator().manual_seed(seed))
    return COMPONENTS.split(values)


def fixed(sparsity=0.5, keys=("de", "fr")):
    rows = {
        key: {
            "open": COMPONENTS.joined(
                keep_most_important(COMPONENTS, importance(number), sparsity)
            ).bool()
        }
        for number, key in enumerate(keys)
    }
    note = {"sparsity": sparsity}
    return GateSets("fixed", COMPONENTS, rows, BASE, note=note)


def learned():
    alpha = torch.linspace(-4, 4, COMPONENTS.total)
    return GateSets("learned", COMPONENTS, {"de": {"alpha": alpha}}, BASE)


def dynamic():
    found = slopes_of(COMPONENTS, importance(3), TENTHS, HardConcrete())
    rows = {"offset": found.offsets, "slope": found.slopes, "size": found.sizes}
    return GateSets("dynamic", COMPONENTS, {"shared": rows}, BASE, grid=TENTHS)


def same(first, second):
    assert first.kind == second.kind and first.components == second.components
    assert first.base == second.base and first.gate == second.gate
    assert first.grid == second.grid and first.note == second.note
    assert first.keys == second.keys
    for key in first.keys:
        for name, row in first.rows[key].items():
            assert torch.equal(row, second.rows[key][name])


@pytest.mark.parametrize("kind", ["heads", "units"])
def test_gates_may_stand_on_one_kind_of_component(kind, tmp_path):
    components = find_components(MODEL, (kind,))
    row = {"open": torch.arange(components.total) % 3 > 0}
    base = base_of(components, dict(MODEL.named_parameters()))
    sets = GateSets("fixed", components, {"de": row}, base)
    save_gates(tmp_path, sets)
    same(load_gates(tmp_path), sets)


@pytest.mark.parametrize("make", [fixed, learned, dynamic])
def test_what_is_written_is_read_and_the_bytes_are_the_same(make, tmp_path):
    sets = make()
    save_gates(tmp_path / "a", sets)
    same(load_gates(tmp_path / "a"), sets)
    save_gates(tmp_path / "b", load_gates(tmp_path / "a"))
    for name in (gate_sets.NAME, gate_sets.NUMBERS):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()
    same(from_state(sets.to_state()), sets)


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=70, max_size=70))
def test_any_bits_come_back(bits):
    row = torch.tensor(bits + [True] * (COMPONENTS.total - 70))
    sets = GateSets("fixed", COMPONENTS, {"de": {"open": row}}, BASE)
    assert torch.equal(from_state(sets.to_state()).rows["de"]["open"], row)


def test_a_language_takes_one_bit_a_component(tmp_path):
    sizes = []
    for count in (10, 110):
        keys = [f"l{number:03d}" for number in range(count)]
        save_gates(tmp_path / str(count), fixed(keys=keys))
        numbers = load_gates(tmp_path / str(count)).to_state()["numbers"]
        sizes.append(sum(row.numel() for row in numbers.values()))
    assert (sizes[1] - sizes[0]) / 100 == (COMPONENTS.total + 7) // 8


def test_gates_at_inference():
    sets = fixed()
    assert COMPONENTS.sparsity(sets.values("de")) == pytest.approx(0.5, abs=0.04)
    of_alpha = learned()
    gates = COMPONENTS.joined(of_alpha.values("de"))
    assert torch.equal(gates, HardConcrete().value(of_alpha.rows["de"]["alpha"]))
    assert bool(((gates > 0) & (gates < 1)).any())
    several = dynamic()
    for sparsity in (0.0, 0.3, 0.9):
        found = several.values("fr", sparsity)  # shared serves all
        assert COMPONENTS.sparsity(found) >= sparsity - 1e-9
    assert bool(COMPONENTS.joined(several.values("fr", 0.0)).eq(1).all())


def test_questions_that_gates_cannot_answer_are_refused():
    with pytest.raises(LassError, match="no gates of nl; there are de, fr"):
        fixed().values("nl")
    with pytest.raises(LassError, match="--sparsity has no effect"):
        fixed().values("de", 0.5)
    with pytest.raises(LassError, match="say which one with --sparsity"):
        dynamic().values("de")
    with pytest.raises(LassError, match="0.55 is none"):
        dynamic().values("de", 0.55)


def test_gates_of_another_model_are_refused():
    sets = fixed()
    sets.check_base(dict(MODEL.named_parameters()), "the model")
    half = {n: p.half() for n, p in MODEL.named_parameters()}
    sets.check_base(half, "the model in half precision")
    with pytest.raises(LassError, match="other weights than those of base.pt"):
        sets.check_base(
            dict(roberta(seed=9, encoder_ffn_embed_dim=25).named_parameters()),
            "base.pt",
        )


def test_damage_is_named(tmp_path):
    with pytest.raises(LassError, match="gates.json"):
        load_gates(tmp_path)
    save_gates(tmp_path / "a", fixed())
    save_gates(tmp_path / "b", fixed(sparsity=0.3))
    numbers = tmp_path / "a" / gate_sets.NUMBERS
    whole = numbers.read_bytes()
    numbers.write_bytes((tmp_path / "b" / gate_sets.NUMBERS).read_bytes())
    with pytest.raises(LassError, match="of other gates"):
        load_gates(tmp_path / "a")
    for damaged in (whole[:-3], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        numbers.write_bytes(damaged)
        with pytest.raises(LassError, match="gates"):
            load_gates(tmp_path / "a")
    numbers.write_bytes(whole)
    place = tmp_path / "a" / gate_sets.NAME
    record = json.loads(place.read_text())
    for name in ("kind", "sites", "widths", "keys", "base", "grid", "left", "numbers"):
        place.write_text(json.dumps({k: v for k, v in record.items() if k != name}))
        with pytest.raises(LassError, match=gate_sets.NAME):
            load_gates(tmp_path / "a")


def test_a_state_that_does_not_fit_together_is_refused():
    def changed(name, value):
        state = fixed().to_state()
        return {**state, "record": {**state["record"], name: value}}

    record = fixed().to_state()["record"]
    site = next(iter(record["sites"]))
    for state in (
        changed("kind", "other"),
        changed("kind", "learned"),
        changed("keys", ["de", "de"]),
        changed("keys", ["de", "nl"]),
        changed("widths", {}),
        changed("sites", {**record["sites"], site: 50}),
        changed("sites", {"encoder.layers.0.fc2": 3}),
        changed("base", {}),
        changed("grid", [0.0, 1.0]),
        changed("left", 0.5),
    ):
        with pytest.raises((ValueError, LookupError, TypeError)):
            from_state(state)
    stray = fixed().to_state()
    row = stray["numbers"]["de/open"].clone()
    assert COMPONENTS.total % 8
    row[-1] |= 128
    with pytest.raises(ValueError, match="stray"):
        from_state({**stray, "numbers": {**stray["numbers"], "de/open": row}})
