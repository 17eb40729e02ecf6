"""Law 10: a checkpoint is enough.

It carries the masks of its pairs and the choice of language tokens; translating needs
the checkpoint, a dictionary and ``--user-dir``.
"""

import math
import shutil
from pathlib import Path

import pytest
import torch
from conftest import PAIRS, ROOT, load
from in_process import as_stock, load_model, logits, translation_task

from lass_plugin.errors import LassError
from lass_plugin.masks import load_masks
from lass_plugin.masks.file import digest, from_state


def translate(commands, data: Path, checkpoint: Path, *flags, check=True, cwd=None):
    """``fairseq-generate`` with nothing but what every translation needs."""
    return commands.run(
        *("generate", data, "--user-dir", ROOT / "lass_plugin"),
        *("--task", "translation_subnetwork", "--path", checkpoint),
        *("--cpu", "--beam", 2, "--max-len-b", 12, "--num-workers", 0, *flags),
        check=check,
        cwd=cwd,
    )


def hypotheses(result) -> list[str]:
    """Sentence numbers, scores to the last digit, and words."""
    return sorted(line for line in result.stdout.splitlines() if line[:2] == "H-")


@pytest.fixture(scope="module")
def alone(joint, tmp_path_factory) -> Path:
    """The joint checkpoint under another name, in a folder of its own."""
    place = tmp_path_factory.mktemp("elsewhere") / "received.pt"
    shutil.copy(joint, place)
    return place


@pytest.fixture(scope="module")
def dictionaries(data, tmp_path_factory) -> Path:
    """A data folder that holds the dictionaries of one pair and nothing else."""
    folder = tmp_path_factory.mktemp("dictionaries")
    for language in ("de", "en"):
        shutil.copy(data / f"dict.{language}.txt", folder)
    return folder


@pytest.fixture(scope="module")
def test_data(data, dictionaries, tmp_path_factory) -> Path:
    """The same with test sentences; no list of languages, no nl anywhere."""
    folder = tmp_path_factory.mktemp("test_data")
    for path in [*dictionaries.iterdir(), *data.glob("test.en-de.*")]:
        shutil.copy(path, folder)
    return folder


class TestTheCheckpointAlone:
    def test_translates_through_fairseqs_python_interface(
        self, commands, alone, data, test_data
    ):
        from fairseq.models.transformer import TransformerModel

        hub = TransformerModel.from_pretrained(
            str(alone.parent),
            alone.name,
            data_name_or_path=str(test_data),
            source_lang="de",
            target_lang="en",
        )
        lines = (data / "raw" / "test.en-de.de").read_text().splitlines()
        found = hub.generate([hub.encode(line) for line in lines], 2, max_len_b=12)
        scores = [float(best["score"]) / math.log(2) for best, *_ in found]
        pair = ("-s", "de", "-t", "en")
        expected = hypotheses(translate(commands, test_data, alone, *pair))
        stated = {
            int(line[2:].split("\t")[0]): line.split("\t")[1] for line in expected
        }
        assert scores == [
            pytest.approx(float(stated[number]), abs=2e-4)
            for number in range(len(lines))
        ]
        assert len({round(score, 3) for score in scores}) > 5

    def test_translates_as_under_masks_given_explicitly(
        self, commands, alone, masks, test_data, tmp_path
    ):
        ours = translate(
            commands, test_data, alone, "-s", "de", "-t", "en", cwd=tmp_path
        )
        given = ("--inference-masks", masks)
        explicit = translate(commands, test_data, alone, "-s", "de", "-t", "en", *given)
        dense = translate(commands, test_data, alone, "-s", "de", "-t", "en", "--dense")
        assert len(hypotheses(ours)) == 13
        assert hypotheses(ours) == hypotheses(explicit)
        assert hypotheses(ours) != hypotheses(dense)

    def test_translates_what_is_typed_with_nothing_but_dictionaries(
        self, commands, alone, data, dictionaries, test_data, tmp_path
    ):
        result = commands.run(
            *("interactive", dictionaries, "--user-dir", ROOT / "lass_plugin"),
            *("--task", "translation_subnetwork", "--path", alone),
            *("-s", "de", "-t", "en", "--cpu", "--beam", 2, "--max-len-b", 12),
            *("--input", data / "raw" / "test.en-de.de", "--buffer-size", 20),
            *("--max-tokens", 4000),
            cwd=tmp_path,
        )
        generated = translate(commands, test_data, alone, "-s", "de", "-t", "en")

        def words(result):
            return [(row.split("\t")[0], row.split("\t")[2]) for row in result]

        assert len(hypotheses(result)) == 13
        assert words(hypotheses(result)) == words(hypotheses(generated))

    def test_holds_the_masks_bit_for_bit(self, joint, masks):
        carried = from_state(load(joint)["task_state"]["masks"])
        assert list(carried) == sorted(PAIRS)
        assert digest(carried) == digest(load_masks(masks))
        for key, mask in load_masks(masks).items():
            assert carried[key].provenance == mask.provenance
            assert carried[key].base == mask.base

    def test_knows_the_tokens_of_every_language(self, alone, test_data):
        task = translation_task(test_data, "-s de -t en")
        load_model(alone, task)
        assert task.tokens.languages == ("de", "en", "nl")
        assert (task.tokens.encoder, task.tokens.decoder) == ("src", True)
        symbols = task.source_dictionary.symbols
        assert symbols[-3:] == ["__de__", "__en__", "__nl__"]

    def test_has_stock_names_and_stock_shapes(self, joint, base):
        ours, stock = load(joint)["model"], load(base)["model"]
        assert {n: w.shape for n, w in ours.items()} == {
            n: w.shape for n, w in stock.items()
        }


