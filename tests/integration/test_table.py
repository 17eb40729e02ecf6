"""``lass table`` on what the other commands write."""

import json
import shutil

import pytest
import torch
from conftest import PAIRS, load

from lass_plugin.cli.main import main
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.evaluation.throughput import measure
from lass_plugin.languages import parse_pairs
from lass_plugin.tables.cost import cost_of

PLAIN = Decoding(beam=3, max_len_b=20, cpu=True, limit=5)
FAST = ("--sentences", "4", "--runs", "2", "--beam", "2", "--max-len-b", "10", "--cpu")


@pytest.fixture(scope="module")
def report(base, joint, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    systems = [System("base", base), System("joint", joint)]
    evaluate(data, systems, decoding=PLAIN, out=out)
    return out


def test_an_evaluation_keeps_sources_and_references(report):
    for folder, language in (("sources", "en"), ("references", "nl")):
        path = report / folder / f"test.en-nl.{language}"
        lines = path.read_text().splitlines()
        assert len(lines) == 5 and lines[0].startswith(language)


def test_scores_of_a_report_as_files(report, data, tmp_path, capsys):
    sizes = tmp_path / "sizes.txt"
    sizes.write_text("de-en 150\nen-nl 60\n")
    arguments = ["--sizes", sizes, "--low", "100", "--high", "1K", "--out", tmp_path]
    assert main(["table", "scores", str(report), *map(str, arguments)]) == 0
    out = capsys.readouterr().out
    assert "low: < 100 training sentences" in out and "nl 60" in out
    content = json.loads((tmp_path / "table-scores.json").read_text())
    names = {table["name"] for table in content["tables"]}
    assert {"languages.bleu", "groups.chrf", "wins.bleu", "metrics"} <= names
    page = (tmp_path / "table-scores.md").read_text()
    assert "## Each language with en (BLEU, detokenised text)" in page
    assert "tok:13a" in page.replace("\\", "")
    assert (tmp_path / "table-scores.tex").read_text().count(r"\begin{table}") == len(
        content["tables"]
    )
    assert main(["table", "scores", str(report), "--format", "latex"]) == 0
    assert capsys.readouterr().out.startswith("% \\usepackage{booktabs}")


def test_another_baseline_is_tested_from_the_texts(report, capsys):
    arguments = ["--baseline", "joint", "--metrics", "chrf", "--tables", "from-centre"]
    assert main(["table", "scores", str(report), *arguments]) == 0
    captured = capsys.readouterr()
    assert "difference to joint" in captured.out
    assert "testing differences: done" in captured.err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--low", "5"], "--low and --high have no effect"),
        (["--references", "x", "--no-test"], "--references has no effect"),
        (["--metrics", "TER"], "there is no metric 'TER'"),
        (["--metrics", "COMET"], "not every system has COMET"),
        (["--tables", "groups"], "give --sizes"),
        (["--systems", "joint,mine"], "no system 'mine'"),
        (["--systems", "joint", "--wins-by", "pair"], "--wins-by has no effect"),
    ],
)
def test_mistakes_are_one_sentence(report, arguments, message, capsys):
    assert main(["table", "scores", str(report), *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_parameters_are_those_of_the_model(base, joint, masks, data):
    for path in (base, joint):
        ready = Saved(System("one", path)).set_up(data, parse_pairs(PAIRS))
        model = ready.build_model(torch.device("cpu"), False)
        expected = sum(parameter.numel() for parameter in model.parameters())
        assert cost_of("one", path).parameters == expected
    cost = cost_of("joint", joint)
    weights = load(joint)["model"]
    for key, mask in ready.method.masks.items():
        removed = sum(int((~mask.unpack(name)).sum()) for name in mask.shapes)
        assert cost.kept[key] == expected - removed
    assert cost.maskable == sum(weights[name].numel() for name in mask.shapes)


def test_speed_counts_the_tokens_of_the_translations(joint, data):
    pairs = parse_pairs("de-en,en-nl")
    ready = Saved(System("joint", joint)).set_up(data, pairs)
    done = []
    found = measure(
        {"joint": ready},
        "test",
        PLAIN,
        2,
        advance=lambda n, name: done.append((n, name)),
    )["joint"]
    result = evaluate(data, [System("joint", joint)], pairs, decoding=PLAIN)
    assert found.tokens == result.speeds["joint"].tokens
    assert found.sentences == 10 and len(found.runs) == 2 and min(found.runs) > 0
    assert done == [(10, "joint")] * 2


@pytest.mark.gpu
def test_speed_on_the_gpu_counts_the_same_sentences(joint, data):
    ready = Saved(System("joint", joint)).set_up(data, parse_pairs("de-en"))
    decoding = Decoding(beam=3, max_len_b=20, limit=5)
    assert decoding.device.type == "cuda"
    found = measure({"joint": ready}, "test", decoding, 2)["joint"]
    assert found.sentences == 5 and len(found.runs) == 2 and found.deviation >= 0


def test_cost_of_systems_with_speed_and_score(
    base, joint, data, report, tmp_path, capsys
):
    systems = ["--system", f"base={base}", "--system", f"joint={joint}"]
    more = ["--data", data, *FAST, "--scores", report, "--out", tmp_path]
    assert main(["table", "cost", *systems, *map(str, more)]) == 0
    captured = capsys.readouterr()
    assert "joint (dense)" in captured.out and "1 thread" in captured.out
    assert "timing on the CPU: done" in captured.err
    content = json.loads((tmp_path / "table-cost.json").read_text())
    size, pairs, speed = content["tables"]
    assert [record["system"] for record in size["records"]] == ["base", "joint"]
    assert size["records"][1]["masks"] == 4 and size["records"][1]["score"] >= 0
    assert {record["pair"] for record in pairs["records"]} == set(PAIRS)
    names = [record["system"] for record in speed["records"]]
    assert names == ["base", "joint", "joint (dense)"]
    assert all(record["sentences"] == 4 for record in speed["records"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--runs", "3"], "--runs has no effect without --data"),
        (["--metric", "chrF"], "--metric has no effect without --scores"),
        (["--inference-masks", "x=y"], "names the system 'x'"),
        (["--system", "base"], "not of the form NAME=CHECKPOINT"),
    ],
)
def test_mistakes_about_cost_are_one_sentence(base, arguments, message, capsys):
    assert main(["table", "cost", "--system", f"base={base}", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_two_systems_of_one_name_are_refused(base, capsys):
    system = ["--system", f"base={base}"]
    assert main(["table", "cost", *system, *system]) == 1
    assert "two systems are called 'base'" in capsys.readouterr().err


def test_cost_of_low_rank_modules_counts_their_base(low_rank, base, tmp_path, capsys):
    alone = cost_of("base", base).parameters
    trained = sum(value.numel() for value in load(low_rank)["model"].values())
    cost = cost_of("modules", low_rank)
    assert cost.parameters == alone + trained and cost.base_parameters == alone
    assert cost.parameters_of_a_pair == alone and cost.weight_bytes == 4 * trained
    moved = shutil.copy(base, tmp_path / "moved.pt")
    checkpoint = load(low_rank)
    checkpoint["task_state"]["lslo"]["base"] = str(tmp_path / "gone.pt")
    path = tmp_path / "modules.pt"
    torch.save(checkpoint, path)
    command = ["table", "cost", "--system", f"modules={path}"]
    assert main(command) == 1
    assert (
        "is not there any more; give its place with --base" in capsys.readouterr().err
    )
    assert main([*command, "--base", f"modules={moved}"]) == 0
    assert "low-rank modules, merged into their base" in capsys.readouterr().out
