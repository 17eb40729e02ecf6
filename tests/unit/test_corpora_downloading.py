"""``lass corpus … --download``, with a stand-in for mtdata."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from published_corpora import opus100, tarball

from lass_plugin.cli.main import main
from lass_plugin.corpora import opus100 as opus
from lass_plugin.corpora.archives import Needed
from lass_plugin.corpora.downloading import KNOWN, _names, download
from lass_plugin.errors import LassError

URL = f"https://object.example/OPUS-100/v1.0/{opus.WHOLE}"


@pytest.fixture
def mtdata(tmp_path, monkeypatch):
    """An mtdata of two addresses, whose cache is a folder; the addresses it got."""
    cache = tmp_path / "cache"
    tarball(cache / opus.WHOLE, opus100())
    got: list[str] = []

    class Index:
        def __init__(self):
            self.entries = {}

    class Cache:
        def __init__(self, root):
            assert root == "its cache"

        def get_local_path(self, url):
            got.append(url)
            if "broken" in url:
                raise OSError("no route to host")
            return cache / url.rpartition("/")[2]

    def load_all(index):
        for number, url in enumerate((URL, "https://other.example/en-de.tgz")):
            index.entries[number] = SimpleNamespace(url=url)
            index.entries[f"again {number}"] = SimpleNamespace(url=[url])

    parts = {
        "mtdata": {"cache_dir": "its cache", "__path__": []},
        "mtdata.index": {"Index": Index, "__path__": []},
        "mtdata.cache": {"Cache": Cache},
        "mtdata.index.opus": {"__path__": []},
        "mtdata.index.opus.opus100": {"load_all": load_all},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return got


def make(folder: Path, out: Path, *words: str) -> int:
    pairs = ["--pairs", "de-en,de-zh", "--workers", "1"]
    return main(["corpus", "opus100", str(folder), str(out), *pairs, *words])


def test_what_is_missing_is_got_once(mtdata, tmp_path, capsys):
    folder = tmp_path / "archives"
    assert make(folder, tmp_path / "out", "--download") == 0
    assert mtdata == [URL]
    assert (folder / opus.WHOLE).is_file()
    assert (tmp_path / "out" / "test.de-zh.zh").is_file()
    assert f"getting {opus.WHOLE} from {URL}" in capsys.readouterr().err
    assert make(folder, tmp_path / "out", "--download") == 0  # it is all there
    assert make(folder, tmp_path / "out") == 0  # and is the same corpus
    assert mtdata == [URL] and "nothing to do" in capsys.readouterr().out


def test_what_goes_wrong_is_said_in_a_sentence(mtdata, tmp_path, monkeypatch, capsys):
    broken = URL.replace("/v1.0/", "/v1.0/broken/")
    monkeypatch.setattr(sys.modules[__name__], "URL", broken)
    assert make(tmp_path / "a", tmp_path / "out", "--download") == 1
    assert "mtdata cannot get" in capsys.readouterr().err
    monkeypatch.delattr(sys.modules["mtdata.index"], "Index")
    assert make(tmp_path / "a", tmp_path / "out", "--download") == 1
    assert "this version of mtdata" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mtdata", None)
    assert make(tmp_path / "a", tmp_path / "out", "--download") == 1
    assert "get the extra 'corpora'" in capsys.readouterr().err
    words = ["corpus", "iwslt14", str(tmp_path), str(tmp_path / "out"), "--download"]
    assert main(words) == 1
    assert "mtdata has no archive of iwslt14" in capsys.readouterr().err


def test_a_name_that_several_files_have_is_not_taken():
    site = "http://www.statmt.org"
    found = _names(
        [
            f"{site}/europarl/v7/de-en.tgz",
            f"{site}/other/de-en.tgz",
            f"{site}/wmt20/translation-task/dev.tgz",
            f"{site}/wmt13/training.tgz?x=1",
        ]
    )
    assert found == {
        "wmt20/dev.tgz": f"{site}/wmt20/translation-task/dev.tgz",
        "wmt13/training.tgz": f"{site}/wmt13/training.tgz?x=1",
        "training.tgz": f"{site}/wmt13/training.tgz?x=1",
    }
    assert "iwslt14" not in KNOWN


def test_nothing_is_asked_where_nothing_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtdata", None)
    (tmp_path / "a.tgz").write_text("there")
    needed = [Needed("a.de", ("a.tgz",))]
    assert download("europarl", [tmp_path], needed) == []
    with pytest.raises(LassError, match="is not installed"):
        download("europarl", [tmp_path], [*needed, Needed("b.de", ("b.tgz",))])
