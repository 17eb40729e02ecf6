"""Scores of the XTREME tasks against values worked by hand and slow loops."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.corpora.xtreme.questions import Answer, Question
from lass_plugin.corpora.xtreme.retrieval import Bitexts
from lass_plugin.corpora.xtreme.tasks import TASKS
from lass_plugin.data.xtreme.stored import GOLD, Prepared, beside, write_gold
from lass_plugin.errors import LassError
from lass_plugin.evaluation.significance import paired_bootstrap
from lass_plugin.evaluation.xtreme import retrieval
from lass_plugin.evaluation.xtreme.answers import (
    exact_match,
    mlqa_words,
    overlap_f1,
    score_answers,
    squad_words,
)
from lass_plugin.evaluation.xtreme.measured import mean_of
from lass_plugin.evaluation.xtreme.nearest import (
    Candidates,
    best_threshold,
    candidates_by_margin,
    nearest,
    normalised,
)
from lass_plugin.evaluation.xtreme.retrieval import gold_of
from lass_plugin.evaluation.xtreme.tags import score_tags


def test_squad_knows_english_articles_and_ascii_punctuation_alone():
    assert squad_words("The  Cat, a hat!") == ["cat", "hat"]
    assert squad_words("„Das Haus“") == ["„das", "haus“"]
    assert exact_match("the Cat.", "cat", squad_words) == 1.0
    # 2 shared of 3 and 2 words: 2 * 2 / 5
    assert overlap_f1("red big cat", "big cat", squad_words) == pytest.approx(0.8)
    assert overlap_f1("dog", "cat", squad_words) == 0.0


@pytest.mark.parametrize(
    "language, text, words",
    [
        ("de", "„Das Haus des Herrn“", ["haus", "herrn"]),
        ("de", "An der Oder", ["an", "oder"]),
        ("es", "¿La casa de los perros?", ["casa", "de", "perros"]),
        ("vi", "Những ngôi nhà của tôi", ["ngôi", "nhà", "tôi"]),
        ("hi", "यह घर है।", ["यह", "घर", "है"]),
        ("en", "An apple—the end", ["applethe", "end"]),  # punctuation goes first
        ("ar", "البيت", ["بيت"]),
        ("zh", "他在北京，2008年", ["他", "在", "北", "京", "2008", "年"]),
        ("zh", "iPhone 手机", ["iphone", "手", "机"]),
    ],
)
def test_mlqa_knows_articles_and_punctuation_of_its_languages(language, text, words):
    assert mlqa_words(text, language) == words


def question(name: str, *answers: str) -> Question:
    return Question(name, "?", " ".join(answers), tuple(Answer(a, 0) for a in answers))


def test_the_best_of_several_answers_counts():
    asked = [question("1", "big cat", "cat"), question("2", "dog")]
    f1, em = score_answers("xquad", "de", asked, {"1": "the cat", "2": "a dog house"})
    assert em.score == 50.0
    assert f1.score == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert "squad-1.1" in f1.signature and "mlqa" not in f1.signature
    with pytest.raises(LassError, match="no answer to the question 2"):
        score_answers("xquad", "de", asked, {"1": ""})
    with pytest.raises(LassError, match="MLQA has no rules for answers in fi"):
        score_answers("mlqa", "fi", asked, {})


def test_neighbouring_equal_tags_are_one_chunk_to_seqeval():
    pytest.importorskip("seqeval")
    true = [["NOUN", "NOUN", "NOUN", "VERB"]]
    found = [["NOUN", "VERB", "NOUN", "VERB"]]
    f1, accuracy = score_tags(TASKS["udpos"], "de", true, found)
    assert accuracy.score == 75.0
    # true: NOUN 0-2, VERB 3; found: NOUN 0, VERB 1, NOUN 2, VERB 3; one of them right
    assert f1.score == pytest.approx(100 * 2 * 1 / (2 + 4))


def test_both_conjunctions_are_chunks_of_their_own():
    pytest.importorskip("seqeval")
    score = score_tags(TASKS["udpos"], "de", [["CCONJ"]], [["SCONJ"]])
    assert [one.score for one in score] == [0.0, 0.0]


def test_entities_are_scored_as_seqeval_scores_them():
    seqeval = pytest.importorskip("seqeval.metrics")
    random = np.random.default_rng(1)
    labels = TASKS["panx"].labels
    draw = [[list(random.choice(labels, 9)) for _ in range(20)] for _ in range(2)]
    f1, _ = score_tags(TASKS["panx"], "de", *draw)
    assert f1.score == pytest.approx(100 * seqeval.f1_score(*draw))
    with pytest.raises(LassError, match="sentence 1 of panx de has 2 words and 1"):
        score_tags(TASKS["panx"], "de", [["O", "O"]], [["O"]])


def test_without_seqeval_one_sentence_says_so(monkeypatch):
    import sys

    for name in ("seqeval", "seqeval.metrics", "seqeval.metrics.sequence_labeling"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LassError, match="seqeval, which is not installed"):
        score_tags(TASKS["panx"], "de", [["O"]], [["O"]])


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.integers(1, 7))
def test_neighbours_are_the_same_in_every_block_size(n, m, k, block):
    generator = torch.Generator().manual_seed(n * 41 + m)
    ours = normalised(torch.randn(n, 4, generator=generator))
    english = normalised(torch.randn(m, 4, generator=generator))
    values, places = nearest(ours, english, k, block)
    expected = (ours @ english.T).sort(dim=1, descending=True, stable=True)
    assert torch.allclose(values, expected.values[:, :k], atol=1e-6)
    assert torch.allclose((ours[:, None] * english[places]).sum(-1), values, atol=1e-6)


def test_of_equal_neighbours_the_earlier_is_taken():
    ours, english = torch.ones(1, 1), torch.ones(5, 1)
    assert nearest(ours, english, 3, 2)[1].tolist() == [[0, 1, 2]]


def test_margins_against_a_slow_loop():
    generator = torch.Generator().manual_seed(3)
    ours = normalised(torch.randn(9, 3, generator=generator))
    english = normalised(torch.randn(7, 3, generator=generator))
    cosines = (ours @ english.T).numpy()

    def margin(x: int, y: int) -> float:
        of_x = np.sort(cosines[x])[-4:].mean()
        of_y = np.sort(cosines[:, y])[-4:].mean()
        return cosines[x, y] / ((of_x + of_y) / 2)

    pairs = set()
    for x in range(9):
        near = np.argsort(-cosines[x])[:4]
        pairs.add(max((margin(x, y), x, y) for y in near))
    for y in range(7):
        near = np.argsort(-cosines[:, y])[:4]
        pairs.add(max((margin(x, y), x, y) for x in near))
    expected, mine, theirs = [], set(), set()
    for value, x, y in sorted(pairs, reverse=True):
        if x not in mine and y not in theirs:
            expected.append((value, x, y))
            mine.add(x)
            theirs.add(y)
    found = candidates_by_margin(ours, english, 4, 3)
    assert found.pairs.tolist() == [[x, y] for _, x, y in expected]
    assert np.allclose(found.scores.numpy(), [value for value, _, _ in expected])


def test_the_threshold_lies_half_way_below_the_last_good_pair():
    scores = torch.tensor([1.4, 1.2, 1.0, 0.8])
    found = Candidates(scores, torch.tensor([[0, 0], [1, 1], [2, 3], [3, 2]]))
    assert best_threshold(found, {(0, 0), (1, 1)}) == pytest.approx(1.1)
    assert best_threshold(found, {(9, 9)}) == float("inf")
    # pairs of one score stand or fall together
    tied = Candidates(torch.tensor([1.0, 1.0]), torch.tensor([[0, 0], [1, 2]]))
    assert best_threshold(tied, {(0, 0)}) == 1.0


def test_systems_are_compared_example_by_example():
    better = mean_of("accuracy", "xnli de", np.ones(60), "s")
    worse = mean_of("accuracy", "xnli de", np.arange(60) % 2.0, "s")
    difference = paired_bootstrap(worse, worse.rows, better.rows)
    assert difference.delta == 50.0 and difference.p_value < 0.01


def test_other_sentences_of_the_same_numbers_are_other_data(tmp_path):
    prepared = Prepared(tmp_path, TASKS["tatoeba"], {"test": ["de"]}, 1)
    path, pairs, found = beside(prepared.path("test", "de")), [(0, 0), (1, 1)], []
    for sentences in (("Ja", "Nein"), ("Ja", "Doch")):
        names = ("0", "1")
        texts = Bitexts(names, sentences, names, ("Yes", "No"), frozenset())
        write_gold(path, pairs, texts)
        found.append(gold_of(prepared, "test", "de"))
        assert found[-1][:2] == pairs
    assert found[0] != found[1]
    GOLD.write(path, {"gold": [list(pair) for pair in pairs]})  # as folders of before
    assert gold_of(prepared, "test", "de") == pairs


def test_tatoeba_is_searched_from_english(monkeypatch):
    ours = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    english = torch.tensor([[0.8, 0.6], [0.0, 1.0]])  # the first is nearest to ours 1
    prepared = SimpleNamespace(task=TASKS["tatoeba"])
    predictor = SimpleNamespace(task=SimpleNamespace(prepared=prepared))
    monkeypatch.setattr(retrieval, "sides", lambda *_: (ours, english))
    monkeypatch.setattr(retrieval, "read_gold", lambda *_: {(0, 0), (1, 1)})
    settings = SimpleNamespace(layer=8, split="test")
    score, found = retrieval.score_retrieval(predictor, settings, "de")
    assert found == [[1, 0], [1, 1]] and score.rows[:, 0].tolist() == [0.0, 1.0]
    assert score.signature.endswith("|from:en|layer:8|pooling:mean|v:2")
