"""Segments of published files, and the form that their lines are given."""

import gzip
import html
import lzma
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lass_plugin.corpora import lines as forms
from lass_plugin.corpora.archives import Needed, Unpacking, find, unpack
from lass_plugin.corpora.segments import (
    LINES,
    SEGMENTS,
    TABLE,
    TAGS,
    TITLES,
    Part,
    read_part,
)
from lass_plugin.data import moses
from lass_plugin.errors import LassError

TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=15
).filter(lambda text: text.strip() == text and text.isprintable())


def read(tmp_path: Path, reader: str, one: str, other: str = "", **more: object):
    paths = []
    for name, content in (("one", one), ("other", other or one)):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(content.encode("utf-8"))
    part = Part("one", "one" if reader == TABLE else "other", reader, **more)
    return list(read_part(part, paths[0], paths[1]))


def firsts(pairs: list) -> list[str]:
    return [source for source, _ in pairs]


def test_lines_between_tags(tmp_path):
    talk = (
        "<url>http://x/1</url>\n<keywords>a</keywords>\n<talkid>1</talkid>\n"
        " <title>A title</title>\n<description>Told twice.</description>\n"
        "<3 is a heart.\n a < b and c > d\n"
        '<reviewer href="x">Name</reviewer>\n<doc docid="1">\n</doc>\nLast.\n'
    )
    text = ["<3 is a heart.", " a < b and c > d", "Last."]
    assert firsts(read(tmp_path, TAGS, talk)) == text
    titled = ["A title", "Told twice.", *text]
    assert firsts(read(tmp_path, TITLES, talk)) == titled


def test_segments(tmp_path):
    xml = (
        '<?xml version="1.0"?>\n<doc><seg id="1"> A &amp; B </seg>\n'
        '<SEG id="2">over\ntwo <b>lines</b></SEG> <seg id="3"></seg></doc>'
    )
    assert firsts(read(tmp_path, SEGMENTS, xml)) == ["A & B", "over two lines", ""]


def test_no_entity_of_a_file_is_looked_up(tmp_path):
    xml = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><seg>&x;</seg>'
    assert firsts(read(tmp_path, SEGMENTS, xml)) == ["&x;"]


