"""Versions of what computes, for records that say with what something was made."""

import importlib.metadata
import platform
from collections.abc import Iterable

FAIRSEQ = ("fairseq", "fairseq-fixed")
"""Names of the packages that have it."""


def versions_of(names: Iterable[str], missing: str) -> dict[str, str]:
    """Name -> version of packages; *missing* for one that is not installed."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = missing
    return found


def versions_here() -> dict[str, str]:
    """Versions of Python and of what trains, translates and scores here."""
    fairseq = versions_of(FAIRSEQ, "")
    return {
        "Python": platform.python_version(),
        **versions_of(["torch"], "not installed"),
        "fairseq": next(filter(None, fairseq.values()), "not installed"),
        **versions_of(["numpy", "sacrebleu", "lass-plugin"], "not installed"),
    }
