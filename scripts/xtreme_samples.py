"""Make small task folders for 'lass xtreme prepare' out of test sets that are at hand.

    python scripts/xtreme_samples.py SAMPLES OUT [--most N] [--train N]

SAMPLES has pos/ (LANG.SPLIT.conllu), ner/ (LANG.SPLIT.conll), pawsx/ (SPLIT-LANG.tsv),
xquad/ (xquad.LANG.json) and retrieval/ (tatoeba.en-LANG.LANG), plain or .gz, of which
PAWS-X and XQuAD have no training set. They are split, the same way in all languages:

PAWS-X   trained on the English dev set; dev: the first fifth of the test set, the rest
         of it is the test set
XQuAD    by articles, in their order: trained on the first three quarters in English;
         dev: the next sixteenth; test: the rest

--most N takes the first N sentences, pairs or questions of each test set, --train N of
each training set. OUT gets udpos/, panx/, pawsx/, xquad/, tatoeba/, and text/, all of
their text, for 'lass encoder trim'.
"""

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError
from lass_plugin.files import write_text

DEV = 5
"""PAWS-X: one in so many of the test set."""
TRAIN_ARTICLES, DEV_ARTICLES = 0.75, 0.0625


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--most", type=int, help="default: all")
    parser.add_argument("--train", type=int, help="default: all")
    args = parser.parse_args()
    for folder in ("pos", "ner", "pawsx", "xquad", "retrieval"):
        if not (args.samples / folder).is_dir():
            raise SystemExit(f"there is no {args.samples / folder}")
    most = {"train": args.train, "test": args.most}
    try:
        _tags(args.samples / "pos", args.out / "udpos", most)
        _tags(args.samples / "ner", args.out / "panx", most)
        _pairs(args.samples / "pawsx", args.out / "pawsx", most)
        _questions(args.samples / "xquad", args.out / "xquad", most)
        _lines(args.samples / "retrieval", args.out / "tatoeba", args.most)
        for task in ("udpos", "panx", "pawsx", "xquad", "tatoeba"):
            _text(args.out / task, args.out / "text" / f"{task}.txt")
    except LassError as error:
        raise SystemExit(error.message) from error


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Path and name without ``.gz`` of each file."""
    for path in sorted(folder.iterdir()):
        yield path, path.name.removesuffix(".gz")


def _write(path: Path, lines: list[str]) -> None:
    write_text(path, "".join(line + "\n" for line in lines))


def _tags(folder: Path, out: Path, most: dict[str, int | None]) -> None:
    """Sentences end at an empty line; ``most``: of each split."""
    for path, name in _files(folder):
        blocks: list[list[str]] = [[]]
        for line in read_lines(path):
            blocks[-1].append(line)
            if not line:
                blocks.append([])
        kept = [block for block in blocks if block][: most.get(name.split(".")[1])]
        _write(out / name, [line for block in kept for line in block])


def _pairs(folder: Path, out: Path, most: dict[str, int | None]) -> None:
    for path, name in _files(folder):
        split, _, language = name.removesuffix(".tsv").partition("-")
        lines = list(read_lines(path))
        if split == "test":
            bound = len(lines) // DEV
            _write(out / f"test-{language}.tsv", lines[bound:][: most["test"]])
            if language == "en":
                _write(out / "dev-en.tsv", lines[:bound])
        elif language == "en":
            _write(out / "train-en.tsv", lines[: most["train"]])


def _questions(folder: Path, out: Path, most: dict[str, int | None]) -> None:
    def part(articles: list[Any], name: str, most: int | None = None) -> None:
        """The paragraphs that the first ``most`` questions are about."""
        kept, left = [], most
        for paragraph in (p for each in articles for p in each["paragraphs"]):
            asked = paragraph["qas"][:left]
            if asked:
                kept.append({**paragraph, "qas": asked})
            left = None if left is None else left - len(asked)
        data = {"data": [{"title": "", "paragraphs": kept}]}
        write_text(out / name, json.dumps(data, ensure_ascii=False))

    for path, name in _files(folder):
        opened = gzip.open(path) if path.suffix == ".gz" else open(path, "rb")
        with opened as file:
            articles = json.loads(file.read())["data"]
        first = round(len(articles) * TRAIN_ARTICLES)
        second = first + max(1, round(len(articles) * DEV_ARTICLES))
        if name == "xquad.en.json":
            part(articles[:first], "train-v1.1.json", most["train"])
            part(articles[first:second], "dev-v1.1.json")
        part(articles[second:], name, most["test"])


def _lines(folder: Path, out: Path, most: int | None) -> None:
    for path, name in _files(folder):
        _write(out / name, list(read_lines(path))[:most])


def _text(folder: Path, target: Path) -> None:
    """Every sentence of the files, words of tagged ones separated by spaces."""
    lines: list[str] = []
    for path, name in _files(folder):
        if name.endswith(".json"):
            for article in json.loads(path.read_text())["data"]:
                for paragraph in article["paragraphs"]:
                    lines += paragraph["context"].splitlines()
                    lines += [asked["question"] for asked in paragraph["qas"]]
        elif name.endswith(".tsv"):
            lines += [c for line in read_lines(path) for c in line.split("\t")[:2]]
        elif name.endswith((".conllu", ".conll")):
            column = 1 if name.endswith(".conllu") else 0
            words: list[str] = []
            for line in read_lines(path):
                cells = line.split("\t")
                if not line:
                    lines.append(" ".join(words))
                    words = []
                elif len(cells) > column and not line.startswith("#"):
                    words.append(cells[column])
        else:
            lines += read_lines(path)
    _write(target, lines)


if __name__ == "__main__":
    main()