class TestOptionsThatContradictTheCheckpoint:
    @pytest.mark.parametrize(
        "flags, named",
        [
            ("--encoder-langtok tgt", "--encoder-langtok"),
            ("--lang-tok-style mbart", "--lang-tok-style"),
            ("--langs de,nl,en", "languages given"),
            ("--langs de,en", "languages given"),
        ],
    )
    def test_are_refused(self, joint, data, flags, named):
        task = translation_task(data, f"-s de -t en {flags}")
        with pytest.raises(LassError, match=named):
            load_model(joint, task)

    def test_are_refused_where_training_had_no_tokens(self, joint, data, tmp_path):
        state = load(joint)
        state["task_state"]["language_tokens"].update(encoder=None, decoder=False)
        torch.save(state, tmp_path / "plain.pt")
        for flags in ("--encoder-langtok src", "--decoder-langtok"):
            task = translation_task(data, f"-s de -t en {flags}")
            with pytest.raises(LassError, match=flags.split()[0]):
                load_model(tmp_path / "plain.pt", task)

    def test_that_agree_are_accepted(self, joint, data):
        flags = "--encoder-langtok src --decoder-langtok --langs de,en,nl"
        task = translation_task(data, f"-s de -t en {flags}")
        load_model(joint, task)

    def test_end_the_command_with_one_sentence(self, commands, joint, data):
        flags = ("-s", "de", "-t", "en", "--encoder-langtok", "tgt")
        result = translate(commands, data, joint, *flags, check=False)
        assert result.returncode == 1
        assert result.told.startswith("error: --encoder-langtok is tgt")
        assert "Traceback" not in result.stdout + result.stderr
        assert not hypotheses(result)


class TestAPairWithoutAMask:
    @pytest.fixture(scope="class")
    def two_pairs(self, joint, tmp_path_factory) -> Path:
        """A joint checkpoint that carries masks of de-en and en-de only."""
        state = load(joint)
        for pair in ("en-nl", "nl-en"):
            del state["task_state"]["masks"]["masks"][pair]
        path = tmp_path_factory.mktemp("two") / "two.pt"
        torch.save(state, path)
        return path

    def test_is_refused_by_name(self, two_pairs, data):
        task = translation_task(data, "-s en -t nl")
        with pytest.raises(LassError, match="no mask of en-nl .*de-en, en-de"):
            load_model(two_pairs, task)

    def test_may_be_given_one(self, two_pairs, data, masks):
        task = translation_task(data, f"-s en -t nl --inference-masks {masks}")
        assert list(load_model(two_pairs, task).method.masks) == ["en-nl"]

    def test_may_be_translated_without_one_explicitly(self, two_pairs, data):
        task = translation_task(data, "-s en -t nl --dense")
        model = load_model(two_pairs, task)
        with task.method_of(model).using("en-nl"):
            ours = logits(model, task, "test")
        assert torch.equal(ours, logits(as_stock(two_pairs, task), task, "test"))


def test_masked_and_dense_are_two_different_models(joint, data):
    outputs = {}
    for flags in ("", "--dense"):
        task = translation_task(data, f"-s de -t en {flags}")
        model = load_model(joint, task)
        with task.method_of(model).using("de-en"):
            outputs[flags] = logits(model, task, "test")
    assert (outputs[""] - outputs["--dense"]).abs().max() > 0.01
    stock = as_stock(joint, translation_task(data, "-s de -t en --langs de,en,nl"))
    assert torch.equal(outputs["--dense"], logits(stock, task, "test"))


def test_a_base_checkpoint_is_translated_as_it_is(base, data):
    task = translation_task(data, "-s de -t en")
    model = load_model(base, task)
    with task.method_of(model).using("de-en"):
        ours = logits(model, task, "test")
    assert torch.equal(ours, logits(as_stock(base, task), task, "test"))


def test_every_model_of_an_ensemble_has_its_own_masks(joint, base, data):
    task = translation_task(data, "-s de -t en")
    first, second = load_model(joint, task), load_model(base, task)
    assert first.method.masks is not None
    assert second.method.masks is None
