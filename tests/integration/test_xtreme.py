"""The XTREME tasks by fairseq's commands: prepare, fine-tune, validate, evaluate."""

import json
import random
import re

import pytest
import torch
from conftest import load
from encoders import ENCODER_FLAGS

SHAPE = [*ENCODER_FLAGS[4:], "--max-positions", "80", "--pooler-dropout", "0"]
TUNE = (
    "--task",
    "xtreme",
    "--criterion",
    "xtreme",
    "--best-checkpoint-metric",
    "accuracy",
    "--maximize-best-checkpoint-metric",
)
_WITHOUT = ("--tokens-per-sample", "--criterion")
TUNED = [
    word
    for place, word in enumerate(SHAPE)
    if word not in _WITHOUT and SHAPE[place - 1] not in _WITHOUT
]


def word(code: str, number: int) -> str:
    return f"{code}{'abcdef'[number % 6]}{'abcdef'[number // 6]}"


def write_pairs(folder) -> None:
    draw = random.Random(1)
    for name, code, count in (
        ("train-en", "en", 40),
        ("train-de", "de", 40),
        ("dev-en", "en", 9),
        ("test-en", "en", 9),
        ("test-de", "de", 11),
    ):
        lines = []
        for _ in range(count):
            first, label = word(code, draw.randrange(36)), draw.randrange(2)
            lines.append(f"{first}\t{first if label else word(code, 3)}\t{label}\n")
        (folder / f"{name}.tsv").write_text("".join(lines))


def write_tags(folder) -> None:
    for name in ("en.train", "en.dev", "en.test", "de.test"):
        code = name[:2]
        rows = [f"{word(code, n)}\t{('O', 'B-PER')[n % 2]}\n" for n in range(36)]
        blocks = ["".join(rows[start : start + 5]) for start in range(0, 36, 5)]
        (folder / f"{name}.conll").write_text("\n".join(blocks) + "\n")


