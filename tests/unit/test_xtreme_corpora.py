"""The original files of the nine XTREME tasks: what is read, what is refused."""

import gzip
import json
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from lass_plugin.corpora.xtreme.corpus import Corpus, chosen_languages
from lass_plugin.corpora.xtreme.tasks import TASKS, task_of
from lass_plugin.errors import LassError

SAMPLES = ROOT.parent / "shared" / "data" / "xtreme"


def corpus(task: str, folder: Path) -> Corpus:
    return Corpus(task_of(task), folder)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text, encoding="utf-8")
    return folder


def refused(task: str, folder: Path, split: str = "test", language: str = "de") -> str:
    with pytest.raises(LassError) as told:
        list(corpus(task, folder).examples(split, language))
    return told.value.message


def test_languages_are_as_many_as_the_paper_says():
    counts = {name: len(task.languages) for name, task in TASKS.items()}
    assert counts == {
        "xnli": 15,
        "pawsx": 7,
        "udpos": 33,
        "panx": 40,
        "xquad": 11,
        "mlqa": 7,
        "tydiqa": 9,
        "bucc2018": 4,  # with English: 5
        "tatoeba": 36,  # XTREME's; the paper has 33
    }


XNLI = "language\tgold_label\tx\tsentence1\tsentence2\tpairID\n"


def test_xnli_has_all_languages_in_one_file_and_training_files_of_their_own(tmp_path):
    rows = "de\tneutral\t-\tEin Satz\tNoch einer\t1\nfr\tentailment\t-\tA\tB\t1\n"
    train = "premise\thypo\tlabel\nA b .\tC d .\tcontradictory\n"
    folder = write(
        tmp_path,
        {
            "XNLI-1.0/xnli.test.tsv": XNLI + rows,
            "XNLI-MT-1.0/multinli/multinli.train.en.tsv": train,
        },
    )
    found = corpus("xnli", folder)
    assert found.languages("test") == ["de", "fr"]
    (one,) = found.examples("test", "de")
    assert (one.first, one.second, one.label) == ("Ein Satz", "Noch einer", "neutral")
    (one,) = found.examples("train", "en")
    assert one.label == "contradiction"


def test_pawsx_is_read_with_a_header_and_without(tmp_path):
    header = "id\tsentence1\tsentence2\tlabel\n1\tA\tB\t0\n2\tC\tD\t1\n"
    folder = write(tmp_path, {"de/test_2k.tsv": header, "test-fr.tsv.gz": "A\tB\t1\n"})
    found = corpus("pawsx", folder)
    assert [one.label for one in found.examples("test", "de")] == ["0", "1"]
    assert [one.second for one in found.examples("test", "fr")] == ["B"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("A\tB\t2\n", "label '2', which PAWS-X does not know"),
        ("A\tB\n", "has no label"),
        ("A\tB\t\n", "has no label"),
        ("sentence1\tsentence2\nA\tB\n", "has no label"),
        ("A\tB\tC\tD\t1\n", "5 cells"),
        ("", "no test examples of de"),
    ],
)
def test_pairs_that_cannot_be_scored_are_named(tmp_path, text, words):
    message = refused("pawsx", write(tmp_path, {"de/test_2k.tsv": text}))
    assert words in message and "give" in message


CONLLU = """# text = zum Haus
1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_
1\tzu\t_\tADP\t_\t_\t_\t_\t_\t_
2\tdem\t_\tDET\t_\t_\t_\t_\t_\t_
2.1\tx\t_\tVERB\t_\t_\t_\t_\t_\t_
3\tHaus\t_\tNOUN\t_\t_\t_\t_\t_\t_

1\tJa\t_\tINTJ\t_\t_\t_\t_\t_\t_
"""


def test_conllu_without_ranges_and_empty_nodes_of_several_treebanks(tmp_path):
    names = ["UD_German-GSD/de_gsd-ud-test.conllu", "x/de_pud-ud-test.conllu"]
    found = corpus("udpos", write(tmp_path, dict.fromkeys(names, CONLLU)))
    sentences = list(found.examples("test", "de"))
    assert len(sentences) == 4
    assert sentences[0].words == ("zu", "dem", "Haus")
    assert sentences[0].tags == ("ADP", "DET", "NOUN")


def test_sentences_whose_words_are_not_given_are_left_out(tmp_path):
    def text(*words: str) -> str:
        rest = "\t_" * 6
        lines = [f"{n}\t{w}\t_\tNOUN{rest}\n" for n, w in enumerate(words, 1)]
        return "".join(lines)

    blocks = [text("_", "_", "_"), text("_", "_", "."), text("_", "a", "b")]
    files = {"ar_nyuad-ud-test.conllu": "\n".join(blocks), "de/test": "de:_\tO\n"}
    (one,) = corpus("udpos", write(tmp_path, files)).examples("test", "ar")
    assert one.words == ("_", "a", "b")
    (one,) = corpus("panx", tmp_path).examples("test", "de")  # there it is a word
    assert one.words == ("_",)


