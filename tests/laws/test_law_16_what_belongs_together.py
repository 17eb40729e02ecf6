"""Law 16: what belongs together is compared by content.

Dictionaries (symbols in order), languages and language tokens of a checkpoint and of
the data at hand: never by name, size or place.
"""

import shutil
from pathlib import Path

import pytest
import torch
from conftest import ADAPTERS, LSLO_FLAGS, PAIRS, load
from fairseq import tasks
from fairseq.data import Dictionary
from in_process import (
    load_model,
    random_mask,
    training_config,
    training_task,
    translation_task,
)

from lass_plugin.checkpoints.trained_with import (
    ENTRY,
    check_dictionaries,
    compare_text,
    entry_of,
)
from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet
from lass_plugin.masks.file import to_state
from lass_plugin.tasks import translation_subnetwork


@pytest.fixture(scope="module")
def other_order(data, tmp_path_factory) -> Path:
    """The same data folder with the same symbols in another order."""
    folder = tmp_path_factory.mktemp("other_order") / "data"
    shutil.copytree(data, folder)
    for path in folder.glob("dict.*.txt"):
        first, *others = path.read_text().splitlines(keepends=True)
        path.write_text("".join([*others, first]))
    return folder


@pytest.fixture(scope="module")
def other_languages(data, tmp_path_factory) -> Path:
    """The same data folder with its languages in another order."""
    folder = tmp_path_factory.mktemp("other_languages") / "data"
    shutil.copytree(data, folder)
    (folder / "langs.txt").write_text("nl\nen\nde\n")
    return folder


TRAININGS = {
    "fine-tuned": "--finetune-from-model BASE",
    "joint": "--finetune-from-model BASE --masks MASKS",
    "restored": "--restore-file BASE",
    "resumed": "--save-dir RUN",
    "continued once": "--continue-once BASE",
    "search": "--task translation_subnetwork_search --lang-pairs de-en "
    "--finetune-from-model BASE",
    "low-rank": " ".join([*LSLO_FLAGS, "--base BASE"]),
}


@pytest.fixture
def flags(request, base, masks, tmp_path) -> list[str]:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(base, run / "checkpoint_last.pt")
    places = {"BASE": base, "MASKS": masks, "RUN": run}
    words = TRAININGS[request.param].split()
    words = [str(places.get(word, word)) for word in words]
    return words if "RUN" in TRAININGS[request.param] else [*words, "--save-dir", "new"]


@pytest.mark.parametrize("flags", TRAININGS, indirect=True)
def test_a_training_begins_from_a_model_of_its_dictionary(data, other_order, flags):
    training_task(data, *flags)
    told = f"another source dictionary .* than {other_order} has"
    with pytest.raises(LassError, match=told):
        training_task(other_order, *flags)


# low-rank modules take the languages of their base
@pytest.mark.parametrize("flags", [*TRAININGS][:-1], indirect=True)
def test_a_training_begins_from_a_model_of_its_languages(other_languages, flags):
    with pytest.raises(LassError, match="other numbers than .*de, en, nl"):
        training_task(other_languages, *flags)


@pytest.mark.parametrize("flags", TRAININGS, indirect=True)
@pytest.mark.parametrize(
    "tokens, told",
    [
        (("--encoder-langtok", "tgt", "--decoder-langtok"), "--encoder-langtok src"),
        (("--decoder-langtok",), "--encoder-langtok src"),
        (("--encoder-langtok", "src"), "--decoder-langtok True"),
        (
            ("--encoder-langtok", "src", "--decoder-langtok")
            + ("--lang-tok-style", "mbart"),
            "--lang-tok-style multilingual",
        ),
    ],
)
def test_a_training_begins_from_a_model_of_its_tokens(data, flags, tokens, told):
    with pytest.raises(LassError, match=f"was trained with {told}"):
        training_task(data, *flags, *tokens, tokens=False)


@pytest.mark.parametrize("flags", TRAININGS, indirect=True)
@pytest.mark.parametrize(
    "option, told",
    [
        (("--encoder-attention-heads", 4), "--encoder-attention-heads 2, this .* 4"),
        (("--decoder-normalize-before",), "--decoder-normalize-before False"),
        (("--activation-fn", "gelu"), "--activation-fn relu"),
        (("--no-token-positional-embeddings",), "--no-token-positional-embeddings F"),
    ],
)
def test_a_training_begins_from_a_model_that_computes_so(data, flags, option, told):
    config = training_config(data, *flags, *option)
    task = tasks.setup_task(config.task)
    with pytest.raises(LassError, match=f"was trained with {told}"):
        task.build_model(config.model)


