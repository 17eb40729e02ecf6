"""``lass translate``: lines of any direction, one model."""

import io
import os
import subprocess
import sys
import time

import pytest
from conftest import PAIRS, ROOT, load
from in_process import random_mask

from lass_plugin.cli.main import main
from lass_plugin.masks import MaskSet, save_masks

LONGER = ("--max-update", 200, "--no-epoch-checkpoints", "--disable-validation")
SHORT = ("--cpu", "--beam", 3, "--max-len-b", 20)


@pytest.fixture
def translate(data, monkeypatch, capsys):
    """Run the command on a text; its status, its lines and its stderr."""

    def run(checkpoint, text, *flags: object):
        content = text if isinstance(text, bytes) else text.encode()
        stdin = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stdin)
        words = ["translate", checkpoint, "--data", data, *SHORT, *flags]
        status = main([str(word) for word in words])
        told = capsys.readouterr()
        return status, told.out.split("\n")[:-1], told.err

    return run


@pytest.fixture(scope="module")
def requests(data):
    """Lines of all directions in turns, one without a sentence, one blank."""
    files = {"de-en": "en-de.de", "en-de": "en-de.en", "en-nl": "en-nl.en"}
    files["nl-en"] = "en-nl.nl"
    texts = {
        key: (data / "raw" / f"test.{name}").read_text().splitlines()
        for key, name in files.items()
    }
    lines = [f"{key}\t{texts[key][n]}" for n in range(13) for key in PAIRS]
    return lines[:5] + ["en-de\t", ""] + lines[5:]


@pytest.fixture(scope="module")
def dense(commands, tmp_path_factory):
    """A base that has been trained until it says something."""
    folder = tmp_path_factory.mktemp("dense")
    commands.train(folder, *LONGER)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def masked(commands, dense, tmp_path_factory):
    """The same trained jointly, whose pairs differ."""
    folder = tmp_path_factory.mktemp("masked")
    weights = load(dense)["model"]
    masks = MaskSet(random_mask(key, weights, ratio=0.3) for key in PAIRS)
    save_masks(folder / "masks", masks)
    given = ("--finetune-from-model", dense, "--masks", folder / "masks")
    commands.train(folder, *given, *LONGER)
    return folder / "checkpoint_last.pt"


def generated(commands, checkpoint, data, pair, *flags):
    """What fairseq-generate translates *pair* to, in the order of the data."""
    source, target = pair.split("-")
    result = commands.run(
        *("generate", data, "--user-dir", ROOT / "lass_plugin"),
        *("--task", "translation_subnetwork", "--path", checkpoint),
        *("-s", source, "-t", target, "--num-workers", 0, *SHORT, *flags),
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("H-")]
    lines.sort(key=lambda line: int(line.split("\t")[0][2:]))
    return [line.split("\t")[2] for line in lines]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("low_rank", marks=pytest.mark.slow),
        "masked",
        pytest.param("dense", marks=pytest.mark.slow),
    ],
)
def test_directions_in_turns_are_translated_as_by_fairseq_generate(
    kind, request, commands, data, translate, requests
):
    checkpoint = request.getfixturevalue(kind)
    expected = {
        pair: iter(generated(commands, checkpoint, data, pair)) for pair in PAIRS
    }
    lines = [
        next(expected[line.partition("\t")[0]]) if line.partition("\t")[2] else ""
        for line in requests
    ]
    text = "".join(f"{line}\n" for line in requests)
    for flags in ((), ("--buffer", 7), ("--interactive",), ("--max-tokens", 30)):
        status, found, told = translate(checkpoint, text, *flags)
        assert (status, found, told) == (0, lines, "")
    assert len(set(lines)) > 25


def test_dense_is_the_base_and_pairs_may_be_chosen(low_rank, base, translate, requests):
    text = "".join(f"{line}\n" for line in requests)
    assert translate(low_rank, text, "--dense")[1] == translate(base, text)[1]
    status, found, told = translate(low_rank, "de-nl\tde1 de2\n", "--pairs", "de-nl")
    assert (status, told) == (0, "") and found[0].startswith("nl")


def test_only_the_dictionaries_of_the_pairs_at_hand_are_asked_for(
    low_rank, translate, data, tmp_path
):
    line = "de-en\tde1 de2 de3\n"
    expected = translate(low_rank, line)
    part = tmp_path / "part"
    part.mkdir()
    for name in ("dict.de.txt", "dict.en.txt"):
        (part / name).write_bytes((data / name).read_bytes())
    assert translate(low_rank, line, "--data", part) == expected
    assert translate(low_rank, line, "--data", part, "--pairs", "de-en") == expected
    status, _, told = translate(low_rank, "en-nl\ten1\n", "--data", part)
    assert status == 1 and "'en-nl', which is none of de-en, en-de;" in told
    status, _, told = translate(low_rank, "", "--data", part, "--pairs", "en-nl")
    assert status == 1 and f"there is no dictionary {part / 'dict.nl.txt'}" in told