def test_a_set_that_is_there_twice_is_named(tmp_path):
    twice = {
        "pawsx": ("de/test_2k.tsv", "test-de.tsv"),
        "xquad": ("a/xquad.de.json", "b/xquad.de.json"),
        "tydiqa": ("tydiqa-goldp-v1.0-dev.json", "tydiqa-goldp-v1.1-dev.json"),
        "xnli": ("XNLI-1.0/xnli.test.tsv", "xnli.test.tsv"),
        "udpos": ("de.test.conllu", "de_gsd-ud-test.conllu"),
    }
    for task, names in twice.items():
        folder = write(tmp_path / task, dict.fromkeys(names, CONLLU))
        with pytest.raises(LassError, match="both have test examples of de for") as e:
            corpus(task, folder).paths("test", "de")
        assert all(name in e.value.message for name in names)


def test_tags_of_wikiann_and_of_two_columns(tmp_path):
    wikiann = "de:Hans\tB-PER\nde:ist\tO\n\n"
    folder = write(tmp_path, {"de/test": wikiann, "da.train.conll": "Hans\tB-PER\n"})
    (one,) = corpus("panx", folder).examples("test", "de")
    assert one.words == ("Hans", "ist") and one.tags == ("B-PER", "O")
    (one,) = corpus("panx", folder).examples("train", "da")
    assert one.words == ("Hans",)


@pytest.mark.parametrize(
    "task, name, text, words",
    [
        ("panx", "de/test", "de:Hans\tB-OTH\n", "tag 'B-OTH', which NER does not know"),
        ("panx", "de/test", "Hans\n", "has no tag"),
        ("udpos", "de.test.conllu", "1\tJa\tINTJ\n", "3 cells"),
        ("udpos", "de.test.conllu", "1\tJa" + "\t_" * 8 + "\n", "has no tag"),
    ],
)
def test_tags_that_cannot_be_scored_are_named(tmp_path, task, name, text, words):
    assert words in refused(task, write(tmp_path, {name: text}))


def squad(*answers: dict, name: str = "q1", context: str = "Im Haus") -> str:
    asked = {"id": name, "question": "Wo?", "answers": list(answers)}
    paragraph = {"context": context, "qas": [asked]}
    return json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]})


def test_questions_of_all_three_data_sets(tmp_path):
    right = squad({"text": "Haus", "answer_start": 3})
    folder = write(tmp_path, {"xquad.de.json": right, "train-v1.1.json": right})
    (one,) = corpus("xquad", folder).examples("test", "de")
    assert (one.answers[0].text, one.context) == ("Haus", "Im Haus")
    assert corpus("xquad", folder).languages("train") == ["en"]
    names = {"test-context-de-question-de.json", "test-context-de-question-en.json"}
    found = corpus("mlqa", write(tmp_path / "m", dict.fromkeys(names, right)))
    assert found.languages("test") == ["de"]
    finnish = squad({"text": "Haus", "answer_start": 3}, name="finnish-1")
    folder = write(tmp_path / "t", {"tydiqa-goldp-v1.1-dev.json": finnish})
    found = corpus("tydiqa", folder)
    assert found.languages("test") == ["fi"]
    assert [one.id for one in found.examples("test", "fi")] == ["finnish-1"]


@pytest.mark.parametrize(
    "text, words",
    [
        (squad({"text": "Haus", "answer_start": 4}), "context does not hold"),
        (squad({"text": "", "answer_start": 0}), "context does not hold"),
        (squad(), "no answer to the question q1"),
        ("{", "is not questions in SQuAD's format"),
        ('{"data": [{"paragraphs": [{"context": 1}]}]}', "is not questions"),
    ],
)
def test_answers_that_cannot_be_scored_are_named(tmp_path, text, words):
    message = refused("xquad", write(tmp_path, {"xquad.de.json": text}))
    assert words in message and "xquad.de.json" in message


