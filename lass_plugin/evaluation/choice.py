"""Which metrics are computed: BLEU and chrF always, spBLEU and COMET where wanted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lass_plugin.errors import LassError
from lass_plugin.evaluation import metrics
from lass_plugin.evaluation.metrics import COMET_MODEL, CometModel, Metric
from lass_plugin.evaluation.scored_form import ScoredForm
from lass_plugin.languages import Pair

METRICS = ("BLEU", "chrF")
"""What every report has."""
FURTHER = ("spBLEU", "COMET")
"""What a report may have beside these: both need a download."""
EVERY_METRIC = METRICS + FURTHER


def digits_of(metric: str) -> int:
    """Return how many digits after the point a table shows."""
    return 4 if metric == "COMET" else 2


def parse_further(text: str) -> tuple[str, ...]:
    """Read ``spBLEU,COMET`` as :func:`parse_metrics`; BLEU and chrF may be named too.

    Returns:
        Those of :data:`FURTHER`, in that order.
    """
    wanted = parse_metrics(text)
    return tuple(name for name in FURTHER if name in wanted)


def parse_metrics(text: str) -> list[str]:
    """Read names of metrics in any case of letters, each once, in the order given.

    Raises:
        LassError: there is no such metric.
    """
    names = {name.lower(): name for name in EVERY_METRIC}
    items = [item.strip() for item in text.split(",")]
    for item in items:
        if item.lower() not in names:
            raise LassError(
                f"there is no metric '{item}'; choose from {', '.join(EVERY_METRIC)}"
            )
    return list(dict.fromkeys(names[item.lower()] for item in items))


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
            metrics.check_spbleu()
        model = None
        if "COMET" in further:
            model = CometModel(comet_model or COMET_MODEL, gpu)
        elif comet_model is not None:
            raise LassError(
                "--comet-model has no effect without COMET; add --metrics COMET or "
                "leave it out"
            )
        return cls(tokenize, "spBLEU" in further, model)

    def check(self, pairs: Iterable[Pair]) -> None:
        """Refuse tokenizers that cannot be used here, before a long translation."""
        for pair in pairs:
            metrics.tokenizer_for(pair.target, self.tokenize)

    @property
    def further(self) -> tuple[str, ...]:
        """The metrics beside :data:`METRICS`."""
        wanted = {"spBLEU": self.spbleu, "COMET": self.comet_model is not None}
        return tuple(name for name in FURTHER if wanted[name])

    def for_form(self, form: ScoredForm) -> "Choice":
        """The same for text in *form*: tokenised text is not tokenised once more."""
        return replace(self, tokenize=form.tokenizer(self.tokenize))

    def of(
        self,
        pair: Pair | str,
        references: Sequence[str],
        sources: Sequence[str] | None = None,
        label: str = "",
    ) -> list[Metric]:
        """The metrics of one pair, in the order of the tables.

        Args:
            label: what signatures say of the text, see :attr:`.ScoredForm.label`.
        """
        found = [
            metrics.bleu(pair, references, self.tokenize),
            metrics.chrf(pair, references),
        ]
        if self.spbleu:
            found.append(metrics.spbleu(pair, references))
        if self.comet_model is not None:
            if sources is None:
                raise LassError(
                    f"COMET needs the sources of {pair} and there are none; give them"
                )
            found.append(metrics.Comet(pair, sources, references, self.comet_model))
        for metric in found:
            metric.label = label
        return found
