"""The page of a run: what it has, that it is whole, and that nothing in it acts."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_up_runs import (
    SCORES,
    SVG,
    write_drawing,
    write_evaluation,
    write_quickstart,
    write_run,
    write_stage,
)

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.records.table import Table, to_markdown
from lass_plugin.report_page.page import page_of, write_page
from lass_plugin.report_page.pictures import drawing
from lass_plugin.report_page.stages import options_of
from lass_plugin.tables.table_files import write_tables

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Reads a page, and refuses what no page of ours has."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.attributes: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert tag not in ("script", "iframe", "object", "form", "foreignobject")
        assert not [name for name in given if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        self.ids += [given["id"]] if "id" in given else []
        for name in ("src", "href", "xlink:href", "action"):
            self.references += [given[name]] if name in given else []
        self.references += re.findall(r"url\(([^)]*)\)", given.get("style", ""))
        self.attributes.append((tag, given))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            level, before = self.headings[-1]
            self.headings[-1] = (level, before + data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [given for name, given in self.attributes if name == tag]


def read(folder: Path) -> Page:
    """The page of a run, which is whole, needs nothing else and can be read out."""
    text = page_of(folder)
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>") and page.of("html") == [{"lang": "en"}]
    assert "default-src 'none'" in str(page.of("meta"))
    assert len(set(page.ids)) == len(page.ids)
    for reference in page.references:
        assert reference.startswith(("#", "data:image/png;base64,")), reference
        assert not reference.startswith("#") or reference[1:] in page.ids
    assert "@import" not in text and "url(" not in text.partition("<body>")[0]
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    assert all(given.get("scope") in ("row", "col") for given in page.of("th"))
    assert all(given.get("alt") for given in page.of("img"))
    assert len(page.of("caption")) == len(page.of("table"))
    return page


@pytest.fixture
def run(tmp_path) -> Path:
    return write_run(tmp_path / "out")


def test_a_run_of_a_recipe_has_every_section(run):
    page = read(run)
    assert [text for level, text in page.headings if level < 3] == [
        "study",
        *("Scores", "Examples", "Pictures", "Stages", "Settings of the trainings"),
        *("Versions", "How to repeat it"),
    ]
    assert "two systems" in page.text and "2026-03-01 14:05 UTC" in page.text
    assert "Not finished. 3 stages of 4 done; left: tree." in page.text
    assert "lass run study.yaml --out out --set text=TEXT" in page.text
    assert "OMP_NUM_THREADS=1 lass evaluate out/data" in page.text
    assert "torch 2.13.0" in page.text and "this page" not in page.text
    assert "lass similarity (stage similarity), drawn from similarity.json" in page.text
    assert "--max-update 300" in page.text


def test_the_scores_are_those_of_lass_table_scores(run):
    page, text = read(run), page_of(run)
    assert "Mean over 2 pairs (detokenised text)" in page.text
    star = '<span class="star">*</span>'
    assert f"<strong>22.50 +2.50{star}</strong>" in text  # p = 0.01
    assert "9.50 -0.50<" in text  # p = 0.3
    assert "Win ratio (BLEU, detokenised text)" in page.text
    assert "50.0 (1/2)" in page.text
    assert "BLEU: nrefs:1|tok:13a" in page.text
    assert text.count("(chrF, ") == text.partition("further tables")[2].count("(chrF, ")


def test_examples_are_a_few_sentences_of_each_pair_in_their_direction(run):
    page = read(run)
    lines = [given for given in page.of("dd") if "dir" in given]
    assert {given["dir"] for given in lines} == {"auto"}
    assert [given["lang"] for given in lines[:4]] == ["de", "en", "en", "en"]
    assert len(lines) == 2 * 3 * 4  # pairs, sentences, texts
    assert (
        "source de-en 3" in page.text and "sub-networks: a sentence of 3" in page.text
    )


def test_a_quick_start_shows_its_trainings_and_how_to_repeat_it(tmp_path):
    page = read(write_quickstart(tmp_path / "quick"))
    assert page.headings[0] == (1, "Quick start")
    assert "lass quickstart --out quick --base-updates 500" in page.text
    assert "joint-updates" not in page.text.partition("How to repeat it ")[2]
    assert "training base and 1 more" in page.text  # told the same
    assert "--masks (a file or folder)" in page.text
    assert "sentencepiece 0.2.3 data/preparation.json" in page.text
    assert "of the machine that wrote this page" in page.text  # no record has Python's
    write_stage(
        tmp_path / "quick" / "stage.json",
        "quick start",
        None,
        options={"pairs": ["de-en"]},
        recipe={},
        text={},
    )
    assert "Not finished." in read(tmp_path / "quick").text


def test_a_folder_of_lass_evaluate_alone(tmp_path):
    page = read(write_evaluation(tmp_path / "report"))
    assert (
        "lass evaluate data --system dense=dense.pt --system "
        "sub-networks=sub-networks.pt --pairs de-en,en-he --split test --beam 4 "
        "--out report"
    ) in page.text


def test_a_run_of_an_earlier_release_says_what_is_not_known(run):
    (run / "stages" / "run.json").unlink()
    write_stage(run / "stages" / "tree.stage.json", "stage tree", None)
    page = read(run)
    assert "Not finished. 3 stages done, 1 begun (tree);" in page.text
    assert "BLEU" in page.text and "similarity.svg" in page.text


def test_a_run_that_has_ended_says_so(run):
    write_drawing(run / "tree", "tree", "tree")
    write_stage(run / "stages" / "tree.stage.json", "stage tree", {})
    page = read(run)
    assert "All 4 stages are done." in page.text and "Not finished" not in page.text
    shutil.rmtree(run / "similarity")
    assert "left: similarity (begun)." in read(run).text


def test_results_outside_the_folder_are_found_from_anywhere(run, monkeypatch):
    stages = run / "stages" / "run.json"
    text = stages.read_text().replace('"out/tree"', '"else/tree"')
    stages.write_text(text.replace("out/stages/tree.stage", "else/tree.stage"))
    write_stage(run.parent / "else" / "tree.stage.json", "stage tree", {})
    (run.parent / "else" / "tree").mkdir()
    assert "All 4 stages are done." in read(run).text
    monkeypatch.chdir(run.parent)
    assert "All 4 stages are done." in read(Path("out")).text


def test_names_of_anybody_are_text(tmp_path):
    odd = "<b>&\"'{{ 7 * 7 }}</b>"
    scores = {odd: SCORES["dense"], "two": SCORES["sub-networks"]}
    run = write_run(tmp_path / "out", about=odd, values=[f"text={odd}"])
    shutil.rmtree(run / "report")
    write_evaluation(run / "report", {"one": scores[odd], "two": scores["two"]})
    for path in (run / "report").rglob("scores.json"):
        path.unlink()
    from made_up_reports import report_of

    from lass_plugin.evaluation import report_file

    report_file.write(report_of(**scores), run / "report")
    (run / "report" / "references" / "test.de-en.en").write_text("<i>x</i>\n" * 8)
    page = read(run)
    assert "b" not in {tag for tag, _ in page.attributes}
    assert page.text.count(odd) > 3 and "49" not in page.text
    assert "<i>x</i>" in page.text


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(run, tmp_path):
    first = page_of(run)
    moved = tmp_path / "elsewhere" / "out"
    shutil.copytree(run, moved, copy_function=shutil.copy)  # with new times
    assert page_of(moved) == first
    write_page(run, run / "report.html")
    assert (run / "report.html").read_text() == first == page_of(run)


def test_pages_of_tables_are_shown_but_for_what_is_there_already(run):
    size = Table("size", "Parameters", ("system", "M"), (("a|b", "1"), ("c", "2")))
    size2 = Table("speed", "Speed", ("system", "s"), (("a|b", "3"),), notes=("fast",))
    write_tables([size, size2], run / "cost", "cost", "Cost", notes=["`x` of *y*"])
    scores = write_evaluation(run / "later")
    page = read(run)
    assert "Further tables" in dict.fromkeys(text for _, text in page.headings)
    assert "cost/table-cost.md" in page.text and "a|b" in page.text
    assert "x of *y*" not in page.text and "`x` of *y*" in page.text
    shown = Table("later", "Parameters", ("M", "system"), (("1", "a|b"), ("2", "c")))
    (scores / "x.json").write_text('{"format": "lass_plugin later"}')
    (scores / "x.md").write_text(to_markdown([shown]))
    assert "later/x.md" not in read(run).text  # the same, in another order
    (scores / "x.md").write_text("| a |\n|:--|\n| 1 |\n")
    assert "Later later/x.md" in read(run).text  # a page without a title
    (scores / "x.md").write_text("| a |\n| 1 |\n")
    with pytest.raises(LassError, match="later/x.md: the table '' has no line below"):
        page_of(run)


# -- pictures -------------------------------------------------------------------------


def test_drawings_keep_what_draws_and_their_ids_apart(tmp_path):
    one = drawing(write_drawing(tmp_path), "p1-", "a label")
    assert '<path id="p1-mark"' in one and 'href="#p1-mark"' in one
    assert 'clip-path="url(#p1-box)"' in one and "url(#p1-mark)" in one
    assert "de &amp; nl</text>" in one and 'viewBox="0 0 72 36"' in one
    assert "max-width:96px" in one and 'aria-label="a label"' in one


@pytest.mark.parametrize(
    "part",
    [
        "<script>alert(1)</script>",
        "<style>* {color: red}</style>",
        "<foreignObject><p>x</p></foreignObject>",
        '<g onload="alert(1)"/>',
        '<use xlink:href="https://example.org/x.svg#y"/>',
        '<image xlink:href="https://example.org/x.png"/>',
        '<a xlink:href="javascript:alert(1)"><text>x</text></a>',
        '<g style="fill: url(https://example.org/x)"/>',
        '<g style="fill: ur\\6c(https://example.org/x)"/>',
        '<g fill="url(https://example.org/x)"/>',
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        '<image xlink:href="data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="/>',
    ],
)
def test_nothing_in_a_drawing_acts_or_calls_home(tmp_path, part):
    svg = SVG.replace("<defs>", f"{part}<defs>")
    text = drawing(write_drawing(tmp_path, svg=svg), "p1-", "a label")
    page = Page(text)
    assert all(each.startswith("#p1-") for each in page.references)
    for word in ("alert", "example.org", "color: red", "ur\\6c", "svg+xml", "animate"):
        assert word not in text
    assert text.count("<use ") == 1 + ("<use" in part)  # what draws is there


def test_a_picture_without_svg_is_in_the_page_as_png(run):
    (run / "similarity" / "similarity.svg").unlink()
    page = read(run)
    assert page.of("img") == [
        {"src": "data:image/png;base64,iVBORw==", "alt": "similarity: similarity"}
    ]


def test_of_many_pictures_those_of_the_whole_are_first(run):
    for part in ("fc1", "layers", "encoder", "decoder", "a", "b"):
        write_drawing(run / "similarity", name=f"similarity.{part}")
        (run / "similarity" / f"similarity.{part}.json").unlink()
    text = read(run).text
    places = [text.index(f"similarity.{p}svg") for p in ("", "encoder.", "layers.")]
    assert places == sorted(places) and "3 further pictures" in text
    assert text.index("3 further pictures") < text.index("similarity.a.svg")


def test_options_are_told_apart():
    words = "lass search data --pairs a,b --cpu -- --lr 1 --betas (1, 2)".split()
    told = options_of(words)
    assert told == [
        *(("", "lass search data"), ("--pairs", "a,b"), ("--cpu", "")),
        *(("--lr", "1"), ("--betas", "(1, 2)")),
    ]


# -- what is no run -------------------------------------------------------------------


def test_what_has_no_page_is_refused_by_name(tmp_path, run, capsys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LassError, match="empty has nothing to show; looked for the"):
        page_of(tmp_path / "empty")
    with pytest.raises(LassError, match="none is no folder"):
        page_of(tmp_path / "none")
    (run / "similarity" / "similarity.svg").write_text("<svg")
    assert main(["report", str(run), "--html"]) == 1
    assert "similarity.svg cannot be read as a picture" in capsys.readouterr().err
    assert not (run / "report.html").exists()
    (run / "similarity" / "similarity.svg").write_text("<html/>")
    with pytest.raises(LassError, match=r"similarity.svg is no SVG"):
        page_of(run)


def test_the_command_writes_where_it_is_told(run, tmp_path, capsys):
    assert main(["report", str(run), "--html"]) == 0
    assert capsys.readouterr().out == f"written to {run}/report.html\n"
    assert main(["report", str(run), "--html", str(tmp_path / "a" / "b.html")]) == 0
    assert (tmp_path / "a" / "b.html").read_text() == (run / "report.html").read_text()
    assert main(["report", str(run)]) == 1
    assert "its page, --html" in capsys.readouterr().err
