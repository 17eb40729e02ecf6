"""Archives that are missing, got through mtdata where its index has them.

mtdata (extra ``corpora``) knows where data sets are published and downloads files into
its own cache. Its index is built of its modules here: its cache of the index is a
pickle, and reading that would run what it holds.
"""

import importlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.corpora.archives import COMPRESSIONS, Needed, lacking
from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path


@dataclass(frozen=True)
class Published:
    """What mtdata knows of a corpus."""

    modules: tuple[str, ...]
    """Of ``mtdata.index``."""
    urls: str
    """Regular expression of the addresses that are this corpus and no other: files of
    one name, such as de-en.tgz, are published by many."""


KNOWN = {
    "europarl": Published(("statmt",), r"statmt\.org/europarl/v7/"),
    "flores": Published(("flores",), r"/flores101/dataset/"),
    "opus100": Published(("opus.opus100",), r"/OPUS-100/v1\.0/"),
    "wmt": Published(
        ("statmt", "other"),
        r"statmt\.org/(wmt(1\d|20)/|europarl/v(9|10)/training/|wikititles/|"
        r"pmindia/v1/|news-commentary/v15/)|phontron\.com/kftt/|/jesc/data/",
    ),
}
"""Name of a corpus -> what mtdata has of it; nothing of WIT3, so of IWSLT."""

YEARLY = ("dev.tgz", "test.tgz")
"""Names that say nothing without the folder of their year."""


def download(
    corpus: str, folders: Sequence[Path], needed: Iterable[Needed]
) -> list[Path]:
    """Put what is missing into the first of *folders*, as far as mtdata knows it.

    Returns:
        The files that are there now.

    Raises:
        LassError: mtdata is not installed or knows nothing of *corpus*, or a download
            failed.
    """
    if corpus not in KNOWN:
        raise LassError(
            f"mtdata has no archive of {corpus}, so --download can get none; it has "
            f"some of {', '.join(KNOWN)}"
        )
    folder = folders[0]
    folder.mkdir(parents=True, exist_ok=True)
    missing = lacking(folders, needed)
    if not missing:
        return []
    known, get = _index(KNOWN[corpus])
    got: dict[str, Path] = {}
    for one in missing:
        names = [*one.archives, one.name, *(one.name + end for end in COMPRESSIONS)]
        found = next((name for name in names if name in known), None)
        if found is None or found in got:
            continue
        print(f"getting {found} from {known[found]}", file=sys.stderr, flush=True)
        got[found] = _put(get(known[found]), folder / found)
    return list(got.values())


def _index(published: Published) -> tuple[dict[str, str], Callable[[str], Path]]:
    """Name of a file -> where it is published; and what downloads that.

    A name is that of the file, and ``wmt16/NAME`` of one in a folder of that year.

    Raises:
        LassError: mtdata is not installed, or is of another version.
    """
    try:
        mtdata = importlib.import_module("mtdata")
        index = importlib.import_module("mtdata.index").Index()
        cache = importlib.import_module("mtdata.cache").Cache(mtdata.cache_dir)
        for module in published.modules:
            importlib.import_module(f"mtdata.index.{module}").load_all(index)
        urls = [entry.url for entry in index.entries.values()]
    except ModuleNotFoundError as error:
        raise LassError(
            f"--download needs mtdata, and {error.name} is not installed; get the "
            "extra 'corpora' (pip install -e '.[corpora]'), or put the archives into "
            "ARCHIVES"
        ) from error
    except (AttributeError, TypeError) as error:
        raise LassError(
            f"this version of mtdata is not one that is known here ({error}); install "
            "mtdata 0.5, or put the archives into ARCHIVES"
        ) from error

    def get(url: str) -> Path:
        try:
            return Path(cache.get_local_path(url))
        except Exception as error:  # whatever requests, or mtdata, says
            raise LassError(
                f"mtdata cannot get {url} ({error}); run the command again, or put the "
                "file into ARCHIVES"
            ) from error

    every = [u for url in urls for u in ([url] if isinstance(url, str) else url)]
    return _names(u for u in every if re.search(published.urls, u)), get


def _names(urls: Iterable[str]) -> dict[str, str]:
    """Name -> address; names that two addresses have are left out."""
    found: dict[str, set[str]] = {}
    for url in urls:
        *folders, name = url.split("?")[0].split("/")
        years = [each for each in folders if re.fullmatch(r"wmt\d\d", each)]
        names = [f"{year}/{name}" for year in years]
        for each in names if name in YEARLY else [*names, name]:
            found.setdefault(each, set()).add(url)
    return {name: url for name, (url, *more) in found.items() if not more}


def _put(source: Path, target: Path) -> Path:
    """Link a file of the cache to where it is looked for, or copy it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk
        with atomic_path(target) as path:
            shutil.copyfile(source, path)
    return target
