"""F1 and exact match of an answer: SQuAD 1.1's rules, and MLQA's by language.

Both compare answers in lower case, without punctuation and articles; F1 is that of
their words as bags, and of several true answers the best one counts. SQuAD's rules
(Rajpurkar 2016) know the articles and punctuation of English ASCII. MLQA's (Lewis
2020) know the articles of each language, all punctuation of Unicode, and take each
Chinese character for a word.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from unicodedata import category

import numpy as np

from lass_plugin.corpora.xtreme.questions import Question
from lass_plugin.errors import LassError
from lass_plugin.evaluation.xtreme.measured import Measured, mean_of

_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": "ال",  # wherever it stands, as MLQA's rule has it
}
"""Language -> its articles; hi and zh have none."""
MLQA_LANGUAGES = (*_ARTICLES, "hi", "zh")
_CHINESE = re.compile("[\u4e00-\u9fa5]")

Normalise = Callable[[str], list[str]]
"""Words of an answer."""


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or category(character)[0] == "P"


def squad_words(text: str) -> list[str]:
    """The words of an answer by SQuAD's rules."""
    kept = "".join(one for one in text.lower() if one not in string.punctuation)
    return re.sub(_ARTICLES["en"], " ", kept).split()


def mlqa_words(text: str, language: str) -> list[str]:
    """The words of an answer by MLQA's rules for *language*."""
    kept = "".join(one for one in text.lower() if not _is_punctuation(one))
    if language in _ARTICLES:
        kept = re.sub(_ARTICLES[language], " ", kept)
    if language == "zh":
        kept = _CHINESE.sub(lambda found: f" {found[0]} ", kept)
    return kept.split()


def words_by(task: str, language: str) -> tuple[Normalise, str]:
    """How *task* makes words of an answer in *language*, and the signature of it.

    Raises:
        LassError: MLQA has no rules for the language.
    """
    if task != "mlqa":
        return squad_words, "rules:squad-1.1"
    if language not in MLQA_LANGUAGES:
        raise LassError(
            f"MLQA has no rules for answers in {language} (it has "
            f"{', '.join(sorted(MLQA_LANGUAGES))}); leave the language out"
        )
    return lambda text: mlqa_words(text, language), f"rules:mlqa-{language}"


def exact_match(predicted: str, true: str, words: Normalise) -> float:
    """1 where both have the same words in the same order, else 0."""
    return float(words(predicted) == words(true))


def overlap_f1(predicted: str, true: str, words: Normalise) -> float:
    """F1 of the words of both as bags; 0 where they share none."""
    ours, theirs = words(predicted), words(true)
    same = sum((Counter(ours) & Counter(theirs)).values())
    return 2.0 * same / (len(ours) + len(theirs)) if same else 0.0


def score_answers(
    task: str,
    language: str,
    questions: Sequence[Question],
    answers: Mapping[str, str],
) -> list[Measured]:
    """F1 and EM of *answers*, id of a question -> text, with one for every question.

    Raises:
        LassError: a question has no answer.
    """
    words, signature = words_by(task, language)
    values: dict[str, list[float]] = {"F1": [], "EM": []}
    for one in questions:
        if one.id not in answers:
            raise LassError(
                f"there is no answer to the question {one.id} ({task} {language}); "
                "give one for each, '' for none"
            )
        given, true = answers[one.id], [answer.text for answer in one.answers]
        values["F1"].append(max(overlap_f1(given, each, words) for each in true))
        values["EM"].append(max(exact_match(given, each, words) for each in true))
    pair = f"{task} {language}"
    return [
        mean_of(name, pair, np.array(found), f"metric:{name}|{signature}|v:1")
        for name, found in values.items()
    ]
