"""``lass extend``: a new language for a trained model, all stages on made-up text."""

import csv
import json
from pathlib import Path

import pytest
from conftest import PAIRS, load

from lass_plugin.cli import extend as command
from lass_plugin.errors import LassError
from lass_plugin.settings import parse_words

NEW = ("en-uk", "uk-en")
SHORT = ("--cpu", "--threads", 1, "--limit", 5, "--beam", 2)
FLAGS = ("--", "--max-tokens", 160, "--warmup-updates", 2, "--lr", 0.01)


@pytest.fixture(scope="module")
def extended(commands, joint, base, data, new_text, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("extended") / "out"
    arguments = [joint, "--data", data, "--text", new_text, "--out", out]
    arguments += ["--pairs", ",".join(NEW), "--dense", base, *SHORT]
    arguments += ["--ways", "hold-shared,disjoint", "--points", 2]
    arguments += ["--search-updates", 4, "--updates", 8, *FLAGS]
    process = commands.run("lass", "extend", *arguments, timeout=1800)
    assert "Traceback" not in process.stderr
    assert "en-uk (new)" in process.stdout and "4/4" in process.stderr
    again = commands.run("lass", "extend", *arguments, timeout=1800)
    assert again.stdout == process.stdout
    assert again.stderr.count("done before") == 3
    return out


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_way_is_trained_and_reported(extended):
    record = json.loads((extended / "extend.json").read_text())
    ways = ["hold-shared", "disjoint", "dense"]
    assert list(record["holds"]) == ways
    for way in ways:
        points = [p for p in record["points"] if p["way"] == way]
        assert {p["step"] for p in points} == {0, 4, 8}
        assert {p["pair"] for p in points} == {*PAIRS, *NEW}
    changes = {(c["way"], c["pair"]): c for c in record["changes"]}
    for pair in PAIRS:
        disjoint = changes["disjoint", pair]
        assert disjoint["effect"]["unchanged"] and disjoint["identical"] == 5
        assert disjoint["scores"]["BLEU"]["delta"] == 0
        assert disjoint["effect"]["overlap"] > 100
        held = changes["hold-shared", pair]["effect"]
        assert held["shared_moved"] == 0 < held["moved"] <= held["overlap"]
        assert changes["dense", pair]["effect"]["overlap"] is None
        assert changes["dense", pair]["effect"]["moved"] > held["moved"]
    with open(extended / "extend.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 6 and rows[0]["bleu_signature"]
    assert "disjoint" in (extended / "extend.md").read_text()
    for name in ("curve.png", "curve.svg", "curve.csv"):
        assert (extended / name).stat().st_size > 500


@pytest.mark.slow
def test_a_checkpoint_of_it_translates_all_pairs(extended, commands):
    checkpoint = extended / "checkpoints" / "disjoint" / "checkpoint_last.pt"
    state = load(checkpoint)["task_state"]
    assert set(state["masks"]["masks"]) == {*PAIRS, *NEW}
    assert set(state["symbols"]) == set(PAIRS)
    for pair in ("de-en", "en-uk"):
        source, target = pair.split("-")
        generated = commands.run(
            "generate",
            *(extended / "data", "--user-dir", "lass_plugin", "--path", checkpoint),
            *("--task", "translation_subnetwork", "-s", source, "-t", target, "--cpu"),
            *("--beam", 2, "--num-workers", 0),
            cwd=Path(__file__).parents[2],
        )
        assert generated.stdout.count("\nH-") + generated.stdout.startswith("H-") > 5


@pytest.fixture
def parse():
    return lambda *words: parse_words(command.SETTINGS, words)


@pytest.mark.parametrize(
    "change, named",
    [
        ({"--pairs": "de-en"}, "has the pair de-en already"),
        ({"--pairs": "en-fr"}, "no training text for en-fr"),
        ({"--pairs": "en"}, "'en' is not a language pair"),
        ({"--old-pairs": "fr-en"}, "--old-pairs names fr-en"),
        ({"--split": "valid"}, "no valid text of en-uk"),
        ({"--split": "dev"}, "no dev data of de-en"),
        ({"--ways": "all"}, "--ways does not know 'all'"),
        ({"--ways": "dense"}, "dense comes with --dense"),
        ({"--updates": 3}, "--points 10 is more than --updates 3"),
        ({"--limit": 0}, "--limit must be 1"),
        ({"--min-count": 0}, "--min-count must be 1"),
        ({"--until": "end"}, "--until end is unknown"),
        ({"--spm-model": "none.model"}, "none.model"),
        ({"--ratio": 1.5}, "--ratio"),
        ({"--data": "nowhere"}, "nowhere"),
        ({"--text": "nowhere"}, "nowhere"),
        ({"checkpoint": "nowhere.pt"}, "nowhere.pt"),
        ({"checkpoint": "base"}, "carries no masks"),
        ({"--dense": "nowhere.pt"}, "nowhere.pt"),
        ({"--": ["--masks", "x"]}, "--masks cannot be passed on"),
        ({"--": ["--hold", "shared"]}, "use --ways"),
        ({"--": ["--no-such-flag"]}, "--no-such-flag"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_mistakes_are_told_before_anything_is_written(
    change, named, parse, joint, base, data, new_text, tmp_path
):
    given = {"checkpoint": joint, "--data": data, "--text": new_text}
    given |= {"--pairs": "en-uk", "--out": tmp_path / "out", **change}
    if given["checkpoint"] == "base":
        given["checkpoint"] = base
    flags = given.pop("--", [])
    words = [given.pop("checkpoint"), "--cpu"]
    words += [word for item in given.items() for word in item]
    with pytest.raises(LassError) as error:
        command.run(parse(*words, "--", *flags))
    assert named in error.value.message and "\n" not in error.value.message
    assert not (tmp_path / "out").exists()


def test_another_run_in_the_same_folder_is_refused(
    parse, joint, data, new_text, tmp_path
):
    words = [joint, "--data", data, "--text", new_text, "--pairs", "en-uk", "--cpu"]
    words += ["--out", tmp_path / "out", "--until", "extend"]
    assert command.run(parse(*words)) == 0
    assert command.run(parse(*words)) == 0
    with pytest.raises(LassError, match="begun with --ratio 0.6, not 0.3"):
        command.run(parse(*words, "--ratio", 0.3))
    assert command.run(parse(*words, "--ratio", 0.3, "--fresh")) == 0
    (tmp_path / "out" / "stage.json").unlink()
    with pytest.raises(LassError, match="which lass extend did not make"):
        command.run(parse(*words))
    # as an earlier version left it
    before = parse(*words, "--ratio", 0.3).record()
    (tmp_path / "out" / "settings.json").write_text(json.dumps(before))
    with pytest.raises(LassError, match="begun with --ratio 0.3, not 0.6"):
        command.run(parse(*words))
    assert command.run(parse(*words, "--ratio", 0.3)) == 0
    assert (tmp_path / "out" / "stage.json").is_file()
