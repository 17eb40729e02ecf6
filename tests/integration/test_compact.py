"""``lass export --compact`` and ``lass compact`` translate as the masked model does."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import FROM_BASE, MODEL_FLAGS, PAIRS, load
from translations import in_stock_fairseq, with_the_plugin

from lass_plugin.anatomy.neurons import UNITS
from lass_plugin.cli.main import main
from lass_plugin.masks import MaskSet, Provenance, load_masks, save_masks
from lass_plugin.masks.file import from_state
from lass_plugin.masks.neurons import neuron_mask

GROUP = ("de-en", "en-nl")


@pytest.fixture(scope="module")
def neurons(base, tmp_path_factory) -> Path:
    """Masks of neurons of every kind, of two heads and 64 hidden units a layer."""
    sizes = {"fc1": 64, "fc2": 32, "out_proj": 32, "v_proj": 32, "heads": 2}
    names = [n.removesuffix(".weight") for n in load(base)["model"]]
    names += [n.replace("q_proj", "heads") for n in names if n.endswith("q_proj")]
    sites = [
        site
        for kind in ("ffn-hidden", "ffn-output", "attention-output", "values", "heads")
        for site in UNITS[kind].sites(names)
    ]
    masks = []
    for number, key in enumerate(PAIRS):
        generator = torch.Generator().manual_seed(number)
        kept = {}
        for site in sites:
            count = sizes[site.rpartition(".")[2]]
            share = 0.4 if site.endswith("fc1") else 0.9
            kept[site] = torch.rand(count, generator=generator) < share
            kept[site][0] = True
        masks.append(neuron_mask(key, kept, Provenance("taylor", None)))
    folder = tmp_path_factory.mktemp("neurons")
    save_masks(folder, MaskSet(masks))
    return folder


@pytest.fixture(scope="module")
def joint_neurons(commands, base, neurons, tmp_path_factory) -> Path:
    """A joint checkpoint that carries masks of neurons."""
    folder = tmp_path_factory.mktemp("joint")
    commands.train(
        *(folder, "--restore-file", base, *FROM_BASE, "--masks", neurons),
        *("--max-update", 20, "--no-epoch-checkpoints", "--allow-other-base"),
    )
    return folder / "checkpoint_last.pt"


def lass(*words: object) -> None:
    assert main(list(map(str, words))) == 0


def nearly_the_same(first: dict, second: dict) -> bool:
    """The same sentences, their scores within the last digits that are printed."""
    if {n: text for n, (_, text) in first.items()} != {
        n: text for n, (_, text) in second.items()
    }:
        return False
    return all(
        float(first[n][0]) == pytest.approx(float(second[n][0]), abs=1e-4)
        for n in first
    )


def test_a_compacted_pair_translates_the_same_in_stock_fairseq(
    commands, joint_neurons, tmp_path, capsys
):
    whole, small = tmp_path / "whole.pt", tmp_path / "small.pt"
    start = ["export", joint_neurons, "--pair", "de-en", "--out"]
    lass(*start, whole)
    lass(*start, small, "--compact")
    told = capsys.readouterr().out
    assert "encoder FFN width" in told and "outputs differ by" in told
    assert small.stat().st_size < whole.stat().st_size
    options = load(small)["cfg"]["model"]
    hidden = from_state(load(joint_neurons)["task_state"]["masks"])["de-en"]
    for side in ("encoder", "decoder"):
        most = max(hidden.kept(f"{side}.layers.{n}.fc1") for n in range(2))
        assert options[f"{side}_ffn_embed_dim"] == -(-most // 8) * 8 < 64
    stock = in_stock_fairseq(told.splitlines()[-1])
    assert len(stock) == 13
    assert nearly_the_same(stock, with_the_plugin(commands, joint_neurons, "de-en"))


@pytest.mark.slow
def test_a_compacted_group_translates_as_before(
    commands, joint_neurons, tmp_path, capsys
):
    small = tmp_path / "small.pt"
    lass("compact", joint_neurons, "--pairs", ",".join(GROUP), "--out", small)
    told = capsys.readouterr().out
    assert f"de-en, en-nl -> {small}" in told
    checkpoint = load(small)
    assert checkpoint["last_optimizer_state"] is None
    assert list(from_state(checkpoint["task_state"]["masks"])) == list(GROUP)
    width = checkpoint["model"]["decoder.layers.1.fc1.weight"].size(0)
    assert width < 64 and f"{width}" in told
    before = with_the_plugin(commands, joint_neurons, "en-nl")
    found = with_the_plugin(commands, small, "en-nl")
    assert len(found) == 13 and nearly_the_same(found, before)
    dense = with_the_plugin(commands, small, "en-nl", "--dense")
    assert not nearly_the_same(found, dense)  # the masks are in use
    source, target = PAIRS[1].split("-")
    refused = commands.run(
        "generate",
        *(commands.data, "--task", "translation_subnetwork", "--path", small),
        *("-s", source, "-t", target, "--cpu"),
        check=False,
    )
    assert refused.returncode == 1 and "no mask of en-de" in refused.stderr


def test_a_compacted_checkpoint_is_compacted_exported_and_trained_again(
    commands, joint_neurons, tmp_path, capsys
):
    group, one, pair = (tmp_path / f"{name}.pt" for name in ("group", "one", "pair"))
    lass("compact", joint_neurons, "--out", group, "--multiple", 1)
    lass("compact", group, "--pairs", "nl-en", "--out", one, "--multiple", 1)
    export = ("export", group, "--pair", "nl-en", "--half", "--out", pair)
    lass(*export, "--compact", "--multiple", 1)
    capsys.readouterr()
    widths = [
        load(path)["model"]["encoder.layers.0.fc2.weight"].size(1)
        for path in (group, one, pair)
    ]
    assert 64 >= widths[0] > widths[1] == widths[2]
    lass("extract", one, "--out", tmp_path / "masks")
    wide = list(MODEL_FLAGS)
    for side in ("encoder", "decoder"):
        name = f"--{side}-ffn-embed-dim"
        tensor = load(one)["model"][f"{side}.layers.0.fc1.weight"]
        wide[wide.index(name) + 1] = str(tensor.size(0))
    commands.train(
        *(tmp_path / "more", "--restore-file", one, *FROM_BASE, *wide),
        *(
            "--masks",
            tmp_path / "masks",
            "--lang-pairs",
            "nl-en",
            "--langs",
            "de,en,nl",
        ),
        *("--max-update", 2, "--no-epoch-checkpoints"),
    )
    masks = load_masks(tmp_path / "masks")
    trained = from_state(
        load(tmp_path / "more/checkpoint_last.pt")["task_state"]["masks"]
    )
    assert trained["nl-en"].shapes == masks["nl-en"].shapes


def test_evaluate_translates_each_pair_of_a_group_as_before(
    commands, joint_neurons, tmp_path, capsys
):
    small = tmp_path / "small.pt"
    lass("compact", joint_neurons, "--pairs", ",".join(GROUP), "--out", small)
    lass(
        *("evaluate", commands.data, "--system", f"before={joint_neurons}"),
        *("--system", f"small={small}", "--pairs", ",".join(GROUP)),
        *("--out", tmp_path / "report", "--cpu"),
    )
    report = tmp_path / "report" / "translations"
    for key in GROUP:
        name = f"test.{key}.{key[-2:]}"
        texts = [(report / each / name).read_text() for each in ("before", "small")]
        assert texts[0] == texts[1] and len(texts[0].splitlines()) == 13


def test_nothing_to_cut_is_said(joint, tmp_path, capsys):
    """Random masks of weights leave no hidden unit without any weight."""
    out = tmp_path / "small.pt"
    lass("export", joint, "--pair", "de-en", "--compact", "--out", out)
    assert "nothing was cut" in capsys.readouterr().out
    assert load(out)["cfg"]["model"]["encoder_ffn_embed_dim"] == 64


def test_compact_says_that_masks_are_of_other_weights(base, neurons, tmp_path, capsys):
    """As 'lass export' does: what is written has them for masks of its own weights."""
    out, others = tmp_path / "out.pt", tmp_path / "others"
    found = load_masks(neurons)
    elsewhere = [replace(m, base=dict.fromkeys(m.shapes, 5.0)) for m in found.values()]
    save_masks(others, MaskSet(elsewhere))
    lass("compact", base, "--masks", others, "--pairs", "de-en", "--out", out)
    told = capsys.readouterr().err
    assert "note: the masks of de-en were searched on weights" in told
    lass("compact", base, "--masks", neurons, "--pairs", "de-en", "--out", out)
    assert "note: " not in capsys.readouterr().err


def test_compact_names_what_is_wrong(base, joint_neurons, neurons, tmp_path, capsys):
    out = tmp_path / "out.pt"

    def told(*given: object) -> str:
        assert main(list(map(str, given))) == 1
        assert not out.exists()
        return capsys.readouterr().err

    compact = ("compact", joint_neurons, "--out", out)
    assert "no mask of de-nl" in told(*compact, "--pairs", "de-en,de-nl")
    assert "--multiple must be 1 or more" in told(*compact, "--multiple", 0)
    assert "carries no masks" in told("compact", base, "--out", out)
    assert "ends in .pt" in told("compact", joint_neurons, "--out", tmp_path)
    export = ("export", joint_neurons, "--pair", "de-en", "--out", out)
    assert "without --compact" in told(*export, "--multiple", 8)
    lass("compact", base, "--masks", neurons, "--out", out)
    assert out.is_file()
