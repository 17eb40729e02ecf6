"""Table what prepared data hold: sentences, tokens, languages (He 2023, Tables 4, 5).

    lass table data data/ --families he2023 --corpus text/ --out tables/
    lass table data data/ --families cao2024 --resource-types flores

DATA is a folder of 'lass prepare'. In the table of pairs those of one family stand side
by side, those that are only translated (zero-shot) at the end. That of languages has
their names, families and scripts; with --resource-types their types (and, by flores,
the bitext of Cao 2024, Tables 5 and 6); with --corpus the published files that each
split was taken from.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.cli.table import OutputSettings
from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, argument, including, option

if TYPE_CHECKING:
    from lass_plugin.tables.data_table import Origins

HELP = "sentences, tokens and families of each pair"


@dataclass(frozen=True, kw_only=True)
class DataTableSettings(Settings):
    """Whose data is tabled, and by which families."""

    data: str = argument("folder of lass prepare", metavar="DATA")
    families: str | None = option(
        None,
        "families of the languages, as for lass tree (default: a built-in table)",
        metavar="NAME|FILE",
    )
    resource_types: str | None = option(
        None,
        "types of the languages: flores (Cao 2024, Table 6), 'H=en,fr;M=nl;V=oc', or a "
        "file with a language and its type on each line",
        metavar="TYPES",
    )
    corpus: Path | None = option(
        None, "folder of lass corpus that the text is from", metavar="DIR"
    )
    centre: str = option(
        "en",
        "centre language, whose family is left out (default: %(default)s)",
        metavar="LANG",
    )
    output: OutputSettings = including(OutputSettings)


SETTINGS = DataTableSettings


def run(settings: DataTableSettings) -> int:
    """Read the record of the preparation, show the tables."""
    from lass_plugin.data.amounts import read_counts
    from lass_plugin.language_families import families_at, family_of
    from lass_plugin.languages import Pair, languages_of
    from lass_plugin.resource_types import FLORES, flores_bitext, parse_types
    from lass_plugin.tables.data_table import data_table, language_table

    table = None if settings.families is None else families_at(settings.families)
    families = family_of if table is None else table.get
    counts = read_counts(settings.data, tokens=True)
    types = None
    if settings.resource_types is not None:
        pairs = [Pair.parse(name.split(".", 1)[1]) for name in counts]
        types = parse_types(settings.resource_types, languages_of(pairs))
    tables = [
        data_table(counts, families, settings.centre),
        language_table(
            counts,
            families,
            settings.centre,
            types,
            flores_bitext() if settings.resource_types == FLORES else None,
            None if settings.corpus is None else _origins(settings.corpus),
        ),
    ]
    settings.output.show("data", tables, {"data": settings.data})
    return 0


def _origins(folder: Path) -> "Origins":
    """What the splits of each pair were taken from.

    Raises:
        LassError: the corpus does not say it.
    """
    from lass_plugin.experiments.corpus_making import CORPUS, RECORD

    pairs = CORPUS.read(folder / RECORD).get("pairs", {})
    origins = {name: counts.get("origins") for name, counts in pairs.items()}
    if not origins or None in origins.values():
        raise LassError(
            f"{folder / RECORD} does not say what each pair was taken from, as that "
            "of FLORES and of earlier versions; leave out --corpus, or make the corpus "
            "anew"
        )
    return origins
