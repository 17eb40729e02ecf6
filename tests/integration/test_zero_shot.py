"""``lass zero-shot``: merged masks, ways to give them, the ablation, and mistakes."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from conftest import TASK_FLAGS

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.evaluation import language_identifier, zero_shot
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.settings import Decoding, ScoringSettings
from lass_plugin.evaluation.systems import System
from lass_plugin.evaluation.zero_shot_settings import ZeroShotSettings
from lass_plugin.evaluation.zero_shot_tables import (
    ablation_tables,
    render,
    tables,
    write,
)
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import MaskSet, load_mask
from lass_plugin.masks.file import carried_masks, masks_at
from lass_plugin.masks.merge import merge

PLAIN = Decoding(beam=2, max_len_b=12, cpu=True)
FLAGS = ("--cpu", "--beam", "2", "--max-len-b", "12")


@pytest.fixture(scope="module")
def more_data(data, tmp_path_factory) -> Path:
    """The data and a test set of de-nl; both English test sets are the same."""
    folder = shutil.copytree(data, tmp_path_factory.mktemp("zero") / "data")
    for end in ("bin", "idx"):
        for code in ("de", "nl"):
            source = folder / f"test.en-{code}.{code}.{end}"
            shutil.copy(source, folder / f"test.de-nl.{code}.{end}")
    for code in ("de", "nl"):
        shutil.copy(
            folder / "raw" / f"test.en-{code}.{code}",
            folder / "raw" / f"test.de-nl.{code}",
        )
    return folder


@pytest.fixture(scope="module")
def outcome(more_data, base, joint, tmp_path_factory):
    """The command with everything on: its folder, and the same from Python."""
    out = tmp_path_factory.mktemp("out")
    settings = ZeroShotSettings(
        data=more_data,
        checkpoint=joint,
        baseline=base,
        ablation=(),
        among="model",
        scoring=ScoringSettings(decoding=PLAIN),
        out=out,
    )
    result = zero_shot.zero_shot(settings)
    write(result, out)
    return result, out


def hypotheses(result, system):
    outputs = {output.name: output for output in result.evaluation.outputs}
    return outputs[system].hypotheses


def test_pairs_and_the_language_between_are_found(outcome):
    result, _ = outcome
    assert result.pivot == "en"
    assert result.result.evaluation.report.pairs == ["de-nl", "nl-de"]
    assert result.sources["de-nl"].startswith("encoder of de-en")
    assert "decoder of en-nl" in result.sources["de-nl"]
    names = [system.name for system in result.result.evaluation.report.systems]
    assert names == ["baseline", "merged masks", "dense"]


def test_each_system_translates_as_in_an_evaluation_of_its_own(
    outcome, more_data, base, joint
):
    result, out = outcome
    systems = [
        System("baseline", base),
        System("merged masks", joint, str(out / "masks")),
        System("dense", joint, dense=True),
    ]
    pairs = parse_pairs("de-nl,nl-de")
    for system in systems:  # one after the other, each model built by itself
        alone = evaluate(more_data, [system], pairs, decoding=PLAIN)
        assert alone.outputs[0].hypotheses == hypotheses(result.result, system.name)
    assert hypotheses(result.result, "dense") != hypotheses(
        result.result, "merged masks"
    )


def test_one_model_is_built_for_all_masks_of_a_checkpoint(
    more_data, joint, monkeypatch
):
    from lass_plugin.evaluation import systems

    built = []
    stock = systems.checkpoint_utils.load_model_ensemble

    def load(*arguments, **more):
        built.append(arguments)
        return stock(*arguments, **more)

    monkeypatch.setattr(systems.checkpoint_utils, "load_model_ensemble", load)
    settings = ZeroShotSettings(
        data=more_data,
        checkpoint=joint,
        ablation=(),
        identifier="none",
        scoring=ScoringSettings(decoding=PLAIN),
    )
    result = zero_shot.zero_shot(settings)
    assert not result.result.limits
    assert len(result.ablation.evaluation.outputs) == 5
    assert len(built) == 2  # one for the table, one for the ablation


def test_the_masks_written_are_those_of_lass_merge(outcome, joint):
    _, out = outcome
    carried = carried_masks(Checkpoint.read(joint))
    for key in ("de-nl", "nl-de"):
        written = load_mask(out / "masks" / f"{key}.safetensors")
        source, target = key.split("-")
        expected = merge(carried[f"{source}-en"], carried[f"en-{target}"], key)
        for name, bits in expected.bits.items():
            assert bits.equal(written.bits[name])


def test_fairseq_generate_translates_under_a_merged_mask_and_only_when_asked(
    commands, outcome, more_data, joint
):
    result, out = outcome
    arguments = [
        *(more_data, *TASK_FLAGS, "--path", joint, "-s", "de", "-t", "nl", "--cpu"),
        *("--beam", 2, "--max-len-b", 12, "--num-workers", 0),
    ]
    refused = commands.run("generate", *arguments, check=False)
    assert refused.returncode == 1
    assert "carries no mask of de-nl" in refused.told
    mask = out / "masks" / "de-nl.safetensors"
    process = commands.run("generate", *arguments, "--inference-masks", mask)
    lines = [line for line in process.stdout.splitlines() if line.startswith("H-")]
    lines.sort(key=lambda line: int(line.split("\t")[0][2:]))
    found = [line.split("\t")[2] for line in lines]
    assert found == hypotheses(result.result, "merged masks")["de-nl"]


def test_evaluate_refuses_a_pair_without_a_mask_by_name(more_data, joint):
    with pytest.raises(LassError, match="has no mask of de-nl"):
        evaluate(
            more_data,
            [System("joint", joint)],
            parse_pairs("de-nl"),
            decoding=PLAIN,
        )


def test_the_ablation_replaces_one_side_at_a_time(outcome, joint):
    result, _ = outcome
    masks = carried_masks(Checkpoint.read(joint))
    pairs = [Pair.parse("de-nl"), Pair.parse("nl-de")]
    found = zero_shot.replacements(masks, pairs, "en")
    assert list(found) == [
        *("encoder of de-en", "encoder of nl-en"),
        *("decoder of en-de", "decoder of en-nl"),
    ]
    mask = found["encoder of nl-en"]["de-nl"]
    for name, bits in mask.bits.items():
        source = "nl-en" if name.startswith("encoder.") else "en-nl"
        assert bits.equal(masks[source].bits[name])
    for key in ("de-nl", "nl-de"):
        source, target = key.split("-")
        own = hypotheses(result.ablation, "merged masks")[key]
        assert own == hypotheses(result.result, "merged masks")[key]
        assert own == hypotheses(result.ablation, f"encoder of {source}-en")[key]
        assert own == hypotheses(result.ablation, f"decoder of en-{target}")[key]
        assert own != hypotheses(result.ablation, f"decoder of en-{source}")[key]


def test_the_tables_have_every_direction_and_the_mean(outcome):
    result, out = outcome
    made = tables(result)
    titles = [table.title.split()[0] for table in made]
    assert titles == ["BLEU", "chrF", "on-target"]
    for table, limit in zip(made, ([], [], ["references"]), strict=True):
        assert table.header[2:] == ["baseline", "merged masks", "dense", *limit]
        assert [row[0] for row in table.rows] == ["de-nl", "nl-de", "mean (2)"]
    values = [float(row[2]) for row in made[1].rows]
    assert values[2] == pytest.approx((values[0] + values[1]) / 2, abs=0.006)
    table = ablation_tables(result)[0]
    assert table.title.endswith("encoder mask of X replaced")
    assert table.header == ["pair", "de", "nl", "others"]
    assert table.rows[0][1].endswith(" =") and not table.rows[0][2].endswith("=")
    assert table.rows[1][2].endswith(" =")
    text = render(result)
    page = (out / "zero_shot.md").read_text() + (out / "ablation.md").read_text()
    for content in (text, page):
        for words in ("among:de+en+nl", "nrefs:1", "mean (2)", "decoder mask of X"):
            assert words in content


def test_the_files_hold_every_score_with_its_signature(outcome):
    result, out = outcome
    for name in ("zero_shot", "ablation"):
        content = json.loads((out / f"{name}.json").read_text())
        with open(out / f"{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        scored = 0
        for system, of in content["systems"].items():
            for pair, metrics in of["pairs"].items():
                assert list(metrics) == ["BLEU", "chrF", "on-target"]
                for metric, score in metrics.items():
                    scored += 1
                    (row,) = [
                        row
                        for row in rows
                        if (row["system"], row["pair"], row["metric"])
                        == (system, pair, metric)
                    ]
                    assert float(row["value"]) == score["value"]
                    assert row["signature"] == score["signature"] != ""
                    assert row["sentences"] == "13"
                    assert row["checkpoint"] == of["checkpoint"] != ""
                    assert bool(row["references"]) == (metric == "on-target")
        assert scored == len(rows) == len(content["systems"]) * 2 * 3
        assert "encoder of de-en" in content["merged_from"]["de-nl"]
    assert (out / "translations" / "merged masks" / "test.de-nl.nl").is_file()
    assert (out / "ablation" / "scores.json").is_file()


def run(capsys, *arguments) -> tuple[int, str]:
    code = main(["zero-shot", *map(str, arguments)])
    return code, capsys.readouterr().err.strip().splitlines()[-1]


def test_mistakes_end_with_one_sentence_and_status_1(
    more_data, data, base, joint, masks, tmp_path, capsys, monkeypatch
):
    start = (more_data, "--checkpoint", joint, *FLAGS)
    one_way = tmp_path / "one-way"
    shutil.copytree(masks, one_way)
    (one_way / "en-nl.safetensors").unlink()
    (one_way / "en-de.safetensors").unlink()
    mistakes = [
        ((more_data, "--checkpoint", base, *FLAGS), "carries no masks to merge"),
        ((data, "--checkpoint", joint, *FLAGS), "has no test data of any zero-shot"),
        ((*start, "--pairs", "de-en"), "de-en was trained"),
        ((*start, "--pairs", "de-fr"), "there is no mask of en-fr"),
        ((*start, "--through", "de"), "can be merged through de"),
        ((*start, "--masks", one_way), "cannot be merged for any pair"),
        ((*start, "--ablation", "nl-en"), "nl-en of --ablation is not among"),
        ((*start, "--identify-as", "fr=de"), "--identify-as names the language fr"),
        ((*start, "--identify-as", "nl=xx"), "has no language 'xx'"),
        (
            (*start, "--identifier", "none", "--among", "model"),
            "--among has no effect with --identifier none",
        ),
        ((*start, "--split", "dev"), "has no dev data of any zero-shot pair"),
        ((*start, "--pairs", "de"), "'de' is not a language pair"),
    ]
    for arguments, words in mistakes:
        code, told = run(capsys, *arguments)
        assert code == 1 and words in told, told
    monkeypatch.setattr(language_identifier, "_TWO_LETTERS", {"nl": "nothing"})
    code, told = run(capsys, *start)
    assert code == 1 and "does not know the language 'nl'" in told


def test_a_base_in_between_must_be_chosen_where_there_are_two(joint):
    masks = carried_masks(Checkpoint.read(joint))
    as_german = [Pair.parse("nl-de"), Pair.parse("de-fr")]
    more = MaskSet(
        [
            *masks.values(),
            *(merge(masks["de-en"], masks["en-de"], str(p)) for p in as_german),
        ]
    )
    trained = set(more)
    assert zero_shot.mergeable(more, trained, "en") == [Pair("de", "nl")]
    assert zero_shot.mergeable(more, trained, "de") == [
        *(Pair("en", "fr"), Pair("nl", "fr"))
    ]
    with pytest.raises(LassError, match="through de or en; choose with --through"):
        zero_shot.find_pivot(more, trained)


def test_the_command_prints_the_tables_and_the_files(
    more_data, joint, tmp_path, capsys
):
    place = tmp_path / "joint masks"
    for mask in masks_at([joint]).values():
        from lass_plugin.masks import save_mask

        save_mask(place / f"{mask.key}.safetensors", mask)
    words = ["zero-shot", str(more_data), "--checkpoint", str(joint), *FLAGS]
    words += ["--masks", str(place), "--pairs", "de-nl", "--limit", "5"]
    words += ["--out", str(tmp_path / "out")]
    code = main([*words, "--ablation", "de-nl"])
    printed = capsys.readouterr()
    assert code == 0
    assert "decoder mask of X replaced" in printed.out
    assert str(tmp_path / "out" / "ablation.md") in printed.out
    assert "translating: done in" in printed.err
    # once more without an ablation: that of before is not of these scores
    assert main([*words, "--identifier", "none"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"zero_shot.json", "scores.json"} <= names
    assert not {"ablation.json", "ablation.csv", "ablation.md"} & names
    assert not (tmp_path / "out" / "ablation" / "scores.json").exists()
