"""From a real search to a mask, and from a joint checkpoint to stock fairseq."""

import pickletools
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import PAIRS, ROOT, load
from translations import in_stock_fairseq, with_the_plugin

from lass_plugin.checkpoints.trained_with import ENTRY
from lass_plugin.cli.main import main
from lass_plugin.masks import load_mask, load_masks, save_mask
from lass_plugin.masks.file import from_state
from lass_plugin.masks.random import random_mask

RESTART = (
    "--reset-optimizer --reset-dataloader --reset-meters --reset-lr-scheduler"
).split()


@pytest.fixture(scope="module")
def joint(commands, base, tmp_path_factory) -> Path:
    """A joint checkpoint of an architecture of ours, under random masks."""
    folder = tmp_path_factory.mktemp("joint")
    masks = folder / "masks"
    draw = ["random", "--checkpoint", base, "--pairs", ",".join(PAIRS)]
    draw += ["--ratio", "0.6", "--seed", "1", "--out", masks]
    assert main(list(map(str, draw))) == 0
    commands.train(
        folder,
        *("--masks", masks, "--restore-file", base, *RESTART, "--max-update", 6),
        *("--arch", "transformer_quickstart", "--no-epoch-checkpoints"),
    )
    return folder / "checkpoint_last.pt"


def export(joint: Path, pair: str, out: Path, capsys, *more: str) -> str:
    """The command that ``lass export`` prints."""
    words = ["export", str(joint), "--pair", pair, "--out", str(out), *more]
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()[-1]


def test_an_exported_pair_translates_the_same_in_stock_fairseq(
    commands, joint, tmp_path, capsys
):
    command = export(joint, "de-en", tmp_path / "de-en.pt", capsys)
    stock = in_stock_fairseq(command)
    assert len(stock) == 13  # all of them: no batch is dropped
    assert stock == with_the_plugin(commands, joint, "de-en")


@pytest.mark.slow
def test_half_precision_translates_nearly_the_same(commands, joint, tmp_path, capsys):
    whole, half = tmp_path / "whole.pt", tmp_path / "half.pt"
    export(joint, "en-nl", whole, capsys)
    command = export(joint, "en-nl", half, capsys, "--half")
    assert half.stat().st_size < 0.65 * whole.stat().st_size
    weights, rounded = (load(path)["model"] for path in (whole, half))
    for name, weight in weights.items():
        torch.testing.assert_close(weight, rounded[name].float(), rtol=1e-3, atol=1e-4)
    assert len(in_stock_fairseq(command)) == 13


def test_an_exported_file_holds_no_class(joint, tmp_path, capsys):
    export(joint, "de-en", tmp_path / "de-en.pt", capsys)
    with zipfile.ZipFile(tmp_path / "de-en.pt") as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        pickled = archive.read(name)
    classes = {
        argument
        for operation, argument, _ in pickletools.genops(pickled)
        if operation.name == "GLOBAL"
    }
    assert classes <= {
        "torch._utils _rebuild_tensor_v2",
        "torch FloatStorage",
        "torch LongStorage",
        "collections OrderedDict",  # the (empty) hooks of a tensor
    }
    assert b"lass" not in pickled and b"subnetwork" not in pickled
    assert str(ROOT).encode() not in pickled


def test_an_exported_model_is_masked_once_and_says_what_it_is(joint, tmp_path, capsys):
    path = tmp_path / "de-en.pt"
    export(joint, "de-en", path, capsys)
    exported, trained = load(path), load(joint)
    mask = from_state(trained["task_state"]["masks"])["de-en"]
    assert exported["model"].keys() == trained["model"].keys()
    for name, weight in trained["model"].items():
        kept = mask.unpack(name) if name in mask.shapes else torch.tensor(True)
        assert torch.equal(exported["model"][name], weight * kept)
    model, task = (exported["cfg"][part] for part in ("model", "task"))
    assert (model["arch"], model["_name"]) == ("transformer", "transformer")
    assert model["encoder_attention_heads"] == 2 and model["activation_fn"] == "relu"
    assert task["task"] == "translation_multi_simple_epoch"
    assert task["langs"] == ["de", "en", "nl"] and task["lang_pairs"] == "de-en"
    assert exported["last_optimizer_state"] is None
    dictionaries = {ENTRY: trained["task_state"][ENTRY]}
    assert exported["task_state"] == dictionaries and len(dictionaries[ENTRY]) >= 2


def test_a_search_knows_the_architectures_of_this_package(commands, joint, tmp_path):
    words = ["search", commands.data, "--base", joint, "--pairs", "de-en", "--cpu"]
    words += ["--out", tmp_path, "--updates", 40, "--print-commands"]
    result = commands.run("lass", *words)
    assert "--arch transformer_quickstart" in result.stdout


def test_export_names_what_is_wrong(joint, base, tmp_path, capsys):
    out = tmp_path / "out.pt"

    def told(*given: object) -> str:
        assert main(["export", *map(str, given)]) == 1
        assert not out.exists()
        return capsys.readouterr().err

    assert "no mask of de-nl" in told(joint, "--pair", "de-nl", "--out", out)
    assert "carries no masks" in told(base, "--pair", "de-en", "--out", out)
    assert "ends in .pt" in told(joint, "--pair", "de-en", "--out", tmp_path)
    masks = str(joint.parent / "masks")
    given = ["export", str(base), "--pair", "de-en", "--masks", masks]
    assert main([*given, "--out", str(out)]) == 0
    assert out.is_file()


def test_a_mask_of_a_second_name_of_a_tensor_is_refused(base, tmp_path, capsys):
    """It was counted as a mask, and had no effect."""
    weights = load(base)["model"]
    masks = []
    for name in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
        mask = random_mask("de-en", {name: weights[name].shape}, 0.5, 1)
        masks.append(tmp_path / f"{name}.safetensors")
        save_mask(masks[-1], mask)
    words = ["export", str(base), "--pair", "de-en", "--out", str(tmp_path / "o.pt")]
    assert main([*words, "--masks", str(masks[0])]) == 0
    assert main([*words, "--masks", str(masks[1])]) == 1
    assert "decoder.embed_tokens.weight" in capsys.readouterr().err


def test_a_mask_of_a_real_search_at_two_ratios(commands, base, tmp_path, capsys):
    folder = tmp_path / "searches" / "de-en"
    commands.train(
        folder,
        *("--task", "translation_subnetwork_search", "--lang-pairs", "de-en"),
        *("--pruning-criterion", "gradient", "--pruning-schedule", "gradual"),
        *("--pruning-ratio", 0.5, "--pruning-ramp", 8, "--pruning-interval", 1),
        *("--max-update", 8, "--finetune-from-model", base, "--no-epoch-checkpoints"),
    )
    searches = str(tmp_path / "searches")
    assert main(["extract", searches, "--out", str(tmp_path / "masks")]) == 0
    told = capsys.readouterr()
    assert "masks of even and odd updates share" in told.out
    assert "warning" not in told.err
    mask = load_masks(tmp_path / "masks")["de-en"]
    assert mask.provenance.updates == 8 and mask.provenance.ratio == 0.5
    assert all(
        mask.kept(name) == shape[0] * shape[1] // 2
        for name, shape in mask.shapes.items()
    )
    other = tmp_path / "other.safetensors"
    assert main(["extract", searches, "--ratio", "0.2", "--out", str(other)]) == 0
    assert "trained under ratio 0.5" in capsys.readouterr().err
    wider = load_mask(other)
    for name in mask.shapes:  # a lower ratio keeps all that a higher one does
        assert not bool((mask.unpack(name) & ~wider.unpack(name)).any())
