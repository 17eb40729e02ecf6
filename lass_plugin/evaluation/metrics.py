"""BLEU, chrF and spBLEU of one pair by sacreBLEU; no score without its signature.

The text is scored as it is given. Whether it is tokenised or detokenised is decided by
the tokenizer: with ``none`` sacreBLEU counts n-grams of what stands between spaces, so
hypotheses and references must be tokenised text (LaSS reports such BLEU); with every
other tokenizer they must be detokenised text.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sacrebleu.metrics
from sacrebleu.metrics.base import Metric as SacrebleuMetric
from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
from sacrebleu.utils import SACREBLEU_DIR

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, base_language

TOKENIZERS = tuple(
    "13a intl none char zh ja-mecab ko-mecab flores101 flores200 spm".split()
)
"""What may be asked for; ``spm`` is sacreBLEU's older name of ``flores101``."""

_TOKENIZER_OF_LANGUAGE = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
_WHAT_IT_NEEDS = {
    "ja-mecab": 'install it with pip install "sacrebleu[ja]"',
    "ko-mecab": 'install it with pip install "sacrebleu[ko]"',
}


@dataclass(frozen=True)
class Score:
    """A value and the signature that says how it was computed.

    BLEU, chrF and spBLEU lie between 0 and 100; COMET has the scale of its model.
    """

    metric: str
    value: float
    signature: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise LassError(f"the {self.metric} score is {self.value}, not a number")
        if not str(self.metric).strip():
            raise LassError(f"the score {self.value} does not say of which metric")
        if not str(self.signature or "").strip():
            raise LassError(f"the {self.metric} score has no signature; score it again")


class Metric(ABC):
    """One metric with the references of one pair, made ready once for many systems."""

    def __init__(self, name: str, pair: Pair, size: int):
        self.name = name
        self.pair = pair
        self.size = size

    @property
    @abstractmethod
    def signature(self) -> str:
        """How the metric is computed, in one line without spaces."""

    @abstractmethod
    def value(self, totals: np.ndarray) -> float:
        """Return the corpus score of summed counts, *totals* of shape (counts,)."""

    @abstractmethod
    def _rows(self, hypotheses: list[str]) -> list[list[float]]:
        """Return the counts of each sentence."""

    def statistics(self, hypotheses: Sequence[str]) -> np.ndarray:
        """Return the counts that the metric adds up, one row a sentence.

        Shape (sentences, counts), float64 (counts are whole numbers, sums are exact).

        Raises:
            LassError: there are not as many hypotheses as references.
        """
        hypotheses = sentences(hypotheses, "hypotheses", self.pair)
        if len(hypotheses) != self.size:
            raise LassError(
                f"{self.pair} has {len(hypotheses)} hypotheses for {self.size} "
                "references; give one hypothesis for every reference, in their order"
            )
        return np.array(self._rows(hypotheses), dtype=np.float64)

    def score_of(self, statistics: np.ndarray) -> Score:
        """Return the corpus score of *statistics*, shape (sentences, counts)."""
        return Score(self.name, self.value(statistics.sum(axis=0)), self.signature)

    def score(self, hypotheses: Sequence[str]) -> Score:
        """Return the corpus score of *hypotheses*."""
        return self.score_of(self.statistics(hypotheses))


class _OfSacrebleu(Metric):
    """A metric that sacreBLEU computes from counts of n-grams."""

    def __init__(self, name: str, pair: Pair, size: int, scorer: SacrebleuMetric):
        super().__init__(name, pair, size)
        self._scorer = scorer

    @property
    def signature(self) -> str:
        return str(self._scorer.get_signature())

    def value(self, totals: np.ndarray) -> float:
        return float(self._scorer._compute_score_from_stats(totals.tolist()).score)

    def _rows(self, hypotheses: list[str]) -> list[list[float]]:
        return self._scorer._extract_corpus_statistics(hypotheses, None)


