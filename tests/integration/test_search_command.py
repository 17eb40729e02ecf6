"""``lass search``: all pairs from one command, resumed, and refused in time."""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT, load

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.experiments.launching.flags import FlagBuilder
from lass_plugin.experiments.searches import results
from lass_plugin.experiments.searches.run import run_searches, search_commands
from lass_plugin.experiments.searches.searches import SEARCH, Searches
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import load_masks
from lass_plugin.methods.search.figures import LOSSES
from lass_plugin.methods.search.searched_masks import searched_mask

PAIRS = "de-en,en-nl"
SHORT = ("--updates", 6, "--ramp", 3, "--interval", 1, "--jobs", 1)


def arguments(data: Path, base: Path, out: Path, *more: object) -> list[str]:
    words = ["search", data, "--base", base, "--out", out, "--pairs", PAIRS, *more]
    return list(map(str, words))


def settings(data: Path, base: Path, out: Path, **changes) -> SearchSettings:
    values = {
        "data": str(data),
        "base": base,
        "out": out,
        "pairs": tuple(parse_pairs(PAIRS)),
        "updates": 6,
        "ramp": 3,
        "cpu": True,
    }
    return SearchSettings(**{**values, **changes})


@pytest.fixture(scope="module")
def searched(commands, data, base, tmp_path_factory):
    """The folder of two searches, and what the command said."""
    out = tmp_path_factory.mktemp("search") / "out"
    return out, commands.run("lass", *arguments(data, base, out, *SHORT))


# -- two pairs -------------------------------------------------------------------


def test_every_pair_gets_its_mask(searched):
    out, _ = searched
    masks = load_masks(out / "masks")
    assert list(masks) == ["de-en", "en-nl"]
    for mask in masks.values():
        assert mask.provenance.criterion == "gradient"
        assert mask.provenance.updates == 6
        assert mask.kept() / mask.units == pytest.approx(0.4, abs=0.001)
    assert masks["de-en"].base == masks["en-nl"].base


def test_the_end_is_a_table_and_the_way_is_told_on_stderr(searched):
    out, result = searched
    head, *rows = result.stdout.splitlines()
    assert head.split()[:3] == ["pair", "updates", "ratio"]
    assert head.split()[3:-2] == [*LOSSES, "churn", "agreement"]
    assert all(float(cell) > 0 for row in rows for cell in row.split()[3:9])
    assert [row.split()[:3] for row in rows] == [
        ["de-en", "6", "0.6"],
        ["en-nl", "6", "0.6"],
    ]
    assert "2 of 2 pairs to search: gradient, gradual (T1 0, T2 3)" in result.stderr
    assert "de-en: done in" in result.stderr
    assert "Warning" not in result.stderr and "INFO" not in result.stderr


def test_the_time_of_a_search_is_its_own(searched, data, base):
    """fairseq counts on from the time that the base was trained."""
    out, _ = searched
    pair, wanted = Pair("de", "en"), settings(data, base, out, interval=1)
    found = results.find(wanted, pair)
    whole = found.seconds
    before = Base.read(base).seconds
    assert 0 < before < whole
    taken = results.write_mask(wanted, pair, found, before)
    assert taken.seconds == pytest.approx(whole - before)


def test_only_the_last_checkpoint_of_a_finished_search_stays(searched):
    out, _ = searched
    assert [path.name for path in (out / "de-en").glob("*.pt")] == [
        "checkpoint_last.pt"
    ]
    assert "train_inner" in (out / "de-en" / "train.log").read_text()


def test_the_same_command_again_does_nothing(searched, commands, data, base):
    out, _ = searched
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    again = commands.run("lass", *arguments(data, base, out, *SHORT))
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.*")} == before
    assert "started" not in again.stderr
    assert again.stderr.count("finished before") == 2
    assert [row.split()[0] for row in again.stdout.splitlines()[1:]] == [
        "de-en",
        "en-nl",
    ]