def test_retrieval_reads_its_pairs_and_its_gold(tmp_path):
    lines = {"tatoeba.deu-eng.deu": "Ja\nNein\n", "tatoeba.deu-eng.eng": "Yes\nNo\n"}
    found = corpus("tatoeba", write(tmp_path, lines)).bitexts("test", "de")
    assert found.sentences == ("Ja", "Nein") and ("1", "1") in found.gold
    # as published: the test set without its gold; XTREME tests on the training set
    mined = {
        "de-en/de-en.training.de": "de-1\tJa\nde-2\tNein\n",
        "de-en/de-en.training.en": "en-7\tNo\n",
        "de-en/de-en.training.gold": "de-2\ten-7\n",
        "de-en/de-en.sample.de": "de-3\tGut\n",
        "de-en/de-en.sample.en": "en-9\tGood\n",
        "de-en/de-en.sample.gold": "de-3\ten-9\n",
        "de-en/de-en.test.de": "de-4\tOft\n",
        "de-en/de-en.test.en": "en-5\tOften\n",
    }
    found = corpus("bucc2018", write(tmp_path / "b", mined))
    assert found.bitexts("test", "de").gold == {("de-2", "en-7")}
    assert found.bitexts("test", "de").english == ("No",)
    assert found.bitexts("dev", "de").gold == {("de-3", "en-9")}


def test_the_sorted_copies_of_xtremes_download_are_refused(tmp_path):
    own = write(tmp_path, {"de-en.de": "Nein\nJa\n", "de-en.en": "Yes\nNo\n"})
    assert corpus("tatoeba", own).bitexts("test", "de").english == ("Yes", "No")
    write(tmp_path, {"de-en.en": "No\nYes\n"})
    with pytest.raises(LassError, match="is sorted, as XTREME's download leaves it"):
        corpus("tatoeba", own).bitexts("test", "de")


def test_retrieval_names_files_that_do_not_fit(tmp_path):
    folder = write(tmp_path / "a", {"tatoeba.deu-eng.deu": "Ja\n"})
    with pytest.raises(LassError, match="no file 'en' of de"):
        corpus("tatoeba", folder).bitexts("test", "de")
    write(folder, {"tatoeba.deu-eng.eng": "Yes\nNo\n"})
    with pytest.raises(LassError, match="has 1 lines and"):
        corpus("tatoeba", folder).bitexts("test", "de")
    mined = {"de-en.test.de": "a\tJa\n", "de-en.test.en": "b\tYes\n"}
    folder = write(tmp_path / "b", mined)
    with pytest.raises(LassError, match="no file 'gold' of de"):
        corpus("bucc2018", folder).bitexts("test", "de")
    write(folder, {"de-en.test.gold": "a\tc\n"})
    with pytest.raises(LassError, match="gold:1 does not pair"):
        corpus("bucc2018", folder).bitexts("test", "de")


def test_another_list_of_languages_is_named_and_one_may_be_chosen(tmp_path):
    names = {"de/test_2k.tsv": "A\tB\t1\n", "cs/test_2k.tsv": "A\tB\t1\n"}
    found = corpus("pawsx", write(tmp_path, names))
    with pytest.raises(LassError, match=r"lacks en, es.*has cs beside.*--languages"):
        chosen_languages(found, "test", ())
    assert chosen_languages(found, "test", ("cs",)) == ("cs",)
    with pytest.raises(LassError, match="no test data of fr"):
        chosen_languages(found, "test", ("de", "fr"))


def test_folders_without_the_task_are_named(tmp_path):
    with pytest.raises(LassError, match=r"no file of XNLI.*xnli\.test\.tsv"):
        corpus("xnli", tmp_path).languages("test")
    with pytest.raises(LassError, match="no task of XTREME"):
        task_of("xnlu")
    write(tmp_path, {"xnli.test.tsv": XNLI, "xnli.test.tsv.gz": XNLI})
    with pytest.raises(LassError, match="there are both"):
        corpus("xnli", tmp_path).languages("test")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)


@settings(max_examples=15)
@given(st.lists(st.lists(st.tuples(WORDS, st.sampled_from("B-PER I-PER O".split())))))
def test_sentences_come_back_as_they_were_written(tmp_path_factory, sentences):
    folder = tmp_path_factory.mktemp("ner")
    blocks = ["".join(f"{w}\t{t}\n" for w, t in one) for one in sentences if one]
    write(folder, {"de/test": "\n".join([*blocks, "\n"])})
    if blocks:
        found = corpus("panx", folder).examples("test", "de")
        pairs = [list(zip(one.words, one.tags, strict=True)) for one in found]
        assert pairs == [[*map(tuple, one)] for one in sentences if one]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
def test_the_samples_are_read():
    assert len(list(corpus("udpos", SAMPLES / "pos").examples("test", "de"))) == 1000
    assert len(list(corpus("panx", SAMPLES / "ner").examples("train", "da"))) == 4383
    assert len(list(corpus("pawsx", SAMPLES / "pawsx").examples("dev", "zh"))) == 2000
    assert len(list(corpus("xquad", SAMPLES / "xquad").examples("test", "ar"))) == 1190
    found = corpus("tatoeba", SAMPLES / "retrieval").bitexts("test", "he")
    assert len(found.english) == 1000
