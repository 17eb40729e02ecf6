"""Each corpus of lass corpus, from archives in their published layout."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from published_corpora import europarl, iwslt17, opus100, tarball, unpacked, wmt

from lass_plugin.cli import corpus as corpus_command
from lass_plugin.cli.main import main
from lass_plugin.corpora import iwslt14, wmt_parts
from lass_plugin.corpora import lines as lines_module
from lass_plugin.corpora import opus100 as opus
from lass_plugin.corpora.europarl import EuroparlSettings
from lass_plugin.corpora.iwslt17 import Iwslt17Settings
from lass_plugin.data.parallel_text import find_bitexts
from lass_plugin.languages import parse_pairs


def make(capsys, *words: object) -> tuple[int, str, str]:
    """Status, and what was printed on stdout and stderr."""
    status = main(["corpus", *map(str, words), "--workers", "1"])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def text(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


# -- OPUS-100 ----------------------------------------------------------------------


def test_opus100(capsys, tmp_path):
    tarball(tmp_path / "opus" / opus.WHOLE, opus100())
    out = tmp_path / "out"
    pairs = "de-en,an-en,en-zh,de-zh"
    status, said, told = make(
        capsys, "opus100", tmp_path / "opus", out, "--pairs", pairs
    )
    assert status == 0, told
    assert said.splitlines() == [
        "train.an-en: 5 pairs",
        "train.de-en: 20 pairs",
        "valid.de-en: 3 pairs",
        "test.de-en: 4 pairs",
        "train.en-zh: 20 pairs",
        "valid.en-zh: 3 pairs",
        "test.en-zh: 4 pairs",
        "test.de-zh: 4 pairs",
    ]
    assert text(out / "test.de-zh.zh")[0] == "Zh word900 here now."
    bitexts, absent = find_bitexts(
        out, parse_pairs("de-en,zh-en,an-en"), parse_pairs("zh-de")
    )
    assert len(bitexts) == 8 and set(absent) == {
        "valid.an-en",
        "test.an-en",
        "valid.zh-de",
    }


def test_opus100_of_an_archive_for_each_pair(capsys, tmp_path):
    files = opus100()
    for pair in ("de-en", "de-zh"):
        name = {"de-en": f"opus-100-corpus-{pair}-v1.0.tar.gz"}.get(
            pair, "opus-100-corpus-zeroshot-v1.0.tar.gz"
        )
        mine = {path: content for path, content in files.items() if f"/{pair}/" in path}
        tarball(tmp_path / "pairs" / name, mine)
    unpacked(tmp_path / "whole", files)
    made = []
    for name in ("pairs", "whole"):
        out = tmp_path / f"{name}-out"
        words = [tmp_path / name, out, "--pairs", "de-en,de-zh", "--splits", "test"]
        status, said, told = make(capsys, "opus100", *words)
        assert status == 0, told
        assert said == "test.de-en: 4 pairs\ntest.de-zh: 4 pairs\n"
        made.append({path.name: text(path) for path in out.glob("t*")})
    assert made[0] == made[1] and len(made[0]) == 4


def test_opus100_has_its_languages():
    assert len(opus.LANGUAGES) == 99 == len(set(opus.LANGUAGES))
    assert len(opus.ZERO_SHOT) == 15 and "ru-zh" in opus.ZERO_SHOT
    assert len(opus.Opus100Settings.PAIRS) == 114
    assert {"en-zh", "de-en", "el-en", "en-es"} <= set(opus.Opus100Settings.PAIRS)


@pytest.mark.parametrize(
    "words, told",
    [
        (["--pairs", "zh-en"], "no pair zh-en"),
        (["--splits", "dev"], "--splits dev is unknown"),
        (["--splits", "train", "--pairs", "de-fr"], "none of de-fr has train text"),
    ],
)
def test_opus100_has_no_such(words, told, capsys, tmp_path):
    status, _, said = make(capsys, "opus100", tmp_path, tmp_path / "out", *words)
    assert status == 1 and told in said


# -- IWSLT17 -----------------------------------------------------------------------


def test_iwslt17(capsys, tmp_path):
    folder, out = iwslt17(tmp_path / "wit3"), tmp_path / "out"
    status, said, told = make(capsys, "iwslt17", folder, out)
    assert status == 0, told
    for pair in ("it-en", "ro-en", "nl-en", "it-ro"):
        for split, size in {"train": 10, "valid": 3, "test": 4}.items():
            assert f"{split}.{pair}: {size} pairs\n" in said
    assert "train.it-ro has 10 segments, and Xie 2021, §4.1 states 217,500" in told
    assert text(out / "valid.it-ro.ro")[0] == "Ro word500 here now ."
    assert text(out / "test.it-en.en")[0] == "En word700 here now ."
    assert text(out / "train.nl-en.nl")[0] == "Nl word0 here now ."  # no title
    record = json.loads((out / "corpus.json").read_text())
    assert record["options"]["valid-set"] == "tst2010"
    assert (
        record["pairs"]["it-ro"]["parts"][
            "IWSLT17.TED.tst2017.mltlng.it-ro.it.xml, "
            "IWSLT17.TED.tst2017.mltlng.ro-it.ro.xml"
        ]
        == 4
    )


def test_iwslt17_without_its_test_sets(capsys, tmp_path):
    folder = iwslt17(tmp_path / "wit3")
    (folder / "2017-01-mted-test.tgz").unlink()
    status, _, told = make(capsys, "iwslt17", folder, tmp_path / "out")
    assert status == 1 and "it-en.tgz or in 2017-01-mted-test.tgz" in told


# -- Europarl ----------------------------------------------------------------------


def test_europarl(capsys, tmp_path):
    folder, out = europarl(tmp_path / "ep", ("es", "cs")), tmp_path / "out"
    words = [folder, out, "--pairs", "es-en,cs-en", "--sample", 40, "--draw", 5]
    status, said, told = make(capsys, "europarl", *words)
    assert status == 0, told
    assert "train.es-en: 40 pairs" in said and "valid.es-en: 4 pairs" in said
    assert "test.es-en: 5 pairs" in said
    assert "train.cs-en: 40 pairs" in said and "valid.cs-en: 5 pairs" in said
    assert "train.cs-en has 40 segments, and Xie 2021, §4.1 states 600,000" in told
    # valid and test are none of what is trained on
    numbers = {
        split: {line.split()[2] for line in text(out / f"{split}.cs-en.cs")}
        for split in ("train", "valid", "test")
    }
    assert [len(each) for each in numbers.values()] == [40, 5, 5]
    assert len(set().union(*numbers.values())) == 50
    # truecased: no word but Mister is written large inside sentences
    assert text(out / "test.es-en.es")[0] == "The señor devtest2006 es 0 ."
    first = text(out / "train.es-en.es")[0]
    assert "Mister" in first and first.startswith("Señor es ")


def test_what_europarl_draws_for_tests_is_unseen(capsys, tmp_path):
    """Every sentence stands there twice, so most of what is drawn is in train too."""
    folder = europarl(tmp_path / "ep", ("cs",))
    files = {
        f"europarl-v7.cs-en.{side}": "".join(
            f"{side} says {n}\n" * 2 for n in range(30)
        )
        for side in ("cs", "en")
    }
    tarball(folder / "cs-en.tgz", files)
    words = [folder, tmp_path / "out", "--pairs", "cs-en", "--sample", 40]
    status, said, told = make(capsys, "europarl", *words, "--draw", 10)
    assert status == 0, told
    train, valid, test = (
        text(tmp_path / "out" / f"{split}.cs-en.cs")
        for split in ("train", "valid", "test")
    )
    assert len(valid) == len(test) == 10 and 20 <= len(train) < 40
    assert (
        not set(train) & {*valid, *test}
        and f"{40 - len(train)} dropped (overlap" in said
    )


def test_europarl_is_drawn_by_its_seed(capsys, tmp_path):
    folder = europarl(tmp_path / "ep", ("es",))
    drawn = {}
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        words = [folder, tmp_path / name, "--pairs", "es-en", "--sample", 30]
        status, _, told = make(capsys, "europarl", *words, "--seed", seed)
        assert status == 0, told
        drawn[name] = text(tmp_path / name / "train.es-en.en")
    assert drawn["one"] == drawn["same"] != drawn["other"]
    order = [int(line.split()[2]) for line in drawn["one"]]
    assert order == sorted(order)


def test_europarl_has_too_little_text(capsys, tmp_path):
    folder = europarl(tmp_path / "ep", ("cs",))
    words = [folder, tmp_path / "out", "--pairs", "cs-en", "--sample", 59]
    status, _, told = make(capsys, "europarl", *words, "--draw", 1)
    assert status == 1
    assert "cs-en has 60 pairs, and 61 are to be drawn (59 for train, 1 for" in told


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_the_encoding_of_the_sets_of_2006(encoding, capsys, tmp_path):
    folder = europarl(tmp_path / "ep", ("es",), encoding)
    words = [folder, tmp_path / "out", "--pairs", "es-en", "--sample", 20]
    other = {"utf-8": "latin-1", "latin-1": "utf-8"}[encoding]
    status, _, told = make(capsys, "europarl", *words, "--sets-encoding", other)
    assert status == 1 and "dev2006.es" in told
    hint = {"utf-8": "is UTF-8 and not latin-1", "latin-1": "is not UTF-8"}[encoding]
    assert hint in told
    words += ["--fresh", "--sets-encoding", encoding]
    assert make(capsys, "europarl", *words)[0] == 0
    assert "señor" in text(tmp_path / "out" / "valid.es-en.es")[0]


@pytest.mark.parametrize(
    "words, told",
    [
        (["--sets", "de"], "no language of this corpus"),
        (
            ["--sets", "none", "--sets-encoding", "latin-1"],
            "--sets-encoding has no effect",
        ),
        (["--pairs", "es-en", "--draw", "5"], "--draw has no effect"),
        (["--sample", "0"], "--sample must be 1 or more"),
    ],
)
def test_europarl_refuses(words, told, capsys, tmp_path):
    status, _, said = make(capsys, "europarl", tmp_path, tmp_path / "out", *words)
    assert status == 1 and told in said


# -- FLORES-101 --------------------------------------------------------------------


def flores(folder: Path) -> Path:
    files = {
        f"flores101_dataset/{split}/{code}.{split}": "".join(
            f"{code} {split} {number}\n" for number in range(size)
        )
        for split, size in (("dev", 5), ("devtest", 3))
        for code in ("eng", "oci", "zho_simpl")
    }
    tarball(folder / "flores101_dataset.tar.gz", files)
    return unpacked(folder.with_name("unpacked"), files).parent


def test_flores(capsys, tmp_path):
    flores(tmp_path / "archive")
    for name in ("archive", "unpacked"):
        words = [tmp_path / name, tmp_path / f"{name}-out", "--languages", "en,oc,zh"]
        status = main(["corpus", "flores", *map(str, words), "--valid", "1"])
        said, told = capsys.readouterr()
        assert status == 0, told
        counted = "3 languages, 6 directions; lines: train 4, valid 1, test 3\n"
        assert said == counted
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("*.*.*")}
        for name in ("archive-out", "unpacked-out")
    )
    assert one == other and len(one) == 18
    out = tmp_path / "archive-out"
    assert text(out / "valid.oc-zh.zh") == ["zho_simpl dev 4"]
    assert text(out / "pairs.txt") == ["en-oc,oc-en,en-zh,zh-en,oc-zh,zh-oc"]
    assert len({path.stat().st_ino for path in out.glob("*.*.*")}) == 9
    record = json.loads((out / "corpus.json").read_text())
    assert record["lines"] == {"train": 4, "valid": 1, "test": 3}
    assert main(["corpus", "flores", *map(str, words), "--valid", "1"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["corpus", "flores", *map(str, words)]) == 1
    assert "--valid 1, not 0" in capsys.readouterr().err


# -- WMT ---------------------------------------------------------------------------


@pytest.fixture
def tasks(tmp_path: Path) -> tuple[Path, Path]:
    """Files of five pairs, and a folder like that of sacreBLEU."""
    for name in ("wmt", "sacrebleu"):
        (tmp_path / name).mkdir()
    return wmt(tmp_path / "wmt", tmp_path / "sacrebleu"), tmp_path / "sacrebleu"


def test_wmt(capsys, tasks, tmp_path):
    folder, sets = tasks
    words = [folder, tmp_path / "out", "--pairs", "gu-en,de-en,fi-en,ps-en"]
    status, said, told = make(capsys, "wmt", *words, "--sets", sets)
    assert status == 0, told
    out = tmp_path / "out"
    counted = "train.gu-en: 20 pairs, 4 dropped (uneven 1, duplicate 3), 3 repeated"
    assert counted in said
    assert "train.de-en: 30 pairs" in said and "test.de-en: 4 pairs" in said
    assert "train.fi-en: 9 pairs" in said and "train.ps-en: 10 pairs" in said
    assert "train.gu-en has 20 segments, and He 2023, Table 5 states 7,500" in told
    assert text(out / "train.fi-en.en")[-1] == "Helsinki town"
    assert text(out / "train.ps-en.ps")[-1] == "کابل"
    assert text(out / "valid.de-en.de") == ["de 2013 & on."]
    # since 2019 each direction has a test set of its own
    assert text(out / "test.gu-en.gu")[0] == "Gu word7019 here now."
    bitexts, absent = find_bitexts(out, parse_pairs("gu-en,en-gu,de-en,en-de"))
    names = [(each.name, each.source.name) for each in bitexts]
    assert ("test.en-gu", "test.en-gu.en") in names and not absent
    record = json.loads((out / "corpus.json").read_text())
    assert "wmt16/training-parallel-ep-v8.tgz" in record["inputs"]
    assert "wmt19/raw/wmt19.test.tgz" in record["inputs"]
    assert list(record["pairs"]["de-en"]["parts"])[-1].startswith("news-commentary-v11")


def test_wmt_simplifies_chinese(capsys, tasks, tmp_path, monkeypatch):
    """By OpenCC, for which a converter of one character stands here."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "opencc.py").write_text(
        "class OpenCC:\n    def __init__(self, name):\n        assert name == 't2s'\n"
        "    def convert(self, text):\n        return text.replace('國', '国')\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.delitem(sys.modules, "opencc", raising=False)
    lines_module._simplifier.cache_clear()
    words = [tasks[0], tmp_path / "out", "--pairs", "zh-en"]
    status, said, told = make(capsys, "wmt", *words)
    assert status == 0, told
    out = tmp_path / "out"
    # one line against five words is dropped; punctuation is ASCII in both languages
    assert "train.zh-en: 2 pairs, 1 dropped (uneven 1)" in said
    assert text(out / "train.zh-en.zh") == ["新聞", '聯合国 "大會"']
    assert text(out / "train.zh-en.en") == ["News", 'The UN "assembly"']
    lines_module._simplifier.cache_clear()


