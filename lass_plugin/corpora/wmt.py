"""WMT's translation tasks: English and 18 languages (He 2023, Lin 2021).

He 2023 names year, sets and size of each pair (Table 5), Lin 2021 the pairs and the
range of sizes. LaSS's scripts normalise punctuation, make Chinese simplified and drop
repeated pairs; the limits on length are those of its description of the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lass_plugin.corpora import settings as options
from lass_plugin.corpora import wmt_parts
from lass_plugin.corpora.lines import MOSES, LineForm, check_simplifier
from lass_plugin.corpora.settings import AS_IS, DROP, CorpusSettings, PairText, Stated
from lass_plugin.languages import Pair
from lass_plugin.settings import needless, option

SIMPLIFIED = "simplified"


@dataclass(frozen=True, kw_only=True)
class WmtSettings(CorpusSettings):
    """WMT's 18 pairs, from the files of the years' tasks."""

    NAME: ClassVar[str] = "wmt"
    ORIGIN: ClassVar[str] = (
        "the pages of WMT's translation tasks at statmt.org, which name the files of "
        "each year and who gives them (test sets: sacreBLEU downloads them, too)"
    )
    PAIRS: ClassVar[tuple[str, ...]] = tuple(f"{code}-en" for code in wmt_parts.SIZES)
    STATED: ClassVar[Mapping[str, Stated]] = {
        f"{code}-en": Stated(int(size), int(within), "He 2023, Table 5")
        for code, (_, size, within) in wmt_parts.SIZES.items()
    }

    sets: Path | None = option(
        None,
        "a further folder with the sets for valid and test, such as ~/.sacrebleu",
        metavar="DIR",
        matters=False,
    )
    punctuation: str = options.punctuation(MOSES)
    chinese: str = option(
        SIMPLIFIED,
        "simplified: by OpenCC (extra 'chinese'); as-is (default: %(default)s)",
        choices=(AS_IS, SIMPLIFIED),
        group="form of the text",
    )
    max_tokens: int = options.max_tokens(256)
    max_ratio: float = options.max_ratio(3.0)
    duplicates: str = options.duplicates(DROP)

    @property
    def folders(self) -> tuple[Path, ...]:
        return (self.archives, self.sets) if self.sets else (self.archives,)

    @property
    def libraries(self) -> tuple[str, ...]:
        return (*super().libraries, *(["opencc"] if self._simplifies else []))

    @property
    def _simplifies(self) -> bool:
        has_chinese = any(pair.source == "zh" for pair in self.chosen())
        return has_chinese and self.chinese == SIMPLIFIED

    def check(self) -> None:
        super().check()
        if not any(pair.source == "zh" for pair in self.chosen()):
            needless(self, "chinese", "without zh-en")
        if self._simplifies:
            check_simplifier()

    def form(self) -> LineForm:
        return LineForm(
            punctuation=self.punctuation == MOSES,
            simplified=self.chinese == SIMPLIFIED,
            tokenised=self.tokenize == MOSES,
            lower=super().form().lower,
        )

    def texts(self) -> list[PairText]:
        return [text for pair in self.chosen() for text in self._texts(pair)]

    def _texts(self, pair: Pair) -> list[PairText]:
        """The text of both directions, and the test set of English to the language.

        Where the test sets of the two directions differ, each has its own.
        """
        code, english = pair.source, pair.target
        valid, test = wmt_parts.SETS[code]
        texts = [
            PairText(
                pair,
                wmt_parts.TRAINING[code],
                (wmt_parts.evaluation(valid, code, english),),
                (wmt_parts.evaluation(test, code, english),),
            )
        ]
        if int(test[-4:]) >= wmt_parts.OWN_DIRECTION:
            back = (wmt_parts.evaluation(test, english, code),)
            texts.append(PairText(Pair(english, code), (), test=back))
        return texts
