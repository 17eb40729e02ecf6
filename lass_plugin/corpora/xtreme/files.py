"""Which file of a task's folder holds which split and language.

Names are those that the data sets were published under (and those of XTREME's own
downloads where they differ), anywhere below the folder, plain or gzip. A file whose
name says no language holds several: XNLI's, TyDiQA's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lass_plugin.corpora.xtreme.tasks import Task
from lass_plugin.errors import LassError

SEVERAL = "*"
"""Stands for the language of a file that holds several."""
SPLITS = {
    "sample": "dev",
    "training": "test",
    "translated_train": "train",
    "dev_2k": "dev",
    "valid": "dev",
    "test_2k": "test",
    "xquad": "test",
    "": "test",
}
"""Split in a name -> ours; of BUCC, whose own test set has no published gold, XTREME
takes the training set to test, and the sample as dev."""

_LANG = r"(?P<lang>[a-z]{2,3})"
_SPLIT = r"(?P<split>train|dev|valid|test)"
_SQUAD = (
    r"(?P<split>train|dev)-v1\.1\.json",
    rf"squad\.translate\.(?P<split>train)\.en-{_LANG}\.json",
)
_PATTERNS: dict[str, tuple[str, ...]] = {
    "xnli": (
        r"xnli\.(?P<split>dev|test)\.tsv",
        rf"multinli\.(?P<split>train)\.{_LANG}\.tsv",
    ),
    "pawsx": (
        rf"{_LANG}/(?P<split>train|translated_train|dev_2k|test_2k)\.tsv",
        rf"{_SPLIT}-{_LANG}\.tsv",
    ),
    "udpos": (
        rf"{_LANG}_\w+-ud-(?P<split>train|dev|test)\.conllu",
        rf"{_LANG}\.{_SPLIT}\.conllu",
    ),
    "panx": (
        rf"{_LANG}/{_SPLIT}",
        rf"{_LANG}\.{_SPLIT}\.(?:conll|tsv)",
        rf"{_SPLIT}-{_LANG}\.tsv",
    ),
    "xquad": (*_SQUAD, rf"(?P<split>xquad)\.{_LANG}\.json"),
    "mlqa": (
        *_SQUAD,
        rf"(?P<split>dev|test)-context-{_LANG}-question-(?P=lang)\.json",
    ),
    "tydiqa": (
        rf"tydiqa\.goldp\.{_LANG}\.{_SPLIT}\.json",
        r"tydiqa-goldp-v\d\.\d-(?P<split>train|dev)\.json",
    ),
    "bucc2018": (
        rf"{_LANG}-en\.(?P<split>sample|training|dev|test)\."
        r"(?P<side>[a-z]{2,3}|gold)",
    ),
    "tatoeba": (
        r"tatoeba\.en-(?P<lang>[a-z]{2,3})\.(?P<side>[a-z]{2,3})",
        r"tatoeba\.(?P<lang>[a-z]{3})-eng\.(?P<side>[a-z]{3})",
        rf"{_LANG}-en\.(?P<side>[a-z]{{2,3}})",
    ),
}

_THREE = dict(
    zip(
        "afr ara bul ben deu ell spa est eus pes fin fra heb hin hun ind ita jpn jav "
        "kat kaz kor mal mar nld por rus swh tam tel tha tgl tur urd vie cmn "
        "eng".split(),
        "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt "
        "ru sw ta te th tl tr ur vi zh en".split(),
        strict=True,
    )
)
"""Codes of three letters, as Tatoeba's files have them, in two."""


@dataclass
class Files:
    """A task's files: split -> language -> side -> paths; "" is the only side."""

    folder: Path
    found: dict[str, dict[str, dict[str, list[Path]]]] = field(default_factory=dict)

    def of(self, split: str) -> Mapping[str, Mapping[str, list[Path]]]:
        """Language -> side -> paths of a split, empty where there is none."""
        return self.found.get(split, {})


def find_files(task: Task, folder: Path) -> Files:
    """The files of *task* below *folder*.

    Raises:
        LassError: there are none, or one is there both plain and gzip.
    """
    if not folder.is_dir():
        raise LassError(f"the folder {folder} does not exist; give that of {task.name}")
    patterns = [re.compile(rf"(?:.*/)?{text}") for text in _PATTERNS[task.name]]
    files, seen = Files(folder), dict[str, Path]()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = "/" + path.relative_to(folder).as_posix().removesuffix(".gz")
        match = next(filter(None, (one.fullmatch(name) for one in patterns)), None)
        if match is None:
            continue
        if name in seen:
            raise LassError(f"there are both {seen[name]} and {path}; remove one")
        seen[name] = path
        parts = match.groupdict()
        said, language = parts.get("split") or "", parts.get("lang") or SEVERAL
        split = SPLITS.get(said, said)
        if task.name in ("xquad", "mlqa") and "-v1.1" in path.name:
            language = "en"
        language = _THREE.get(language, language)
        side = parts.get("side") or ""
        sides = files.found.setdefault(split, {}).setdefault(language, {})
        sides.setdefault(_THREE.get(side, side), []).append(path)
    if not files.found:
        raise LassError(
            f"{folder} has no file of {task.title}; its names must be as published: "
            + _EXAMPLES[task.name]
        )
    if task.name == "tydiqa" and "test" not in files.found:
        files.found["test"] = files.found.pop("dev", {})  # its test set is hidden
    tested = files.of("test") if task.name == "bucc2018" else {}
    for of_language in tested.values():
        for paths in of_language.values():
            if len(paths) > 1:  # so is its own
                paths[:] = [path for path in paths if ".test." not in path.name]
    return files


def is_treebank(path: Path) -> bool:
    """Whether a file is a treebank, of which a language has several."""
    return "-ud-" in path.name


_EXAMPLES = {
    "xnli": "xnli.test.tsv, xnli.dev.tsv, multinli.train.en.tsv",
    "pawsx": "en/train.tsv, de/test_2k.tsv, or test-de.tsv",
    "udpos": "de_gsd-ud-test.conllu, or de.test.conllu",
    "panx": "de/test, or de.test.conll, or test-de.tsv",
    "xquad": "xquad.de.json, train-v1.1.json of SQuAD",
    "mlqa": "test-context-de-question-de.json, train-v1.1.json of SQuAD",
    "tydiqa": "tydiqa-goldp-v1.1-dev.json, or tydiqa.goldp.fi.dev.json",
    "bucc2018": "de-en.{sample,training}.{de,en,gold}",
    "tatoeba": "tatoeba.deu-eng.deu, tatoeba.deu-eng.eng",
}
