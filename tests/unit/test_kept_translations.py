"""Translations that are kept: used again if whole, made again if damaged."""

import json
from collections import defaultdict
from types import SimpleNamespace

import pytest

from lass_plugin.evaluation import evaluation
from lass_plugin.evaluation.kept import KeptTranslations
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.translation import Speed
from lass_plugin.languages import Pair
from lass_plugin.methods.method import Dense

LINES = ["eins", "zwei", ""]


@pytest.fixture
def evaluated(tmp_path):
    """A store of one pair, a translator, and a list that grows as it is used."""
    made: list[str] = []

    def translate(split, advance, pairs):
        made.extend(map(str, pairs))
        return {"en-de": LINES}, Speed(3, 8, 0.5)

    (tmp_path / "x.pt").touch()
    system = SimpleNamespace(checkpoint=tmp_path / "x.pt")
    task = SimpleNamespace(pairs=[Pair("en", "de")])
    ready = SimpleNamespace(system=system, task=task, method=Dense())
    sources = {"en-de": ["one", "two", "?"]}
    folder, decoding = tmp_path / "kept", Decoding(cpu=True, remove_bpe="none")
    store = KeptTranslations(folder, tmp_path, "test", sources, decoding)
    return store, SimpleNamespace(ready=ready, translate=translate), made, folder


def translate(store, translator):
    return store.translate(translator, lambda amount, pair: None)


def test_what_is_whole_is_not_translated_again(evaluated):
    store, translator, made, _ = evaluated
    assert store.missing([translator.ready]) == 3
    for _ in range(2):
        assert translate(store, translator) == ({"en-de": LINES}, Speed(3, 8, 0.5))
        assert store.missing([translator.ready]) == 0
    assert made == ["en-de"]


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
def test_a_damaged_file_is_nothing_kept(evaluated, name, value):
    """None: there is no such entry."""
    store, translator, made, folder = evaluated
    whole = translate(store, translator)
    (path,) = folder.iterdir()
    content = {**json.loads(path.read_text()), name: value}
    if value is None:
        del content[name]
    path.write_text(json.dumps(content))
    assert store.missing([translator.ready]) == 3
    assert translate(store, translator) == whole and made == ["en-de"] * 2


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b'{"of": ', b"\xff\xfe"])
def test_what_is_no_json_of_ours_is_nothing_kept(evaluated, content):
    store, translator, _, folder = evaluated
    whole = translate(store, translator)
    (path,) = folder.iterdir()
    path.write_bytes(content)
    assert store.missing([translator.ready]) == 3
    assert translate(store, translator) == whole


class Of:
    """A system of one model."""

    def __init__(self, system, name):
        self.system, self.name, self.members = system, name, (self,)

    def take(self, model):
        return model


def test_a_model_is_built_anew_for_another_base(monkeypatch):
    built = []

    def translator_of(ready, decoding, model):
        built.append(model)
        made = {"en-de": LINES}, Speed(3, 8, 0.5)
        return SimpleNamespace(model=ready.name, translate=lambda *_: made)

    monkeypatch.setattr(evaluation, "translator_of", translator_of)
    systems = []
    for name, base in (("a", "1.pt"), ("b", "1.pt"), ("c", "2.pt")):
        system = SimpleNamespace(name=name, checkpoint="x.pt", base=base)
        systems.append(Of(system, name))
    test_set = SimpleNamespace(split="test", sentences=3)
    how = defaultdict(lambda: None)
    assert len(list(evaluation._translations(systems, test_set, how, None))) == 3
    assert built == [None, "a", None]
