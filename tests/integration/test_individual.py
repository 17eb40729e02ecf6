"""One model a pair as one system: evaluated, summed, refused by name."""

import json
import shutil
from dataclasses import replace

import pytest
from conftest import load
from forked import ForkedCommands

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.cli.main import main
from lass_plugin.data.preparation import prepare
from lass_plugin.data.preparation_settings import PreparationSettings
from lass_plugin.errors import LassError
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.individual import Individual, is_individual
from lass_plugin.evaluation.report_file import read
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System
from lass_plugin.languages import Pair, parse_pairs

PLAIN = Decoding(beam=2, max_len_b=20, cpu=True)
LENGTH = ("--max-update", 60, "--no-epoch-checkpoints", "--disable-validation")
PAIRS = ("de-en", "en-nl")


@pytest.fixture(scope="module")
def individual(commands, tmp_path_factory):
    """A folder of models of one pair each."""
    folder = tmp_path_factory.mktemp("individual")
    for pair in PAIRS:
        commands.train(folder / pair, "--lang-pairs", pair, *LENGTH)
    return folder


def pattern(folder) -> str:
    return f"{folder}/{{pair}}/checkpoint_last.pt"


def test_every_pair_is_translated_by_its_own_model(data, individual, base, tmp_path):
    systems = [System("base", base)]
    systems.append(Individual.parse("individual", pattern(individual)))
    result = evaluate(data, systems, parse_pairs(PAIRS), out=tmp_path, decoding=PLAIN)
    _, outputs = result.outputs
    for pair in PAIRS:
        path = individual / pair / "checkpoint_last.pt"
        alone = evaluate(data, [System("alone", path)], decoding=PLAIN)
        assert alone.outputs[0].hypotheses[pair] == outputs.hypotheses[pair]
    assert outputs.hypotheses.keys() == set(PAIRS)
    assert outputs.checkpoint == pattern(individual)
    assert outputs.mask == "one model a pair"
    assert result.speeds["individual"].sentences == 26


