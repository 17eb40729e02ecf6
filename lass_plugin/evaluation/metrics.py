"""BLEU, chrF, spBLEU and COMET of one pair; no score without its signature.

The text is scored as it is given. Whether it is tokenised or detokenised is decided by
the tokenizer: with ``none`` sacreBLEU counts n-grams of what stands between spaces, so
hypotheses and references must be tokenised text (LaSS reports such BLEU); with every
other tokenizer they must be detokenised text.

COMET (Rei 2020) is a trained model that reads source, translation and reference. It
comes with the package ``unbabel-comet`` (the extra ``comet``), which needs numpy 1.
"""

import contextlib
import logging
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
from sacrebleu.utils import SACREBLEU_DIR

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, base_language

TOKENIZERS = "13a intl none char zh ja-mecab ko-mecab flores101 flores200 spm".split()
"""What may be asked for; ``spm`` is sacreBLEU's older name of ``flores101``."""
_TOKENIZER_OF_LANGUAGE = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
COMET_MODEL = "Unbabel/wmt22-comet-da"


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

    def __init__(self, name: str, pair: Pair | str, references: Sequence[str]):
        self.name, self.pair = name, Pair.parse(str(pair))
        self.references = sentences(references, "references", self.pair)
        self.size = len(self.references)
        self.label = ""
        """What is said of the text behind the signature, see :mod:`.scored_form`."""

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
        signature = self.signature + self.label
        return Score(self.name, self.value(statistics.sum(axis=0)), signature)

    def score(self, hypotheses: Sequence[str]) -> Score:
        """Return the corpus score of *hypotheses*."""
        return self.score_of(self.statistics(hypotheses))


class _OfSacrebleu(Metric):
    """A metric that sacreBLEU computes from counts of n-grams.

    Args:
        kind: class of sacreBLEU, made with *options*.
    """

    def __init__(
        self,
        name: str,
        pair: Pair | str,
        references: Sequence[str],
        kind: Any,
        **options: Any,
    ):
        super().__init__(name, pair, references)
        self._scorer = kind(references=[self.references], **options)

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
    name = tokenizer_for(Pair.parse(str(pair)).target, tokenize)
    known = name == "none"  # else sacreBLEU warns of text that is tokenised
    return _OfSacrebleu("BLEU", pair, references, BLEU, tokenize=name, force=known)


def spbleu(pair: Pair | str, references: Sequence[str]) -> Metric:
    """spBLEU: BLEU over the pieces of FLORES-200's SentencePiece model (Goyal 2022).

    Raises:
        LassError: sacreBLEU has not downloaded that model and cannot do so.
    """
    check_spbleu()
    return _OfSacrebleu("spBLEU", pair, references, BLEU, tokenize="flores200")


def check_spbleu() -> None:
    """Refuse spBLEU where sacreBLEU's SentencePiece model cannot be had."""
    try:
        BLEU(tokenize="flores200")
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
    return _OfSacrebleu("chrF", pair, references, CHRF)


def tokenizer_for(target: str, tokenize: str | None = None) -> str:
    """Return the sacreBLEU tokenizer for text in the language *target*.

    *tokenize* forces one. Otherwise Chinese, Japanese and Korean have their own and
    every other language has ``13a``. Call it before a long translation: it finds out
    whether the tokenizer can be used on this machine.

    Raises:
        LassError: the name is unknown, or what the tokenizer needs is not installed.
    """
    name = tokenize
    if name is None:
        name = _TOKENIZER_OF_LANGUAGE.get(base_language(target), "13a")
    if name not in TOKENIZERS:
        raise LassError(
            f"'{name}' is not a tokenizer of BLEU; choose {', '.join(TOKENIZERS)}"
        )
    name = "flores101" if name == "spm" else name
    try:
        BLEU(tokenize=name)
    except (Exception, SystemExit) as error:  # each tokenizer fails in its own way
        remedy = "install sacrebleu again"
        if name.endswith("-mecab"):
            remedy = f'install it with pip install "sacrebleu[{name[:2]}]"'
        elif name in SPM_MODELS:
            remedy = "let sacreBLEU download its SentencePiece model once, or "
            remedy += _by_hand(name)
        raise LassError(
            f"the BLEU tokenizer {name} for the language {target} cannot be used here; "
            f"{remedy}, or choose another for all systems, such as char"
        ) from error
    return name


