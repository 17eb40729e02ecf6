"""scripts/xtreme_samples.py: small task folders out of test sets."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lass_plugin.corpora.xtreme.corpus import Corpus
from lass_plugin.corpora.xtreme.tasks import task_of

SCRIPT = Path(__file__).parents[2] / "scripts" / "xtreme_samples.py"


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def article(number: int) -> dict:
    """Two paragraphs with two questions each."""
    paragraphs = [
        {
            "context": f"context {number}.{each}",
            "qas": [
                {
                    "id": f"{number}.{each}.{asked}",
                    "question": f"what {number}.{each}.{asked}",
                    "answers": [{"text": "context", "answer_start": 0}],
                }
                for asked in range(2)
            ],
        }
        for each in range(2)
    ]
    return {"title": str(number), "paragraphs": paragraphs}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    for name in ("pos", "ner", "pawsx", "xquad", "retrieval"):
        (folder / name).mkdir()
    for split in ("train", "dev", "test"):
        words = [
            f"# text = w{n}\n1\tw{n}\tw\tNOUN\t_\t_\t0\troot\t_\t_\n" for n in range(4)
        ]
        (folder / "pos" / f"en.{split}.conllu").write_text("\n".join(words) + "\n")
        tags = [f"w{n}\tB-PER\n" for n in range(4)]
        (folder / "ner" / f"en.{split}.conll").write_text("\n".join(tags) + "\n")
    lines = [f"a {n}\tb {n}\t{n % 2}" for n in range(10)]
    for name in ("dev-en", "test-en", "dev-de", "test-de"):
        (folder / "pawsx" / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    for code in ("en", "de"):
        text = json.dumps({"data": [article(number) for number in range(8)]})
        (folder / "xquad" / f"xquad.{code}.json.gz").write_bytes(
            gzip.compress(text.encode())
        )
        pairs = "".join(f"{code} {number}\n" for number in range(5))
        (folder / "retrieval" / f"tatoeba.en-de.{code}").write_text(pairs)
    return folder


def questions(path: Path) -> list[str]:
    data = json.loads(path.read_text())["data"]
    return [
        asked["id"]
        for each in data
        for paragraph in each["paragraphs"]
        for asked in paragraph["qas"]
    ]


def sentences(path: Path) -> list[str]:
    return [part for part in path.read_text().split("\n\n") if part.strip()]


def test_everything_is_split_and_nothing_is_in_two_parts(
    samples: Path, tmp_path: Path
) -> None:
    done = run(samples, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(sentences(tmp_path / "udpos" / "en.train.conllu")) == 4
    trained = (tmp_path / "pawsx" / "train-en.tsv").read_text().splitlines()
    dev = (tmp_path / "pawsx" / "dev-en.tsv").read_text().splitlines()
    test = (tmp_path / "pawsx" / "test-en.tsv").read_text().splitlines()
    assert len(trained) == 10 and dev + test == trained and len(dev) == 2
    assert not (tmp_path / "pawsx" / "dev-de.tsv").exists()
    parts = [
        questions(tmp_path / "xquad" / name)
        for name in ("train-v1.1.json", "dev-v1.1.json", "xquad.en.json")
    ]
    assert list(map(len, parts)) == [6 * 4, 4, 4]
    assert len(set().union(*parts)) == 8 * 4
    assert questions(tmp_path / "xquad" / "xquad.de.json") == parts[2]


def test_no_more_than_was_asked_for(samples: Path, tmp_path: Path) -> None:
    done = run(samples, tmp_path, "--most", 3, "--train", 2)
    assert done.returncode == 0, done.stderr
    for folder, end in (("udpos", "conllu"), ("panx", "conll")):
        counts = [
            len(sentences(tmp_path / folder / f"en.{split}.{end}"))
            for split in ("train", "dev", "test")
        ]
        assert counts == [2, 4, 3]
    for name, count in (("train-en", 2), ("dev-en", 2), ("test-en", 3), ("test-de", 3)):
        path = tmp_path / "pawsx" / f"{name}.tsv"
        assert len(path.read_text().splitlines()) == count
    assert len(questions(tmp_path / "xquad" / "train-v1.1.json")) == 2
    assert len(questions(tmp_path / "xquad" / "xquad.de.json")) == 3
    retrieved = (tmp_path / "tatoeba" / "tatoeba.en-de.de").read_text()
    assert len(retrieved.splitlines()) == 3


@pytest.mark.parametrize("task", ["udpos", "panx", "pawsx", "xquad", "tatoeba"])
def test_the_loaders_read_what_comes_out(
    task: str, samples: Path, tmp_path: Path
) -> None:
    assert run(samples, tmp_path).returncode == 0
    corpus = Corpus(task_of(task), tmp_path / task)
    if task == "tatoeba":
        assert corpus.languages("test") == ["de"]
    else:
        for split, language in (("train", "en"), ("dev", "en"), ("test", "en")):
            assert list(corpus.examples(split, language))
    text = (tmp_path / "text" / f"{task}.txt").read_text().splitlines()
    expected = {
        "udpos": "w3",
        "panx": "w3",
        "pawsx": "b 9",
        "xquad": "what 0.0.1",
        "tatoeba": "de 4",
    }
    assert expected[task] in text


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path / "out")
    assert done.returncode == 1 and done.stderr.strip() == (
        f"there is no {tmp_path / 'pos'}"
    )
