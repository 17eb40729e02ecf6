"""Which language a sentence is in, by py3langid, whose model is part of the package.

Lin 2021 identifies with langdetect, which is no longer kept up; on single sentences of
eleven or more languages py3langid is as exact or more so, and knows 139 languages.

On-target accuracy is the share of translations in the target language, what Lin 2021
(Table 3) calls translation accuracy; off-target translation is what zero-shot models
suffer from most (Zhang et al. 2020).
"""

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lass_plugin.errors import LassError
from lass_plugin.evaluation.metrics import Metric
from lass_plugin.language_families import FIRST_CODES

ON_TARGET = "on-target"
"""Name of the metric."""
EXTRA = "zero-shot"
"""The extra of this package that installs the identifier."""

_PARTS_OF = {
    "zh": "zh wuu yue",
    "ar": "ar ary arz",
    "no": "no nn",
    "ku": "ku sdh",
    "lv": "lv ltg",
    "uz": "uz uzs",
    "gn": "gug",
    "ff": "fuv",
    "ki": "kik",
}
"""Macrolanguage (ISO 639-3) -> the labels of the model that belong to it."""

_TWO_LETTERS = FIRST_CODES | dict(
    item.split(":")
    for item in (
        "chi:zh cze:cs dut:nl dzo:dz epo:eo fre:fr ger:de grn:gn hat:ht in:id lat:la "
        "nb:no nob:no plt:mg que:qu rum:ro san:sa sot:st"
    ).split()
)
"""Other codes of languages -> the two letters of ISO 639-1."""


class LanguageIdentifier:
    """Says whether a sentence is in a language.

    Args:
        languages: codes of the languages to be asked about, such as ``de``, ``deu`` or
            ``deu_Latn``.
        names: code -> label of the model, for codes that are not found by themselves.
        among: codes of the languages to choose from; None for all of the model.

    Raises:
        LassError: py3langid is not installed, or does not know a language.
    """

    def __init__(
        self,
        languages: Iterable[str],
        names: Mapping[str, str] | None = None,
        among: Iterable[str] | None = None,
    ):
        self._model = _load_model()
        self._known = frozenset(self._model.labels)
        self._names = dict(names or {})
        for code, label in self._names.items():
            if label not in self._known:
                raise LassError(
                    f"--identify-as {code}={label}: py3langid has no language "
                    f"'{label}'; write one of its codes, such as de or pt"
                )
        self._labels = {code: self._find(code) for code in languages}
        among_codes = sorted(set(among or ()))
        chosen = {label for code in among_codes for label in self._find(code)}
        if among is not None:
            asked = {label for labels in self._labels.values() for label in labels}
            self._model.set_languages(sorted(chosen | asked))
        self._among = "+".join(among_codes) or f"all-{len(self._known)}"

    def _find(self, code: str) -> frozenset[str]:
        """The labels of the model that stand for the language *code*."""
        if code in self._names:
            return frozenset({self._names[code]})
        name = code.replace("-", "_").split("_")[0].split("@")[0].lower()
        name = _TWO_LETTERS.get(name, name)
        labels = frozenset(_PARTS_OF.get(name, name).split()) & self._known
        if not labels:
            raise LassError(
                f"the language identifier py3langid does not know the language "
                f"'{code}'; name one that it knows with --identify-as {code}=LANGUAGE, "
                "leave out the pairs with it, or add --identifier none"
            )
        return labels

    def language_of(self, text: str) -> str | None:
        """The label of the likeliest language, None where nothing in *text* tells."""
        if not text.strip():
            return None
        ranked = self._model.rank(text)
        if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
            return None
        return ranked[0][0]

    def is_in(self, text: str, language: str) -> bool:
        """Whether *text* is identified as *language*, one of those asked about."""
        return self.language_of(text) in self._labels[language]

    def signature(self, language: str) -> str:
        """What decides about sentences in *language*, in sacreBLEU's form."""
        version = importlib.metadata.version("py3langid")
        labels = "+".join(sorted(self._labels[language]))
        counted = "" if labels == language else f"|counted:{labels}"
        return f"identifier:py3langid|version:{version}|among:{self._among}{counted}"


class OnTarget(Metric):
    """Percentage of sentences that are in the target language of *pair*.

    A sentence that shows no language (empty, or numbers only) is not on target.
    """

    def __init__(self, pair: str, lines: Sequence[str], identifier: LanguageIdentifier):
        super().__init__(ON_TARGET, pair, lines)
        self._identifier = identifier

    @property
    def signature(self) -> str:
        """The identifier, its version and what counts as the language."""
        return self._identifier.signature(self.pair.target)

    def value(self, totals: np.ndarray) -> float:
        """Return the percentage of summed counts, *totals* of shape (2,)."""
        return 100 * float(totals[0] / totals[1])

    def _rows(self, hypotheses: list[str]) -> list[list[float]]:
        """Return for each sentence whether it is on target, and 1."""
        target = self.pair.target
        return [[self._identifier.is_in(text, target), 1] for text in hypotheses]


def _load_model() -> Any:
    try:
        from py3langid.langid import MODEL_FILE
        from py3langid.langid import LanguageIdentifier as Model
    except ImportError as error:
        raise LassError(
            "the language identifier py3langid is not installed; install it with "
            f'pip install "lass-plugin[{EXTRA}]", or add --identifier none to go '
            "without on-target accuracy"
        ) from error
    return Model.from_model_file(MODEL_FILE)
