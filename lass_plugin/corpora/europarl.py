"""Europarl, release 7: English to twelve languages (Xie 2021).

Of each pair 600,000 segment pairs are drawn. dev2006 and devtest2006 are valid and test
where the language has them; else 1,000 further pairs are drawn for each, which are to
be unseen: speeches repeat sentences, so a drawn pair may be drawn for training, too,
and is dropped there. The paper tokenises and truecases with Moses' scripts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lass_plugin.corpora import settings as options
from lass_plugin.corpora.lines import MOSES
from lass_plugin.corpora.segments import Part
from lass_plugin.corpora.settings import (
    TRUE,
    CorpusSettings,
    PairText,
    Sample,
    Stated,
)
from lass_plugin.data.cleaning import PAIRS as WHOLE_PAIRS
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.settings import count, needless, option

LANGUAGES = tuple("cs fi el hu lt lv pl pt sk sl sv es".split())
"""In the order of Xie 2021, §4.1."""

WITH_SETS = ("fi", "el", "pt", "sv", "es")
"""Languages of the Union before 2004, in which the sets of 2006 were made."""

UTF_8, LATIN_1 = "utf-8", "latin-1"
_SETS = ("devsets.tgz", "dev.tgz")


@dataclass(frozen=True, kw_only=True)
class EuroparlSettings(CorpusSettings):
    """Europarl v7, from the archive of each pair and the sets of 2006."""

    NAME: ClassVar[str] = "europarl"
    ORIGIN: ClassVar[str] = (
        "the Europarl project at statmt.org, release 7 (es-en.tgz and so on), and "
        "WMT's development sets (devsets.tgz of 2007 or dev.tgz of later years)"
    )
    PAIRS: ClassVar[tuple[str, ...]] = tuple(f"{code}-en" for code in LANGUAGES)
    STATED: ClassVar[Mapping[str, Stated]] = {
        f"{code}-en": Stated(600_000, 0, "Xie 2021, §4.1") for code in LANGUAGES
    }

    tokenize: str = options.tokenize(MOSES)
    case: str = options.case(TRUE)
    held_out: str = options.held_out(WHOLE_PAIRS)
    sample: int = count(
        600_000, "training pairs drawn of each pair of languages (default: %(default)s)"
    )
    draw: int = count(
        1000,
        "pairs drawn for valid, and as many for test, where a language has no sets "
        "(default: %(default)s)",
    )
    sets: tuple[str, ...] = option(
        WITH_SETS,
        "languages of which dev2006 and devtest2006 are taken; none: of no language "
        "(default: %(default)s)",
        metavar="LANG,…",
    )
    sets_encoding: str = option(
        UTF_8,
        "of these sets: utf-8, as in later years, or latin-1, as in 2006 and 2007 "
        "(Greek: ISO 8859-7; default: %(default)s)",
        choices=(UTF_8, LATIN_1),
    )
    seed: int = option(1, "of what is drawn (default: %(default)s)", metavar="N")

    def check(self) -> None:
        super().check()
        for code in self.sets:
            if code not in (*LANGUAGES, "none"):
                raise LassError(
                    f"--sets has {code}, which is no language of this corpus; choose "
                    f"from {', '.join(LANGUAGES)}, or write none"
                )
        if not any(text.valid for text in self.texts()):
            needless(self, "sets_encoding", "where no sets are taken")
        if all(text.valid for text in self.texts()):
            needless(self, "draw", "where all languages have sets")

    def texts(self) -> list[PairText]:
        return [self._text(pair) for pair in self.chosen()]

    def _text(self, pair: Pair) -> PairText:
        code = pair.source
        held = (f"{pair}.tgz", "training-parallel-europarl-v7.tgz")
        files = [f"europarl-v7.{pair}.{side}" for side in (code, pair.target)]
        train = (Part(files[0], files[1], archives=held),)
        sizes = {"train": self.sample}
        if code in self.sets:
            draw = Sample(sizes, self.seed)
            valid, test = (self._set(name, pair) for name in ("dev", "devtest"))
            return PairText(pair, train, (valid,), (test,), sample=draw)
        draw = Sample({**sizes, "valid": self.draw, "test": self.draw}, self.seed)
        return PairText(pair, train, sample=draw)

    def _set(self, name: str, pair: Pair) -> Part:
        encoding = "utf-8"
        if self.sets_encoding == LATIN_1:
            encoding = "iso-8859-7" if pair.source == "el" else "latin-1"
        one, other = (f"{name}2006.{code}" for code in (pair.source, pair.target))
        return Part(one, other, archives=_SETS, encoding=encoding)
