"""FLORES-101: the same sentences in 101 languages, in all directions (Cao 2024).

As Cao 2024 has it, dev becomes train and devtest becomes test. All pairs share the text
of a language, which is stored once: the files of the pairs are further names of it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

from lass_plugin.corpora.archives import Needed
from lass_plugin.corpora.settings import ArchiveSettings
from lass_plugin.data.parallel_text import read_lines, sha256
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import write_text
from lass_plugin.resource_types import parse_languages
from lass_plugin.settings import option

_CODES = """
af=afr am=amh ar=ara as=asm ast=ast az=azj be=bel bg=bul bn=ben bs=bos ca=cat ceb=ceb
cs=ces cy=cym da=dan de=deu el=ell en=eng es=spa et=est fa=fas ff=ful fi=fin fr=fra
ga=gle gl=glg gu=guj ha=hau he=heb hi=hin hr=hrv hu=hun hy=hye id=ind ig=ibo is=isl
it=ita ja=jpn jv=jav ka=kat kam=kam kea=kea kk=kaz km=khm kn=kan ko=kor ku=ckb ky=kir
lb=ltz lg=lug ln=lin lo=lao lt=lit luo=luo lv=lav mi=mri mk=mkd ml=mal mn=mon mr=mar
ms=msa mt=mlt my=mya ne=npi nl=nld no=nob ns=nso ny=nya oc=oci om=orm or=ory pa=pan
pl=pol ps=pus pt=por ro=ron ru=rus sd=snd sk=slk sl=slv sn=sna so=som sr=srp sv=swe
sw=swh ta=tam te=tel tg=tgk th=tha tl=tgl tr=tur uk=ukr umb=umb ur=urd uz=uzb vi=vie
wo=wol xh=xho yo=yor zh=zho_simpl zu=zul
"""
CODES: dict[str, str] = dict(
    entry.split("=")  # type: ignore[misc]
    for entry in _CODES.split()
)
"""M2M-124's code -> FLORES-101's; zho_trad has none of its own."""

Split = dict[str, list[str]]
"""Language -> its lines."""

PAIRS_FILE = "pairs.txt"
ARCHIVE = "flores101_dataset.tar.gz"


@dataclass(frozen=True, kw_only=True)
class FloresSettings(ArchiveSettings):
    """FLORES-101 between some languages."""

    NAME: ClassVar[str] = "flores"
    ORIGIN: ClassVar[str] = "the FLORES-101 project of Facebook AI Research"

    languages: tuple[str, ...] = option(
        tuple(parse_languages("lang12")),
        "lang12, lang30 (Cao 2024) or codes of M2M-124 (default: lang12)",
        metavar="LIST",
        parse=parse_languages,
    )
    valid: int = option(
        0,
        "the last N lines of dev are valid (default: %(default)s)",
        metavar="N",
        least=0,
    )
    dev: int = option(
        0,
        "where there is no dev split: the first N lines of devtest are dev",
        metavar="N",
        least=0,
    )

    def check(self) -> None:
        super().check()
        if len(self.languages) < 2:
            raise LassError("--languages names one language; give at least two")

    def needed(self) -> Iterator[Needed]:
        for split in ("dev", "devtest"):
            for language in self.languages:
                yield Needed(_published(split, language), (ARCHIVE,), optional=True)
                yield Needed(f"{split}.{language}", optional=True)

    def file_names(self) -> list[str]:
        splits = ["train", *(["valid"] if self.valid else []), "test"]
        texts = [
            f"{split}.{x}-{y}.{language}"
            for split in splits
            for x, y in combinations(self.languages, 2)
            for language in (x, y)
        ]
        return [*texts, PAIRS_FILE]


def build(
    settings: FloresSettings, files: Mapping[str, Path], work: Path, pool: Workers
) -> dict[str, Any]:
    """Make every file of *settings* in ``work/new``.

    Returns:
        ``languages``, ``lines`` of each split, and ``files``: lines and SHA-256.
    """
    languages = list(settings.languages)
    found = splits(files, settings.archives, languages, settings.valid, settings.dev)
    write(work / "new", found)
    counts = {name: len(each[languages[0]]) for name, each in found.items()}
    texts = {}
    for name in settings.file_names():
        digest = sha256(work / "new" / name)
        size = {"lines": counts[name.split(".")[0]]} if name != PAIRS_FILE else {}
        texts[name] = {**size, "sha256": digest}
    return {"languages": languages, "lines": counts, "files": texts}


def _published(split: str, language: str) -> str:
    return f"{CODES.get(language, language)}.{split}"


def find_file(files: Mapping[str, Path], split: str, language: str) -> Path | None:
    """The text of a language: ``eng.dev`` or ``dev.en``, either may be compressed."""
    names = (_published(split, language), f"{split}.{language}")
    return next((files[name] for name in names if name in files), None)


def read(
    files: Mapping[str, Path], folder: Path, split: str, languages: list[str]
) -> Split | None:
    """The lines of a split in every language; None if there is no such split.

    Args:
        files: name -> where the file lies.
        folder: of all of them, for messages.

    Raises:
        LassError: a language is missing, or the numbers of lines differ.
    """
    paths = {language: find_file(files, split, language) for language in languages}
    if not any(paths.values()):
        return None
    lines: Split = {}
    first = next(path for path in paths.values() if path)
    for language, path in paths.items():
        if path is None:
            published = f"{split}/{_published(split, language)}"
            raise LassError(
                f"{folder} has no {split} text of the language {language} (looked for "
                f"{published} and {split}.{language}.gz); add it or leave {language} "
                "out of --languages"
            )
        lines[language] = list(read_lines(path))
        if len(lines[language]) != len(lines[languages[0]]):
            raise LassError(
                f"{path} has {len(lines[language])} lines and {first} has "
                f"{len(lines[languages[0]])}; the lines of all languages must be "
                "translations of each other"
            )
    return lines


def part(split: Split, first: int, last: int | None = None) -> Split:
    """The lines from *first* on, up to *last*, in every language."""
    return {language: lines[first:last] for language, lines in split.items()}


def splits(
    files: Mapping[str, Path], folder: Path, languages: list[str], valid: int, dev: int
) -> dict[str, Split]:
    """Name of each split that is written -> its lines.

    Raises:
        LassError: the text is not there, or is too short for *valid* or *dev*.
    """
    training, test = (
        read(files, folder, name, languages) for name in ("dev", "devtest")
    )
    if training and dev:
        raise LassError(f"{folder} has a dev split; leave --dev out")
    if test is None:
        raise LassError(
            f"{folder} has no devtest text of {', '.join(languages)}; give the folder "
            f"of FLORES-101, with dev/eng.dev and devtest/eng.devtest, or {ARCHIVE}"
        )
    if training is None:
        size = len(test[languages[0]])
        if not 0 < dev < size:
            raise LassError(
                f"{folder} has no dev split; say with --dev how many of the {size} "
                "lines of devtest are to be dev"
            )
        training, test = part(test, 0, dev), part(test, dev)
    size = len(training[languages[0]])
    if not 0 <= valid < size:
        raise LassError(f"--valid {valid}: dev has {size} lines; take fewer of them")
    found = {"train": part(training, 0, size - valid)}
    if valid:
        found["valid"] = part(training, size - valid)
    return {**found, "test": test}


def write(out: Path, found: Mapping[str, Split]) -> None:
    """Write every language once; the pairs' files are further names of it."""
    languages = list(found["train"])
    pairs = list(combinations(languages, 2))
    for split, lines in found.items():
        for language in languages:
            names = [
                out / f"{split}.{x}-{y}.{language}"
                for x, y in pairs
                if language in (x, y)
            ]
            text = "\n".join(lines[language]) + "\n"
            write_text(names[0], text)
            for name in names[1:]:
                name.unlink(missing_ok=True)
                try:
                    os.link(names[0], name)
                except OSError:  # a file system without links
                    write_text(name, text)
    both = [f"{one}-{other}" for x, y in pairs for one, other in ((x, y), (y, x))]
    write_text(out / PAIRS_FILE, ",".join(both) + "\n")


def said(languages: list[str], counts: Mapping[str, int]) -> str:
    """What was written, in a line; *counts* are the lines of each split."""
    directions = len(languages) * (len(languages) - 1)
    sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{len(languages)} languages, {directions} directions; lines: {sizes}"