def test_a_longer_search_keeps_the_stages_it_began_with(data, base, tmp_path, capsys):
    """The ramp must not move under a search that goes on."""
    (pair,) = parse_pairs("de-en")
    wanted = settings(data, base, tmp_path, pairs=(pair,), updates=8, ramp=None)
    run_searches(wanted)
    said = capsys.readouterr().err
    assert "T1 0, T2 3, third stage 5 of a pair's 8 updates" in said
    assert "warm-up 1 (5 % of the updates)" in said and "8 updates are few" in said
    longer = replace(wanted, updates=40)
    (command,) = search_commands(longer)
    words = shlex.split(command)
    assert words[words.index("--pruning-ramp") + 1] == "3"
    assert words[words.index("--warmup-updates") + 1] == "1"
    assert "third stage 37" in capsys.readouterr().err
    fresh = replace(longer, out=tmp_path / "fresh")
    assert "--pruning-start 2 --pruning-ramp 18" in search_commands(fresh)[0]
    (result,) = run_searches(replace(wanted, updates=9))
    assert result.updates == 9
    with pytest.raises(LassError, match="begun with --ramp 3, not 4"):
        run_searches(replace(wanted, updates=9, ramp=4))


@pytest.fixture
def cut_down(searched, data, base, tmp_path, commands):
    """A copy of the searches, cut down to their scores, and what is wanted of it."""
    out = tmp_path / "out"
    shutil.copytree(searched[0], out)
    words = (*SHORT, "--keep", "scores")
    again = commands.run("lass", *arguments(data, base, out, *words))
    assert again.stderr.count("finished before") == 2
    return out, settings(data, base, out, interval=1, keep="scores")


def test_scores_that_are_kept_alone_give_the_same_masks(
    searched, cut_down, commands, data, base
):
    (whole, _), (out, wanted) = searched, cut_down
    for pair in PAIRS.split(","):
        sizes = [(each / pair / "checkpoint_last.pt") for each in (whole, out)]
        states = [load(path) for path in sizes]
        weights = sum(value.numel() for value in states[0]["model"].values())
        assert sizes[1].stat().st_size < 8 * weights + 60_000  # (options and history)
        assert sizes[1].stat().st_size < 0.4 * sizes[0].stat().st_size
        assert states[1]["last_optimizer_state"] is None
        shared = [  # an embedding that has three names is kept once
            value.data_ptr()
            for name, value in states[1]["model"].items()
            if "embed_tokens" in name or "output_projection" in name
        ]
        assert len(shared) == 3 and len(set(shared)) == 1
    for ratio in (0.3, 0.6):
        taken = []
        for folder in (whole, out):
            masks = out / f"{folder.name}-{len(taken)}-{ratio}"
            places = [folder / "de-en", folder / "en-nl"]
            words = ("extract", *places, "--ratio", ratio, "--out", masks)
            commands.run("lass", *words)
            taken.append(load_masks(masks))
        assert list(taken[0]) == list(taken[1])
        for key, mask in taken[0].items():
            for name, bits in mask.bits.items():
                assert torch.equal(taken[1][key].bits[name], bits)
    before = (out / "de-en" / "checkpoint_last.pt").stat().st_mtime_ns
    run_searches(wanted)  # once more changes nothing
    assert (out / "de-en" / "checkpoint_last.pt").stat().st_mtime_ns == before


def test_scores_alone_do_not_go_on(cut_down, commands, data, base):
    out, wanted = cut_down
    with pytest.raises(LassError, match="cut down to its scores .--keep scores. after"):
        run_searches(replace(wanted, updates=9))
    found = Checkpoint.read(out / "de-en" / "checkpoint_last.pt")
    with pytest.raises(
        LassError, match="cut down to its scores; search again|gives no"
    ):
        searched_mask(found, criterion="magnitude")
    other = replace(wanted, pairs=wanted.pairs[:1], out=out.parent / "x")
    (command,) = search_commands(other)
    words = shlex.split(command)[1:]
    words = words[words.index("fairseq_cli.train") + 1 :]
    words[words.index("--save-dir") + 1] = str(out / "de-en")
    words[words.index("--max-update") + 1] = "9"
    done = commands.run("train", *words, check=False)
    assert done.returncode == 1 and "cut down to its scores when it had" in done.told


