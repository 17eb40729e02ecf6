"""OPUS-100: English and 99 languages, with tests of 15 pairs without English.

Zhang 2020 drew it from OPUS and gives it untokenised. Lin 2021 takes its test sets
where a pair of zero-shot has none of WMT's; training on it is beyond the papers.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar

from lass_plugin.corpora.segments import Part
from lass_plugin.corpora.settings import CorpusSettings, PairText
from lass_plugin.data.parallel_text import SPLITS
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.settings import option

LANGUAGES = tuple(
    """
    af am an ar as az be bg bn br bs ca cs cy da de dz el eo es et eu fa fi fr fy ga gd
    gl gu ha he hi hr hu hy id ig is it ja ka kk km kn ko ku ky li lt lv mg mk ml mn mr
    ms mt my nb ne nl nn no oc or pa pl ps pt ro ru rw se sh si sk sl sq sr sv ta te tg
    th tk tr tt ug uk ur uz vi wa xh yi yo zh zu
    """.split()
)
"""Beside English."""

WITHOUT_TESTS = ("an", "dz", "hy", "mn", "yo")
"""Languages that have too little text for dev and test sets."""

ZERO_SHOT = tuple(
    f"{one}-{other}"
    for one, other in combinations(("ar", "de", "fr", "nl", "ru", "zh"), 2)
)
"""Pairs with a test set alone."""

WHOLE = "opus-100-corpus-v1.0.tar.gz"


@dataclass(frozen=True, kw_only=True)
class Opus100Settings(CorpusSettings):
    """OPUS-100, from one archive, or from one of each pair."""

    NAME: ClassVar[str] = "opus100"
    ORIGIN: ClassVar[str] = (
        "the OPUS project, OPUS-100 v1.0 (one archive for all, one for each pair with "
        "English and one for the pairs of zero-shot)"
    )
    PAIRS: ClassVar[tuple[str, ...]] = (
        *("-".join(sorted(("en", code))) for code in LANGUAGES),
        *ZERO_SHOT,
    )

    splits: tuple[str, ...] = option(
        SPLITS,
        "some of train, valid and test (default: %(default)s); the pairs of zero-shot "
        "have test alone",
        metavar="SPLIT,…",
        choices=SPLITS,
    )

    def check(self) -> None:
        super().check()
        if not self.splits:
            raise LassError("--splits is empty; write train,valid,test or some of them")
        if not self.texts():
            raise LassError(
                f"none of {', '.join(map(str, self.chosen()))} has "
                f"{' or '.join(self.splits)} text; give other --splits"
            )

    def texts(self) -> list[PairText]:
        texts = map(self._text, self.chosen())
        return [text for text in texts if text.parts]

    def _text(self, pair: Pair) -> PairText:
        if str(pair) in ZERO_SHOT:
            held = ("opus-100-corpus-zeroshot-v1.0.tar.gz", WHOLE)
            text = PairText(pair, (), test=(_part(pair, "test", held),))
        else:
            held = (f"opus-100-corpus-{pair}-v1.0.tar.gz", WHOLE)
            text = PairText(pair, (_part(pair, "train", held),))
            if not {pair.source, pair.target} & set(WITHOUT_TESTS):
                text = replace(
                    text,
                    valid=(_part(pair, "dev", held),),
                    test=(_part(pair, "test", held),),
                )
        return PairText(
            pair,
            train=text.train if "train" in self.splits else (),
            valid=text.valid if "valid" in self.splits else (),
            test=text.test if "test" in self.splits else (),
        )


def _part(pair: Pair, split: str, held: tuple[str, ...]) -> Part:
    one, other = (f"opus.{pair}-{split}.{code}" for code in (pair.source, pair.target))
    return Part(one, other, archives=held)
