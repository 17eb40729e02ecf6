"""IWSLT 2014: TED talks in English and eight languages (He 2023, Lin 2021).

The papers do not say how it is cleaned and split. LaSS's code names the script of Tan
2019, which does as fairseq's own: text, titles and descriptions of talks are training
text; pairs whose sides have 1 to 175 Moses tokens in a ratio of at most 1.5 are kept;
each 23rd of them is one of valid; test is the sets of 2010 to 2012 together. That gives
the 160 thousand pairs of German that He 2023 states.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lass_plugin.corpora import settings as options
from lass_plugin.corpora.lines import MOSES
from lass_plugin.corpora.segments import SEGMENTS, TAGS, TITLES, Part
from lass_plugin.corpora.settings import CorpusSettings, PairText, Stated
from lass_plugin.data.cleaning import KEEP
from lass_plugin.languages import Pair
from lass_plugin.settings import count

LANGUAGES = ("fa", "pl", "ar", "he", "nl", "de", "it", "es")
"""In the order of He 2023, Table 1."""

THOUSANDS = {
    "fa": 89,
    "pl": 128,
    "ar": 140,
    "he": 144,
    "nl": 153,
    "de": 160,
    "it": 167,
    "es": 169,
}
"""Thousands of training pairs (He 2023, Table 4)."""

TEST_SETS = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")


@dataclass(frozen=True, kw_only=True)
class Iwslt14Settings(CorpusSettings):
    """IWSLT 2014, from the archives of WIT3."""

    NAME: ClassVar[str] = "iwslt14"
    ORIGIN: ClassVar[str] = (
        "WIT3, FBK's inventory of TED talks, release 2014-01 (one archive for each "
        "pair, or 2014-01.tgz with all of them)"
    )
    PAIRS: ClassVar[tuple[str, ...]] = tuple(f"{code}-en" for code in LANGUAGES)
    STATED: ClassVar[Mapping[str, Stated]] = {
        f"{code}-en": Stated(size * 1000, 500, "He 2023, Table 4")
        for code, size in THOUSANDS.items()
    }

    tokenize: str = options.tokenize(MOSES)
    max_tokens: int = options.max_tokens(175)
    max_ratio: float = options.max_ratio(1.5)
    titles: str = options.titles(KEEP)
    every: int = count(
        23, "each N-th training pair is one of valid (default: %(default)s)"
    )

    def texts(self) -> list[PairText]:
        return [self._text(pair) for pair in self.chosen()]

    def _text(self, pair: Pair) -> PairText:
        held = (f"{pair}.tgz", "2014-01.tgz")
        sides = pair.source, pair.target
        train = [f"train.tags.{pair}.{code}" for code in sides]
        reader = TITLES if self.titles == KEEP else TAGS
        tests = [
            [f"IWSLT14.{name}.{pair}.{code}.xml" for code in sides]
            for name in TEST_SETS
        ]
        return PairText(
            pair,
            (Part(train[0], train[1], reader, held),),
            test=tuple(
                Part(one, other, SEGMENTS, held, optional=True) for one, other in tests
            ),
            every=self.every,
        )