def test_a_missing_mask_is_taken_again_without_training(searched, data, base, tmp_path):
    out, _ = searched
    wanted = settings(data, base, out, interval=1, masks_out=tmp_path / "elsewhere")
    results = run_searches(wanted)
    for result in results:
        assert result.mask.parent == tmp_path / "elsewhere"
        known = out / "masks" / result.mask.name
        assert result.mask.read_bytes() == known.read_bytes()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"ramp": 4}, "begun with --ramp 3, not 4"),
        ({"ratio": 0.5}, "begun with --ratio 0.6, not 0.5.*lass extract"),
        (
            {"targets": ("attention",)},
            "--targets attention,feed-forward, not attention",
        ),
        ({"updates": 5}, "begun with --updates 6, not 5"),
        ({"flags": ("--lr", "0.5")}, "begun with no --lr, and not 0.5"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused(
    searched, data, base, changes, message
):
    out, _ = searched
    with pytest.raises(LassError, match=message):
        run_searches(settings(data, base, out, **{"interval": 1, **changes}))


def test_another_base_in_the_same_folder_is_refused(searched, data, base, tmp_path):
    out, _ = searched
    state = load(base)
    generator = torch.Generator().manual_seed(1)
    for tensor in state["model"].values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(LassError, match="begun with another base"):
        run_searches(settings(data, tmp_path / "other.pt", out, interval=1))


def test_other_data_in_the_same_folder_are_refused(searched, data, base, tmp_path):
    out, _ = searched
    folder = shutil.copytree(data, tmp_path / "data")
    assert len(run_searches(settings(folder, base, out, interval=1))) == 2
    path = folder / "train.en-de.de.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + content[:2])
    with pytest.raises(LassError, match="begun with another train.en-de.de.bin"):
        run_searches(settings(folder, base, out, interval=1))


def test_other_validation_data_are_refused_where_they_decide(data, base, tmp_path):
    out, folder = tmp_path / "out", shutil.copytree(data, tmp_path / "data")
    wanted = settings(folder, base, out, pairs=one(), stop_patience=3)
    run_searches(wanted)
    path = folder / "valid.en-nl.nl.bin"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(LassError, match="begun with another valid.en-nl.nl.bin"):
        run_searches(wanted)
    record = json.loads((out / "en-nl/stage.json").read_text())
    del record["identity"]["validation"]  # as it was once
    (out / "en-nl/stage.json").write_text(json.dumps(record))
    assert run_searches(wanted)[0].updates == 6


def test_what_does_not_matter_to_a_search_may_differ(searched, data, base):
    out, _ = searched
    flags = ("--log-interval", "3", "--stop-time-hours", "9")
    changes = {"interval": 1, "threads": 2, "jobs": 2, "flags": flags}
    assert len(run_searches(settings(data, base, out, **changes))) == 2


def test_searches_of_an_earlier_version_are_taken_over(
    searched, data, base, tmp_path, capsys
):
    out = shutil.copytree(searched[0], tmp_path / "out")

    def forget():
        for record in out.glob("*/stage.json"):
            record.unlink()

    forget()
    with pytest.raises(LassError, match="begun with --ramp 3, not 4"):
        run_searches(settings(data, base, out, interval=1, ramp=4))
    state = load(base)
    state["model"]["encoder.layers.0.fc1.weight"].normal_()
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(LassError, match="a base that is another now"):
        run_searches(settings(data, tmp_path / "other.pt", out, interval=1))
    run_searches(settings(data, base, out, interval=1))
    assert capsys.readouterr().err.count("finished before") == 2
    assert len(list(out.glob("*/stage.json"))) == 2


# -- before anything is started --------------------------------------------------


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"base": Path("nowhere.pt")}, "nowhere.pt"),
        ({"data": "nowhere"}, "the data folder nowhere does not exist"),
        ({"pairs": "de-en,nl-de"}, "no train data of nl-de in .*--pairs"),
        ({"flags": ("--foo", "3")}, "unrecognized arguments: --foo 3"),
        ({"flags": ("--lr", "fast")}, "argument --lr"),
        ({"flags": ("--max-update", "9")}, "--max-update cannot be passed.*--updates"),
        ({"flags": ("--restore-file", "x.pt")}, "--restore-file cannot.*--base"),
        ({"flags": ("--encoder-layers", "3")}, "with --encoder-layers 2, this .* 3"),
        ({"flags": ("--decoder-output-dim", "16")}, "has no decoder.project_out"),
        ({"flags": ("--langs", "de,en,nl,fr")}, "other numbers than .*de, en, nl"),
        ({"flags": ("--bf16",)}, "--bf16 does not work on a CPU"),
        ({"targets": ("output-projection",)}, "output projection .* same tensor"),
    ],
)
def test_what_is_missing_or_wrong_is_said_before_a_start(
    data, base, tmp_path, changes, message
):
    if "pairs" in changes:
        changes = {"pairs": tuple(parse_pairs(changes["pairs"]))}
    wanted = settings(data, base, tmp_path / "out")
    with pytest.raises(LassError, match=message):
        run_searches(replace(wanted, **changes))
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_said_before_a_start(data, base, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(LassError, match="need about .* GB of disk .* only 0.0 GB"):
        run_searches(settings(data, base, tmp_path / "out"))


def test_printed_commands_are_commands_of_fairseq(data, base, tmp_path):
    lines = search_commands(settings(data, base, tmp_path / "a b"))
    assert len(lines) == 2
    words = shlex.split(lines[1])
    assert words[words.index("--lang-pairs") + 1] == "en-nl"
    assert words[words.index("--save-dir") + 1] == str(tmp_path / "a b" / "en-nl")
    assert words[words.index("-m") + 1] == "fairseq_cli.train"
    assert not (tmp_path / "a b").exists()


def test_a_pair_without_validation_data_is_searched_without_validation(
    data, base, tmp_path
):
    folder = shutil.copytree(data, tmp_path / "data")
    for path in folder.glob("valid.en-nl.*"):
        path.unlink()
    first, second = search_commands(settings(folder, base, tmp_path / "out"))
    assert "--disable-validation" not in first
    assert "--disable-validation" in second


# -- options of the base ---------------------------------------------------------


def flags_of(path: Path, *given: str) -> list[str]:
    return FlagBuilder(Base.read(path), given, 6, True, SEARCH).flags()


def test_options_are_those_of_the_base_unless_given(base):
    flags = flags_of(base, "--lr", "0.5", "--batch-size", "4")
    assert flags[flags.index("--arch") + 1] == "transformer"
    assert flags[flags.index("--encoder-ffn-embed-dim") + 1] == "64"
    assert flags[flags.index("--label-smoothing") + 1] == "0.1"
    assert flags[flags.index("--langs") + 1] == "de,en,nl"
    assert flags.count("--lr") == 1 and "--max-tokens" not in flags
    assert flags[-4:] == ["--lr", "0.5", "--batch-size", "4"]


def test_options_of_a_replaced_criterion_or_scheduler_are_left_out(base):
    flags = flags_of(
        base, "--criterion", "cross_entropy", "--lr-scheduler", "polynomial_decay"
    )
    assert "--label-smoothing" not in flags and "--warmup-updates" not in flags
    assert flags[flags.index("--total-num-update") + 1] == "6"


def test_every_way_in_which_fairseq_keeps_options_is_read(base, tmp_path):
    state = load(base)
    model = vars(state["cfg"]["model"])
    old = {**state, "cfg": None, "args": argparse.Namespace(**model)}
    torch.save(old, tmp_path / "old.pt")
    nested = {"_name": "transformer", "encoder": {}, "decoder": {}}
    for name, value in model.items():
        side, _, rest = name.partition("_")
        place = nested[side] if side in ("encoder", "decoder") else nested
        place[rest if side in ("encoder", "decoder") else name] = value
    del nested["arch"]
    cfg = {**state["cfg"], "model": nested}
    torch.save({**state, "cfg": cfg}, tmp_path / "hydra.pt")
    flags = flags_of(base)
    assert flags_of(tmp_path / "old.pt") == flags
    assert flags_of(tmp_path / "hydra.pt") == flags


@pytest.mark.slow
def test_a_base_of_the_stock_multilingual_task_is_rebuilt(commands, data, tmp_path):
    """Odd sizes, another order of languages, and a decoder unlike the encoder."""
    commands.run(
        "train",
        data,
        *"--task translation_multi_simple_epoch --lang-pairs en-nl,de-en".split(),
        *"--langs nl,en,de --encoder-langtok tgt --arch transformer_tiny".split(),
        *"--encoder-layers 1 --decoder-layers 3 --encoder-embed-dim 32".split(),
        *"--decoder-embed-dim 16 --decoder-output-dim 16 --activation-fn gelu".split(),
        *"--encoder-learned-pos --criterion label_smoothed_cross_entropy".split(),
        *"--optimizer adam --adam-betas (0.8,0.9) --lr 0.002 --max-tokens 120".split(),
        *"--lr-scheduler polynomial_decay --total-num-update 30 --cpu".split(),
        *"--max-update 2 --disable-validation --num-workers 0 --save-dir".split(),
        tmp_path,
    )
    base = Base.read(tmp_path / "checkpoint_last.pt")
    wanted = settings(data, base.path, tmp_path / "out")
    Searches(wanted).check(wanted.pairs)  # shapes among it
    flags = flags_of(base.path)
    assert flags[flags.index("--langs") + 1] == "nl,en,de"
    assert flags[flags.index("--encoder-langtok") + 1] == "tgt"
    assert flags[flags.index("--adam-betas") + 1] == "(0.8,0.9)"
    assert "--decoder-langtok" not in flags
    results = run_searches(settings(data, base.path, tmp_path / "out", pairs=one()))
    assert results[0].updates == 6


def one():
    return tuple(parse_pairs("en-nl"))


@pytest.mark.slow
def test_a_search_that_has_settled_is_finished(data, base, tmp_path):
    """Its ramp ends at update 4; noise agrees a little more than chance soon after."""
    wanted = settings(
        data, base, tmp_path / "out", pairs=one(), updates=20, stop_settled=0.001
    )
    result = run_searches(wanted)[0]
    assert 4 <= result.updates < 20
    assert load_masks(result.mask)["en-nl"].provenance.updates == result.updates
    before = result.checkpoint.stat().st_mtime_ns
    assert run_searches(wanted)[0].updates == result.updates  # trains no more
    assert result.checkpoint.stat().st_mtime_ns == before
    with pytest.raises(LassError, match="begun with --stop-when-settled 0.001, not 0"):
        run_searches(replace(wanted, stop_settled=0.0))


def test_a_rule_that_cannot_be_is_refused_before_a_start(data, base, tmp_path):
    wanted = settings(data, base, tmp_path / "out", stop_settled=1.5)
    with pytest.raises(LassError, match="--stop-when-settled 1.5 is outside"):
        run_searches(wanted)


# -- failing and going on --------------------------------------------------------


@pytest.mark.slow
def test_a_failing_pair_is_reported_and_the_other_one_finished(
    commands, data, base, tmp_path
):
    folder = shutil.copytree(data, tmp_path / "data")
    broken = next(folder.glob("train.en-nl.nl.idx"))
    broken.write_bytes(broken.read_bytes()[:20])
    out = tmp_path / "out"
    result = commands.run("lass", *arguments(folder, base, out, *SHORT), check=False)
    assert result.returncode == 1
    assert "1 of 2 searches failed, 1 are done" in result.stderr
    assert "  en-nl: the data file" in result.stderr
    assert f"(log: {out / 'en-nl' / 'train.log'})" in result.stderr
    assert list(load_masks(out / "masks")) == ["de-en"]


LONG = ("--updates", 30, "--ramp", 12, "--interval", 2, "--jobs", 1)


def begin(data: Path, base: Path, out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "lass_plugin.cli", *arguments(data, base, out, *LONG)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_searches_go_on_and_end_with_the_same_masks(
    commands, data, base, tmp_path
):
    """Law 12; the first pair is killed with -9, the second ended by Ctrl-C."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    commands.run("lass", *arguments(data, base, whole, *LONG))

    starter = begin(data, base, broken)
    wait_for(broken / "de-en" / "checkpoint_last.pt", starter)
    os.kill(int((broken / "de-en" / ".running").read_text()), signal.SIGKILL)
    wait_for(broken / "en-nl" / "checkpoint_last.pt", starter)
    second = int((broken / "en-nl" / ".running").read_text())
    starter.send_signal(signal.SIGINT)
    _, said = starter.communicate(timeout=60)
    assert starter.returncode == 130
    assert "de-en: failed: it was ended by signal 9" in said
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)
    for key in ("de-en", "en-nl"):
        state = load(broken / key / "checkpoint_last.pt")
        updates = state["extra_state"]["train_iterator"]["subnetwork"]["updates"]
        assert 0 < updates < 30

    commands.run("lass", *arguments(data, base, broken, *LONG))
    for key in ("de-en", "en-nl"):
        mask = Path("masks") / f"{key}.safetensors"
        assert (broken / mask).read_bytes() == (whole / mask).read_bytes()
