"""Directions without English, from text to zero-shot translation: every phase."""

import csv
import itertools
import json
import random
from pathlib import Path

import pytest
from conftest import FROM_BASE
from forked import ForkedCommands

from lass_plugin.cli.main import main

PAIRS = "de-en,en-de,nl-en,de-nl"
WORDS = {
    "de": (
        ["Der Mann", "Die Frau", "Das Kind", "Der Nachbar"],
        ["kauft heute", "sieht nicht", "braucht immer"],
        ["das neue Haus.", "einen kleinen Hund.", "die alte Zeitung.", "viel Zeit."],
    ),
    "en": (
        ["The man", "The woman", "The child", "The neighbour"],
        ["buys today", "does not see", "always needs"],
        ["the new house.", "a small dog.", "the old newspaper.", "much time."],
    ),
    "nl": (
        ["De man", "De vrouw", "Het kind", "De buurman"],
        ["koopt vandaag", "ziet niet", "heeft altijd nodig"],
        ["het nieuwe huis.", "een kleine hond.", "de oude krant.", "veel tijd."],
    ),
}
SPLITS = {"train": slice(0, 36), "valid": slice(36, 42), "test": slice(42, 48)}
SHORT = ("--no-epoch-checkpoints", "--disable-validation")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """Aligned sentences of German with English and Dutch, and of Dutch with English."""
    folder = tmp_path_factory.mktemp("text")
    lines = {
        code: [" ".join(words) for words in itertools.product(*parts)]
        for code, parts in WORDS.items()
    }
    order = random.Random(1).sample(range(48), 48)
    for pair in ("de-en", "nl-en", "de-nl"):
        for split, part in SPLITS.items():
            for code in pair.split("-"):
                chosen = [lines[code][number] for number in order[part]]
                path = folder / f"{split}.{pair}.{code}"
                path.write_text("".join(f"{line}\n" for line in chosen))
    return folder


@pytest.mark.slow
def test_directions_without_english_go_through_every_phase(text, tmp_path, capsys):
    data, search = tmp_path / "data", tmp_path / "search"

    def lass(*arguments) -> str:
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    lass(
        *("prepare", "--text", text, "--out", data, "--pairs", PAIRS),
        *("--test-pairs", "en-nl,nl-de", "--through", "de", "--vocab-size", 80),
        *("--workers", 1),
    )
    assert (data / "train.de-nl.nl.bin").is_file()
    assert not (data / "train.en-nl.nl.bin").exists()
    commands = ForkedCommands(data, tmp_path)
    flags = ("--lang-pairs", PAIRS, *SHORT)
    commands.train(tmp_path / "base", *flags, "--max-update", 60)
    base = tmp_path / "base" / "checkpoint_last.pt"

    lass(
        *("search", data, "--base", base, "--out", search, "--pairs", PAIRS),
        *("--updates", 8, "--ratio", 0.3, "--cpu", "--jobs", 2),
        *("--", "--max-tokens", 160, "--num-workers", 0),
    )
    masks = search / "masks"
    commands.train(
        *(tmp_path / "joint", *flags, "--masks", masks, "--restore-file", base),
        *(*FROM_BASE, "--max-update", 60),
    )
    joint = tmp_path / "joint" / "checkpoint_last.pt"

    translation = ("--cpu", "--beam", 1, "--max-len-b", 15)
    systems = ("--system", f"base={base}", "--system", f"joint={joint}")
    told = lass("evaluate", data, *systems, *translation, "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "scores.json").read_text())
    assert list(report["systems"][1]["pairs"]) == PAIRS.split(",")
    assert list(report["systems"][1]["averages"]) == ["all", "en→X", "X→en", "X→Y"]
    assert "mean X→Y (1)" in told

    for order in ("direction", "source", "target", "name"):
        told = lass("compare", joint, "--by", "component", "--order", order)
        assert "de-nl" in told
    lass("compare", masks, "--out", tmp_path / "similarity")
    assert "de-nl" in (tmp_path / "similarity" / "similarity.csv").read_text()

    # en→nl by the encoder of en→de and the decoder of de→nl: no English in between
    out = tmp_path / "zero-shot"
    start = ("zero-shot", data, "--checkpoint", joint, *translation, "--out", out)
    assert main([str(argument) for argument in start]) == 1
    assert "through de or en; choose with --through" in capsys.readouterr().err
    told = lass(*start, "--through", "de", "--baseline", base, "--ablation", "all")
    assert "encoder of X-de, decoder (with its attention to the encoder) of de-X" in (
        told.replace("de-Y", "de-X")
    )
    with open(out / "zero_shot.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["pair"] for row in rows} == {"en-nl"}
    limits = [float(row["references"]) for row in rows if row["references"]]
    assert min(limits) > 60  # real words: the identifier knows them
    assert (out / "masks" / "en-nl.safetensors").is_file()