def bleu(
    pair: Pair | str, references: Sequence[str], tokenize: str | None = None
) -> Metric:
    """BLEU (sacreBLEU's defaults) with the tokenizer of the pair's target language."""
    pair = Pair.parse(str(pair))
    lines = sentences(references, "references", pair)
    name = tokenizer_for(pair.target, tokenize)
    scorer = sacrebleu.metrics.BLEU(
        tokenize=name,
        force=name == "none",  # without it sacreBLEU warns of text that is tokenised
        references=[lines],
    )
    return _OfSacrebleu("BLEU", pair, len(lines), scorer)


def spbleu(pair: Pair | str, references: Sequence[str]) -> Metric:
    """spBLEU: BLEU over the pieces of FLORES-200's SentencePiece model (Goyal 2022).

    Raises:
        LassError: sacreBLEU has not downloaded that model and cannot do so.
    """
    pair = Pair.parse(str(pair))
    lines = sentences(references, "references", pair)
    check_spbleu()
    scorer = sacrebleu.metrics.BLEU(tokenize="flores200", references=[lines])
    return _OfSacrebleu("spBLEU", pair, len(lines), scorer)


def check_spbleu() -> None:
    """Refuse spBLEU where sacreBLEU's SentencePiece model cannot be had."""
    try:
        sacrebleu.metrics.BLEU(tokenize="flores200")
    except (Exception, SystemExit) as error:  # no network, a broken file, …
        raise LassError(
            "spBLEU needs the SentencePiece model of FLORES-200, which sacreBLEU "
            f"downloads once and could not ({type(error).__name__}); run it with a "
            f"network, {_by_hand('flores200')}, or leave spBLEU out of --metrics"
        ) from error


def _by_hand(tokenizer: str) -> str:
    """Where a SentencePiece model of sacreBLEU's is put by hand."""
    model = SPM_MODELS[tokenizer]["url"]
    return f"put {model} at {Path(SACREBLEU_DIR) / 'models' / model.rsplit('/', 1)[-1]}"


def chrf(pair: Pair | str, references: Sequence[str]) -> Metric:
    """chrF2: character 1- to 6-grams, recall weighted twice; spaces do not count."""
    pair = Pair.parse(str(pair))
    lines = sentences(references, "references", pair)
    scorer = sacrebleu.metrics.CHRF(references=[lines])
    return _OfSacrebleu("chrF", pair, len(lines), scorer)


def tokenizer_for(target: str, tokenize: str | None = None) -> str:
    """Return the sacreBLEU tokenizer for text in the language *target*.

    *tokenize* forces one. Otherwise Chinese, Japanese and Korean have their own and
    every other language has ``13a``. Call it before a long translation: it finds out
    whether the tokenizer can be used on this machine.

    Raises:
        LassError: the name is unknown, or what the tokenizer needs is not installed.
    """
    default = _TOKENIZER_OF_LANGUAGE.get(base_language(target), "13a")
    name = default if tokenize is None else tokenize
    if name not in TOKENIZERS:
        raise LassError(
            f"'{name}' is not a tokenizer of BLEU; choose {', '.join(TOKENIZERS)}"
        )
    name = "flores101" if name == "spm" else name
    try:
        sacrebleu.metrics.BLEU(tokenize=name)
    except (Exception, SystemExit) as error:  # each tokenizer fails in its own way
        remedy = _WHAT_IT_NEEDS.get(name, "install sacrebleu again")
        if name in SPM_MODELS:
            remedy = (
                "let sacreBLEU download its SentencePiece model once, or "
                f"{_by_hand(name)}"
            )
        raise LassError(
            f"the BLEU tokenizer {name} for the language {target} cannot be used here; "
            f"{remedy}, or choose another for all systems, such as char"
        ) from error
    return name


def text_form(tokenize: str | None) -> str:
    """Say which text BLEU is of: ``tokenised`` (``none``) or ``detokenised``."""
    return "tokenised" if tokenize == "none" else "detokenised"


def sentences(lines: Sequence[str], what: str, pair: Pair) -> list[str]:
    """Return *lines* as a list of strings; refuse an empty list and anything else."""
    if isinstance(lines, str) or not all(isinstance(line, str) for line in lines):
        raise LassError(f"the {what} of {pair} are not a list of sentences; pass one")
    if not lines:
        raise LassError(f"{pair} has 0 {what}; give at least one sentence to score")
    return list(lines)
