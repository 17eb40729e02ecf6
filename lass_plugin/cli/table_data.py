"""Table what prepared data hold: sentences, tokens, families (He 2023, Tables 4, 5).

    lass table data data/ --out tables/

DATA is a folder of 'lass prepare'. Pairs of one family stand side by side,
those that are only translated (zero-shot) at the end.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.cli.table import OutputSettings
from lass_plugin.settings import Settings, argument, including, option

HELP = "sentences, tokens and families of each pair"


@dataclass(frozen=True, kw_only=True)
class DataTableSettings(Settings):
    """Whose data is tabled, and by which families."""

    data: str = argument("folder of lass prepare", metavar="DATA")
    families: Path | None = option(
        None,
        "families of the languages, as for lass tree (default: a built-in table)",
        metavar="FILE",
    )
    centre: str = option(
        "en",
        "centre language, whose family is left out (default: %(default)s)",
        metavar="LANG",
    )
    output: OutputSettings = including(OutputSettings)


SETTINGS = DataTableSettings


def run(settings: DataTableSettings) -> int:
    """Read the record of the preparation, show the table."""
    from lass_plugin.data.amounts import read_counts
    from lass_plugin.language_families import family_of, read_families
    from lass_plugin.tables.data_table import data_table

    table = None if settings.families is None else read_families(settings.families)
    families = family_of if table is None else table.get
    counts = read_counts(settings.data, tokens=True)
    made = data_table(counts, families, settings.centre)
    settings.output.show("data", [made], {"data": settings.data})
    return 0
