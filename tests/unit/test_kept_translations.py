"""Translations that are kept: used again if whole and of the very same, else made."""

import json
import os
from types import SimpleNamespace

import pytest
import torch
from fairseq.data import Dictionary

from lass_plugin.evaluation import evaluation, kept, sharing
from lass_plugin.evaluation.kept import KeptTranslations
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.translation import Speed
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.methods.method import Dense

LINES = ["eins", "zwei", ""]
HOW = Decoding(cpu=True, remove_bpe="none")


class Sources:
    """The sources of a pair as a model reads them."""

    def __init__(self, sentences):
        self.src = [torch.tensor(each) for each in sentences]
        self.parts = {"en-de": self}

    def __len__(self):
        return len(self.src)


class System:
    """What a system with a model has that its translations depend on."""

    def __init__(self, path):
        path.touch()
        words = Dictionary()
        self.system = SimpleNamespace(checkpoint=path, base=None)
        self.task = SimpleNamespace(
            pairs=[Pair("en", "de")], source_dictionary=words, target_dictionary=words
        )
        self.method = Dense()


class Store:
    """A folder of one pair, looked at anew for each question, and how often it was
    translated."""

    def __init__(self, folder):
        self.folder = folder / "kept"
        self.ready = System(folder / "x.pt")
        self.sources = Sources([[5, 2], [6, 2], [7, 8, 2]])
        self.how, self.made = HOW, 0

    def missing(self):
        found = KeptTranslations(self.folder, "test").missing({self.ready: self.how})
        return sum(size for _, _, size in found.values())

    def translate(self):
        store = KeptTranslations(self.folder, "test")
        return store.translate(self.ready, self.how, lambda ready, decoding: self)

    def __call__(self, split, advance, pairs):
        self.made += 1
        return {"en-de": LINES}, Speed(3, 8, 0.5)


@pytest.fixture
def store(tmp_path, monkeypatch):
    made = Store(tmp_path)
    translator = SimpleNamespace(translate=made)
    stock = KeptTranslations.translate
    monkeypatch.setattr(kept, "load_sources", lambda *_, **__: made.sources)
    monkeypatch.setattr(
        KeptTranslations,
        "translate",
        lambda self, ready, how, _: stock(self, ready, how, lambda *_: translator),
    )
    return made


def test_what_is_whole_is_not_translated_again(store):
    assert store.missing() == 3
    for _ in range(2):
        assert store.translate() == ({"en-de": LINES}, Speed(3, 8, 0.5))
        assert store.missing() == 0
    assert store.made == 1


@pytest.mark.parametrize(
    "name, value",
    [
        ("of", None),
        ("of", {}),
        ("translations", None),
        ("translations", 3),
        ("translations", "abc"),
        ("translations", LINES[:2]),
        ("translations", ["eins", "zwei", 3]),
        ("speed", None),
        ("speed", {"sentences": 3}),
        ("speed", {"sentences": "3", "tokens": 8, "seconds": 0.5}),
    ],
)
def test_a_damaged_file_is_nothing_kept(store, name, value):
    """None: there is no such entry."""
    whole = store.translate()
    (path,) = store.folder.iterdir()
    content = {**json.loads(path.read_text()), name: value}
    if value is None:
        del content[name]
    path.write_text(json.dumps(content))
    assert store.missing() == 3
    assert store.translate() == whole and store.made == 2


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b'{"of": ', b"\xff\xfe"])
def test_what_is_no_json_of_ours_is_nothing_kept(store, content):
    whole = store.translate()
    (path,) = store.folder.iterdir()
    path.write_bytes(content)
    assert store.missing() == 3
    assert store.translate() == whole


def other_sentences(store):
    store.sources = Sources([[5, 2], [6, 2], [7, 9, 2]])


def other_words(store):
    store.ready.task.target_dictionary = Dictionary(pad="<nothing>")


def other_base(store):
    base = store.folder.parent / "base.pt"
    base.write_text("2")
    store.ready.system.base = base


def other_checkpoint(store):
    os.utime(store.ready.system.checkpoint, (1, 1))


def other_part(store):
    store.ready.method.translation_identity = lambda key: {"mask": "another"}


def other_search(store):
    store.how = Decoding(cpu=True, remove_bpe="none", beam=2)


@pytest.mark.parametrize(
    "change",
    [
        *(other_sentences, other_words, other_base, other_checkpoint, other_part),
        other_search,
    ],
)
def test_translations_of_something_else_are_not_taken(store, change):
    store.translate()
    change(store)
    assert store.missing() == 3


class Of:
    """A system of one model."""

    def __init__(self, name, base):
        self.system = SimpleNamespace(name=name, checkpoint="x.pt", base=base)
        self.members = (self,)
        self.name = name

    def take(self, model):
        return model


def test_a_model_is_built_anew_for_another_base(monkeypatch):
    built = []

    def translator_of(ready, decoding, model):
        built.append(model)
        return SimpleNamespace(model=ready.name)

    monkeypatch.setattr(evaluation, "translator_of", translator_of)
    models = evaluation._Models()
    for name, base in (("a", "1.pt"), ("b", "1.pt"), ("c", "2.pt")):
        models.translator(Of(name, base), HOW)
    assert built == [None, "a", None]


def test_stretches_are_of_one_system_and_of_at_most_so_many_sentences_or_one_pair():
    one, other = Of("one", None), Of("other", None)
    pairs = parse_pairs("de-en,en-de,en-nl,nl-en")
    sizes = {one: (3, 2, 4, 9), other: (1, 1, 1, 1)}
    missing = {
        f"{system.name} {pair}": (system, pair, size)
        for system, each in sizes.items()
        for pair, size in zip(pairs, each, strict=True)
    }
    found = [
        (system.name, [*map(str, those)])
        for system, those in sharing._stretches(missing, 5.75)
    ]
    assert found == [
        ("one", ["de-en", "en-de"]),
        ("one", ["en-nl"]),
        ("one", ["nl-en"]),
        ("other", ["de-en", "en-de", "en-nl", "nl-en"]),
    ]
    assert [*sharing._stretches({}, 1.0)] == []
