"""Which metrics are computed: BLEU and chrF always, spBLEU and COMET where wanted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lass_plugin.errors import LassError
from lass_plugin.evaluation.comet import DEFAULT_MODEL, CometModel, comet
from lass_plugin.evaluation.metrics import (
    Metric,
    bleu,
    check_spbleu,
    chrf,
    spbleu,
    tokenizer_for,
)
from lass_plugin.languages import Pair

METRICS = ("BLEU", "chrF")
"""What every report has."""
FURTHER = ("spBLEU", "COMET")
"""What a report may have beside these: both need a download."""
EVERY_METRIC = METRICS + FURTHER
DIGITS = {"COMET": 4}
"""Digits after the point in tables, where they are not 2."""


def digits_of(metric: str) -> int:
    """Return how many digits after the point a table shows."""
    return DIGITS.get(metric, 2)


def parse_further(text: str | Iterable[str]) -> tuple[str, ...]:
    """Read ``spBLEU,COMET``, in any case of letters; BLEU and chrF may be named too.

    Returns:
        Those of :data:`FURTHER`, in that order.

    Raises:
        LassError: there is no such metric.
    """
    wanted = parse_metrics(text)
    return tuple(name for name in FURTHER if name in wanted)


def parse_metrics(text: str | Iterable[str]) -> list[str]:
    """Read names of metrics in any case of letters, each once, in the order given.

    Raises:
        LassError: there is no such metric.
    """
    items = text.split(",") if isinstance(text, str) else list(text)
    names = {name.lower(): name for name in EVERY_METRIC}
    found: dict[str, None] = {}
    for item in map(str.strip, items):
        if item.lower() not in names:
            raise LassError(
                f"there is no metric '{item}'; choose from {', '.join(EVERY_METRIC)}"
            )
        found[names[item.lower()]] = None
    return list(found)


@dataclass(frozen=True)
class Choice:
    """The metrics of a comparison; *tokenize* forces one tokenizer of BLEU.

    *comet_model* is what COMET is computed with, None where it is not wanted.
    """

    tokenize: str | None = None
    spbleu: bool = False
    comet_model: CometModel | None = None

    @classmethod
    def make(
        cls,
        further: Sequence[str] = (),
        tokenize: str | None = None,
        comet_model: str | None = None,
        gpu: bool = False,
    ) -> "Choice":
        """BLEU, chrF and *further*; finds out whether these can be had.

        Raises:
            LassError: a package or model is missing, or *comet_model* is without use.
        """
        if "spBLEU" in further:
            check_spbleu()
        if "COMET" not in further:
            if comet_model is not None:
                raise LassError(
                    "--comet-model has no effect without COMET; add --metrics COMET or "
                    "leave it out"
                )
            return cls(tokenize, "spBLEU" in further)
        model = CometModel(comet_model or DEFAULT_MODEL, gpu)
        return cls(tokenize, "spBLEU" in further, model)

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics in the order of the tables."""
        further = (("spBLEU", self.spbleu), ("COMET", self.comet_model is not None))
        return METRICS + tuple(name for name, wanted in further if wanted)

    def check(self, pairs: Iterable[Pair]) -> None:
        """Refuse tokenizers that cannot be used here, before a long translation."""
        for pair in pairs:
            tokenizer_for(pair.target, self.tokenize)

    def of(
        self,
        pair: Pair | str,
        references: Sequence[str],
        sources: Sequence[str] | None = None,
    ) -> list[Metric]:
        """The metrics of one pair, in the order of :attr:`names`."""
        metrics = [bleu(pair, references, self.tokenize), chrf(pair, references)]
        if self.spbleu:
            metrics.append(spbleu(pair, references))
        if self.comet_model is not None:
            if sources is None:
                raise LassError(
                    f"COMET needs the sources of {pair} and there are none; give them"
                )
            metrics.append(comet(pair, sources, references, self.comet_model))
        return metrics
