"""The references that lie beside a report: which, and whether two are the same."""

from itertools import zip_longest
from pathlib import Path

from lass_plugin.data.parallel_text import read_lines
from lass_plugin.errors import LassError
from lass_plugin.evaluation.report_file import RUN
from lass_plugin.languages import Pair


def split_of(folder: Path) -> str | None:
    """The split that was translated, from ``run.json``; None where there is none."""
    path = folder / "run.json"
    if not path.is_file():
        return None
    with RUN.reading(path) as run:
        return str(run["split"])


def references_of(folder: Path, pair: str, given: Path | None = None) -> Path | None:
    """The references of *pair* in the report's *folder*; None where there are none.

    Args:
        given: folder of the references to take instead.

    Raises:
        LassError: *given* has none.
    """
    from lass_plugin.evaluation.texts import find_raw  # which imports fairseq

    split, key = split_of(folder), Pair.parse(pair)
    if split is None:
        return None
    path = find_raw(given or folder / "references", split, key, key.target)
    if path is None and given is not None:
        raise LassError(
            f"{given} has no references of {pair} (looked for "
            f"{split}.{pair}.{key.target} and the reverse order); add them"
        )
    return path


def check_same_references(
    pair: str, systems: tuple[str, str], folders: tuple[Path, Path]
) -> None:
    """Refuse two systems whose references of *pair*, as far as kept, are others.

    Args:
        systems: their names.
        folders: of the reports.
    """
    ours, theirs = (references_of(folder, pair) for folder in folders)
    if folders[0] == folders[1] or ours is None or theirs is None:
        return
    lines = zip_longest(read_lines(ours), read_lines(theirs))
    for number, (one, other) in enumerate(lines, start=1):
        if one != other:
            raise LassError(
                f"different test sets: {systems[0]} and {systems[1]} were scored on "
                f"{pair} against {ours} and {theirs}, which differ in line {number}; "
                "evaluate both on one set"
            )