def write_questions(folder) -> None:
    for name, code in (
        ("train-v1.1", "en"),
        ("dev-v1.1", "en"),
        ("xquad.en", "en"),
        ("xquad.de", "de"),
    ):
        asked = []
        for number in range(7):
            words = [word(code, number + step) for step in range(20)]
            start = len(" ".join(words[:number])) + (number > 0)
            answer = {"text": words[number], "answer_start": start}
            one = {"id": f"q{number}", "question": words[3], "answers": [answer]}
            asked.append({"context": " ".join(words), "qas": [one]})
        content = {"data": [{"title": "t", "paragraphs": asked}]}
        (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def encoder(commands, language_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    flags = (*ENCODER_FLAGS[:4], *SHAPE, "--max-update", 2, "--save-dir", folder)
    commands.run("train", language_data, *flags)
    return folder / "checkpoint_last.pt"


def prepare(commands, language_data, folder, task, write, *more):
    (folder / "raw").mkdir()
    write(folder / "raw")
    place = ("--data", folder / "raw", "--out", folder / "data")
    flags = ("--model", language_data, "--languages", "de,en", *place, *more)
    return commands.run("lass", "xtreme", "prepare", task, *flags)


@pytest.fixture(scope="module")
def pairs(commands, language_data, encoder, tmp_path_factory):
    """A folder with raw and prepared data, and a training on them."""
    folder = tmp_path_factory.mktemp("pairs")
    more = ("--length", 32, "--train-languages", "de,en")
    prepare(commands, language_data, folder, "pawsx", write_pairs, *more)
    flags = ("--finetune-from-model", encoder, "--save-dir", folder / "run")
    tuning = (*ENCODER_FLAGS[:2], *TUNED, *TUNE, *flags, "--max-epoch", 3)
    ended = commands.run("train", folder / "data", *tuning, "--batch-size", 8)
    return folder, ended


def test_a_task_is_prepared_trained_validated_and_evaluated(commands, pairs):
    folder, ended = pairs
    assert "accuracy" in ended.stdout and "share_de" in ended.stdout
    state = load(folder / "run" / "checkpoint_best.pt")
    assert state["task_state"]["xtreme"]["labels"] == ["0", "1"]
    head = "classification_heads.xtreme_pawsx.out_proj.weight"
    assert state["model"][head].shape == (2, 16)
    best = folder / "run" / "checkpoint_best.pt"
    task = (*ENCODER_FLAGS[:2], *TUNE[:4], "--batch-size", 4, "--cpu")
    subset = ("--path", best, "--num-workers", 0, "--valid-subset", "test")
    validated = commands.run("validate", folder / "data", *task, *subset).stdout
    out = ("--out", folder / "scores", "--name", "dense", "--cpu")
    command = ("lass", "xtreme", "evaluate", folder / "data", "--checkpoint", best)
    printed = commands.run(*command, *out).stdout
    scores = json.loads((folder / "scores" / "scores.json").read_text())
    rows = [
        row
        for code in ("de", "en")
        for row in scores["languages"][code]["accuracy"]["rows"]
    ]
    assert len(rows) == 11 + 9  # no example is lost
    share = 100 * sum(row[0] for row in rows) / len(rows)
    said = re.search(r"accuracy ([\d.]+)", validated)
    assert float(said[1]) == pytest.approx(share, abs=0.01)
    assert "PAWS-X de: accuracy" in printed
    predicted = json.loads((folder / "scores" / "test.de.json").read_text())
    assert len(predicted["predictions"]) == 11
    table = commands.run("lass", "xtreme", "table", folder / "scores").stdout
    assert "PAWS-X" in table and "dense" in table


def test_preparing_again_does_nothing_and_otherwise_is_refused(
    commands, language_data, pairs
):
    folder, _ = pairs
    place = ("--data", folder / "raw", "--out", folder / "data")
    flags = ("xtreme", "prepare", "pawsx", "--model", language_data, *place)
    same = (*flags, "--languages", "de,en", "--train-languages", "de,en")
    again = commands.run("lass", *same, "--length", 32)
    assert "nothing to do" in again.stdout
    ended = commands.run("lass", *same, "--length", 30, check=False)
    assert ended.returncode and "prepared differently" in ended.told
    ended = commands.run("lass", *flags, check=False)
    assert ended.returncode and "another list of languages" in ended.told


@pytest.mark.parametrize(
    "task, write, length",
    [("panx", write_tags, 32), ("xquad", write_questions, 80)],
    ids=["tags", "spans"],
)
def test_tags_and_spans(
    commands, language_data, encoder, pairs, tmp_path, task, write, length
):
    if task == "panx":
        pytest.importorskip("seqeval")
    prepare(commands, language_data, tmp_path, task, write, "--length", length)
    flags = ("--finetune-from-model", encoder, "--save-dir", tmp_path / "run")
    tuning = (*ENCODER_FLAGS[:2], *TUNED, *TUNE, *flags, "--max-epoch", 2)
    commands.run("train", tmp_path / "data", *tuning, "--batch-size", 8)
    last = tmp_path / "run" / "checkpoint_last.pt"
    place = ("--out", tmp_path / "scores", "--cpu", "--checkpoint", last)
    commands.run("lass", "xtreme", "evaluate", tmp_path / "data", *place)
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    count = {"panx": 8, "xquad": 7}[task]
    for found in scores["languages"].values():
        assert {len(one["rows"]) for one in found.values()} == {count}
    other = pairs[0] / "run" / "checkpoint_last.pt"
    command = ("xtreme", "evaluate", tmp_path / "data", "--out", tmp_path / "x")
    ended = commands.run("lass", *command, "--checkpoint", other, check=False)
    assert ended.returncode and "has the head 'xtreme_pawsx'" in ended.told


def test_retrieval_needs_no_training(commands, language_data, encoder, tmp_path):
    def write(folder) -> None:
        for code in ("de", "en"):
            lines = "".join(f"{word(code, number)}\n" for number in range(36))
            (folder / f"tatoeba.en-de.{code}").write_text(lines)

    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw")
    place = ("--data", tmp_path / "raw", "--out", tmp_path / "data")
    flags = ("--model", language_data, "--languages", "de", "--length", 32)
    commands.run("lass", "xtreme", "prepare", "tatoeba", *flags, *place)
    command = ("xtreme", "evaluate", tmp_path / "data", "--checkpoint", encoder)
    out = ("--out", tmp_path / "scores", "--cpu")
    ended = commands.run("lass", *command, *out, check=False)
    assert ended.returncode and "--layer 8: the encoder has 2 layers" in ended.told
    commands.run("lass", *command, *out, "--layer", 2)
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert len(scores["languages"]["de"]["accuracy"]["rows"]) == 36
    assert "layer:2" in scores["languages"]["de"]["accuracy"]["signature"]
    wrong = commands.run("lass", *command, *out, "--longest", 3, check=False)
    assert wrong.returncode and "--longest has no effect on Tatoeba" in wrong.told
    content = load(encoder)
    del content["task_state"]  # as in the public checkpoints
    torch.save(content, tmp_path / "public.pt")
    command = (*command[:-1], tmp_path / "public.pt", *out, "--layer", 2)
    wrong = commands.run("lass", *command, "--sparsity", 0.5, check=False)
    assert wrong.returncode and "--sparsity has no effect on a model" in wrong.told


def test_pairs_are_mined_with_a_threshold_of_the_dev_set(
    commands, language_data, encoder, tmp_path
):
    """What is spelt alike on both sides has the same vector, so it is found."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for split, first in (("sample", 0), ("training", 9)):
        shared = [f"{word('de', first + n)} {word('en', n)}" for n in range(6)]
        own = {
            code: [f"{word(code, 20 + n)} {word('sw', first + n)}" for n in range(5)]
            for code in ("de", "en")
        }
        for code, lines in own.items():
            text = "".join(
                f"{code}-{number}\t{line}\n"
                for number, line in enumerate([*shared, *lines])
            )
            (raw / f"de-en.{split}.{code}").write_text(text)
        gold = "".join(f"de-{number}\ten-{number}\n" for number in range(6))
        (raw / f"de-en.{split}.gold").write_text(gold)
    place = ("--data", raw, "--out", tmp_path / "data", "--length", 32)
    flags = ("--model", language_data, "--languages", "de")
    commands.run("lass", "xtreme", "prepare", "bucc2018", *flags, *place)
    command = ("xtreme", "evaluate", tmp_path / "data", "--checkpoint", encoder)
    out = ("--out", tmp_path / "scores", "--cpu", "--layer", 2, "--neighbours", 3)
    commands.run("lass", *command, *out)
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    measured = scores["languages"]["de"]["F1"]
    right, found, true = map(sum, zip(*measured["rows"], strict=True))
    assert right == true == 6  # an untrained encoder may find more
    assert "margin:ratio-3" in measured["signature"]
    mined = json.loads((tmp_path / "scores" / "test.de.json").read_text())
    assert len(mined["predictions"]) == found
    assert all([n, n] in mined["predictions"] for n in range(6))
