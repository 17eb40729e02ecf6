"""What every ``lass corpus`` can be told, and what a corpus says of itself."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lass_plugin.corpora.archives import Needed
from lass_plugin.corpora.lines import AS_IS, LOWER, MOSES, TRUE, LineForm
from lass_plugin.corpora.segments import Part
from lass_plugin.data.cleaning import HELD_OUT_CHOICES, KEEP, Limits
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import Settings, argument, count, option, switch

DROP = "drop"
_TEXT, _CLEANING = "form of the text", "cleaning of training text"


# -- options, of which each corpus has its own defaults ------------------------------


def tokenize(default: str) -> Any:
    """Declare the option for the tokens of the text."""
    about = (
        "moses: separate tokens by spaces; as-is: leave the text (default: %(default)s)"
    )
    return option(default, about, choices=(AS_IS, MOSES), group=_TEXT)


def case(default: str) -> Any:
    """Declare the option for the case of words."""
    return option(
        default,
        "lower; true: words as they are written inside of sentences, which needs "
        "--tokenize moses; as-is (default: %(default)s)",
        choices=(AS_IS, LOWER, TRUE),
        group=_TEXT,
    )


def punctuation(default: str) -> Any:
    """Declare the option for the punctuation."""
    return option(
        default,
        "moses: normalise it and remove control characters; as-is (default: "
        "%(default)s)",
        choices=(AS_IS, MOSES),
        group=_TEXT,
    )


def max_tokens(default: int) -> Any:
    """Declare the option for the longest side."""
    about = "most tokens of a side; 0: any (default: %(default)s)"
    return option(default, about, metavar="N", least=0, group=_CLEANING)


def max_ratio(default: float) -> Any:
    """Declare the option for the lengths of two sides."""
    about = "longest side in tokens by the other one; 0: any (default: %(default)s)"
    return option(default, about, metavar="RATIO", least=0, group=_CLEANING)


def duplicates(default: str) -> Any:
    """Declare the option for repeated pairs."""
    about = "drop: keep the first of equal pairs alone (default: %(default)s)"
    return option(default, about, choices=(KEEP, DROP), group=_CLEANING)


def held_out(default: str) -> Any:
    """Declare the option for training pairs that are held out."""
    return option(
        default,
        "drop pairs that valid or test has (pairs), or pairs with a side that valid or "
        "test of any pair has in that language (sides); letters and digits are "
        "compared (default: %(default)s, and count both)",
        choices=HELD_OUT_CHOICES,
        group=_CLEANING,
    )


def titles(default: str) -> Any:
    """Declare the option for the titles of talks."""
    about = "of talks, and their descriptions, as training text (default: %(default)s)"
    return option(default, about, choices=(KEEP, DROP))


# -- what a corpus is ----------------------------------------------------------------


@dataclass(frozen=True)
class Stated:
    """How many segments a paper states for a training set."""

    segments: int
    within: int
    """Half of the last digit that is stated, or how far apart two papers are."""
    where: str


@dataclass(frozen=True)
class Sample:
    """Pairs drawn at random: so many for each split, none of them twice."""

    sizes: Mapping[str, int]
    """Split -> number of pairs, in the order of the draw."""
    seed: int


@dataclass(frozen=True)
class PairText:
    """The text of one pair: its parts, and how it is split."""

    pair: Pair
    train: tuple[Part, ...]
    valid: tuple[Part, ...] = ()
    test: tuple[Part, ...] = ()
    every: int | None = None
    """Each n-th cleaned training pair is one of valid instead."""
    sample: Sample | None = None
    """Which of the training pairs are used; drawn before they are cleaned."""

    @property
    def parts(self) -> tuple[tuple[str, Part], ...]:
        """(split, part) of all."""
        splits = {"train": self.train, "valid": self.valid, "test": self.test}
        return tuple((split, part) for split in splits for part in splits[split])

    @property
    def splits(self) -> list[str]:
        """The splits that the pair has, in the order of their writing."""
        drawn = self.sample.sizes if self.sample else {}
        there = {
            "valid": self.valid or self.every or "valid" in drawn,
            "test": self.test or "test" in drawn,
            "train": self.train,
        }
        return [split for split, has in there.items() if has]


@dataclass(frozen=True, kw_only=True)
class ArchiveSettings(Settings):
    """What is made of archives; each corpus is a class based on this one."""

    NAME: ClassVar[str]
    ORIGIN: ClassVar[str]
    """Who publishes the archives, as the end of a sentence."""
    STATED: ClassVar[Mapping[str, Stated]] = {}
    """Pair -> what the papers say of its training set."""

    archives: Path = argument(
        "folder of the archives, or of what they hold", metavar="ARCHIVES"
    )
    out: Path = argument("folder to make", metavar="OUT", matters=False)
    fresh: bool = switch(
        "start over, and replace what was made here with other options", matters=False
    )
    download: bool = switch(
        "get archives that are missing through mtdata, where it knows them (extra "
        "'corpora')",
        matters=False,
    )
    workers: ClassVar[int] = 1
    """Processes."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Packages whose versions decide what the text becomes."""
        return ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where files and archives are looked for."""
        return (self.archives,)

    def needed(self) -> Iterator[Needed]:
        """The files that the corpus is made of."""
        raise NotImplementedError

    def file_names(self) -> list[str]:
        """Names of the files that are made."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class CorpusSettings(ArchiveSettings):
    """A corpus that is made a pair at a time."""

    PAIRS: ClassVar[tuple[str, ...]]
    """All pairs of the corpus, in the order of the papers."""

    pairs: tuple[Pair, ...] = option(
        (),
        "some of the pairs, such as de-en,nl-en (default: all); one stands for both "
        "directions",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )
    tokenize: str = tokenize(AS_IS)
    case: str = case(AS_IS)
    punctuation: str = punctuation(AS_IS)
    min_tokens: int = count(
        1, "least tokens of a side (default: %(default)s)", group=_CLEANING
    )
    max_tokens: int = max_tokens(0)
    max_ratio: float = max_ratio(0.0)
    duplicates: str = duplicates(KEEP)
    held_out: str = held_out(KEEP)
    workers: int = count(  # type: ignore[misc]
        min(os.cpu_count() or 1, 8),
        "processes (default: one per core, at most 8)",
        matters=False,
    )

    def check(self) -> None:
        super().check()
        if self.max_tokens and self.max_tokens < self.min_tokens:
            raise LassError(
                f"--max-tokens {self.max_tokens} and --min-tokens {self.min_tokens} "
                "leave no line; give a larger maximum or a smaller minimum"
            )
        if 0 < self.max_ratio < 1:
            raise LassError(
                f"--max-ratio {self.max_ratio} leaves no line, since the longer side "
                "is divided by the shorter one; give 1 or more, or 0 for any"
            )
        if self.case == TRUE and self.tokenize != MOSES:
            raise LassError(
                "--case true counts forms of tokens; add --tokenize moses, or leave "
                "--case out"
            )
        for pair in self.pairs:
            if str(pair) not in self.PAIRS:
                known = ", ".join(self.PAIRS[:8])
                if len(self.PAIRS) > 8:
                    known += f" and {len(self.PAIRS) - 8} more"
                raise LassError(
                    f"{self.NAME} has no pair {pair}; it has {known}, and one pair "
                    "stands for both directions"
                )

    def chosen(self) -> list[Pair]:
        """The pairs to make, in the order of the corpus."""
        wanted = {str(pair) for pair in self.pairs} or set(self.PAIRS)
        return [Pair.parse(name) for name in self.PAIRS if name in wanted]

    def form(self) -> LineForm:
        """What is done to each line."""
        return LineForm(
            punctuation=self.punctuation == MOSES,
            tokenised=self.tokenize == MOSES,
            lower=self.case == LOWER,
        )

    def limits(self) -> Limits:
        """How long the sides of training pairs may be."""
        return Limits(self.min_tokens, self.max_tokens or None, self.max_ratio or None)

    @property
    def drops_duplicates(self) -> bool:
        """Whether only the first of equal training pairs is kept."""
        return self.duplicates == DROP

    @property
    def libraries(self) -> tuple[str, ...]:
        of_moses = MOSES in (self.tokenize, self.punctuation)
        return ("sacremoses",) if of_moses else ()

    # -- what a corpus says of itself -------------------------------------------------

    def texts(self) -> list[PairText]:
        """The text of every pair that is wanted."""
        raise NotImplementedError

    def needed(self) -> Iterator[Needed]:
        for text in self.texts():
            for _, part in text.parts:
                others = part.target_archives or part.archives
                yield Needed(part.source, part.archives, part.optional)
                if part.target != part.source:
                    yield Needed(part.target, others, part.optional)

    def file_names(self) -> list[str]:
        return [
            f"{split}.{text.pair}.{code}"
            for text in self.texts()
            for split in text.splits
            for code in (text.pair.source, text.pair.target)
        ]
