"""The files of WMT's shared tasks of which 18 pairs are made (He 2023, Lin 2021).

Table 5 of He 2023 names years, sets and sizes. The training files here are those of
each year's task whose sizes fit the table, under the names that they have today.
"""

from lass_plugin.corpora.segments import LINES, SEGMENTS, TABLE, TAGS, Part

SIZES: dict[str, tuple[int, float, float]] = {
    "gu": (2019, 7.5e3, 50),
    "ta": (2020, 605e3, 500),
    "kk": (2019, 102e3, 500),
    "tr": (2016, 198e3, 500),
    "ro": (2016, 596e3, 500),
    "es": (2013, 12.9e6, 5e4),
    "fr": (2014, 37e6, 5e5),
    "ps": (2020, 1e6, 5e5),
    "fi": (2016, 2e6, 5e5),
    "lv": (2017, 2.1e6, 5e4),
    "et": (2018, 2.1e6, 5e4),
    "lt": (2019, 3.4e6, 5e4),
    "ru": (2016, 1.4e6, 5e4),
    "cs": (2014, 11e6, 5e5),
    "pl": (2020, 11e6, 5e5),
    "ja": (2020, 16.5e6, 5e4),
    "zh": (2017, 11.9e6, 5e4),
    "de": (2016, 4.4e6, 5e4),
}
"""Language -> year of the task, training pairs, and half of the last digit stated."""

SETS: dict[str, tuple[str, str]] = {
    "gu": ("newsdev2019", "newstest2019"),
    "ta": ("newsdev2020", "newstest2020"),
    "kk": ("newsdev2019", "newstest2019"),
    "tr": ("newsdev2016", "newstest2016"),
    "ro": ("newsdev2016", "newstest2016"),
    "es": ("newstest2012", "newstest2013"),
    "fr": ("newstest2013", "newstest2014"),
    "ps": ("wikipedia.dev", "newstest2020"),
    "fi": ("newstest2015", "newstest2016"),
    "lv": ("newsdev2017", "newstest2017"),
    "et": ("newsdev2018", "newstest2018"),
    "lt": ("newsdev2019", "newstest2019"),
    "ru": ("newstest2015", "newstest2016"),
    "cs": ("newstest2013", "newstest2014"),
    "pl": ("newsdev2020", "newstest2020"),
    "ja": ("newsdev2020", "newstest2020"),
    "zh": ("newsdev2017", "newstest2017"),
    "de": ("newstest2013", "newstest2014"),
}
"""Language -> sets for valid and test (He 2023, Table 5)."""

OWN_DIRECTION = 2019
"""Year since which the test sets of the two directions are different text."""


def _two(
    stem: str, code: str, *archives: str, optional: bool = False, reader: str = LINES
) -> Part:
    """A text in two files that end in their languages."""
    return Part(f"{stem}.{code}", f"{stem}.en", reader, archives, optional=optional)


def _table(
    name: str,
    foreign: int,
    english: int,
    *archives: str,
    optional: bool = False,
    separator: str = "\t",
) -> Part:
    """A text in columns, counted from 0."""
    columns = (foreign, english)
    return Part(
        name,
        name,
        TABLE,
        archives,
        optional=optional,
        columns=columns,
        separator=separator,
    )


def _europarl7(code: str) -> Part:
    archives = ("training-parallel-europarl-v7.tgz", f"{code}-en.tgz")
    return _two(f"europarl-v7.{code}-en", code, archives[0], archives[1])


def _europarl8(code: str, year: int) -> Part:
    name = "training-parallel-ep-v8.tgz"
    return _two(f"europarl-v8.{code}-en", code, f"wmt{year % 100}/{name}", name)


def _crawl(code: str) -> Part:
    return _two(f"commoncrawl.{code}-en", code, "training-parallel-commoncrawl.tgz")


def _nations(code: str) -> Part:
    return _two(f"undoc.2000.{code}-en", code, "training-parallel-un.tgz")


def _commentary(code: str, version: int) -> Part:
    archive = f"training-parallel-nc-v{version}.tgz"
    return _two(f"news-commentary-v{version}.{code}-en", code, archive)


def _setimes(code: str) -> Part:
    return _two(f"SETIMES.en-{code}", code, f"en-{code}.txt.zip")


def _matrix(code: str) -> Part:
    return _table(f"WikiMatrix.v1.en-{code}.langid.tsv", 2, 1)


def _rapid(code: str, year: int) -> Part:
    name = "rapid2016.tgz"
    return _two(f"rapid2016.en-{code}", code, f"wmt{year % 100}/{name}", name)


def _czeng() -> tuple[Part, ...]:
    """CzEng 1.0 (and 1.6), which asks for a registration: 98 files in ten archives."""
    numbers = [f"{number:02}" for number in range(98)]
    return tuple(
        _table(
            f"{number}train",
            2,
            3,
            f"data-plaintext-format.{number[0]}.tar",
            optional=True,
        )
        for number in numbers
    )


