"""Examples as symbols with labels, cut to the length that a model reads.

Two texts stand as XLM-R has them, ``<s> first </s> </s> second </s>``; the symbols of
begin and end count as tokens. Nothing of dev and test is lost: a sentence with tags
that is too long goes on in a second example, a context in further windows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lass_plugin.corpora.xtreme.pairs import SentencePair
from lass_plugin.corpora.xtreme.questions import Question
from lass_plugin.corpora.xtreme.tagging import TaggedSentence
from lass_plugin.corpora.xtreme.tasks import Task
from lass_plugin.data.xtreme.pieces import Encoder, Pieces

IGNORED = -1
"""Label of a token that has none."""
NO_CHARACTER = (-1, -1)
QUESTION_LENGTH = 64
"""Most tokens of a question, as in XTREME's scripts."""
STRIDE = 128
"""Tokens from one window of a context to the next."""


@dataclass(frozen=True)
class Feature:
    """What a model reads at once, and what it should answer.

    Attributes:
        tokens: symbols, begin and ends included.
        source: number of the example that it is (a part) of.
        labels: one (pairs); one for each token (tags), :data:`IGNORED` without; first
            and last token of the answer (spans), both 0 where there is none.
        characters: of each token in the context, :data:`NO_CHARACTER` elsewhere
            (spans).
    """

    tokens: list[int]
    source: int
    labels: list[int] = field(default_factory=list)
    characters: list[tuple[int, int]] = field(default_factory=list)


def pair_features(
    task: Task, encoder: Encoder, pairs: Iterable[SentencePair]
) -> Iterator[Feature]:
    """Yield a feature for each pair; of the longer sentence the end is cut off."""
    room = task.length - 4
    for number, pair in enumerate(pairs):
        first = encoder.encode(pair.first).symbols
        second = encoder.encode(pair.second).symbols
        while len(first) + len(second) > room:
            (second if len(second) >= len(first) else first).pop()
        tokens = _together(encoder, first, second)
        yield Feature(tokens, number, [task.labels.index(pair.label)])


def _together(encoder: Encoder, first: list[int], second: list[int]) -> list[int]:
    begin, end = encoder.dictionary.bos(), encoder.dictionary.eos()
    return [begin, *first, end, end, *second, end]


def tag_features(
    task: Task, encoder: Encoder, sentences: Iterable[TaggedSentence]
) -> Iterator[Feature]:
    """Yield features of which the first token of each word has its tag.

    A sentence that is too long is cut between words, a word that alone is too long is
    cut off; one without pieces is unknown.
    """
    room = task.length - 2
    begin, end = encoder.dictionary.bos(), encoder.dictionary.eos()
    for number, sentence in enumerate(sentences):
        tokens, labels = list[int](), list[int]()
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            symbols = encoder.encode(word).symbols[:room] or [encoder.dictionary.unk()]
            if len(tokens) + len(symbols) > room:
                yield Feature(
                    [begin, *tokens, end], number, [IGNORED, *labels, IGNORED]
                )
                tokens, labels = [], []
            tokens += symbols
            labels += [task.labels.index(tag), *[IGNORED] * (len(symbols) - 1)]
        yield Feature([begin, *tokens, end], number, [IGNORED, *labels, IGNORED])


def span_features(
    task: Task, encoder: Encoder, questions: Iterable[Question], stride: int = STRIDE
) -> Iterator[Feature]:
    """Yield the windows of each context, *stride* tokens apart, behind the question.

    The first answer is what a window should find if it holds all of it.
    """
    for number, asked in enumerate(questions):
        question = encoder.encode(asked.question).symbols[:QUESTION_LENGTH]
        context = encoder.encode(asked.context)
        answer = asked.answers[0]
        first, last = tokens_of(context, answer.start, answer.start + len(answer.text))
        room, before = task.length - 4 - len(question), len(question) + 3
        start = 0
        while True:
            end = min(start + room, len(context))
            tokens = _together(encoder, question, context.symbols[start:end])
            characters = [NO_CHARACTER] * before
            characters += [*context.spans[start:end], NO_CHARACTER]
            labels = [0, 0]
            if start <= first and last < end:
                labels = [first - start + before, last - start + before]
            yield Feature(tokens, number, labels, characters)
            if end == len(context):
                break
            start += min(stride, room)


def tokens_of(context: Pieces, start: int, end: int) -> tuple[int, int]:
    """First and last token of *context* that show characters of ``[start, end)``."""
    inside = [
        number
        for number, (first, last) in enumerate(context.spans)
        if first < end and last > start
    ]
    return (inside[0], inside[-1]) if inside else (len(context), len(context))