def test_wmt_without_opencc(capsys, tasks, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "opencc" else real(name),
    )
    words = [tasks[0], tmp_path / "out", "--pairs", "zh-en"]
    status, _, told = make(capsys, "wmt", *words)
    assert status == 1 and "OpenCC, which is not installed" in told
    assert "--chinese as-is" in told and not (tmp_path / "out").exists()
    words += ["--chinese", "as-is", "--punctuation", "as-is", "--max-ratio", 0]
    status, _, told = make(capsys, "wmt", *words)
    assert status == 0, told
    expected = ["新聞", "聯合國 「大會」", "國"]
    assert text(tmp_path / "out" / "train.zh-en.zh") == expected


def test_wmt_has_no_files(capsys, tmp_path):
    words = [tmp_path, tmp_path / "out", "--pairs", "fr-en"]
    status, _, told = make(capsys, "wmt", *words)
    assert status == 1
    assert (
        "lacks europarl-v7.fr-en.fr, which is in training-parallel-europarl-v7" in told
    )
    status, _, told = make(capsys, "wmt", *words, "--chinese", "as-is")
    assert status == 1 and "--chinese has no effect without zh-en" in told


def test_wmt_has_the_pairs_of_the_paper():
    assert len(wmt_parts.SIZES) == 18
    assert wmt_parts.SIZES.keys() == wmt_parts.SETS.keys() == wmt_parts.TRAINING.keys()
    for code, (valid, test) in wmt_parts.SETS.items():
        year = wmt_parts.SIZES[code][0]
        assert str(year) in test or code in ("de",), (code, test)
        assert valid < test or code == "ps", (code, valid)


# -- docs/corpora.md ---------------------------------------------------------------


def test_the_page_names_every_corpus_and_its_archives():
    page = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")
    for name in corpus_command.MODES:
        assert f"`{name}`" in page and f"lass corpus {name} " in page, name
    rows = dict(re.findall(r"^\| (\w\w) \| (.*) \|$", page, re.M))
    for code, parts in wmt_parts.TRAINING.items():
        year, size, _ = wmt_parts.SIZES[code]
        shown = f"{size / 1e6:g}M" if size >= 1e6 else f"{size / 1e3:g}K"
        assert rows[code].startswith(f"{year} | {shown} | ")
        assert rows[code].endswith(", ".join(wmt_parts.SETS[code]))
        for part in parts:
            name = part.archives[0] if part.archives else part.source
            name = re.sub(r"format\.\d", "format.0", name)
            assert f"`{name}" in rows[code], name
    for settings in (iwslt14.Iwslt14Settings, Iwslt17Settings, EuroparlSettings):
        given = settings(archives=Path("a"), out=Path("b"))
        archives = {name for one in given.needed() for name in one.archives}
        named = [name for name in archives if f"`{name}`" in page]
        assert len(named) >= 2, (settings, archives)
