"""Small archives with the layouts and names of the published ones, made up."""

import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def tarball(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """A .tgz of *files*, name -> content, with the folders of their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
    return path


def zipped(path: Path, files: Mapping[str, str | bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def unpacked(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def lines(*texts: str) -> str:
    return "".join(f"{text}\n" for text in texts)


def sentences(code: str, first: int, count: int) -> list[str]:
    """Different sentences of four words and a full stop."""
    return [f"{code.title()} word{n} here now." for n in range(first, first + count)]


def talk(code: str, number: int, texts: list[str]) -> str:
    """A talk of a ``train.tags`` file of WIT3."""
    return lines(
        f"<url>http://www.ted.com/talks/{number}.html</url>",
        "<keywords>talks, science</keywords>",
        f"<speaker>Speaker {number}</speaker>",
        f"<talkid>{number}</talkid>",
        f"<title>{code} Title {number}</title>",
        f"<description>{code} told in {number} words.</description>",
        *texts,
        '<reviewer href="http://www.ted.com/profiles/1">R</reviewer>',
    )


def talks_xml(code: str, name: str, texts: list[str]) -> str:
    """An evaluation set of WIT3."""
    segments = [f'<seg id="{n}"> {t} </seg>' for n, t in enumerate(texts, start=1)]
    return lines(
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<mteval>",
        f'<srcset setid="{name}" srclang="{code}">',
        '<doc docid="535" genre="lectures">',
        "<url>http://www.ted.com/talks/535</url>",
        *segments,
        "</doc>",
        "</srcset>",
        "</mteval>",
    )


def iwslt14(pair: str, talks: int = 2, size: int = 30) -> dict[str, str]:
    """What PAIR.tgz of release 2014-01 holds: *talks* of *size* lines."""
    files = {f"{pair}/README": "TED talks\n"}
    for code in pair.split("-"):
        texts = [
            talk(code, n, sentences(code, n * size, size)) for n in range(1, talks + 1)
        ]
        files[f"{pair}/train.tags.{pair}.{code}"] = "".join(texts)
        names = ["TED.dev2010", "TED.tst2010", "TED.tst2011", "TED.tst2012"]
        names += ["TEDX.dev2012"] if pair.startswith("de") else []
        for number, name in enumerate(names):
            texts = sentences(code, 9000 + 10 * number, 2) + [f"{code} A &amp; B now."]
            path = f"{pair}/IWSLT14.{name}.{pair}.{code}.xml"
            files[path] = talks_xml(code, name, texts)
    return files


def opus100() -> dict[str, str]:
    """A part of opus-100-corpus-v1.0.tar.gz."""
    root = "opus-100-corpus/v1.0"
    files = {}
    for pair, kind in (
        ("de-en", "supervised"),
        ("en-zh", "supervised"),
        ("an-en", "supervised"),
        ("de-zh", "zero-shot"),
    ):
        sizes = {"train": 20, "dev": 3, "test": 4}
        begin = 0
        if kind == "zero-shot":
            sizes, begin = {"test": 4}, 900
        if pair == "an-en":
            sizes = {"train": 5}
        for first, (split, size) in enumerate(sizes.items()):
            for code in pair.split("-"):
                name = f"{root}/{kind}/{pair}/opus.{pair}-{split}.{code}"
                files[name] = lines(*sentences(code, begin + 100 * first, size))
    return files


def iwslt17(folder: Path) -> Path:
    """The training archive of the multilingual task, and the test sets."""
    name = "DeEnItNlRo-DeEnItNlRo"
    pairs = ["it-en", "ro-en", "nl-en", "it-ro"]
    files = {}
    tests: dict[str, bytes] = {}
    for pair in pairs:
        one, other = pair.split("-")
        for code in (one, other):
            files[f"{name}/train.tags.{pair}.{code}"] = talk(
                code, 1, sentences(code, 0, 10)
            )
            for year in ("dev2010", "tst2010"):
                path = f"{name}/IWSLT17.TED.{year}.{pair}.{code}.xml"
                files[path] = talks_xml(code, year, sentences(code, 500, 3))
        for source, target in ((one, other), (other, one)):
            both = f"{source}-{target}"
            path = f"{both}/IWSLT17.TED.tst2017.mltlng.{both}.{source}.xml"
            content = talks_xml(source, "tst2017", sentences(source, 700, 4))
            inner = tarball(folder / f"{both}.tgz", {path: content})
            tests[f"2017-01-mted-test/texts/{source}/{target}/{both}.tgz"] = (
                inner.read_bytes()
            )
            inner.unlink()
    tarball(folder / f"{name}.tgz", files)
    tarball(folder / "2017-01-mted-test.tgz", tests)
    return folder


def europarl(folder: Path, codes: tuple[str, ...], encoding: str = "utf-8") -> Path:
    """Archives of release 7, and the sets of 2006 in *encoding*."""
    for code in codes:
        files = {
            f"europarl-v7.{code}-en.{side}": lines(
                *(f"Señor {side} {n} says it, Mister {n}." for n in range(60)), "", " "
            )
            for side in (code, "en")
        }
        tarball(folder / f"{code}-en.tgz", files)
    sets = {
        f"wmt07/{place}/{name}.{code}": lines(
            *(f"The señor {name} {code} {n}." for n in range(size))
        ).encode(encoding)
        for place, name, size in (("dev", "dev2006", 4), ("devtest", "devtest2006", 5))
        for code in ("en", "es", "pt")
    }
    tarball(folder / "devsets.tgz", sets)
    return folder


def wmt_set(name: str, source: str, target: str, size: int) -> dict[str, str]:
    """An evaluation set of a direction, in SGML."""
    files = {}
    for kind, code in (("src", source), ("ref", target)):
        segments = [
            f'<seg id="{n}">{text}</seg>'
            for n, text in enumerate(sentences(code, 5000 + int(name[-4:]), size), 1)
        ]
        body = "\n".join(["<p>", *segments, "</p>"])
        files[f"sgm/{name}-{source}{target}-{kind}.{code}.sgm"] = (
            f'<{kind}set setid="{name}" srclang="any">\n<doc docid="a">\n{body}\n'
            f"</doc>\n</{kind}set>\n"
        )
    return files


def table(*columns: list[str]) -> list[str]:
    return ["\t".join(row) for row in zip(*columns, strict=True)]


def wmt(folder: Path, sets: Path) -> Path:
    """Files of gu, de, fi, ps and zh; the sets as sacreBLEU keeps them."""
    gu = table(sentences("gu", 0, 20), sentences("en", 0, 20))
    gu += gu[:3] + ["x\t" + "word " * 4]
    with gzip.open(folder / "bible.gu-en.tsv.gz", "wt", encoding="utf-8") as file:
        file.write(lines(*gu))
    ps = table(sentences("en", 0, 9), sentences("ps", 0, 9))
    with lzma.open(folder / "wmt20-sent.en-ps.xz", "wt", encoding="utf-8") as file:
        file.write(lines(*ps))
    (folder / "wikititles-v2.ps-en.tsv").write_text("کابل\tKabul\n", encoding="utf-8")
    parts = (
        ("training/europarl-v7", "training-parallel-europarl-v7"),
        ("commoncrawl", "training-parallel-commoncrawl"),
        ("training-parallel-nc-v11/news-commentary-v11", "training-parallel-nc-v11"),
    )
    for number, (stem, archive) in enumerate(parts):
        texts = {
            f"{stem}.de-en.{code}": lines(*sentences(code, 100 * number, 10))
            for code in ("de", "en")
        }
        tarball(folder / f"{archive}.tgz", texts)
    europarl8 = {
        f"training/europarl-v8.fi-en.{code}": lines(*sentences(code, 0, 8))
        for code in ("fi", "en")
    }
    tarball(folder / "wmt16" / "training-parallel-ep-v8.tgz", europarl8)
    tarball(folder / "wmt18" / "training-parallel-ep-v8.tgz", {"a": "of 2018"})
    titles = {"wiki/fi-en/titles.fi-en": "Helsinki ||| Helsinki town\n"}
    tarball(folder / "wiki-titles.tgz", titles)
    zh = {
        "en-zh/UNv1.0.en-zh.zh": "聯合國  「大會」\n國\n",
        "en-zh/UNv1.0.en-zh.en": "",
    }
    zh["en-zh/UNv1.0.en-zh.en"] = "The UN “assembly”\na much too long translation\n"
    tarball(folder / "UNv1.0.en-zh.tar.gz", zh)
    news = {"training/news-commentary-v12.zh-en.zh": "新聞\n"}
    news["training/news-commentary-v12.zh-en.en"] = "News\n"
    tarball(folder / "training-parallel-nc-v12.tgz", news)
    raw = sets / "wmt19" / "raw"
    both = [wmt_set("newstest2019", *way, 3) for way in (("gu", "en"), ("en", "gu"))]
    tarball(raw / "wmt19.test.tgz", both[0] | both[1])
    tarball(
        sets / "wmt19" / "dev" / "raw" / "wmt19_dev.dev.tgz",
        wmt_set("newsdev2019", "gu", "en", 2),
    )
    plain = {
        f"test/newstest2013-src.{code}.sgm": f"<seg id='1'>{code} 2013 &amp; on.</seg>"
        for code in ("de", "en")
    }
    unpacked(sets / "wmt13" / "raw", plain)
    tarball(
        sets / "wmt14" / "full" / "raw" / "wmt14_full.test-full.tgz",
        wmt_set("newstest2014", "de", "en", 4),
    )
    for year in (2015, 2016):
        content = wmt_set(f"newstest{year}", "fi", "en", 2)
        tarball(folder / f"wmt{year - 2000}" / "test.tgz", content)
    twenty = [wmt_set("newstest2020", *way, 2) for way in (("ps", "en"), ("en", "ps"))]
    tarball(folder / "wmt20" / "test.tgz", twenty[0] | twenty[1])
    wikipedia = {
        f"dev/wikipedia.dev.ps-en.{code}": f"{code}\n" for code in ("ps", "en")
    }
    tarball(folder / "wmt20" / "dev.tgz", wikipedia)
    seventeen = {"dev": "newsdev2017", "test": "newstest2017"}
    for kind, name in seventeen.items():
        tarball(folder / "wmt17" / f"{kind}.tgz", wmt_set(name, "zh", "en", 2))
    return folder
