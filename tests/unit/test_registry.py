"""Things found by name, and packages from outside that add theirs."""

import importlib

import pytest

from lass_plugin import registry
from lass_plugin.errors import LassError
from lass_plugin.registry import VARIABLE, Registry, load_plugins


def test_a_package_from_outside_is_loaded_once(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        registry, "entry_points", lambda group: asked.append(group) or ()
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "once_only.py").write_text("")
    monkeypatch.setenv(VARIABLE, "once_only")
    for _ in range(3):
        load_plugins()
    assert asked == ["lass_plugin"]
    assert importlib.import_module("once_only")


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv(VARIABLE, "not_there_at_all")
    with pytest.raises(LassError, match="not_there_at_all.*cannot be imported"):
        load_plugins()


def test_names_are_unique_and_an_unknown_one_is_refused():
    things = Registry("thing")
    things.register("one", 1)
    assert things.get("one") == 1 and things.names() == ("one",)
    with pytest.raises(ValueError, match="two things"):
        things.register("one", object())
    with pytest.raises(LassError, match="unknown --thing 'two'; choose from one"):
        things.get("two", "--thing")
