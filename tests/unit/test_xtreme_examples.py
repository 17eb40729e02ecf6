"""Examples of the XTREME tasks as a model reads them, and answers read back."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.corpora.xtreme.pairs import SentencePair
from lass_plugin.corpora.xtreme.questions import Answer, Question
from lass_plugin.corpora.xtreme.tagging import TaggedSentence
from lass_plugin.corpora.xtreme.tasks import TASKS, Task
from lass_plugin.data.xtreme.features import (
    IGNORED,
    pair_features,
    span_features,
    tag_features,
)
from lass_plugin.data.xtreme.pieces import Encoder
from lass_plugin.data.xtreme.stored import collected, read_stored, write_stored
from lass_plugin.errors import LassError
from lass_plugin.evaluation.xtreme.predicting import answers_of, tags_of
from lass_plugin.evaluation.xtreme.spans import Window, ranked_answers

TEXT = ["Im Haus ist es warm", "Das Haus der Katze ist klein", "Wo ist das Haus"]


def cut(task: Task, length: int) -> Task:
    return replace(task, length=length)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Encoder:
    from lass_plugin.data.subwords import train_sentencepiece

    folder = tmp_path_factory.mktemp("model")
    model = train_sentencepiece(TEXT * 20, 24, 1.0)
    (folder / "sentencepiece.bpe.model").write_bytes(model)
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    names = [pieces.id_to_piece(number) for number in range(3, pieces.get_piece_size())]
    (folder / "dict.txt").write_text("".join(f"{name} 1\n" for name in names))
    return Encoder(folder)


def shown(encoder: Encoder, tokens: list[int]) -> str:
    symbols = [encoder.dictionary.symbols[token] for token in tokens]
    return "".join(symbols).replace("▁", " ")


def test_pieces_know_the_characters_that_they_show(encoder):
    text = "Im  Haus\u00a0ist"
    pieces = encoder.encode(text)
    assert "".join(text[start:end] for start, end in pieces.spans) == "ImHausist"
    assert len(pieces.symbols) == len(pieces.spans)


def test_a_folder_without_a_subword_model_is_named(tmp_path):
    with pytest.raises(LassError, match=r"has no sentencepiece\.bpe\.model or spm"):
        _ = Encoder(tmp_path).subword_model


def test_of_two_sentences_the_longer_one_is_cut(encoder):
    task = cut(TASKS["pawsx"], 16)
    pair = SentencePair("Haus", "Im Haus ist es warm", "1")
    (one,) = pair_features(task, encoder, [pair])
    assert len(one.tokens) == 16 and one.labels == [1]
    assert shown(encoder, one.tokens).startswith("<s> Haus</s></s> Im")


def test_a_sentence_that_is_too_long_goes_on_in_a_second_example(encoder):
    task = cut(TASKS["udpos"], 12)
    words = ("Das", "Haus", "der", "Katze", "ist", "")
    tags = ("DET", "NOUN", "DET", "NOUN", "AUX", "X")
    features = list(tag_features(task, encoder, [TaggedSentence(words, tags)] * 2))
    assert len(features) > 2 and {one.source for one in features} == {0, 1}
    assert all(len(one.tokens) == len(one.labels) <= 12 for one in features)
    stored = collected(task, features)
    assert tags_of(task.labels, stored) == [list(tags)] * 2
    outputs = [torch.zeros(len(one.tokens), 17) for one in features]
    for one, output in zip(features, outputs, strict=True):
        for place, label in enumerate(one.labels):
            output[place, label if label != IGNORED else 3] = 1.0
    assert tags_of(task.labels, stored, outputs) == [list(tags)] * 2


def asked(text: str, start: int, context: str = " ".join(TEXT)) -> Question:
    return Question("q", "Wo?", context, (Answer(text, start),))


def perfect(features: list) -> list[torch.Tensor]:
    """Outputs of a model that knows where the answer of each window is."""
    outputs = []
    for one in features:
        logits = torch.full((len(one.tokens), 2), -1.0)
        if one.labels != [0, 0]:
            logits[one.labels[0], 0] = logits[one.labels[1], 1] = 1.0
        outputs.append(logits)
    return outputs


@settings(max_examples=15)
@given(st.integers(0, 14), st.integers(0, 2), st.integers(72, 90), st.integers(3, 40))
def test_an_answer_is_found_again_from_its_windows(first, more, length, stride):
    encoder = Encoder(Path(_FOLDER[0]))
    context = " ".join(TEXT)
    words = context.split(" ")
    start = len(" ".join([*words[:first], ""]))
    answer = " ".join(words[first : first + 1 + more])
    task, question = cut(TASKS["xquad"], length), asked(answer, start)
    features = list(span_features(task, encoder, [question], stride))
    stored = collected(task, features)
    given = answers_of([question], stored, perfect(features), stride, 20, 90)
    assert given == {"q": answer}


_FOLDER: list[str] = []


@pytest.fixture(autouse=True)
def _folder(encoder):
    _FOLDER[:] = [str(encoder.folder)]


def test_windows_follow_each_other_by_the_stride_and_lose_nothing(encoder):
    task = cut(TASKS["xquad"], 72)
    context = " ".join(TEXT * 5)
    question = Question("q", "Wo?", context, (Answer("warm", 15),))
    features = list(span_features(task, encoder, [question], 20))
    whole = encoder.encode(context)
    seen = set()
    for number, one in enumerate(features):
        inside = [each for each in one.characters if each[0] >= 0]
        assert inside == whole.spans[number * 20 : number * 20 + len(inside)]
        seen.update(range(number * 20, number * 20 + len(inside)))
        assert len(one.tokens) == len(one.characters) <= 72
        if one.labels != [0, 0]:
            start, end = (one.characters[place] for place in one.labels)
            assert context[start[0] : end[1]] == "warm"
    assert seen == set(range(len(whole)))
    assert any(one.labels != [0, 0] for one in features)
    assert any(one.labels == [0, 0] for one in features)


def test_answers_are_ranked_and_no_longer_than_allowed():
    characters = torch.tensor([[-1, -1], [0, 2], [3, 5], [6, 8], [-1, -1]])
    starts = torch.tensor([9.0, 1.0, 2.0, 0.0, 9.0])
    ends = torch.tensor([9.0, 0.0, 1.0, 3.0, 9.0])
    window = Window(starts, ends, characters)
    best = ranked_answers([window], 128)
    assert [(one.start, one.end, one.score) for one in best[:3]] == [
        (3, 8, 5.0),
        (0, 8, 4.0),
        (3, 5, 3.0),
    ]
    short = ranked_answers([window], 128, longest=1)
    assert [(one.start, one.end) for one in short] == [(3, 5), (6, 8), (0, 2)]
    assert len(ranked_answers([window], 128, n_best=1)) == 1


def test_a_start_counts_in_the_window_that_shows_most_around_it():
    inside = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]])
    first = Window(torch.tensor([0.0, 0, 0, 9]), torch.zeros(4), inside)
    second = Window(torch.tensor([0.0, 5, 0, 0]), torch.zeros(4), inside + 2)
    # token 3 stands at the edge of the first window and inside the second one
    best = ranked_answers([first, second], 2, longest=1)[0]
    assert (best.start, best.score) == (3, 5.0)


def test_stored_features_are_read_strictly(encoder, tmp_path):
    task = TASKS["pawsx"]
    stored = collected(
        task, pair_features(task, encoder, [SentencePair("Haus", "Im Haus", "0")] * 3)
    )
    path = tmp_path / "test.de.safetensors"
    write_stored(path, task, stored)
    read = read_stored(path, task)
    assert all(torch.equal(vars(read)[name], vars(stored)[name]) for name in vars(read))
    with pytest.raises(LassError, match="not the prepared data of XNLI"):
        read_stored(path, TASKS["xnli"])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(LassError, match="not the prepared data of PAWS-X"):
        read_stored(path, task)
