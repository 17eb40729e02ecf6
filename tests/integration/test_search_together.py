"""Pairs searched in one training: by fairseq's commands and by ``lass search``."""

import re
import sys
from pathlib import Path
from signal import SIGKILL

import pytest
import torch
from conftest import ROOT, load
from runs import Run, same_bits, train_by_two

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.experiments.searches.run import run_searches, search_commands
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import load_masks

KEYS = "de-en,en-nl"
SEARCH = (
    *("--task", "translation_subnetwork_search", "--lang-pairs", KEYS),
    *("--pruning-criterion", "gradient", "--pruning-schedule", "gradual"),
    *("--pruning-ratio", 0.5, "--pruning-start", 1, "--pruning-ramp", 3),
    *("--pruning-interval", 2, "--report-interval", 7, "--no-epoch-checkpoints"),
)


def searches(folder: Path) -> dict:
    state = load(folder / "checkpoint_last.pt")
    return state["extra_state"]["train_iterator"]["subnetwork"]


def same(first, second) -> bool:
    """Equality of states, tensors bit for bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            same(first[key], second[key]) for key in first
        )
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return same_bits(first, second) if torch.is_tensor(first) else first == second


def test_a_killed_search_of_two_pairs_ends_with_the_same_bytes(
    commands, base, tmp_path
):
    """Law 12, with two batches an update, over the end of an epoch."""
    flags = (*SEARCH, "--finetune-from-model", base, "--max-update", 22)
    flags += ("--update-freq", 2, "--save-interval-updates", 4)
    flags += ("--keep-interval-updates", 1)
    for death in (6, 18):
        dead = commands.train(
            *(tmp_path / "a", *flags), prepare=("die_at_update", death), check=False
        )
        assert dead.returncode == -SIGKILL, dead.stderr[-2000:]
    commands.train(tmp_path / "a", *flags)
    told = commands.train(tmp_path / "b", *flags).stdout
    killed, whole = (load(tmp_path / name / "checkpoint_last.pt") for name in "ab")
    assert whole["extra_state"]["train_iterator"]["epoch"] > 1
    assert same(killed["model"], whole["model"])
    assert same(killed["last_optimizer_state"], whole["last_optimizer_state"])
    states = searches(tmp_path / "b")
    assert same(searches(tmp_path / "a"), states)
    own = {key: one["updates"] for key, one in states["searches"].items()}
    assert sum(own.values()) == 22 and min(own.values()) >= 4
    assert all(
        one["bits"] and all(one["halves"]) for one in states["searches"].values()
    )
    for key in own:
        assert f"search of {key} after" in told
    other = commands.train(
        *(tmp_path / "a", *flags, "--max-update", 30, "--lang-pairs", "de-en"),
        check=False,
    )
    assert other.returncode == 1
    assert "one training of de-en, en-nl together" in other.told


def test_scores_in_the_hosts_memory_give_the_same_bytes(commands, base, tmp_path):
    """Killed and gone on with, with room for one sum on the device."""
    flags = (*SEARCH, "--finetune-from-model", base, "--max-update", 14)
    flags += ("--save-interval-updates", 3, "--keep-interval-updates", 1)
    flags += ("--disable-validation",)
    few = "die_at_update_with_few_scores"
    dead = commands.train(*(tmp_path / "a", *flags), prepare=(few, 7, 1), check=False)
    assert dead.returncode == -SIGKILL, dead.stderr[-2000:]
    told = commands.train(tmp_path / "a", *flags, prepare=(few, 0, 1)).stdout
    commands.train(tmp_path / "b", *flags)
    killed, whole = (load(tmp_path / name / "checkpoint_last.pt") for name in "ab")
    assert same(killed["model"], whole["model"])
    assert same(killed["last_optimizer_state"], whole["last_optimizer_state"])
    assert same(searches(tmp_path / "a"), searches(tmp_path / "b"))
    copies = re.findall(r"scores of (\d+) updates: (\d+) copies to the device", told)
    assert copies and all(int(made) <= int(updates) for updates, made in copies)
    assert int(copies[-1][0]) == 14 - 6  # since the checkpoint that it went on from


@pytest.mark.slow
def test_two_processes_search_as_one_that_accumulates(processes, data, tmp_path):
    flags = (*SEARCH, "--dropout", 0, "--clip-norm", 0.5, "--max-update", 14)
    train_by_two(processes, tmp_path, *flags, "--disable-validation")
    stored = searches(tmp_path)["searches"]
    run = Run(data, *flags, "--update-freq", 2)
    reader = run.trainer.get_train_iterator(epoch=1, load_dataset=False)
    updates = 0
    while updates < 14:  # over the end of an epoch
        batches = reader.next_epoch_itr(shuffle=True)
        while batches.has_next() and updates < 14:
            run.update(next(batches), next(batches))
            updates += 1
    for key, search in run.task.method.searches.items():
        assert stored[key]["updates"] == search.updates > 0
        for half in (0, 1):
            for name, score in search.scores(half).items():
                torch.testing.assert_close(
                    stored[key]["halves"][half][name],
                    score,
                    rtol=1e-3,
                    atol=1e-4 * max(float(score.abs().max()), 1e-9),
                )


# -- lass search --together ------------------------------------------------------------


def settings(data: Path, base: Path, out: Path, **changes) -> SearchSettings:
    values = {
        "data": str(data),
        "base": base,
        "out": out,
        "pairs": tuple(parse_pairs(KEYS)),
        "updates": 20,
        "start": 0,
        "ramp": 4,
        "interval": 2,
        "cpu": True,
        "together": True,
    }
    return SearchSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def searched(commands, data, base, tmp_path_factory):
    """The folder of one search of two pairs, and what the command said."""
    out = tmp_path_factory.mktemp("together") / "out"
    words = ["search", data, "--base", base, "--out", out, "--pairs", KEYS]
    words += ["--updates", 20, "--start", 0, "--ramp", 4, "--interval", 2]
    return out, commands.run("lass", *words, "--together", "--cpu")


def test_one_training_gives_every_pair_its_mask(searched):
    out, result = searched
    masks = load_masks(out / "masks")
    assert list(masks) == ["de-en", "en-nl"]
    rows = [row.split()[:2] for row in result.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["de-en", "en-nl"]
    assert sum(int(row[1]) for row in rows) == 20
    for mask, row in zip(masks.values(), rows, strict=True):
        assert mask.provenance.updates == int(row[1])
        assert mask.kept() / mask.units == pytest.approx(0.4, abs=0.001)
    assert "2 of 2 pairs to search" in result.stderr
    assert "in one training" in result.stderr
    assert "masks of 2 pairs in" in result.stderr


def test_the_same_again_does_nothing_and_extract_gives_the_same_masks(
    searched, data, base, tmp_path, capsys
):
    out, _ = searched
    results = run_searches(settings(data, base, out))
    assert [result.key for result in results] == ["de-en", "en-nl"]
    assert "finished before" in capsys.readouterr().err
    assert main(["extract", str(out), "--out", str(tmp_path / "all")]) == 0
    for mask in ("de-en.safetensors", "en-nl.safetensors"):
        taken = (tmp_path / "all" / mask).read_bytes()
        assert taken == (out / "masks" / mask).read_bytes()
    one = ["--pairs", "en-nl", "--ratio", "0.8", "--out", str(tmp_path / "one")]
    assert main(["extract", str(out), *one]) == 0
    (mask,) = load_masks(tmp_path / "one").values()
    assert mask.kept() / mask.units == pytest.approx(0.2, abs=0.001)
    wrong = ["--criterion", "magnitude", "--out", str(tmp_path / "wrong")]
    assert main(["extract", str(out), *wrong]) == 1
    assert "gives no mask by magnitude" in capsys.readouterr().err


def test_how_settled_each_pair_is_and_its_place_in_a_sweep(searched, base, capsys):
    from lass_plugin.experiments.launching.base import Base
    from lass_plugin.experiments.sweeps.sources import Sources
    from lass_plugin.experiments.sweeps.weight_variants import SearchKind
    from lass_plugin.masks import fingerprint

    out, _ = searched
    assert main(["settled", str(out)]) == 0
    told = capsys.readouterr().out
    assert "de-en" in told and "en-nl" in told
    path = out / "together" / "checkpoint_last.pt"
    sources = Sources([path], lambda kinds: fingerprint(Base.read(base).sites(kinds)))
    assert sources.pairs == ["de-en", "en-nl"]
    for key in sources.pairs:
        (source,) = (each for each in sources.every if each.plan.key == key)
        method = SearchKind("gradient", "gradual")
        assert source.gives(method) and not source.gives(
            SearchKind("magnitude", "gradual")
        )
        mask = source.scores(method).mask(0.6)
        written = load_masks(out / "masks")[key]
        assert all(mask.bits[name].equal(written.bits[name]) for name in mask.bits)


def test_what_is_watched_is_logged_as_the_loss_is(searched):
    out, _ = searched
    logged = "".join(path.read_text() for path in out.rglob("train.log"))
    for key in ("de-en", "en-nl"):
        for name in ("drawn", "agreement", "growth"):
            assert re.search(rf"\b{name}_{key}\b", logged), (name, key)
    assert "pruned" in logged


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"ramp": 5}, "begun with --ramp 4, not 5"),
        ({"pairs": "de-en,en-de"}, "--pairs de-en,en-nl, not de-en,en-de"),
        ({"together": False}, "holds the search of de-en in one of several pairs"),
        ({"updates": 18}, "begun with --updates 20, not 18"),
    ],
)
def test_another_search_in_the_same_folder_is_refused(
    searched, data, base, changes, message
):
    out, _ = searched
    if "pairs" in changes:
        changes = {"pairs": tuple(parse_pairs(changes["pairs"]))}
    with pytest.raises(LassError, match=message):
        run_searches(settings(data, base, out, **changes))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"criterion": "magnitude"}, "--criterion magnitude would give all its pairs"),
        ({"ramp": 11}, "--ramp 11 count .* of --updates 20"),
        ({"jobs": 1}, "--jobs has no effect with --together"),
        ({"pairs": tuple(parse_pairs("de-en"))}, "--together has no effect with one"),
        ({"cpu": False, "devices": ("0", "1")}, "--devices names 2"),
    ],
)
def test_wrong_settings_are_named_before_a_start(
    data, base, tmp_path, changes, message
):
    with pytest.raises(LassError, match=message) as error:
        run_searches(settings(data, base, tmp_path / "out", **changes))
    assert "--pruning" not in error.value.message
    assert not (tmp_path / "out").exists()


def test_an_array_is_of_single_pairs(data, base, tmp_path, capsys):
    words = ["search", data, "--base", base, "--out", tmp_path / "out"]
    words += ["--pairs", KEYS, "--together", "--array", 0]
    assert main(list(map(str, words))) == 1
    assert "--array" in capsys.readouterr().err


def test_one_command_is_printed_with_the_default_schedule(data, base, tmp_path):
    wanted = settings(
        *(data, base, tmp_path / "out"), updates=80, start=None, ramp=None
    )
    (line,) = search_commands(wanted)
    words = line.split()
    assert words[words.index("--lang-pairs") + 1] == KEYS
    assert words[words.index("--pruning-start") + 1] == "2"  # 80 / 2 / 20
    assert words[words.index("--pruning-ramp") + 1] == "18"
    assert words[words.index("--max-update") + 1] == "80"
    assert words[words.index("--sampling-method") + 1] == "uniform"
    assert f"{tmp_path}/out/together" in line
    assert sys.executable in line and str(ROOT / "lass_plugin") in line