TRAINING: dict[str, tuple[Part, ...]] = {
    "gu": (_table("bible.gu-en.tsv", 0, 1),),
    "ta": (
        _table("wikititles-v2.ta-en.tsv", 0, 1),
        _matrix("ta"),
        _table("pmindia.v1.ta-en.tsv", 1, 0),
        _two("Tanzil.en-ta", "ta", "en-ta.txt.zip"),
        _two("en-ta/train", "ta", "pib-v0.tar"),
        _two("en-ta/mkb", "ta", "mkb-v0.tar"),
        _two("corpus.bcn.train", "ta", "en-ta-parallel-v2.tar.gz"),
    ),
    "kk": (
        _table("kazakhtv.kk-en.tsv", 0, 1),
        _table("news-commentary-v14-wmt19.en-kk.tsv", 1, 0),
    ),
    "tr": (_setimes("tr"),),
    "ro": (_europarl8("ro", 2016), _setimes("ro")),
    "es": (_europarl7("es"), _crawl("es"), _nations("es"), _commentary("es", 8)),
    "fr": (
        _europarl7("fr"),
        _crawl("fr"),
        _nations("fr"),
        _commentary("fr", 9),
        _two("giga-fren.release2.fixed", "fr", "training-giga-fren.tar"),
    ),
    "ps": (
        _table("wmt20-sent.en-ps", 1, 0),
        _table("wikititles-v2.ps-en.tsv", 0, 1),
    ),
    "fi": (
        _europarl8("fi", 2016),
        _table("titles.fi-en", 0, 1, "wiki-titles.tgz", separator="|||"),
    ),
    "lv": (
        _europarl8("lv", 2017),
        _rapid("lv", 2017),
        _two("leta", "lv", "leta.v1.tgz"),
        _two("dcep", "lv", "dcep.lv-en.v1.tgz"),
        _two("farewell", "lv", "books.lv-en.v1.tgz"),
    ),
    "et": (
        _europarl8("et", 2018),
        _two(
            "paracrawl-release1.en-et.zipporah0-dedup-clean",
            "et",
            "paracrawl-release1.en-et.zipporah0-dedup-clean.tgz",
        ),
        _rapid("et", 2018),
    ),
    "lt": (
        _table("europarl-v9.lt-en.tsv", 0, 1),
        _table("en-lt.bicleaner07.txt", 1, 0),
        _table("wikititles-v1.lt-en.tsv", 0, 1),
    ),
    "ru": (
        _crawl("ru"),
        _commentary("ru", 11),
        _table("wiki.ru-en", 0, 1, "wiki-titles.tgz", separator="|||"),
    ),
    "cs": (_europarl7("cs"), _crawl("cs"), _commentary("cs", 9), *_czeng()),
    "pl": (
        _table("europarl-v10.pl-en.tsv", 0, 1),
        _table("en-pl.txt", 1, 0),
        _table("wikititles-v2.pl-en.tsv", 0, 1),
        _matrix("pl"),
    ),
    "ja": (
        _table("en-ja.bicleaner05.txt", 3, 2, "en-ja.tar.gz"),
        _table("news-commentary-v15.en-ja.tsv", 1, 0),
        _table("wikititles-v2.ja-en.tsv", 0, 1),
        _matrix("ja"),
        _table("split/train", 1, 0, "split.tar.gz"),
        _two("orig/kyoto-train", "ja", "kftt-data-1.0.tar.gz"),
        _two("train.tags.en-ja", "ja", "en-ja.tgz", reader=TAGS),
    ),
    "zh": (
        _commentary("zh", 12),
        _two("UNv1.0.en-zh", "zh", "UNv1.0.en-zh.tar.gz"),
    ),
    "de": (_europarl7("de"), _crawl("de"), _commentary("de", 11)),
}
"""Language -> parts, in the order in which they are put together."""


def evaluation(name: str, source: str, target: str) -> Part:
    """A set for valid or test of the direction from *source* to *target*.

    Archives are looked for under the names that sacreBLEU gives them, in folders of
    their years, and under their own names.
    """
    if name == "wikipedia.dev":
        stem = f"{name}.{source}-{target}"
        return Part(
            f"{stem}.{source}", f"{stem}.{target}", archives=_archives("dev", 2020)
        )
    year = int(name[-4:])
    both = f"{source}{target}"
    archives = _archives("dev" if "dev" in name else "test", year)
    if year < 2014:  # every language is a source, and they are all the same text
        one, other = (f"{name}-src.{code}.sgm" for code in (source, target))
        return Part(one, other, SEGMENTS, archives)
    if year == 2014:
        archives = ("wmt14_full.test-full.tgz", "test-full.tgz")
    one, other = f"{name}-{both}-src.{source}.sgm", f"{name}-{both}-ref.{target}.sgm"
    return Part(one, other, SEGMENTS, archives)


def _archives(kind: str, year: int) -> tuple[str, ...]:
    short = f"wmt{year % 100}"
    of_sacrebleu = f"{short}.test" if kind == "test" else f"{short}_dev.dev"
    return f"{of_sacrebleu}.tgz", f"{short}/{kind}.tgz", f"{kind}.tgz"
