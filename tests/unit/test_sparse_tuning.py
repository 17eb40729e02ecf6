"""Sparse differences: positions on disk, which weights, and what does not fit."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from changed_parts import changed
from conftest import load
from fairseq import tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import load_model, training_config, translation_task
from sparse_models import SIDES, TASK, random_masks, sparse_run

from lass_plugin.cli.main import main as lass
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, sides_of
from lass_plugin.masks import Mask, MaskSet, save_masks
from lass_plugin.masks.mask import Provenance
from lass_plugin.masks.neurons import neuron_mask
from lass_plugin.methods.sparse_tuning.positions import decode, encode
from lass_plugin.methods.sparse_tuning.stored import Entry, added, check_keys
from lass_plugin.scores import SCORES, Score, change
from lass_plugin.selection import select_together

SITE = "encoder.layers.0.fc1.weight"


class TestSelection:
    def test_change_by_hand(self):
        after, before = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([1.5, -2.0, -0.5])
        assert change(after, before).tolist() == [0.5, 0.0, 1.0]
        assert SCORES.get("change").of_change is change

    def test_a_score_is_of_one_kind(self):
        with pytest.raises(ValueError, match="give of_weight, accumulate or of_change"):
            Score("both", of_weight=torch.abs, of_change=change)

    @settings(max_examples=60)
    @given(
        st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1),
        st.floats(0, 1, exclude_max=True),
    )
    def test_of_all_matrices_together_the_top_k_ties_by_index(self, rows, ratio):
        scores = {str(n): torch.tensor(row).float() for n, row in enumerate(rows)}
        found = torch.cat(list(select_together(scores, ratio).values())).tolist()
        flat = [value for row in rows for value in row]
        order = sorted(range(len(flat)), key=lambda index: (flat[index], index))
        removed = set(order[: round(ratio * len(flat))])
        assert found == [index not in removed for index in range(len(flat))]


def coded(kept: np.ndarray):
    positions = {"a": torch.from_numpy(np.flatnonzero(kept).astype(np.int32))}
    return positions, encode(positions, {"a": kept.size})


class TestPositions:
    @settings(max_examples=120)
    @given(st.lists(st.lists(st.booleans(), max_size=60), min_size=1, max_size=4))
    def test_they_are_decoded_as_they_were(self, rows):
        sites = {
            str(n): torch.tensor(row, dtype=torch.bool).nonzero().view(-1).int()
            for n, row in enumerate(rows)
        }
        units = {str(n): len(row) for n, row in enumerate(rows)}
        r, code = encode(sites, units)
        count = sum(each.numel() for each in sites.values())
        again = decode(r, code, count, units)
        assert again.keys() == sites.keys()
        assert all(torch.equal(again[site], sites[site]) for site in sites)
        assert code.numel() <= math.ceil(sum(units.values()) / 8) + 1

    @pytest.mark.parametrize("density", [0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9])
    def test_a_weight_takes_little_more_than_its_entropy(self, density):
        units = 400_000
        kept = np.random.default_rng(3).random(units) < density
        p = kept.mean()
        entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p)) / p
        _, (r, code) = coded(kept)
        bits = 8 * code.numel() / kept.sum()
        bound = min(1 + r + (1 / p - 1) / 2**r for r in range(40))
        assert bits <= bound + 16 / kept.sum()
        if density <= 0.5:
            assert bits < entropy + 0.15
        if density >= 0.5:  # with a value of 32 bits, 34
            assert 32 + bits <= 34 + 1e-2
        assert 16 + bits <= 34  # with one of 16, at any density

    def test_the_worst_positions_keep_the_bound(self):
        kept = np.zeros(10_000, dtype=bool)
        kept[-500:] = True  # one large gap and 499 of none
        _, (_, code) = coded(kept)
        assert 8 * code.numel() / 500 <= 1 + 4 + 19 / 16 + 0.1

    def test_damage_is_noticed(self):
        kept = np.random.default_rng(3).random(1000) < 0.1
        _, (r, code) = coded(kept)
        count, units = int(kept.sum()), {"a": 1000}
        for wrong in (
            (r, code, count + 1, units),
            (r, code[:-3], count, units),
            (r, code, count, {"a": 900}),
            (60, code, count, units),
            (r, code.float(), count, units),
            (r, code, 10**9, units),
        ):
            with pytest.raises(ValueError):
                decode(*wrong)


def entry_of(base, keys=SIDES, pairs=("de-en", "en-de"), density=0.1):
    masks = random_masks(base, keys, density)
    of = next(iter(masks.values())).base
    return Entry.of_masks(masks, [Pair.parse(pair) for pair in pairs], str(base), of)


class TestEntry:
    def test_parts_of_a_pair(self, base):
        entry = entry_of(base)
        assert sorted(entry.positions) == [*SIDES[:2], *SIDES[3:5]]  # nl is not trained
        assert entry.parts_of(Pair.parse("de-en")) == ("source@de", "target@en")
        with pytest.raises(LassError, match="no sparse difference of source@nl"):
            entry.parts_of(Pair.parse("nl-en"))
        pairs = entry_of(base, ("de-en", "en-de"))
        assert pairs.by_pair and pairs.parts_of(Pair.parse("en-de")) == ("en-de",)
        with pytest.raises(LassError, match="no sparse difference of nl-en"):
            pairs.parts_of(Pair.parse("nl-en"))

    def test_it_is_read_as_it_was_stored(self, base, tmp_path):
        entry = entry_of(base)
        torch.save(entry.to_state(), tmp_path / "state.pt")
        state = torch.load(tmp_path / "state.pt", weights_only=True)
        again = Entry.from_state(state, "it")
        assert again.digest() == entry.digest()
        assert again.made == entry.made and again.shapes == entry.shapes

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"version": 2}, "are of version 2; this release reads version 1"),
            ({"shapes": {}}, "fingerprint is of other matrices"),
            ({"fingerprint": {}}, "fingerprint is of other matrices"),
            ({"keys": {}}, "it has no key"),
            ({"keys": {"../x": {}}}, "it has the key"),
            ({"base": 3}, "base is 3"),
        ],
    )
    def test_a_damaged_one_is_refused(self, base, change, words):
        with pytest.raises(LassError, match=words):
            Entry.from_state({**entry_of(base).to_state(), **change}, "it.pt")

    def test_a_part_of_it_that_is_something_else(self):
        """It is refused in one sentence that names the file, or can be used."""
        positions = {"source@de": {SITE: torch.tensor([1, 5, 6], dtype=torch.int32)}}
        state = Entry("base.pt", {SITE: 0.5}, {SITE: (4, 4)}, positions).to_state()
        assert Entry.from_state(state, "it.pt").count("source@de") == 3
        for other in changed(state):
            try:
                found = Entry.from_state(other, "it.pt")
            except LassError as error:
                assert "it.pt" in error.message
            else:
                assert len(found.digest()) == 64 and found.to_state()

    def test_masks_of_other_keys_are_refused(self, base):
        mixed = random_masks(base, ("de-en", "source@de"))
        with pytest.raises(LassError, match="of pairs .de-en. and of languages"):
            check_keys(mixed)
        with pytest.raises(LassError, match="neither of a pair"):
            check_keys(random_masks(base, ("de",)))

    def test_a_mask_that_keeps_nothing_is_refused(self, base):
        with pytest.raises(LassError, match="keeps no weight"):
            entry_of(base, density=0.0)

    def test_sides(self):
        assert sides_of(Pair.parse("de-en")) == ("source@de", "target@en")

    def test_added_by_hand(self):
        weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        positions = torch.tensor([1, 2], dtype=torch.int32)
        found = added(weight, positions, torch.tensor([0.5, -3.0]))
        assert found.tolist() == [[1.0, 2.5], [0.0, 4.0]]
        assert weight.tolist() == [[1.0, 2.0], [3.0, 4.0]]


class TestRefusals:
    @pytest.fixture
    def masks(self, base, tmp_path):
        save_masks(tmp_path / "masks", random_masks(base))
        return tmp_path / "masks"

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            (("--base", ""), "--base is empty"),
            (("--base", "nowhere.pt"), "there is no base nowhere.pt"),
            (("--hold", "shared"), "--hold is for sub-networks|--hold"),
            (("--mixed-batches",), "--mixed-batches and sub-networks exclude"),
            (("--finetune-from-model", "x.pt"), "x.pt|is given with --base"),
            (("--lang-pairs", "de-en,fr-en"), "fr"),
            (("--ddp-backend", "fully_sharded"), "--ddp-backend fully_sharded"),
        ],
    )
    def test_options(self, data, base, masks, flags, words):
        given = ("--base", base, "--masks", masks, *flags)
        with pytest.raises(LassError, match=words):
            self.set_up(data, *given)

    def set_up(self, data, *flags):
        return tasks.setup_task(training_config(data, *TASK, *flags).task)

    def test_without_masks(self, data, base):
        with pytest.raises(LassError, match="give masks that say which weights"):
            self.set_up(data, "--base", base)

    def test_masks_of_neurons(self, data, base, tmp_path):
        own = {"encoder.layers.0.fc1": torch.ones(64, dtype=torch.bool)}
        masks = MaskSet([neuron_mask("de-en", own, Provenance("taylor", None))])
        save_masks(tmp_path, masks)
        with pytest.raises(LassError, match="are of neurons"):
            self.set_up(data, "--base", base, "--masks", tmp_path)

    def test_masks_of_another_base(self, data, base, tmp_path):
        masks = random_masks(base)
        other = {site: value + 1.0 for site, value in masks["source@de"].base.items()}
        save_masks(tmp_path, MaskSet(replace(m, base=other) for m in masks.values()))
        given = ("--base", base, "--masks", tmp_path)
        with pytest.raises(LassError, match="other weights"):
            self.set_up(data, *given)
        self.set_up(data, *given, "--allow-other-base")

    def test_a_backend_that_waits_for_every_gradient(self, data, base, masks):
        flags = (*TASK, "--base", base, "--masks", masks)
        config = training_config(data, *flags).task
        config.distributed_world_size = 8
        with pytest.raises(LassError, match="add --find-unused-parameters, or use"):
            tasks.setup_task(config)


@pytest.fixture(scope="module")
def files(data, base, tmp_path_factory):
    """Checkpoints of differences, of the pairs with German and of those with Dutch."""
    folder, made = tmp_path_factory.mktemp("differences"), []
    for number, pairs in enumerate(("de-en,en-de", "en-nl,nl-en")):
        keys = sorted({k for p in pairs.split(",") for k in sides_of(Pair.parse(p))})
        keys = [key for key in keys if number == 0 or "@en" not in key]
        masks = random_masks(base, SIDES, seed=number)
        place = folder / f"masks{number}"
        run = sparse_run(data, base, place, masks, "--lang-pairs", pairs)
        with torch.no_grad():
            for values in run.model.method.differences.values.values():
                values.normal_(
                    std=0.05, generator=torch.Generator().manual_seed(number)
                )
        path = folder / f"{number}.pt"
        run.trainer.consolidate_optimizer()
        run.trainer.save_checkpoint(str(path), {"train_iterator": {"epoch": 1}})
        made.append((path, keys))
    return made


class TestJoining:
    def test_differences_alone_and_what_they_take(self, files, tmp_path, capsys):
        path, keys = files[0]
        out = tmp_path / "half.pt"
        assert lass(["differences", str(path), "--out", str(out), "--half"]) == 0
        assert "bits a weight" in capsys.readouterr().out
        state = load(out)
        assert state["last_optimizer_state"] is None
        own, entry = (
            state["model"],
            Entry.from_state(state["task_state"]["sparse_tuning"], "it"),
        )
        for key in keys:
            values = own[f"sparse_differences.{key}"]
            stored = state["task_state"]["sparse_tuning"]["keys"][key]
            size = 16 * values.numel() + 8 * stored["positions"].numel()
            assert values.dtype == torch.float16
            assert size / values.numel() <= 34 and values.numel() == entry.count(key)

    def test_those_of_two_trainings_go_together(self, files, data, base, tmp_path):
        (first, keys), (second, others) = files
        given = [str(path) for path in (first, second)]
        only, out = tmp_path / "only.pt", tmp_path / "all.pt"
        assert lass(["differences", *given, "--out", str(out)]) == 1
        words = ["differences", given[1], "--keys", ",".join(others)]
        assert lass([*words, "--out", str(only)]) == 0
        assert lass(["differences", given[0], str(only), "--out", str(out)]) == 0
        state = load(out)["model"]
        for path, own in files:
            for key in own:
                name = f"sparse_differences.{key}"
                assert torch.equal(state[name], load(path)["model"][name])
        task = translation_task(data, "-s nl -t de --cpu")  # of one training each
        load_model(out, task).method.bake("nl-de")

    def test_what_does_not_go_together(self, files, tmp_path, capsys):
        path = files[0][0]
        words = ["differences", str(path), "--out", str(tmp_path / "x.pt")]
        for more, message in (
            ([str(path)], "both have a difference of source@de"),
            (["--keys", "source@fr"], "there is no difference of source@fr"),
        ):
            assert lass([words[0], words[1], *more, *words[2:]]) == 1
            assert message in capsys.readouterr().err.splitlines()[-1]
        state = load(path)
        entry = state["task_state"]["sparse_tuning"]
        entry["fingerprint"] = {site: v + 1 for site, v in entry["fingerprint"].items()}
        torch.save(state, tmp_path / "other.pt")
        other = str(tmp_path / "other.pt")
        assert lass([words[0], words[1], other, *words[2:]]) == 1
        assert "differences to other bases" in capsys.readouterr().err

    def test_a_checkpoint_of_something_else(self, base, tmp_path, capsys):
        words = ["differences", str(base), "--out", str(tmp_path / "x.pt")]
        assert lass(words) == 1
        assert "holds no sparse differences" in capsys.readouterr().err


def test_another_base_is_refused_where_it_is_translated(files, data, base, tmp_path):
    state = load(base)
    for name, weight in state["model"].items():
        if name.endswith("fc1.weight"):
            weight.copy_(torch.randn(weight.shape))
    torch.save(state, tmp_path / "other.pt")
    task = translation_task(data, f"-s de -t en --cpu --base {tmp_path / 'other.pt'}")
    with pytest.raises(LassError, match="were trained on another base than"):
        load_model(files[0][0], task)


def test_differences_are_no_base_and_no_masks(files, data, tmp_path):
    path = files[0][0]
    with pytest.raises(LassError, match="holds sparse differences and no base"):
        sparse_run(data, path, tmp_path, random_masks_of(path))


def random_masks_of(path):
    """Masks of a checkpoint that has no matrices: of any."""
    kept = {SITE: torch.ones(64, 32, dtype=torch.bool)}
    return MaskSet([Mask.from_tensors("de-en", kept, Provenance("change", None))])
