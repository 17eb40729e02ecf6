"""``lass neurons erase`` on a model that was trained jointly with neuron masks."""

import csv
import json
import shutil
from pathlib import Path
from statistics import fmean, stdev

import pytest
import torch
from conftest import PAIRS, load

from lass_plugin.anatomy.neurons import owned_parameters
from lass_plugin.cli.main import main
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.evaluation.translation import Translator
from lass_plugin.languages import parse_pairs
from lass_plugin.neurons.allocation import read_allocation
from lass_plugin.neurons.erasure import choose, without
from lass_plugin.neurons.erasure_report import tables
from lass_plugin.neurons.settings import ErasureSettings

CHOSEN = ("de-en", "en-nl")
"""Whose specific neurons are erased."""
PLAIN = Decoding(beam=2, max_len_b=12, cpu=True)
FLAGS = ("--cpu", "--beam", "2", "--max-len-b", "12")


def erasure(**options) -> ErasureSettings:
    names = ("data", "checkpoint", "allocation", "out")
    return ErasureSettings(**{name: Path(name) for name in names}, **options)


def lass(*words: object) -> int:
    return main(list(map(str, words)))


@pytest.fixture(scope="module")
def allocated(data, base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("allocated")
    importance, masks = folder / "importance", folder / "masks"
    words = ("neurons", "importance", data, "--checkpoint", base, "--cpu")
    assert lass(*words, "--sample", 40, "--out", importance) == 0
    words = ("neurons", "allocate", importance, "--general", 0.6, "--threshold", 0.9)
    assert lass(*words, "--out", masks) == 0
    return masks


@pytest.fixture(scope="module")
def joint(commands, base, allocated, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("joint-of-neurons")
    commands.train(
        *(folder, "--finetune-from-model", base, "--masks", allocated),
        *("--max-update", 40, "--no-epoch-checkpoints", "--disable-validation"),
    )
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def outcome(data, joint, allocated, tmp_path_factory) -> Path:
    """The command with two seeds; its folder."""
    out = tmp_path_factory.mktemp("erased")
    words = ("neurons", "erase", data, "--checkpoint", joint, "--out", out, *FLAGS)
    words += ("--allocation", allocated, "--general", 0.2, "--specific", 0.5)
    assert lass(*words, "--pairs", ",".join(CHOSEN), "--seed", "1,2") == 0
    return out


@pytest.fixture(scope="module")
def record(outcome) -> dict:
    return json.loads((outcome / "erasure.json").read_text())


def read_csv(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def translations(out: Path, system: str, pair: str) -> list[str]:
    path = out / "translations" / system / f"test.{pair}.{pair.split('-')[1]}"
    return path.read_text().removesuffix("\n").split("\n")


def test_every_condition_is_there_and_counted_exactly(record, allocated):
    allocation = read_allocation(allocated)
    labels = [each["label"] for each in record["erased"]]
    assert labels == [
        *("general", "specific of de-en", "specific of en-nl"),
        *("not of de-en", "not of en-nl"),
    ]
    for each in record["erased"]:
        assert [draw["seed"] for draw in each["draws"]] == [1, 2]
        for draw in each["draws"]:
            assert sum(draw["sites"].values()) == each["neurons"]
            assert set(draw["pairs"]) == set(PAIRS)
        if each["kind"] == "unused":
            continue
        for site, general in allocation.general.items():
            count = round(0.2 * int(general.sum()))
            if each["kind"] == "specific":
                count = round(0.5 * int(allocation.specific(each["pair"], site).sum()))
            assert [draw["sites"][site] for draw in each["draws"]] == [count] * 2
    general, specific, control = (record["erased"][number] for number in (0, 1, 3))
    for draw in general["draws"]:
        lost = [of["neurons"] for of in draw["pairs"].values()]
        assert lost == [general["neurons"]] * 4
    for draw in specific["draws"]:
        assert draw["pairs"]["de-en"]["neurons"] == specific["neurons"] > 0
        assert draw["pairs"]["en-nl"]["neurons"] < specific["neurons"]
    for draw in control["draws"]:
        assert draw["pairs"]["de-en"]["neurons"] == 0 < control["neurons"]


def test_each_condition_translates_as_in_an_evaluation_of_its_own(
    outcome, data, joint, allocated
):
    """One model with its masks switched gives what a model of its own gives."""
    allocation = read_allocation(allocated)
    erased, _ = choose(allocation, erasure(general=0.2, specific=0.5, seeds=(2,)))
    intact = System("nothing", joint)
    carried = Saved(intact).masks()
    for each in (erased[0], erased[1], erased[2]):
        system = System(each.name, joint, without(carried, each))
        alone = evaluate(*(data, [system], parse_pairs(PAIRS)), decoding=PLAIN)
        for pair in PAIRS:
            expected = alone.outputs[0].hypotheses[pair]
            assert translations(outcome, each.name, pair) == expected
    whole = evaluate(*(data, [intact], parse_pairs(PAIRS)), decoding=PLAIN)
    for pair in PAIRS:
        expected = whole.outputs[0].hypotheses[pair]
        assert translations(outcome, "nothing", pair) == expected
    assert any(
        translations(outcome, "general, seed 2", pair)
        != translations(outcome, "nothing", pair)
        for pair in PAIRS
    )


def test_erased_neurons_are_the_output_zero_of_the_model(data, joint, allocated):
    """The same as a model whose weights of these neurons are zero."""
    allocation = read_allocation(allocated)
    erased, _ = choose(allocation, erasure(general=0.2, specific=0.5))
    carried = Saved(System("nothing", joint)).masks()
    state = load(joint)
    for site, gone in erased[0].neurons.items():
        for name, axis in owned_parameters(site):
            weight = state["model"][name]
            state["model"][name] = weight.clone().index_fill_(
                axis, gone.nonzero().view(-1), 0.0
            )
    zeroed = joint.with_name("zeroed.pt")
    torch.save(state, zeroed)
    systems = [
        System("erased", joint, without(carried, erased[0])),
        System("zeroed", zeroed),
    ]
    found = evaluate(*(data, systems, parse_pairs(PAIRS)), decoding=PLAIN)
    assert found.outputs[0].hypotheses == found.outputs[1].hypotheses


def test_what_is_lost_is_counted_from_nothing_erased(record):
    for each in record["erased"]:
        for pair in PAIRS:
            for metric in ("BLEU", "chrF"):
                start = record["nothing"][pair][metric]
                deltas = []
                for draw in each["draws"]:
                    score = draw["pairs"][pair][metric]
                    assert score["signature"] == start["signature"] != ""
                    delta = score["value"] - start["value"]
                    assert score["difference"]["delta"] == pytest.approx(delta)
                    if not draw["pairs"][pair]["neurons"]:
                        assert delta == 0 and score["difference"]["p_value"] == 1
                    deltas.append(delta)
                mean = each["mean"][pair][metric]
                assert mean["delta"] == pytest.approx(fmean(deltas))
                assert mean["deviation"] == pytest.approx(stdev(deltas))
    for each in record["erased"]:
        changed = [each["mean"][pair]["chrF"]["delta"] != 0 for pair in PAIRS]
        assert any(changed)


def test_the_files_hold_every_score(outcome, record):
    draws = read_csv(outcome / "erasure.draws.csv")
    assert len(draws) == 4 + 5 * 2 * 4
    (row,) = [
        row
        for row in draws
        if (row["erased"], row["of"], row["seed"], row["pair"])
        == ("specific", "de-en", "2", "en-nl")
    ]
    score = record["erased"][1]["draws"][1]["pairs"]["en-nl"]
    assert float(row["bleu"]) == score["BLEU"]["value"]
    assert float(row["chrf_p_value"]) == score["chrF"]["difference"]["p_value"]
    assert int(row["neurons_of_pair"]) == score["neurons"]
    assert row["sentences"] == "13" and row["bleu_signature"] and row["checkpoint"]
    means = read_csv(outcome / "erasure.csv")
    assert len(means) == 5 * 4
    mean = record["erased"][1]["mean"]["en-nl"]["BLEU"]
    assert float(means[4 + 2]["bleu_delta"]) == mean["delta"]
    assert float(means[4 + 2]["bleu_deviation"]) == mean["deviation"]
    page = (outcome / "erasure.md").read_text()
    for words in ("nrefs:1", "beam 2", "seeds 1, 2", "specific of de-en", "13a"):
        assert words in page
    for suffix in (".png", ".svg"):
        assert (outcome / "erasure").with_suffix(suffix).stat().st_size > 1000
    assert "not of en-nl" in (outcome / "erasure.svg").read_text()
    assert (outcome / "scores.json").is_file()


def test_the_tables_show_differences_and_deviations(record):
    bleu, chrf, lost = tables(record)
    assert list(bleu.header) == ["erased", "neurons", *PAIRS, "mean"]
    assert list(bleu.rows[0][:2]) == ["nothing", "0"]
    mean = record["erased"][0]["mean"]["de-en"]["chrF"]
    cell = chrf.rows[1][2]
    assert cell.startswith(f"{mean['delta']:+.2f} ±{mean['deviation']:.2f}")
    assert cell.endswith("*") == (mean["significant"] == 2)
    removed = f"{record['erased'][0]['neurons']}"
    assert list(lost.rows[1][2:]) == [removed] * 4
    # a pair's own specific neurons stand out
    assert bleu.strong == {(2, 2), (3, 4)}


@pytest.mark.slow
def test_the_same_command_translates_nothing_again_and_a_new_seed_only_itself(
    outcome, data, joint, allocated, tmp_path, monkeypatch, capsys
):
    out = shutil.copytree(outcome, tmp_path / "again")
    words = ("neurons", "erase", data, "--checkpoint", joint, "--out", out, *FLAGS)
    words += ("--allocation", allocated, "--pairs", ",".join(CHOSEN))
    stock, done = Translator.translate, []

    def translate(translator, *arguments):
        done.append((translator.ready.system.name, str(arguments[-1][0])))
        return stock(translator, *arguments)

    monkeypatch.setattr(Translator, "translate", translate)
    before = (out / "erasure.json").read_bytes()
    assert lass(*words, "--seed", "1,2") == 0
    assert not done and (out / "erasure.json").read_bytes() == before
    # killed after the first translations of a new seed
    files = set((out / ".kept").iterdir())
    assert lass(*words, "--seed", "3", "--no-control") == 0
    new = sorted(set((out / ".kept").iterdir()) - files)
    assert len(new) == len(done) and {name for name, _ in done} <= {
        *("general, seed 3", *(f"specific of {pair}, seed 3" for pair in CHOSEN))
    }
    record = (out / "erasure.json").read_bytes()
    new[0].unlink()
    new[1].write_text(new[1].read_text()[:100])  # cut short
    done.clear()
    assert lass(*words, "--seed", "3", "--no-control") == 0
    assert len(done) == 2 and (out / "erasure.json").read_bytes() == record
    capsys.readouterr()


def test_other_conditions_do_not_take_what_was_kept(
    outcome, data, joint, allocated, tmp_path, monkeypatch
):
    out = shutil.copytree(outcome, tmp_path / "again")
    words = ("neurons", "erase", data, "--checkpoint", joint, "--out", out, "--cpu")
    words += ("--allocation", allocated, "--max-len-b", 12)
    words += ("--specific", 0, "--limit", 5)
    stock, done = Translator.translate, []
    monkeypatch.setattr(
        Translator, "translate", lambda *given: done.append(given) or stock(*given)
    )
    assert lass(*words, "--beam", 1) == 0
    assert len(done) == 8  # nothing erased and general neurons, four pairs each
    record = json.loads((out / "erasure.json").read_text())
    assert set(record["sentences"].values()) == {5}
    assert record["erased"][0]["mean"]["de-en"]["BLEU"]["deviation"] is None


def test_one_model_is_built(outcome, data, joint, allocated, tmp_path, monkeypatch):
    from lass_plugin.evaluation import systems

    built, stock = [], systems.checkpoint_utils.load_model_ensemble

    def load_model(*arguments, **more):
        built.append(arguments)
        return stock(*arguments, **more)

    monkeypatch.setattr(systems.checkpoint_utils, "load_model_ensemble", load_model)
    words = ("neurons", "erase", data, "--checkpoint", joint, "--out", tmp_path)
    words += (*FLAGS, "--allocation", allocated, "--limit", 2)
    assert lass(*words, "--pairs", "de-en", "--no-control") == 0
    assert len(built) == 1


def test_mistakes_end_with_one_sentence_and_status_1(
    data, base, joint, allocated, masks, tmp_path, capsys, monkeypatch
):
    def untouched(*_, **__):
        raise AssertionError("translated")

    monkeypatch.setattr(Translator, "translate", untouched)
    other = tmp_path / "other"
    words = ("neurons", "allocate", allocated / "importance", "--general", 0.5)
    assert lass(*words, "--out", other) == 0
    start = ("neurons", "erase", data, "--out", tmp_path / "out", *FLAGS)
    good = (*start, "--checkpoint", joint, "--allocation", allocated)
    mistakes = [
        ((*good, "--general", 1.2), "--general 1.2 is not a share"),
        ((*good, "--specific", -1), "--specific -1 is not a share"),
        ((*good, "--seed", "1,x"), "--seed 1,x is not a whole number"),
        ((*good, "--pairs", "fr-en"), "fr-en of --pairs is not in the allocation"),
        ((*good, "--specific", 0, "--pairs", "de-en"), "--pairs has no effect"),
        ((*good, "--split", "dev"), "no dev data of de-en"),
        ((*good, "--beam", 0), "--beam must be 1 or more"),
        (
            (*start, "--checkpoint", base, "--allocation", allocated),
            "carries no masks; give a checkpoint that was trained jointly with",
        ),
        (
            (*start, "--checkpoint", joint, "--allocation", other),
            "are not the same (de-en has other neurons of",
        ),
        (
            (*start, "--checkpoint", joint, "--allocation", masks),
            "give a folder that 'lass neurons allocate' wrote",
        ),
    ]
    for words, told in mistakes:
        assert lass(*words) == 1
        *_, line = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("lass neurons: error: ") and told in line, line


def test_pairs_without_specific_neurons_are_a_note(
    commands, data, base, allocated, tmp_path, capsys
):
    general = tmp_path / "masks"
    words = ("neurons", "allocate", allocated / "importance", "--general", 1)
    assert lass(*words, "--out", general) == 0
    folder = tmp_path / "joint"
    commands.train(
        *(folder, "--finetune-from-model", base, "--masks", general),
        *("--max-update", 2, "--no-epoch-checkpoints", "--disable-validation"),
    )
    start = ("neurons", "erase", data, "--out", tmp_path / "out", *FLAGS)
    start += ("--checkpoint", folder / "checkpoint_last.pt", "--limit", 3)
    assert lass(*start, "--allocation", general) == 0
    assert "de-en has no specific neurons" in capsys.readouterr().out
    assert lass(*start, "--allocation", general, "--general", 0) == 1
    assert "there is nothing to erase: de-en has no" in capsys.readouterr().err