def test_the_commands_take_it_first_and_its_pairs(data, individual, base, tmp_path):
    listed = ",".join(f"{p}:{individual / p / 'checkpoint_last.pt'}" for p in PAIRS)
    words = ["evaluate", str(data), "--cpu", "--beam", "2", "--max-len-b", "20"]
    words += ["--system", f"individual={listed}", "--system", f"base={base}"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    assert read(tmp_path / "scores.json").pairs == list(PAIRS)


def test_parameters_and_bytes_are_those_of_all_models(
    data, individual, base, tmp_path, capsys
):
    words = ["table", "cost", "--system", f"individual={pattern(individual)}"]
    words += ["--system", f"base={base}", "--out", str(tmp_path)]
    speed = ["--data", str(data), "--cpu", "--pairs", ",".join(PAIRS), "--runs", "1"]
    speed += ["--sentences", "2", "--max-len-b", "20", "--beam", "1"]
    assert main([*words, *speed]) == 0
    table = json.loads((tmp_path / "table-cost.json").read_text())
    size, speed = (each["records"] for each in table["tables"])
    mine, whole = size
    one = sum(w.numel() for w in Checkpoint.read(base).parameters.values())
    assert (mine["parameters"], mine["of_a_pair"]) == (2 * one, one)
    assert mine["weight_bytes"] == 4 * 2 * one == 2 * whole["weight_bytes"]
    files = [individual / pair / "checkpoint_last.pt" for pair in PAIRS]
    assert mine["checkpoint_bytes"] == sum(file.stat().st_size for file in files)
    assert {each["system"] for each in speed} == {"individual", "base"}
    assert speed[0]["sentences"] == 4
    capsys.readouterr()
    assert main([*words, "--data-of", f"individual={data}"]) == 1
    assert "--data-of has no effect without --data" in capsys.readouterr().err


def own_data(data, text, out, change=lambda lines: lines):
    """Data of en-nl alone, with a dictionary of its own."""
    text.mkdir()
    for split, of in (("train", "valid"), ("valid", "valid"), ("test", "test")):
        for language in ("en", "nl"):
            raw = data / "raw" / f"{of}.en-nl.{language}"
            lines = change(raw.read_text().splitlines())
            told = "".join(f"{line}\n" for line in lines)
            (text / f"{split}.en-nl.{language}").write_text(told)
    pairs = tuple(parse_pairs("en-nl"))
    prepare(
        PreparationSettings(text=text, out=out, pairs=pairs, subword="none", workers=1)
    )
    return out


def test_a_dictionary_of_its_own(commands, data, individual, base, tmp_path):
    """Models of their own data are compared on the same sentences."""
    own = own_data(data, tmp_path / "text", tmp_path / "own" / "en-nl")
    model = tmp_path / "runs" / "en-nl"
    trained = ForkedCommands(own, tmp_path)
    trained.train(model, "--lang-pairs", "en-nl", *LENGTH)
    tables = [
        load(path)["model"]["encoder.embed_tokens.weight"]
        for path in (model / "checkpoint_last.pt", base)
    ]
    assert len(tables[0]) < len(tables[1])
    found = Individual.parse(
        "own", pattern(tmp_path / "runs"), str(tmp_path / "own" / "{pair}")
    )
    pairs = parse_pairs("en-nl")
    systems = [System("base", base), found]
    result = evaluate(data, systems, pairs, decoding=PLAIN)
    alone = evaluate(own, [System("a", model / "checkpoint_last.pt")], decoding=PLAIN)
    assert result.outputs[1].hypotheses == alone.outputs[0].hypotheses
    assert result.test_set.sources == alone.test_set.sources
    bare = Individual.parse("own", pattern(tmp_path / "runs"))
    with pytest.raises(LassError, match="dictionary"):
        evaluate(data, [System("base", base), bare], pairs, decoding=PLAIN)
    other = tmp_path / "other" / "en-nl"
    own_data(data, tmp_path / "turned", other, lambda lines: lines[::-1])
    turned = replace(found, data=str(tmp_path / "other" / "{pair}"))
    for systems in ([System("base", base), turned], [turned, System("base", base)]):
        with pytest.raises(LassError, match="are other sentences than those that syst"):
            evaluate(data, systems, pairs, decoding=PLAIN)


def test_what_is_missing_or_of_another_pair_is_named(data, individual, tmp_path):
    whole = Individual.parse("individual", pattern(individual))
    with pytest.raises(LassError, match="individual has no checkpoint of nl-en"):
        evaluate(data, [whole], parse_pairs("de-en,nl-en"), decoding=PLAIN)
    swapped = f"en-de:{individual}/de-en/checkpoint_last.pt"
    with pytest.raises(LassError, match="of en-de of system s, was trained on de-en"):
        evaluate(data, [Individual.parse("s", swapped)], decoding=PLAIN)
    for text, told in (
        (f"de-en:{tmp_path}/a.pt", "no checkpoint of de-en: .*a.pt does not exist"),
        (f"{tmp_path}/{{pair}}/a.pt", "no file is called"),
        (f"de-en:{swapped[6:]},x.pt", "'x.pt' is not of the form SRC-TGT:CHECKPOINT"),
        (f"{swapped},{swapped}", "two checkpoints of en-de"),
    ):
        with pytest.raises(LassError, match=told):
            Individual.parse("s", text)


def test_the_forms():
    assert is_individual("runs/{pair}/a.pt") and is_individual("de-en:a.pt,en-de:b.pt")
    assert not is_individual("runs/de-en/a.pt") and not is_individual("de-en")


def test_pairs_are_found_by_file_names_too(individual, tmp_path):
    for pair in PAIRS:
        there = individual / pair / "checkpoint_last.pt"
        shutil.copy(there, tmp_path / f"model.{pair}.pt")
    (tmp_path / "model.other.pt").touch()
    found = Individual.parse("s", f"{tmp_path}/model.{{pair}}.pt")
    assert list(found.of_pairs) == [Pair("de", "en"), Pair("en", "nl")]


@pytest.mark.parametrize("flag", ["--dense", "--base", "--inference-masks"])
def test_options_of_one_model_are_refused(data, individual, flag, capsys):
    value = "s" if flag == "--dense" else "s=x"
    words = ["evaluate", str(data), "--system", f"s={pattern(individual)}"]
    assert main([*words, flag, value]) == 1
    assert f"{flag} has no effect on system s" in capsys.readouterr().err
