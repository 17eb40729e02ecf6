"""Notes of several results in one table: what all say once, the rest by whom."""

from collections.abc import Mapping, Sequence


def said_of(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Each note once; one that not all say begins with the names of those who do.

    Args:
        notes: name of a result -> its notes.
    """
    said: dict[str, list[str]] = {}
    for name, of in notes.items():
        for note in dict.fromkeys(of):
            said.setdefault(note, []).append(name)
    return [
        note if len(names) == len(notes) else f"{', '.join(names)}: {note}"
        for note, names in said.items()
    ]