def test_a_line_that_cannot_be_read_is_named(low_rank, translate):
    good = "de-en\tde1 de2 de3\n"
    first = translate(low_rank, good)[1]
    cases = {
        "de1 de2\n": "line 2 has no tab; write SOURCE-TARGET",
        "de-fr\tde1\n": "line 2 asks for 'de-fr', which is none of de-en, en-de,",
        "de\tde1\n": "line 2 asks for 'de', which is none of",
        "de-en\tde1 </s> de2\n": "line 2 holds the word </s>, which is one of",
        "de-en\tde1 __en__\n": "line 2 holds the word __en__, which is the name of",
        f"de-en\t{'de1 ' * 1200}\n": "line 2 has 1202 tokens, but the model takes at",
    }
    for bad, message in cases.items():
        status, found, told = translate(low_rank, good + bad + good)
        assert status == 1 and found == first
        assert told.startswith("lass translate: error: ") and message in told
        assert told.count("\n") == 1
        status, found, told = translate(low_rank, good + bad + good, "--keep-going")
        assert status == 0 and found == [*first, "", *first]
        assert told.startswith("note: ") and message in told
    status, found, told = translate(low_rank, b"de-en\t\xff\n")
    assert status == 1 and "line 1 is not UTF-8" in told
    long = f"de-en\t{'de1 ' * 1200}\n"
    status, found, told = translate(low_rank, long, "--truncate-source")
    assert status == 0 and len(found) == 1


def test_a_byte_order_mark_is_no_text(low_rank, translate):
    line = "de-en\tde1 de2 de3\n"
    assert translate(low_rank, f"\ufeff{line}") == translate(low_rank, line)


def test_no_line_gives_no_line(low_rank, translate):
    assert translate(low_rank, "") == (0, [], "")
    assert translate(low_rank, "\n\n")[1] == ["", ""]


def test_options_that_contradict_each_other_are_refused(
    low_rank, base, translate, tmp_path
):
    def told(*flags: object, of=low_rank) -> str:
        status, found, told = translate(of, "", *flags)
        assert status == 1 and not found
        return told

    assert "--buffer must be 1 or more, not 0" in told("--buffer", 0)
    assert "--buffer has no effect with --interactive" in told(
        *("--buffer", 5, "--interactive")
    )
    assert "--spm has no effect with --encoded" in told("--spm", base, "--encoded")
    assert "there is no SentencePiece model" in told("--spm", tmp_path / "no")
    assert "--base has no effect" in told("--base", base, of=base)
    assert "there is no base" in told("--base", tmp_path / "gone.pt")


def test_a_sentencepiece_model_is_applied(low_rank, translate, data, tmp_path):
    from lass_plugin.data.subwords import train_sentencepiece

    lines = (data / "raw" / "test.en-de.de").read_text().splitlines()
    model = tmp_path / "spm.model"
    model.write_bytes(train_sentencepiece(lines, 20, 1.0))
    text = "".join(f"de-en\t{line}\n" for line in lines)
    status, found, told = translate(low_rank, text, "--spm", model)
    assert (status, told) == (0, "")
    # the pieces are none of the dictionary's words
    assert found != translate(low_rank, text)[1]
    assert translate(low_rank, text, "--encoded") == translate(low_rank, text)


def test_a_data_folder_says_how_its_text_was_encoded(tmp_path):
    from lass_plugin.data.data_folder import subwords_of

    assert subwords_of(tmp_path).kind == "none"
    (tmp_path / "bpe.codes").write_text("#version: 0.2\n")
    assert subwords_of(tmp_path).kind == "bpe" and not subwords_of(tmp_path).spell
    (tmp_path / "spm.model").write_bytes(b"x")
    (tmp_path / "preparation.json").write_text(
        '{"options": {"languages": "de,en"}, "inputs": {}, "files": {}}'
    )
    found = subwords_of(tmp_path)
    assert (found.kind, found.spell) == ("sentencepiece", True)


def _process(checkpoint, data, *flags: object) -> subprocess.Popen:
    words = ["translate", checkpoint, "--data", data, *SHORT, *flags]
    return subprocess.Popen(
        [sys.executable, "-m", "lass_plugin.cli", *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


def test_each_line_is_answered_at_once_and_a_reader_may_leave(low_rank, data):
    process = _process(low_rank, data, "--interactive")
    assert process.stdin and process.stdout and process.stderr
    for pair in (b"de-en", b"en-nl"):
        words = b" ".join(pair[:2] + b"%d" % number for number in range(4))
        process.stdin.write(pair + b"\t" + words + b"\n")
        process.stdin.flush()
        # the next line is sent only after this answer
        assert process.stdout.readline().startswith(pair[3:])
    process.stdout.close()
    try:
        for _ in range(200):
            process.stdin.write(b"de-en\tde3\n")
            process.stdin.flush()
            time.sleep(0.01)
    except BrokenPipeError:
        pass
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
