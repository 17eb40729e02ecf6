"""IWSLT 2017, the multilingual task: TED talks, many-to-many (Xie 2021).

Xie 2021 states the numbers of segments without titles and descriptions, so these are
left out and nothing is cleaned. It names test2016 and test2017 for validation and test.
The archives of these languages have no test2016, but dev2010 and tst2010: tst2010, the
later and larger one, takes its place. Of tst2017 each direction has its source alone;
the sources of both directions of a pair are the translations of each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lass_plugin.corpora import settings as options
from lass_plugin.corpora.lines import MOSES
from lass_plugin.corpora.segments import SEGMENTS, TAGS, TITLES, Part
from lass_plugin.corpora.settings import DROP, CorpusSettings, PairText, Stated
from lass_plugin.data.cleaning import KEEP
from lass_plugin.languages import Pair
from lass_plugin.settings import option

_WHERE = "Xie 2021, §4.1"
_TRAINING = ("DeEnItNlRo-DeEnItNlRo.tgz", "2017-01-trnmted.tgz")


@dataclass(frozen=True, kw_only=True)
class Iwslt17Settings(CorpusSettings):
    """IWSLT 2017's multilingual task, from the archives of WIT3."""

    NAME: ClassVar[str] = "iwslt17"
    ORIGIN: ClassVar[str] = (
        "WIT3, FBK's inventory of TED talks, releases 2017-01-trnmted (training) and "
        "2017-01-mted-test (test sets)"
    )
    PAIRS: ClassVar[tuple[str, ...]] = ("it-en", "ro-en", "nl-en", "it-ro")
    STATED: ClassVar[Mapping[str, Stated]] = {
        "it-en": Stated(231_600, 100, _WHERE),
        "ro-en": Stated(220_500, 100, _WHERE),
        "nl-en": Stated(237_200, 100, _WHERE),
        "it-ro": Stated(217_500, 100, _WHERE),
    }

    tokenize: str = options.tokenize(MOSES)
    titles: str = options.titles(DROP)
    valid_set: str = option(
        "tst2010",
        "the set for valid, in the place of test2016, which there is not (default: "
        "%(default)s)",
        choices=("dev2010", "tst2010"),
    )

    def texts(self) -> list[PairText]:
        return [self._text(pair) for pair in self.chosen()]

    def _text(self, pair: Pair) -> PairText:
        one, other = pair.source, pair.target
        reader = TITLES if self.titles == KEEP else TAGS
        back = f"{other}-{one}"
        test, valid = "IWSLT17.TED.tst2017.mltlng", f"IWSLT17.TED.{self.valid_set}"
        return PairText(
            pair,
            train=(
                Part(
                    f"train.tags.{pair}.{one}",
                    f"train.tags.{pair}.{other}",
                    reader,
                    _TRAINING,
                ),
            ),
            valid=(
                Part(
                    f"{valid}.{pair}.{one}.xml",
                    f"{valid}.{pair}.{other}.xml",
                    SEGMENTS,
                    _TRAINING,
                ),
            ),
            test=(
                Part(
                    f"{test}.{pair}.{one}.xml",
                    f"{test}.{back}.{other}.xml",
                    SEGMENTS,
                    (f"{pair}.tgz", "2017-01-mted-test.tgz"),
                    (f"{back}.tgz", "2017-01-mted-test.tgz"),
                ),
            ),
        )
