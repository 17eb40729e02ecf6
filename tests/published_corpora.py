"""Small archives with the layouts and names of the published ones, made up."""

import io
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
