"""With which versions a run was made, as far as it wrote them down."""

from collections.abc import Mapping
from dataclasses import dataclass

from lass_plugin.errors import LassError
from lass_plugin.files import read_json
from lass_plugin.records.versions import versions_here
from lass_plugin.report_page.holdings import Holdings

HERE = "of the machine that wrote this page: the run did not write its own down"


@dataclass(frozen=True)
class Versions:
    """What computed, and in which of the records that stands."""

    where: list[str]
    versions: dict[str, str]


def of_run(holdings: Holdings) -> list[Versions]:
    """The versions that records of the run name, each set once; where none has that of
    Python, those of this machine come last."""
    known: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for path in [*holdings.of_format("run", "evaluation", "corpus"), *holdings.data]:
        try:
            record = read_json(path, finite=False)
        except (OSError, ValueError, RecursionError) as error:
            raise LassError(f"{path} cannot be read: {error}") from error
        found = record.get("versions") if isinstance(record, Mapping) else None
        if isinstance(found, Mapping) and found:
            content = tuple((str(name), str(of)) for name, of in found.items())
            known.setdefault(content, []).append(holdings.name(path))
    every = [Versions(where, dict(content)) for content, where in known.items()]
    if not any("Python" in each.versions for each in every):
        every.append(Versions([HERE], versions_here()))
    return every
