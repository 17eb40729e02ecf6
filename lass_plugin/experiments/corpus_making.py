"""Corpora made once: parallel text in OUT, and the record of what it was made of.

All files are finished in a folder of their own before the first of them is in OUT;
training text comes last, so that what is half there is not taken for a corpus.
"""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lass_plugin.corpora.archives import Sources, Unpacking, find, unpack
from lass_plugin.corpora.downloading import download
from lass_plugin.corpora.settings import ArchiveSettings
from lass_plugin.data.progress import tracked
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.experiments import content
from lass_plugin.experiments.stage import OR_FRESH, Stage, State, read_record
from lass_plugin.experiments.stage import RECORD as STAGE_RECORD
from lass_plugin.files import move
from lass_plugin.records import plain_settings
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.versions import versions_of

RECORD = "corpus.json"
CORPUS = RecordFormat(
    "lass_plugin corpus",
    "a corpus.json of 'lass corpus'",
    advice="make the corpus again",
)

S = TypeVar("S", bound=ArchiveSettings)

WORK = ".making"
"""Folder in OUT for what is not finished."""


def make(
    settings: S, build: Callable[[S, Mapping[str, Path], Path, Workers], dict[str, Any]]
) -> dict[str, Any]:
    """Make the corpus that *settings* describe, or find it made.

    Args:
        build: makes its files in ``new`` of the folder that it is given, from needed
            files by their names; returns ``files`` and what else the record says.

    Returns:
        What ``corpus.json`` holds, and ``done``: False if it was made before.
    Raises:
        LassError: a download failed; a file is missing, damaged or in another
            encoding, sides are of unequal length, or OUT holds something else.
    """
    settings.check()
    if settings.download:
        download(settings.NAME, settings.folders, settings.needed())
    sources = find(settings.folders, settings.needed(), settings.ORIGIN)
    before = read_record(settings.out / STAGE_RECORD) or {}  # and digests of archives
    inputs = _inputs(sources, settings.folders)
    versions = versions_of(settings.libraries, "unknown")
    out, work = settings.out, settings.out / WORK
    stage = Stage(
        out,
        f"{settings.NAME} corpus",
        {
            "command": f"lass corpus {settings.NAME}",
            "options": plain_settings.identity(settings),
            "inputs": inputs,
            "versions": versions,
        },
        OR_FRESH,
    )
    earlier = list(before.get("results") or ()) if settings.fresh else []
    made = [WORK, RECORD, *settings.file_names(), *earlier]
    with stage.held(settings.fresh, dict.fromkeys(made)) as state:
        if state is State.DONE:
            return {**CORPUS.read(out / RECORD), "done": False}
        if state is State.NEW:
            shutil.rmtree(work, ignore_errors=True)
        with Workers(settings.workers) as pool:
            files = _unpacked(settings, sources, work, pool)
            built = build(settings, files, work, pool)
        record = {
            "corpus": settings.NAME,
            "options": plain_settings.identity(settings),
            "inputs": inputs,
            "versions": versions,
            **built,
        }
        results = [_move(work / "new" / name, out / name) for name in _order(built)]
        results.append(CORPUS.write(out / RECORD, record))
        stage.finish(results)
        shutil.rmtree(work, ignore_errors=True)
    return {**record, "done": True}


def _inputs(sources: Sources, folders: Sequence[Path]) -> dict[str, str]:
    """Name below its folder of archives -> digest of every file that is read."""
    paths = sources.paths
    sizes = [path.stat().st_size for path in paths]
    digests = tracked("reading archives", map(content.of_file, paths), sizes)
    return {
        _below(path, folders).as_posix(): digest
        for path, digest in zip(paths, digests, strict=True)
    }


def _below(path: Path, folders: Sequence[Path]) -> Path:
    folder = next(each for each in folders if path.is_relative_to(each))
    return path.relative_to(folder)


def _unpacked(
    settings: ArchiveSettings, sources: Sources, work: Path, pool: Workers
) -> dict[str, Path]:
    """Name -> where the file lies, unpacked where that was to be done."""
    files = dict(sources.files)
    nested = frozenset(name for one in settings.needed() for name in one.archives)
    jobs = [
        Unpacking(path, names, nested, work / "unpacked" / f"{number}-{path.name}")
        for number, (path, names) in enumerate(sorted(sources.archives.items()))
    ]
    sizes = [job.archive.stat().st_size for job in jobs]
    for found in tracked("unpacking", pool.map(unpack, jobs), sizes) if jobs else ():
        files |= {name: Path(path) for name, path in found.items()}
    return files


def _order(built: Mapping[str, Any]) -> list[str]:
    """Names of the finished files, training text last."""
    return sorted(built["files"], key=lambda name: (name.startswith("train."), name))


def _move(source: Path, target: Path) -> Path:
    """Put a finished file into OUT, unless it was put there before."""
    if source.exists():
        move(source, target)
    elif not target.exists():
        raise LassError(f"{target} was removed while its corpus was made; add --fresh")
    return target


def deviations(settings: ArchiveSettings, record: Mapping[str, Any]) -> list[str]:
    """What is said of training sets that are not as large as a paper has them."""
    found = []
    for pair, counts in record.get("pairs", {}).items():
        stated = settings.STATED.get(pair)
        kept = counts.get("train", {}).get("kept")
        if stated and kept and abs(kept - stated.segments) > stated.within:
            found.append(
                f"train.{pair} has {kept:,} segments, and {stated.where} states "
                f"{stated.segments:,}"
            )
    return found


def warn(settings: ArchiveSettings, record: Mapping[str, Any]) -> None:
    """Say on stderr what is not as the papers have it."""
    for text in deviations(settings, record):
        print(f"note: {text}", file=sys.stderr, flush=True)