def test_another_dictionary_is_taken_if_asked_for(other_order, base):
    task = training_task(
        *(other_order, "--finetune-from-model", base, "--allow-other-dictionary")
    )
    assert task.source_dictionary.symbols[4] == "de1"


def test_a_base_of_another_size_is_named(data, base, tmp_path):
    content = load(base)
    del content["task_state"]
    content["cfg"]["task"] = None  # a model of whoever, which does not say
    for name in [n for n in content["model"] if "embed_tokens.weight" in n]:
        content["model"][name] = content["model"][name][:-3]
    torch.save(content, tmp_path / "base.pt")
    with pytest.raises(LassError, match="embeddings of 76 symbols.* has 79"):
        training_task(data, "--finetune-from-model", tmp_path / "base.pt")


def test_translation(joint, data, other_order):
    flags = "--source-lang de --target-lang en"
    load_model(joint, translation_task(data, flags))
    with pytest.raises(LassError, match="another source dictionary"):
        load_model(joint, translation_task(other_order, flags))


@pytest.mark.parametrize(
    "words",
    [
        "evaluate DATA --out OUT --system a=JOINT --pairs de-en --cpu",
        "translate JOINT --data DATA --encoded --cpu",
        "zero-shot DATA --out OUT --checkpoint BASE --masks MASKS --pairs de-nl --cpu",
        "neurons importance DATA --checkpoint BASE --out OUT --pairs de-en --cpu",
        "search DATA --base BASE --out OUT --pairs de-en --cpu "
        "--criterion magnitude --updates 2",
    ],
    ids=lambda words: " ".join(words.split()[:2]),
)
def test_commands(commands, base, joint, masks, data, other_order, tmp_path, words):
    places = {"JOINT": joint, "BASE": base, "MASKS": masks, "OUT": tmp_path / "out"}
    places["DATA"] = other_order
    for name, place in places.items():
        words = words.replace(name, str(place))
    refused = commands.run("lass", *words.split(), check=False)
    assert refused.returncode == 1
    assert "another source dictionary" in refused.told, refused.stderr[-2000:]
    assert str(other_order) in refused.told
    assert "Traceback" not in refused.stderr


# -- checkpoints that do not say ------------------------------------------------------


@pytest.fixture
def with_masks(tmp_path) -> Path:
    """A checkpoint that carries a sub-network and says nothing else."""
    weights, path = {"encoder.layers.0.fc1.weight": torch.ones(2, 2)}, tmp_path / "b.pt"
    masks = to_state(MaskSet([random_mask("de-en", weights)]))
    torch.save({"model": weights, "task_state": {"masks": masks}}, path)
    return path


@pytest.mark.parametrize(
    ("flags", "option"),
    [
        (LSLO_FLAGS, "--base"),
        ((*ADAPTERS, "--freeze-base"), "--finetune-from-model"),
    ],
)
def test_a_frozen_base_with_parts_of_its_own_is_refused(
    data, with_masks, flags, option
):
    told = f"a model with sub-networks, which {option} would leave out"
    with pytest.raises(LassError, match=told):
        training_task(data, *flags, option, with_masks)


@pytest.mark.parametrize("flags", [(), ADAPTERS])
def test_parts_that_a_training_has_no_place_for_are_told(
    data, with_masks, flags, caplog
):
    training_task(data, *flags, "--finetune-from-model", with_masks)
    assert "with sub-networks, which this training leaves out" in caplog.text


def test_an_older_checkpoint_is_taken_with_a_warning(data, joint, tmp_path, caplog):
    content = load(joint)
    del content["task_state"][ENTRY]
    torch.save(content, tmp_path / "old.pt")
    task = translation_task(data, "--source-lang de --target-lang en")
    load_model(tmp_path / "old.pt", task)
    assert "does not say with which dictionary" in caplog.text


@pytest.mark.parametrize("entry", [3, None, {}, {"source": 3, "target": {}}])
def test_a_damaged_entry_is_named(entry):
    dictionaries = [Dictionary(), Dictionary()]
    with pytest.raises(LassError, match="a.pt is damaged: its entry 'dictionaries'"):
        check_dictionaries({ENTRY: entry}, dictionaries, "a.pt", "data")
    check_dictionaries({ENTRY: entry_of(dictionaries)}, dictionaries, "a.pt", "data")


# -- a checkpoint that has its language tokens in its options -------------------------


def test_an_exported_model_is_translated_with_its_tokens(
    commands, data, other_order, joint, tmp_path
):
    """It was translated with none by our task: BLEU 27 in place of 51."""
    exported = tmp_path / "de-en.pt"
    commands.run("lass", "export", joint, "--out", exported, "--pair", "de-en")
    flags = "--source-lang de --target-lang en"
    ours, plain = (translation_task(data, flags) for _ in range(2))
    load_model(joint, ours)
    load_model(exported, plain)
    with pytest.raises(LassError, match="another source dictionary"):
        load_model(exported, translation_task(other_order, flags))
    assert plain.tokens == ours.tokens and PAIRS
    assert plain.source_dictionary == ours.source_dictionary


