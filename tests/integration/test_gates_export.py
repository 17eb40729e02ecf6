"""``lass gates export``: what it writes is trained further, and loads elsewhere."""

from pathlib import Path

import bare
import pytest
import torch
from conftest import ROOT, load

from lass_plugin.anatomy.places import find_place
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.cli.main import main
from lass_plugin.methods.gates.narrowing import components_of
from lass_plugin.methods.gates.sets import FIXED, GateSets, base_of, save_gates

SHAPE = (
    "--encoder-layers 2 --encoder-embed-dim 16 --max-positions 20 --dropout 0".split()
)
SHAPE += "--encoder-ffn-embed-dim 24 --encoder-attention-heads 4".split()
TRAIN = (
    "--task masked_lm --criterion masked_lm --optimizer adam --lr 0.001 --batch-size 4 "
    "--lr-scheduler fixed --cpu --num-workers 0 --sample-break-mode none --seed 1 "
    "--tokens-per-sample 20 --no-epoch-checkpoints --no-progress-bar"
).split()


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """Data of fairseq's own masked_lm: sentences of random words."""
    from fairseq.data import Dictionary, indexed_dataset

    folder = tmp_path_factory.mktemp("text")
    dictionary = Dictionary()
    for number in range(80):
        dictionary.add_symbol(f"word{number}")
    dictionary.save(str(folder / "dict.txt"))
    generator = torch.Generator().manual_seed(1)
    for split in ("train", "valid"):
        builder = indexed_dataset.make_builder(
            str(folder / f"{split}.bin"), impl="mmap", vocab_size=len(dictionary)
        )
        for _ in range(20):
            words = torch.randint(4, 84, (6,), generator=generator)
            builder.add_item(torch.cat([words, torch.tensor([2])]).int())
        builder.finalize(str(folder / f"{split}.idx"))
    return folder


@pytest.fixture(scope="module")
def dense(text, commands, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dense")
    commands.run(
        *("train", text, *TRAIN, "--arch", "roberta", *SHAPE),
        *("--save-dir", folder, "--max-update", 2),
    )
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def gates(dense, tmp_path_factory) -> Path:
    """Gates of two languages; in one layer of de there is neither head nor unit."""
    state = load(dense)
    weights = state["model"]
    options = {"encoder_embed_dim": 16, "encoder_attention_heads": 4}
    components = components_of(weights, options)
    generator = torch.Generator().manual_seed(2)
    rows = {
        key: {"open": torch.rand(components.total, generator=generator) < 0.5}
        for key in ("de", "sw")
    }
    for site, part in components.slices():
        if find_place(site).layer == 1:
            rows["de"]["open"][part] = False
    folder = tmp_path_factory.mktemp("gates")
    save_gates(folder, GateSets(FIXED, components, rows, base_of(components, weights)))
    return folder


def lass(*words: object) -> None:
    assert main(list(map(str, words))) == 0


def test_training_goes_on_from_an_export(
    text, commands, dense, gates, tmp_path, capsys
):
    small = tmp_path / "de.pt"
    start = ("gates", "export", dense, "--gates", gates, "--key", "de")
    lass(*start, "--out", small)
    told = capsys.readouterr().out
    assert "outputs differ by" in told and "parameters of layers" in told
    flags = told.split("to train it further: ")[1].split()
    assert "--embedding-rank" in flags and flags[1] == "roberta_narrow"
    plugin = ("--user-dir", ROOT / "lass_plugin", *flags)
    commands.run(
        *("train", text, *TRAIN, *plugin, "--restore-file", small),
        *("--save-dir", tmp_path / "more", "--max-update", 2, "--reset-optimizer"),
        *("--reset-dataloader", "--reset-meters", "--reset-lr-scheduler"),
    )
    before, after = (
        load(path)["model"] for path in (small, tmp_path / "more/checkpoint_last.pt")
    )
    assert before.keys() == after.keys()
    name = "encoder.sentence_encoder.layers.0.fc1.weight"
    assert before[name].shape == after[name].shape
    assert not before[name].equal(after[name])


LOAD = """
import sys
from fairseq import checkpoint_utils
models, _, _ = checkpoint_utils.load_model_ensemble_and_task(
    [sys.argv[1]], arg_overrides={"data": sys.argv[2]}
)
assert not [name for name in sys.modules if name.startswith("lass")]
print(type(models[0]).__name__)
"""


def test_filled_up_it_loads_in_stock_fairseq(text, dense, gates, tmp_path, capsys):
    out = tmp_path / "sw.pt"
    lass(
        "gates",
        "export",
        dense,
        "--gates",
        gates,
        "--key",
        "sw",
        "--fill",
        "--out",
        out,
    )
    assert "stock fairseq loads it" in capsys.readouterr().out
    found = bare.run(LOAD, out, text)
    assert found.stdout.strip().endswith("RobertaModel"), found.stderr[-2000:]


def test_gates_of_other_weights_are_refused(dense, gates, tmp_path, capsys):
    state = load(dense)
    name = "encoder.sentence_encoder.layers.0.fc1.weight"
    state["model"] = {**state["model"], name: state["model"][name] + 1.0}
    save_tensors(tmp_path / "other.pt", state)
    words = ["gates", "export", tmp_path / "other.pt", "--gates", gates, "--key", "de"]
    words += ["--out", tmp_path / "de.pt"]
    assert main(list(map(str, words))) == 1
    assert "made for other weights" in capsys.readouterr().err
    assert not (tmp_path / "de.pt").exists()


def test_pictures(gates, dense, tmp_path, capsys):
    lass("gates", "draw", gates, "--model", dense, "--out", tmp_path / "drawn")
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert {
        "gates_drawn.json",
        "gates_drawn.csv",
        "layers.png",
        "parameters.csv",
    } < names
    assert "parameters of layers" in capsys.readouterr().out
    words = ["gates", "draw", gates, f"more={gates}", "--out", tmp_path / "two"]
    lass(*words)
    assert "more" in (tmp_path / "two" / "gates_drawn.csv").read_text()
    words[3] = gates
    assert main(list(map(str, words))) == 1
    assert "with NAME=GATES" in capsys.readouterr().err
