"""Text of FLORES-101 in all directions between some languages, for lass prepare.

Usage: python scripts/flores.py FLORES OUT [--languages lang12|lang30|de,en,…]
                                [--valid N] [--dev N]

FLORES is the unpacked dataset: dev/eng.dev, devtest/eng.devtest and so on, 997 and 1012
lines. As Cao 2024 has it, dev becomes train and devtest becomes test; --valid N takes
the last N lines of dev for valid. Languages are named as M2M-124 names them: Norwegian
is no, Chinese (simplified) zh.

FLORES may also hold devtest.en.gz and so on, without a dev split. Then --dev N takes
the first N lines as dev and leaves the others as test.

OUT gets {train,valid,test}.X-Y.LANG, one pair of files for both directions, and
pairs.txt with all directions: lass prepare --pairs "$(cat OUT/pairs.txt)" …
"""

import argparse
import os
import sys
from itertools import combinations
from pathlib import Path

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError
from lass_plugin.files import write_text
from lass_plugin.resource_types import parse_languages

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


def find_file(folder: Path, split: str, language: str) -> Path | None:
    """The text of a language: ``dev/eng.dev``, ``dev.en`` or ``dev.en.gz``."""
    code = CODES.get(language, language)
    names = [f"{split}/{code}.{split}", f"{split}.{language}", f"{split}.{language}.gz"]
    found = [folder / name for name in names if (folder / name).is_file()]
    return found[0] if found else None


def read(folder: Path, split: str, languages: list[str]) -> Split | None:
    """The lines of a split in every language; None if there is no such split.

    Raises:
        LassError: a language is missing, or the numbers of lines differ.
    """
    paths = {language: find_file(folder, split, language) for language in languages}
    if not any(paths.values()):
        return None
    lines: Split = {}
    first = next(path for path in paths.values() if path)
    for language, path in paths.items():
        if path is None:
            code = CODES.get(language, language)
            raise LassError(
                f"{folder} has no {split} text of the language {language} (looked for "
                f"{split}/{code}.{split} and {split}.{language}.gz); add it or leave "
                f"{language} out of --languages"
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


def splits(folder: Path, languages: list[str], valid: int, dev: int) -> dict:
    """Name of each split that is written -> its lines.

    Raises:
        LassError: the text is not there, or is too short for *valid* or *dev*.
    """
    training, test = (read(folder, name, languages) for name in ("dev", "devtest"))
    if training and dev:
        raise LassError(f"{folder} has a dev split; leave --dev out")
    if test is None:
        raise LassError(
            f"{folder} has no devtest text of {', '.join(languages)}; give the folder "
            "of FLORES-101, with dev/eng.dev and devtest/eng.devtest"
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


def write(out: Path, found: dict[str, Split]) -> None:
    """Write every language once; the pairs' files are further names of it."""
    languages = list(found["train"])
    pairs = [(x, y) for x, y in combinations(languages, 2)]
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
    write_text(out / "pairs.txt", ",".join(both) + "\n")


def main() -> int:
    """Read, write, and say what was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("flores", type=Path, metavar="FLORES")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--languages", default="lang12", metavar="LIST")
    parser.add_argument("--valid", type=int, default=0, metavar="N")
    parser.add_argument("--dev", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    try:
        languages = parse_languages(arguments.languages)
        if len(languages) < 2:
            raise LassError("--languages names one language; give at least two")
        if not arguments.flores.is_dir():
            raise LassError(f"the folder {arguments.flores} does not exist")
        found = splits(arguments.flores, languages, arguments.valid, arguments.dev)
        write(arguments.out, found)
    except LassError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    directions = len(languages) * (len(languages) - 1)
    sizes = ", ".join(f"{name} {len(s[languages[0]])}" for name, s in found.items())
    print(f"{len(languages)} languages, {directions} directions; lines: {sizes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