# -- what was written is what is read -------------------------------------------------


@pytest.mark.parametrize("used", ["as base", "to export"])
def test_a_flipped_bit_of_a_model_is_noticed(commands, base, joint, tmp_path, used):
    damaged, out = tmp_path / "damaged.pt", tmp_path / "out.pt"
    held = base if used == "as base" else joint
    content = bytearray(held.read_bytes())
    weight = load(held)["model"]["encoder.layers.1.fc2.weight"].numpy().tobytes()
    content[content.index(weight) + 5] ^= 1
    damaged.write_bytes(content)
    if used == "as base":
        flags = (*LSLO_FLAGS, "--max-update", 1, "--disable-validation")
        ended = commands.train(tmp_path, *flags, "--base", damaged, check=False)
    else:
        words = ("export", damaged, "--pair", "de-en", "--out", out)
        ended = commands.run("lass", *words, check=False)
    assert ended.returncode and f"{damaged} is damaged: its record" in ended.told


# -- text that came to be otherwise: a word, for what was done before is not known ----

RAW = {"tokenised": False, "normalised": False, "truecased": {}}
MOSES = {"tokenised": True, "normalised": False, "truecased": {"de": "1", "en": "2"}}


@pytest.mark.parametrize(
    ("trained", "given", "told"),
    [
        (RAW, MOSES, "text that was not tokenised and not truecased, and that of data"),
        (MOSES, RAW, "text that was tokenised and truecased, and that of data is"),
        (RAW, {**RAW, "normalised": True}, "text that was not normalised, and"),
        (MOSES, {**MOSES, "truecased": {"de": "3", "nl": "1"}}, "by other forms"),
        (MOSES, {**MOSES, "truecased": {"de": "1", "nl": "3"}}, ""),
        (MOSES, {**MOSES, "tokenised": None}, ""),
        (RAW, RAW, ""),
        (RAW, None, ""),
        (None, MOSES, ""),
    ],
)
def test_text_of_another_form_is_told(trained, given, told, caplog):
    dictionaries = [Dictionary(), Dictionary()]
    state = {ENTRY: entry_of(dictionaries, text=trained)}
    check_dictionaries(state, dictionaries, "model.pt", "data")
    compare_text(state, given, "model.pt", "data")
    assert told in caplog.text if told else not caplog.text


@pytest.mark.parametrize("entry", [3, {}, {**RAW, "truecased": 3}])
def test_a_damaged_entry_of_text_is_named(entry):
    state = {ENTRY: {**entry_of([Dictionary(), Dictionary()]), "text": entry}}
    with pytest.raises(LassError, match="model.pt is damaged: its entry 'text'"):
        compare_text(state, RAW, "model.pt", "data")


@pytest.mark.parametrize("given", [RAW, None])
def test_a_training_compares_its_text(data, base, tmp_path, monkeypatch, caplog, given):
    content, path = load(base), tmp_path / "moses.pt"
    content["task_state"][ENTRY]["text"] = MOSES
    torch.save(content, path)
    monkeypatch.setattr(translation_subnetwork, "text_stated", lambda _: given)
    task = training_task(data, "--finetune-from-model", path)
    assert task.state_dict()[ENTRY].get("text") == given
    assert ("trained on text that was" in caplog.text) == (given is not None)


# -- a run that goes on --------------------------------------------------------


def test_a_run_goes_on_with_its_data(commands, data, tmp_path):
    run, fewer = tmp_path / "run", tmp_path / "data"
    few = ("--max-update", 3, "--no-epoch-checkpoints", "--disable-validation")
    commands.train(run, *few, "--lang-pairs", "de-en,en-nl")

    def again(*flags):
        return commands.train(run, *few, "--max-update", 5, *flags, check=False)

    told = again("--lang-pairs", "en-nl,de-en").told
    assert "other language keys (de-en, en-nl) than it has now (en-nl, de-en)" in told
    shutil.copytree(data, fewer)
    for path in fewer.glob("train.en-nl.*"):
        shutil.copy(data / path.name.replace("train.en-nl", "valid.en-nl"), path)
    commands.data, whole = fewer, commands.data
    try:
        two = ("--lang-pairs", "de-en,en-nl")
        told = again(*two).told
        assert "other sentences (en-nl 60) than it has now (en-nl 17); go on" in told
        assert "--reset-dataloader to begin" in told
        assert again(*two, "--reset-dataloader").returncode == 0
    finally:
        commands.data = whole
