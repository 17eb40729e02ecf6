"""Law 16: the subword model that a model was trained with is the one at hand.

Another one of the same symbols splits words otherwise, and no shape and no dictionary
tells.
"""

import shutil
from pathlib import Path

import pytest
import torch
from conftest import LSLO_FLAGS, load
from in_process import load_model, training_task, translation_task

from lass_plugin.checkpoints.averaging import averaged
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.trained_with import ENTRY, SUBWORDS, subwords_of
from lass_plugin.data.parallel_text import sha256
from lass_plugin.errors import LassError

CODES = "bpe.codes"


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory) -> dict[str, Path]:
    """The data with one subword model, with another, and with none."""
    top, found = tmp_path_factory.mktemp("folders"), {"none": data}
    for name, merge in (("one", "d e"), ("another", "e n")):
        found[name] = shutil.copytree(data, top / name)
        (found[name] / CODES).write_text(f"#version: 0.2\n{merge}\n")
    return found


@pytest.fixture(scope="module")
def stated(folders, base, joint, tmp_path_factory) -> dict[str, Path]:
    """Checkpoints of a training with the first subword model."""
    top = tmp_path_factory.mktemp("stated")
    entry = training_task(folders["one"]).state_dict()[ENTRY]
    for name, path in (("base", base), ("joint", joint)):
        content = load(path)
        content["task_state"][ENTRY] = entry
        torch.save(content, top / f"{name}.pt")
    return {"BASE": top / "base.pt", "JOINT": top / "joint.pt"}


def test_a_checkpoint_says_what_its_text_was_encoded_with(folders):
    for name in ("one", "another"):
        entry = training_task(folders[name]).state_dict()[ENTRY]
        digest = sha256(folders[name] / CODES)
        assert entry[SUBWORDS] == {"kind": "bpe", "sha256": digest}
    assert SUBWORDS not in training_task(folders["none"]).state_dict()[ENTRY]


TRAININGS = {
    "fine-tuned": "--finetune-from-model BASE",
    "joint": "--finetune-from-model BASE --masks MASKS",
    "resumed": "--save-dir RUN",
    "continued once": "--continue-once BASE",
    "search": "--task translation_subnetwork_search --lang-pairs de-en "
    "--finetune-from-model BASE",
    "low-rank": " ".join([*LSLO_FLAGS, "--base BASE"]),
}


@pytest.mark.parametrize("kind", TRAININGS)
def test_a_training_begins_from_a_model_of_its_subwords(
    folders, stated, masks, tmp_path, kind
):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(stated["BASE"], run / "checkpoint_last.pt")
    places = {**stated, "MASKS": masks, "RUN": run}
    flags = [str(places.get(word, word)) for word in TRAININGS[kind].split()]
    flags += [] if "RUN" in TRAININGS[kind] else ["--save-dir", str(tmp_path / "new")]
    for same in ("one", "none"):  # encoded text does not say with what
        training_task(folders[same], *flags)
    told = f"another subword model .* than {folders['another'] / CODES}"
    with pytest.raises(LassError, match=told):
        training_task(folders["another"], *flags)
    training_task(folders["another"], *flags, "--allow-other-dictionary")


def test_translation(folders, stated, joint):
    flags = "--source-lang de --target-lang en"
    for same in ("one", "none"):
        load_model(stated["JOINT"], translation_task(folders[same], flags))
    load_model(joint, translation_task(folders["another"], flags))  # does not say
    with pytest.raises(LassError, match="another subword model"):
        load_model(stated["JOINT"], translation_task(folders["another"], flags))


@pytest.mark.parametrize(
    "words",
    [
        "evaluate DATA --out OUT --system a=JOINT --pairs de-en --cpu",
        "translate JOINT --data DATA --cpu",
        "zero-shot DATA --out OUT --checkpoint BASE --masks MASKS --pairs de-nl --cpu",
        "neurons importance DATA --checkpoint BASE --out OUT --pairs de-en --cpu",
        "search DATA --base BASE --out OUT --pairs de-en --cpu "
        "--criterion magnitude --updates 2",
        "extend JOINT --data DATA --text TEXT --pairs en-uk,uk-en --out OUT --cpu",
    ],
    ids=lambda words: " ".join(words.split()[:2]),
)
def test_commands(commands, folders, stated, masks, new_text, tmp_path, words):
    places = {**stated, "MASKS": masks, "TEXT": new_text, "OUT": tmp_path / "out"}
    places["DATA"] = folders["another"]
    given = [
        place.replace("a=JOINT", f"a={stated['JOINT']}") for place in words.split()
    ]
    refused = commands.run("lass", *(places.get(w, w) for w in given), check=False)
    assert refused.returncode == 1
    assert "was trained with another subword model" in refused.told, refused.stderr
    assert str(folders["another"] / CODES) in refused.told


def test_text_that_is_encoded_already_is_translated(commands, folders, stated):
    words = ("translate", stated["JOINT"], "--data", folders["another"], "--encoded")
    ended = commands.run("lass", *words, "--cpu", check=False)
    assert not ended.returncode, ended.told


def test_shards_have_one_subword_model(folders):
    shards = [folders[name] for name in ("none", "one", "another")]
    training_task(":".join(map(str, shards[:2])))
    both = ":".join(map(str, shards))
    with pytest.raises(LassError, match="is another subword model than"):
        training_task(both)
    training_task(both, "--allow-other-dictionary")


def test_averaging(stated, folders, base, tmp_path):
    """Checkpoints of two subword models are refused; one may not say."""
    checkpoints = [Checkpoint.read(path) for path in (stated["BASE"], base)]
    averaged(checkpoints)
    content = load(base)
    content["task_state"][ENTRY] = training_task(folders["another"]).state_dict()[ENTRY]
    torch.save(content, tmp_path / "another.pt")
    checkpoints.append(Checkpoint.read(tmp_path / "another.pt"))
    with pytest.raises(LassError, match="differ in dictionaries/subwords/sha256"):
        averaged([checkpoints[0], checkpoints[2]])


@pytest.mark.parametrize("entry", [3, "bpe", {}, {"kind": "bpe", "sha256": 3}])
def test_a_damaged_entry_is_named(entry):
    with pytest.raises(LassError, match="a.pt is damaged: its entry 'subwords'"):
        subwords_of({ENTRY: {SUBWORDS: entry}}, "a.pt")
    assert subwords_of({}, "a.pt").kind == "none"