def sentences(lines: Sequence[str], what: str, pair: Pair) -> list[str]:
    """Return *lines* as a list of strings; refuse an empty list and anything else."""
    if isinstance(lines, str) or not all(isinstance(line, str) for line in lines):
        raise LassError(f"the {what} of {pair} are not a list of sentences; pass one")
    if not lines:
        raise LassError(f"{pair} has 0 {what}; give at least one sentence to score")
    return list(lines)


class CometModel:
    """A model of COMET by name or path, loaded when the first score is asked for.

    Args:
        name: a name of the Hugging Face hub, or the path of a ``.ckpt`` file.
        gpu: score on the first GPU.

    Raises:
        LassError: the package is not installed, or the model can be had neither here
            nor from the hub. That is found out before anything is translated.
    """

    def __init__(self, name: str = COMET_MODEL, gpu: bool = False):
        self.name = name
        self._gpu = gpu
        self._package = _import_comet()
        self._path = self._find()
        self._model: Any = None

    @property
    def signature(self) -> str:
        """The model and the version of the package: neither alone fixes a score."""
        version = getattr(self._package, "__version__", "unknown")
        return f"model:{self.name}|comet:{version}"

    def scores(self, samples: list[dict[str, str]]) -> list[float]:
        """The score of each of *samples*, which have ``src``, ``mt`` and ``ref``."""
        with _quiet():
            if self._model is None:
                try:
                    self._model = self._package.load_from_checkpoint(self._path)
                except Exception as error:  # files of others: anything can be raised
                    raise LassError(
                        f"{self._path} cannot be loaded as a model of COMET "
                        f"({_told(error)}); give another --comet-model"
                    ) from error
            found = self._model.predict(
                samples, batch_size=16, gpus=int(self._gpu), progress_bar=False
            )
        return [float(score) for score in found.scores]

    def _find(self) -> str:
        if Path(self.name).is_file():
            return self.name
        if self.name.endswith(".ckpt"):
            raise LassError(f"there is no COMET model {self.name}; check --comet-model")
        try:
            with _quiet():
                return str(self._package.download_model(self.name))
        except Exception as error:
            raise LassError(
                f"the COMET model {self.name} is not on this machine and cannot be "
                f"downloaded ({_told(error)}); download it where there is a network "
                "and give its .ckpt file as --comet-model, or leave COMET out of "
                "--metrics"
            ) from error


class Comet(Metric):
    """COMET by *model*, the mean over sentences; their counts are their score and 1.

    Raises:
        LassError: there are not as many sources as references.
    """

    def __init__(
        self,
        pair: Pair | str,
        sources: Sequence[str],
        references: Sequence[str],
        model: CometModel,
    ):
        super().__init__("COMET", pair, references)
        self._sources = sentences(sources, "sources", self.pair)
        self._model = model
        if len(self._sources) != self.size:
            raise LassError(
                f"{pair} has {len(self._sources)} sources for {self.size} references; "
                "COMET needs both line for line"
            )

    @property
    def signature(self) -> str:
        return self._model.signature

    def value(self, totals: np.ndarray) -> float:
        return float(totals[0] / totals[1])

    def _rows(self, hypotheses: list[str]) -> list[list[float]]:
        three = zip(self._sources, hypotheses, self.references, strict=True)
        samples = [{"src": src, "mt": mt, "ref": ref} for src, mt, ref in three]
        return [[score, 1.0] for score in self._model.scores(samples)]


def _import_comet() -> Any:
    try:
        with _quiet():
            import comet
    except ImportError as error:
        missing = getattr(error, "name", None) or "comet"
        what = "is not installed" if missing == "comet" else f"lacks {missing}"
        raise LassError(
            f"COMET needs the package unbabel-comet, which {what}; install it with "
            'pip install "lass-plugin[comet]", or leave COMET out of --metrics'
        ) from error
    if not hasattr(comet, "load_from_checkpoint"):
        raise LassError(
            "another package called comet is installed in the place of unbabel-comet; "
            'install that with pip install "lass-plugin[comet]"'
        )
    return comet


def _told(error: Exception) -> str:
    """What was raised, and the first line of what it says."""
    first = (str(error).strip().splitlines() or ["no reason given"])[0]
    return f"{type(error).__name__}: " + first.strip("'\". ")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the lines that COMET's libraries print about themselves off the terminal."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning")]
    levels = {logger: logger.level for logger in loggers}
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
