"""A data folder that holds a whole preparation or none, whatever interrupts it.

The new files are made in ``OUT/.preparation/new``. When all are there, ``commit.json``
says what is to be removed and moved; from then on any run first finishes the move.
``OUT/preparation.json`` comes last: with it, the folder is whole.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lass_plugin.data.parallel_text import sha256
from lass_plugin.data.subwords import Subwords
from lass_plugin.data.text_form import FORMS, TOKENISED
from lass_plugin.data.text_settings import TextSettings
from lass_plugin.data.text_steps import AS_MOSES, CASING, TextSteps, casing_digest
from lass_plugin.errors import LassError
from lass_plugin.files import move, write_json
from lass_plugin.locks import LOCK, FolderLock
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat

RECORD = "preparation.json"
_WORK = ".preparation"
_FORMAT = RecordFormat(
    "lass_plugin preparation",
    "a record of 'lass prepare', or is damaged",
    advice="choose another folder",
    unmarked=True,
)
_COMMIT = RecordFormat(
    "lass_plugin commit", "a record of what a preparation moves", unmarked=True
)
_KINDS = ("dict*.txt", "*.bin", "*.idx", "langs.txt", "spm.model", "bpe.codes")


@contextlib.contextmanager
def open_work_folder(out: Path) -> Iterator[Path]:
    """Hold the work folder of *out* alone; remove it in the end if all went well.

    Raises:
        LassError: another process holds it, or *out* cannot be written.
    """
    work = out / _WORK
    with FolderLock(work, "preparation"):
        try:
            _finish_commit(out, work)
            yield work
        except BaseException:
            if [child.name for child in work.iterdir()] == [LOCK]:
                shutil.rmtree(work, ignore_errors=True)
            raise
        shutil.rmtree(work, ignore_errors=True)


def first_folder(data: str | os.PathLike) -> Path:
    """The folder of valid, test and the dictionaries; *data* may list more of train.

    Raises:
        LassError: it is not there, or its name cannot be told from a list of folders.
    """
    text = str(data)
    if os.pathsep in text and Path(text).is_dir():
        raise LassError(
            f"the data folder {text} has a '{os.pathsep}' in its name, at which "
            "fairseq divides a list of folders; rename it"
        )
    folder = Path(text if "://" in text else text.split(os.pathsep)[0])
    if not folder.is_dir():
        raise LassError(f"the data folder {folder} does not exist")
    return folder


def find_preparation(out: Path, wanted: dict, fresh: bool) -> dict | None:
    """The record in *out* if it is what is *wanted*; None if there is work to do.

    Args:
        wanted: ``options`` by their names and ``inputs`` (file name to SHA-256).
        fresh: there is work to do in any case.
    Raises:
        LassError: *out* was prepared differently (and not *fresh*), or by others.
    """
    if not (out / RECORD).exists():
        foreign = sorted(path.name for kind in _KINDS for path in out.glob(kind))
        if foreign:
            raise LassError(
                f"{out} holds {foreign[0]}, which lass prepare did not write; "
                "choose another folder"
            )
        return None
    record = _read_record(out)
    if fresh:
        return None
    if differences := _differences(record, wanted):
        raise LassError(
            f"{out} was prepared differently ({'; '.join(differences)}); add --fresh "
            "to replace it or choose another folder"
        )
    for name, size in record["files"].items():
        if not (out / name).is_file() or (out / name).stat().st_size != size:
            print(f"note: {out / name} is not whole; preparing again", file=sys.stderr)
            return None
    return record


def subword_model_of(folders: Sequence[Path]) -> Subwords:
    """The subword model that lies in *folders*; of kind ``none`` where none does.

    Args:
        folders: that of the data, and further ones of its training data.

    Raises:
        LassError: two folders have different ones.
    """
    kinds = {"spm.model": "sentencepiece", "bpe.codes": "bpe"}
    found = []
    for folder in folders:
        names = [name for name in kinds if (folder / name).is_file()]
        for path in (folder / name for name in names[:1]):
            found.append(Subwords(kinds[path.name], path, sha256(path)))
    if not found:
        return Subwords("none")
    first, *others = found
    for other in others:
        if other.digest != first.digest:
            raise LassError(
                f"{other.model} is another subword model than {first.model}, so words "
                "would be split in two ways; prepare both folders with one of them "
                "(lass prepare --dict DICTIONARY --spm-model MODEL …)"
            )
    return first


def subwords_of(folder: Path) -> Subwords:
    """How the text of a data folder was made tokens; of kind ``none`` if not known."""
    found = subword_model_of([folder])
    if found.model is None or not (folder / RECORD).exists():
        return found
    # only the data of pairs that were added to a model names its languages
    return replace(found, spell="languages" in _read_record(folder)["options"])


def text_steps_of(folder: Path) -> TextSteps:
    """What was done to the text of a data folder before it was cut into subwords.

    Raises:
        LassError: its record is damaged, or a file of truecasing is not there.
    """
    if not (folder / RECORD).exists():
        return TextSteps()
    record = _read_record(folder)
    options, names = record["options"], CASING.format("*")
    normalise, tokenise = (
        bool(options.get(name)) for name in ("normalise-punctuation", "moses")
    )
    if not options.get("truecase"):
        return TextSteps(normalise, tokenise)
    paths = [folder / name for name in record["files"] if Path(name).match(names)]
    for path in paths:
        if not path.is_file():
            raise LassError(f"{path} is missing; prepare {folder} again")
    likeliest, digest = options["truecase"] != AS_MOSES, casing_digest(paths)
    return TextSteps(normalise, tokenise, folder, digest, likeliest)


def text_form_of(folder: Path) -> str | None:
    """The form of the text that a data folder was made from; None if not known."""
    if not (folder / RECORD).exists():
        return None
    form = _read_record(folder).get("text_form")
    return form if form in FORMS else None


def text_stated(folder: Path) -> dict[str, Any] | None:
    """How the text of a data folder came to be, as checkpoints carry it.

    Returns:
        ``tokenised`` (by Moses or before; None if not known), ``normalised``, and of
        ``truecased`` each language with the digest of its forms. None of a folder that
        does not say.
    """
    if not (folder / RECORD).exists():
        return None
    steps, form = text_steps_of(folder), text_form_of(folder)
    files = (each.partition(":") for each in steps.digest.split())
    return {
        "tokenised": True if steps.tokenise else form and form == TOKENISED,
        "normalised": steps.normalise,
        "truecased": {Path(name).suffix[1:]: digest for name, _, digest in files},
    }


def text_settings_of(folder: Path) -> TextSettings:
    """The options by which further text is made like that of a data folder."""
    steps, form = text_steps_of(folder), text_form_of(folder)
    return TextSettings(
        text_form=None if steps.tokenise else form,
        normalise_punctuation=steps.normalise,
        moses=steps.tokenise,
        truecase=steps.casing is not None,
        truecase_model=steps.casing,
    )


def _differences(record: dict, wanted: dict) -> list[str]:
    differences = [
        f"--{name} was {_shown(record['options'].get(name))} and is {_shown(value)}"
        for name, value in wanted["options"].items()
        if record["options"].get(name) != value
    ]
    before, now = record["inputs"], wanted["inputs"]
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            differences.append(f"{name} is gone")
        elif name not in before:
            differences.append(f"{name} is new")
        elif before[name] != now[name]:
            differences.append(f"{name} has changed")
    return differences


def _shown(value: Any) -> Any:
    """The value of an option as people say it."""
    if value is None or value is True:
        return "given" if value else "not given"
    return value


def _read_record(out: Path) -> dict:
    with _FORMAT.reading(out / RECORD) as record:
        for part in ("options", "inputs"):
            filled(dict[str, Any], record[part], part)
        _check_names(filled(dict[str, int], record["files"], "files"))
        return record


def _check_names(names: Iterable[str]) -> None:
    """Refuse files elsewhere: those of a preparation are moved and removed."""
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"it names {name!r}, a file elsewhere")


def was_begun(work: Path, wanted: dict) -> bool:
    """Whether an interrupted run was to make what is *wanted* (even in place of other).

    The versions of the software may have changed since: see :func:`begin`.
    """
    plan = _read_plan(work)
    return all(plan.get(name) == value for name, value in wanted.items())


def begin(work: Path, plan: dict, fresh: bool) -> None:
    """Keep what an interrupted run with the same *plan* left in *work*, and only that.

    Args:
        fresh: keep nothing.
    """
    if _read_plan(work) == plan and not fresh:
        print("note: going on with an interrupted preparation", file=sys.stderr)
        return
    _clear(work)
    write_json(work / "plan.json", plan)


def _read_plan(work: Path) -> dict:
    return _FORMAT.read_or_none(work / "plan.json") or {}


def files_in(new: Path) -> dict[str, int]:
    """Name and size in bytes of every finished file below *new*."""
    return {
        path.relative_to(new).as_posix(): path.stat().st_size
        for path in sorted(new.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def commit(out: Path, work: Path, record: dict) -> None:
    """Move ``work/new`` into *out* in place of the preparation that was there."""
    old = _read_record(out)["files"] if (out / RECORD).exists() else {}
    write_json(work / RECORD, record)
    moves = sorted(record["files"])
    removals = sorted(old.keys() - record["files"].keys())
    _COMMIT.write(work / "commit.json", {"remove": removals, "move": moves})
    _finish_commit(out, work)


def _finish_commit(out: Path, work: Path) -> None:
    plan_path = work / "commit.json"
    if not plan_path.exists():
        return
    if (work / RECORD).exists():  # else all was moved
        with _COMMIT.reading(plan_path) as plan:
            for names in (plan["remove"], plan["move"]):
                _check_names(filled(list[str], names, "files"))
        (out / RECORD).unlink(missing_ok=True)
        for name in plan["remove"]:
            (out / name).unlink(missing_ok=True)
        for name in plan["move"]:
            if (work / "new" / name).exists():  # else moved before an interruption
                (out / name).parent.mkdir(exist_ok=True)
                move(work / "new" / name, out / name)
        move(work / RECORD, out / RECORD)
    _clear(work)


def _clear(work: Path) -> None:
    """Empty *work* but for its lock: first what lets a run go on, last the commit."""
    (work / "plan.json").unlink(missing_ok=True)
    for child in list(work.iterdir()):
        if child.is_dir():
            shutil.rmtree(child)
        elif child.name not in (LOCK, "commit.json"):
            child.unlink()
    (work / "commit.json").unlink(missing_ok=True)
