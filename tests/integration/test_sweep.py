"""``lass sweep``, ``lass allocate`` and ``lass settled`` on real, short searches."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT, load

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.experiments.sweeps import sources
from lass_plugin.experiments.sweeps.losses import ValidationLosses
from lass_plugin.experiments.sweeps.settings import SweepSettings
from lass_plugin.experiments.sweeps.weight_sweep import WeightSweep
from lass_plugin.experiments.sweeps.weight_variants import parse_kinds
from lass_plugin.masks import load_masks
from lass_plugin.masks.controls import matched_masks
from lass_plugin.masks.file import digest
from lass_plugin.methods.search.figures import LOSSES

SEARCHED = ("de-en", "en-nl")
UPDATES = 12


def search(commands, base: Path, folder: Path, *flags: object) -> Path:
    for key in SEARCHED:
        commands.train(
            *(folder / key, "--task", "translation_subnetwork_search"),
            *("--lang-pairs", key, "--finetune-from-model", base),
            *("--pruning-criterion", "gradient", "--pruning-ratio", 0.5),
            *("--max-update", UPDATES, "--report-interval", 2),
            *("--no-epoch-checkpoints", "--disable-validation", *flags),
        )
    return folder


@pytest.fixture(scope="module")
def oneshot(commands, base, tmp_path_factory) -> Path:
    return search(commands, base, tmp_path_factory.mktemp("oneshot"))


@pytest.fixture(scope="module")
def gradual(commands, base, tmp_path_factory) -> Path:
    flags = ("--pruning-schedule", "gradual", "--pruning-ramp", 6)
    return search(commands, base, tmp_path_factory.mktemp("gradual"), *flags)


def checkpoints(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("*/checkpoint_last.pt")))


@pytest.fixture
def settings(data, base, oneshot, tmp_path) -> SweepSettings:
    return SweepSettings(
        data=str(data),
        base=base,
        searches=checkpoints(oneshot),
        out=tmp_path / "sweep",
        ratios=(0.2, 0.8),
        cpu=True,
    )


# -- masks from stored scores ----------------------------------------------------


def test_masks_of_a_sweep_are_those_of_extract(settings, oneshot, tmp_path):
    kinds = parse_kinds("gradient-oneshot,magnitude-oneshot")
    sweep = WeightSweep(replace(settings, methods=tuple(kinds)))
    masks = sweep.cut_masks()
    for variant, made in masks.items():
        if variant.search is None:
            continue
        there = tmp_path / "extract" / variant.name
        words = ["extract", oneshot, "--ratio", variant.ratio, "--out", there]
        words += ["--criterion", variant.search.criterion]
        assert main(list(map(str, words))) == 0
        for key, mask in load_masks(there).items():
            assert all(mask.bits[n].equal(made[key].bits[n]) for n in mask.bits)
    assert all(sweep.exact.values())


def test_sub_layers_are_cut_from_the_same_scores(settings):
    sweep = WeightSweep(replace(settings, ratios=(0.5,), ablation=(0.5,)))
    masks = {v.name: m for v, m in sweep.cut_masks().items() if m is not None}
    whole = masks["gradient-oneshot-0.5"]
    parts = [masks[f"gradient-oneshot-0.5-{p}"] for p in ("attention", "feed-forward")]
    assert parts[0].shapes | parts[1].shapes == whole.shapes
    assert not parts[0].shapes.keys() & parts[1].shapes.keys()
    for part in parts:
        for name in part.shapes:
            for key in SEARCHED:
                assert part[key].bits[name].equal(whole[key].bits[name])


def test_masks_that_are_there_are_not_cut_again(settings, monkeypatch, tmp_path):
    first = WeightSweep(settings).cut_masks()
    again, read = [], sources.searched_scores
    monkeypatch.setattr(
        sources, "searched_scores", lambda *words: again.append(words) or read(*words)
    )
    assert WeightSweep(settings).cut_masks().keys() == first.keys()
    assert not again
    # of other searches they are, though these are of the same base and as long
    for path in settings.searches:
        shutil.copytree(path.parent, tmp_path / "others" / path.parent.name)
    others = checkpoints(tmp_path / "others")
    WeightSweep(replace(settings, searches=others)).cut_masks()
    assert {found.path for found, *_ in again} == set(others)


def test_a_sweep_of_other_data_is_refused(settings, data, base, tmp_path, capsys):
    """The same folder, prepared again: its numbers would be those of the old one."""
    other = tmp_path / "data"
    shutil.copytree(data, other)
    words = ["sweep", other, "--base", base, "--searches", *settings.searches]
    words += ["--out", settings.out, "--ratios", "0.5", "--losses-only", "--cpu"]
    words = list(map(str, words))
    assert main(words) == 0
    before = (settings.out / "losses.json").read_bytes()
    for path in other.glob("test.en-de.*"):
        shutil.copy(path, other / path.name.replace("test", "valid"))
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "the sweep in" in said and "another valid.en-de" in said
    assert (settings.out / "losses.json").read_bytes() == before


def test_a_gradual_search_gives_exact_masks_at_its_own_ratio_only(settings, gradual):
    found = replace(settings, searches=checkpoints(gradual))
    with pytest.raises(LassError, match="gradual-0.2 needs .* --recut") as error:
        WeightSweep(found)
    assert "trained under ratio 0.5" in error.value.message
    sweep = WeightSweep(replace(found, ratios=(0.5,)))
    assert list(sweep.exact.values()) == [True]
    sweep = WeightSweep(replace(found, ratios=(0.5, 0.8), recut=True))
    assert list(sweep.exact.values()) == [True, False]
    with pytest.raises(LassError, match="own-0.5 would cut .* --recut"):
        WeightSweep(replace(found, ratios=(0.5,), own_ratios=(0.5,)))
    with pytest.raises(LassError, match="0.5 in attention, but the gradual search"):
        WeightSweep(replace(found, ratios=(0.5,), ablation=(0.5,)))


def test_searches_of_both_schedules_are_methods_of_their_own(
    settings, oneshot, gradual
):
    both = (*checkpoints(oneshot), *checkpoints(gradual))
    sweep = WeightSweep(replace(settings, searches=both, ratios=(0.5,)))
    assert [v.name for v in sweep.variants] == [
        *("dense", "gradient-oneshot-0.5", "gradient-gradual-0.5")
    ]
    twice = (*checkpoints(oneshot), *checkpoints(oneshot))
    with pytest.raises(LassError, match="both hold a search of de-en"):
        WeightSweep(replace(settings, searches=twice))


def test_searches_of_several_lengths_are_methods_of_their_own(
    settings, oneshot, commands, base, tmp_path
):
    longer = search(commands, base, tmp_path, "--max-update", UPDATES + 4)
    both = (*checkpoints(oneshot), *checkpoints(longer))
    asked = replace(settings, searches=both, ratios=(0.5,))
    sweep = WeightSweep(asked)
    names = [f"gradient-oneshot-{length}-0.5" for length in (UPDATES, UPDATES + 4)]
    assert [variant.name for variant in sweep.variants] == ["dense", *names]
    masks = {variant.name: found for variant, found in sweep.cut_masks().items()}
    assert masks.pop("dense") is None
    for name, folder in zip(names, (oneshot, longer), strict=True):
        alone = replace(settings, searches=checkpoints(folder), ratios=(0.5,))
        alone = replace(alone, out=tmp_path / name)
        expected, _ = WeightSweep(alone).cut_masks().values()
        assert digest(masks[name]) == digest(expected)
    assert digest(masks[names[0]]) != digest(masks[names[1]])
    # a score of weights alone has their lengths, too; without one it is not told which
    for kind, length in (("magnitude-oneshot-16", 16), ("gradient-oneshot-12", 12)):
        (one,) = parse_kinds(kind)
        sweep = WeightSweep(replace(asked, methods=(one,), out=tmp_path / kind))
        variant = sweep.variants[1]
        assert variant.name == f"{kind}-0.5"
        assert sweep.sources.find("de-en", variant, 0.5).updates == length
    with pytest.raises(
        LassError, match=r"both hold .* gradient-oneshot-separate-12 or"
    ):
        methods = tuple(parse_kinds("gradient-oneshot"))
        WeightSweep(replace(asked, methods=methods))
    with pytest.raises(
        LassError, match="needs a search of de-en by gradient-oneshot-9"
    ):
        methods = tuple(parse_kinds("gradient-oneshot-9"))
        WeightSweep(replace(asked, methods=methods))


# -- losses ----------------------------------------------------------------------


def test_the_loss_is_that_of_fairseq_validate(commands, data, base, masks):
    pairs = ["de-en", "en-nl"]
    losses = ValidationLosses(base, data, pairs, cpu=True)
    dense = dict(losses.of(None))
    masked = dict(losses.of(load_masks(masks).only(pairs)))
    assert dict(losses.of(None)) == dense  # the weights are what they were
    for found, more in ((dense, ["--dense"]), (masked, ["--inference-masks", masks])):
        for key in pairs:
            source, target = key.split("-")
            result = commands.run(
                *("validate", data, "--user-dir", ROOT / "lass_plugin", "--cpu"),
                *("--task", "translation_subnetwork", "--lang-pairs", key),
                *("--encoder-langtok", "src", "--decoder-langtok"),
                *("--criterion", "label_smoothed_cross_entropy"),
                *("--path", base, "--valid-subset", "valid", "--num-workers", 0),
                *("--max-tokens", 500, "--log-format", "simple", *more),
            )
            said = result.stdout + result.stderr
            told = float(said.split(f"loss_{key} ")[1].split()[0])
            assert found[key] == pytest.approx(told, abs=0.0006)


def test_losses_only(settings, data, base, oneshot, capsys):
    words = ["sweep", data, "--base", base, "--searches", oneshot, "--cpu"]
    words += ["--out", settings.out, "--ratios", "0.2,0.5,0.8", "--losses-only"]
    words += ["--random", "0.5", "--own-ratios", "0.5"]
    assert main(list(map(str, words))) == 0
    said = capsys.readouterr()
    assert "before any joint training" in said.out
    record = json.loads((settings.out / "sweep.json").read_text())
    rows = {row["name"]: row for row in record["variants"]}
    assert list(rows) == [
        *("dense", "gradient-oneshot-0.2", "gradient-oneshot-0.5"),
        *("gradient-oneshot-0.8", "gradient-oneshot-own-0.5", "random-0.5"),
    ]
    own = rows["gradient-oneshot-own-0.5"]
    assert sum(own["ratios"].values()) / 2 == pytest.approx(0.5)
    assert not any(row["scores"] for row in rows.values())
    for suffix in ("csv", "md", "loss.png", "loss.svg"):
        assert (settings.out / f"sweep.{suffix}").stat().st_size > 100
    assert not (settings.out / "sweep.png").exists()
    with open(settings.out / "sweep.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    one = next(
        line
        for line in lines
        if (line["variant"], line["pairs"]) == ("random-0.5", "de-en")
    )
    loss = rows["random-0.5"]["losses"]["de-en"]
    assert float(one["loss_before_joint_training"]) == pytest.approx(loss, abs=1e-5)
    # all that was measured is kept
    before = (settings.out / "losses.json").stat().st_mtime_ns
    assert main(list(map(str, words))) == 0
    assert (settings.out / "losses.json").stat().st_mtime_ns == before


def test_controls_stand_beside_the_masks_that_they_are_of(settings, base, capsys):
    methods = parse_kinds("gradient-oneshot,magnitude-oneshot")
    controls = ("overlap", "profile", "profile+overlap")
    asked = replace(settings, ratios=(0.4,), methods=tuple(methods), controls=controls)
    record = WeightSweep(replace(asked, losses_only=True)).run()
    rows = {row["name"]: row for row in record["variants"]}
    assert len(rows) == 9
    weights = Checkpoint.read(base).weights
    found = load_masks(settings.out / "masks" / "gradient-oneshot-0.4")
    sites = {name: weights[name] for name in found.shapes}
    for what in controls:
        name = f"gradient-oneshot-0.4-control-{what}"
        made = load_masks(settings.out / "masks" / name)
        expected = matched_masks(found, 1, what.split("+"), sites)
        assert digest(made) == digest(expected) != digest(found)
        row = rows[name]
        assert row["match"] == what.split("+")
        assert row["kept"] == rows["gradient-oneshot-0.4"]["kept"]
        assert row["losses"] != rows["gradient-oneshot-0.4"]["losses"]
    assert "Random masks have seed 1." in record["notes"]
    text = (settings.out / "sweep.md").read_text()
    assert "gradient-oneshot-0.4-control-profile+overlap | control" in text


# -- each pair its own ratio -----------------------------------------------------


def test_allocate_writes_a_mask_set_under_the_budget(
    data, base, oneshot, tmp_path, capsys
):
    out = tmp_path / "own"
    words = ["allocate", data, "--base", base, "--searches", oneshot, "--cpu"]
    words += ["--out", out, "--budget", "0.45", "--ratios", "0.1:0.9:0.2"]
    assert main(list(map(str, words))) == 0
    record = json.loads((out / "allocation.json").read_text())
    masks = load_masks(out / "masks")
    assert list(masks) == list(SEARCHED) == list(record["pairs"])
    ratios = [record["pairs"][key]["ratio"] for key in SEARCHED]
    assert sum(ratios) / 2 == pytest.approx(0.45) == record["mean_ratio"]
    for key, mask in masks.items():
        assert mask.provenance.ratio == record["pairs"][key]["ratio"]
        removed = 1 - mask.kept() / mask.units
        assert removed == pytest.approx(mask.provenance.ratio, abs=0.001)
    for suffix in (".csv", ".png", ".svg"):
        assert (out / "allocation").with_suffix(suffix).stat().st_size > 50
    assert "mean" in capsys.readouterr().out


# -- what is wrong is said before anything is trained ----------------------------


@pytest.mark.parametrize(
    "words, message",
    [
        (["--updates", "0"], "--updates must be 1 or more"),
        (["--updates", "5", "--ratios", "0.1,1.5"], "--ratios 1.5 is outside"),
        (["--updates", "5", "--ratios", "half"], "--ratios half is no list of ratios"),
        (["--updates", "5", "--ratios", "0.5,0.5"], "names 0.5 twice"),
        (["--updates", "5", "--methods", "taste-oneshot"], "unknown method 'taste-"),
        (
            ["--updates", "5", "--methods", "gradient-gradual"],
            "needs a search of de-en",
        ),
        (["--updates", "5", "--pairs", "de-en,nl-en"], "nl-en .*none of this pair"),
        (["--updates", "5", "--", "--lr", "fast"], "argument --lr"),
        (["--updates", "5", "--", "--masks", "x"], "--masks cannot be passed on"),
        (["--losses-only", "--", "--lr", "1"], "no effect with --losses-only"),
        (["--losses-only", "--jobs", "2"], "--jobs has no effect with --losses-only"),
        (["--losses-only", "--seed", "2"], "--seed has no effect without --random or"),
        (["--losses-only", "--controls", "size"], "--controls size is unknown; choose"),
        (["--losses-only", "--controls", "profile,profile"], "names profile twice"),
        (["--losses-only", "--own-ratios", "0.95"], "own-ratios 0.95 is outside"),
    ],
)
def test_bad_input_is_one_sentence(
    data, base, oneshot, tmp_path, capsys, words, message
):
    import re

    start = ["sweep", data, "--base", base, "--searches", oneshot, "--cpu"]
    start += ["--out", tmp_path / "out"]
    assert main([*map(str, start), *words]) == 1
    said = capsys.readouterr().err
    assert re.search(message, said.splitlines()[-1]), said
    assert not (tmp_path / "out" / "joint").exists()


def test_searches_on_another_base_are_refused(settings, base, tmp_path):
    state = load(base)
    generator = torch.Generator().manual_seed(1)
    for tensor in state["model"].values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(LassError, match="begun from another base"):
        WeightSweep(replace(settings, base=tmp_path / "other.pt"))


def test_a_gradual_search_that_is_not_finished_is_refused(settings, gradual, tmp_path):
    path = checkpoints(gradual)[0]
    state = load(path)
    state["extra_state"]["train_iterator"]["subnetwork"]["updates"] = 3
    torch.save(state, tmp_path / "half.pt")
    with pytest.raises(LassError, match="stopped after 3 of the 6 updates"):
        WeightSweep(replace(settings, searches=(tmp_path / "half.pt",)))


# -- settled ---------------------------------------------------------------------


def test_settled_shows_how_agreement_grew(oneshot, gradual, tmp_path, capsys):
    out = tmp_path / "report"
    words = ["settled", oneshot, gradual, "--out", out, "--stop-when-settled", "0.001"]
    assert main(list(map(str, words))) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["search", "ratio", "updates"]
    assert head.split()[3:10] == [*LOSSES, "churn"]
    assert rows[0].startswith("de-en gradient oneshot")
    record = json.loads((out / "settled.json").read_text())
    assert len(record["searches"]) == 4
    for found in record["searches"]:
        assert [entry["updates"] for entry in found["history"]] == [2, 4, 6, 8, 10, 12]
        last = found["history"][-1]
        assert last["agreement"] == pytest.approx((last["halves"] - 0.5) / 0.5)
        assert last["growth"] == pytest.approx(
            last["agreement"] - found["history"][2]["agreement"]
        )
        assert last["churn"] == pytest.approx(1 - last["since_halfway"])
        assert last["losses"].keys() == LOSSES.keys() and last["batches"] >= 1
        assert f"{last['losses']['mask']:.3f}" in "".join(rows)
        early = 6 if found["schedule"] == "gradual" else 2
        assert found["would_stop_at"] is None or found["would_stop_at"] >= early
    for suffix in (".csv", ".png", ".svg"):
        assert (out / "settled").with_suffix(suffix).stat().st_size > 100
    table = (out / "settled.csv").read_text().splitlines()[0]
    assert table.endswith(",".join(f"loss_{name}" for name in LOSSES))


def test_a_search_without_a_record_shows_its_end(oneshot, tmp_path, capsys):
    state = load(checkpoints(oneshot)[0])
    run = state["extra_state"]["train_iterator"]["subnetwork"]
    del run["history"], run["stopped"]
    torch.save(state, tmp_path / "old.pt")
    assert main(["settled", str(tmp_path / "old.pt")]) == 0
    assert "de-en gradient oneshot" in capsys.readouterr().out
    run["history"] = [{"updates": "many"}]
    torch.save(state, tmp_path / "damaged.pt")
    assert main(["settled", str(tmp_path / "damaged.pt")]) == 1
    assert "damaged record" in capsys.readouterr().err


# -- the whole -------------------------------------------------------------------


@pytest.mark.slow
def test_a_sweep_trains_scores_and_draws(settings, data, base, oneshot, capsys):
    words = ["sweep", data, "--base", base, "--searches", oneshot, "--cpu"]
    words += ["--out", settings.out, "--ratios", "0.5", "--random", "0.5"]
    words += ["--updates", "4", "--jobs", "1", "--beam", "1", "--limit", "5"]
    words += ["--", "--max-tokens", "120"]
    assert main(list(map(str, words))) == 0
    said = capsys.readouterr()
    assert "| gradient-oneshot-0.5 | ratio | 0.5 |" in said.out
    assert "0/3 joint trainings" in said.err or "(1 of 3)" in said.err
    record = json.loads((settings.out / "sweep.json").read_text())
    for row in record["variants"]:
        assert row["scores"].keys() == set(SEARCHED)
    for suffix in ("csv", "md", "png", "svg"):
        assert (settings.out / f"sweep.{suffix}").stat().st_size > 100
    joint = settings.out / "joint"
    carried = load(joint / "gradient-oneshot-0.5" / "checkpoint_last.pt")
    assert carried["task_state"]["masks"]["masks"].keys() == set(SEARCHED)
    assert [p.name for p in (joint / "dense").glob("*.pt")] == ["checkpoint_last.pt"]

    # the same again trains and translates nothing
    stamps = {p: p.stat().st_mtime_ns for p in joint.rglob("*.pt")}
    scores = settings.out / "scores" / "scores.json"
    before = scores.stat().st_mtime_ns
    assert main(list(map(str, words))) == 0
    assert "3 of 3 joint trainings finished before" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in joint.rglob("*.pt")} == stamps
    assert scores.stat().st_mtime_ns == before

    # other options in the same folder are refused, a foreign folder too
    other = [w if w != "4" else "5" for w in map(str, words)]
    assert main(other) == 1
    assert "begun with --updates 4, not 5" in capsys.readouterr().err
    shutil.copytree(joint / "dense", joint / "gradient-oneshot-0.3")
    (joint / "gradient-oneshot-0.3" / "stage.json").unlink()
    more = [w if w != "0.5" else "0.3" for w in map(str, words)]
    assert main(more) == 1
    assert "did not make" in capsys.readouterr().err


@pytest.mark.slow
def test_the_loss_after_joint_training_is_that_of_the_best_checkpoint(
    settings, data, base, oneshot, capsys
):
    words = ["sweep", data, "--base", base, "--searches", oneshot, "--cpu"]
    words += ["--out", settings.out, "--ratios", "0.5", "--checkpoint", "best"]
    words += ["--updates", "6", "--jobs", "1", "--beam", "1", "--limit", "5"]
    words += ["--", "--max-tokens", "120", "--validate-interval-updates", "2"]
    assert main(list(map(str, words))) == 0
    assert "lowest loss after joint training: gradient-oneshot 0.5." in (
        capsys.readouterr().out
    )
    record = json.loads((settings.out / "sweep.json").read_text())
    for row in record["variants"]:
        log = (settings.out / "joint" / row["name"] / "train.log").read_text()
        losses = map(float, re.findall(r'"valid_pair_loss": "([\d.]+)"', log))
        assert row["loss_after"] == pytest.approx(min(losses), abs=2e-3)