def test_tables(tmp_path):
    table = "1\ta\tb\n2\tc\td\n"
    assert read(tmp_path, TABLE, table, columns=(2, 1)) == [("b", "a"), ("d", "c")]
    assert read(tmp_path, TABLE, "a ||| b\n", separator="|||") == [("a ", " b")]
    with pytest.raises(LassError, match="one:2 has 1 columns, .* columns 1 and 2"):
        read(tmp_path, TABLE, "a\tb\nc\n")
    with pytest.raises(LassError, match="one has no segment"):
        read(tmp_path, TABLE, "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path, pairs):
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    plain = ["".join(f"{text}\n" for text in side) for side in sides]
    assert read(tmp_path, LINES, plain[0], plain[1]) == pairs
    xml = [
        "".join(f"<seg id='1'>{html.escape(text)}</seg>\n" for text in side)
        for side in sides
    ]
    found = read(tmp_path, SEGMENTS, xml[0], xml[1])
    assert found == [tuple(" ".join(t.split()) for t in pair) for pair in pairs]
    rows = "".join(f"x|{one}|{other}\n".replace("|", "\t") for one, other in pairs)
    if "|" not in rows and "|" not in "".join(sides[0] + sides[1]):
        assert read(tmp_path, TABLE, rows, columns=(1, 2)) == pairs


@pytest.mark.parametrize("opens, suffix", [(gzip.open, ".gz"), (lzma.open, ".xz")])
def test_compressed_text(opens, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    with opens(path, "wt", encoding="utf-8") as file:
        file.write("für\n" * 100)
    part = Part("a", "a2")
    assert list(read_part(part, path, path)) == [("für", "für")] * 100
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LassError, match="is damaged"):
        list(read_part(part, path, path))


def test_encodings(tmp_path):
    path = tmp_path / "a"
    path.write_bytes("Ελλάδα\n".encode("iso-8859-7"))
    part = Part("a", "b", encoding="iso-8859-7")
    assert list(read_part(part, path, path)) == [("Ελλάδα", "Ελλάδα")]
    path.write_bytes(b"ascii\n\xd2\xff\n")  # ff is no letter of ISO 8859-7
    with pytest.raises(LassError, match="a:2 is not iso-8859-7"):
        list(read_part(part, path, path))
    path.write_bytes("Ελλάδα\n".encode())
    with pytest.raises(LassError, match="is UTF-8 and not iso-8859-7"):
        list(read_part(part, path, path))
    path.write_bytes(b"only ascii\n")  # which both are
    assert list(read_part(part, path, path)) == [("only ascii", "only ascii")]


# -- archives ----------------------------------------------------------------------


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    from published_corpora import tarball

    files = {
        "pib/en-ta/train.ta": "tamil\n",
        "pib/en-hi/train.ta": "another\n",
        "data/orig/train.ta.gz": gzip.compress(b"zipped\n"),
        "../../escape": "outside\n",
    }
    archive = tarball(tmp_path / "in" / "pib.tar.gz", files)
    needed = [
        Needed(f"{folder}/train.ta", (archive.name,)) for folder in ("en-ta", "orig")
    ]
    needed.append(Needed("escape", (archive.name,)))
    sources = find([tmp_path / "in"], needed, "their project")
    work = tmp_path / "work"
    found = unpack(Unpacking(archive, sources.archives[archive], frozenset(), work))
    assert Path(found["en-ta/train.ta"]).read_text() == "tamil\n"
    assert found["orig/train.ta"].endswith("orig_train.ta.gz")
    assert Path(found["escape"]).parent == work and not (tmp_path / "escape").exists()
    again = Unpacking(archive, frozenset({"train.ta"}), frozenset(), tmp_path / "other")
    with pytest.raises(LassError, match="have one name and differ"):
        unpack(again)


def test_links_within_an_archive_are_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        (tmp_path / "first").write_text("text\n")
        packed.add(tmp_path / "first", "first")
        for name, kind in (("hard", tarfile.LNKTYPE), ("soft", tarfile.SYMTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "first"
            packed.addfile(entry)
    wanted = frozenset({"hard", "soft"})
    job = Unpacking(tmp_path / "a.tar", wanted, frozenset(), tmp_path / "work")
    assert unpack(job).keys() == {"hard"}
    assert (tmp_path / "work" / "hard").read_text() == "text\n"


# -- the form of lines -------------------------------------------------------------


def test_forms():
    line = "„So“ – sagt’s \u200bEr:  5.000 & mehr."
    everything = forms.LineForm(punctuation=True, tokenised=True, lower=True)
    made = "&quot; so &quot; - sagt &apos; s er : 5.000 &amp; mehr ."
    assert everything.apply(line, "de") == made
    plain = '"So" - sagt\'s Er: 5.000 & mehr.'
    assert forms.LineForm(punctuation=True).apply(line, "de") == plain
    assert forms.LineForm(punctuation=True).apply("，「a」\x07b", "zh") == ',"a"b'
    assert forms.LineForm().apply(line, "de") == line
    tokens = forms.LineForm(tokenised=True).apply("It's (a) test.", "en")
    assert tokens == "It &apos;s ( a ) test ."
    assert forms.LineForm(lower=True).apply("ÄÖ", "de") == "äö"


def casing_of(folder, lines):
    path = folder / "truecase.en"
    path.write_text(moses.casing_model(moses.count_forms(lines)))
    return moses.read_casing(path)


def test_truecasing(tmp_path):
    casing = casing_of(
        tmp_path,
        ["The house is THE house .", "Then the NATO came . The end", "See the NATO"],
    )
    cases = casing.best
    # sentence beginnings do not count; house and the mostly small, NATO large
    assert cases["the"] == "the" and cases["nato"] == "NATO" and "see" not in cases
    line = "The Nato house . See the"
    assert moses.truecase(line, casing) == "the NATO house . See the"


def test_of_forms_that_are_as_frequent_the_first_in_the_alphabet_is_taken(tmp_path):
    texts = ["x Mark", "x mark", "x MARK"]
    casing = casing_of(tmp_path, texts)
    assert casing == casing_of(tmp_path, texts[::-1])
    assert casing.best["mark"] == "MARK" and casing.known == {"Mark", "mark"}
