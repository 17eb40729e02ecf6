"""Table what prepared data hold: sentences, tokens, families (He 2023, Tables 4, 5).

    lass table data data/ --out tables/

DATA is a folder of 'lass prepare'. Pairs of one family stand side by side,
those that are only translated (zero-shot) at the end.
"""

import argparse

HELP = "sentences, tokens and families of each pair"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass table data``."""
    from lass_plugin.cli.table import add_output

    parser.add_argument("data", metavar="DATA", help="folder of lass prepare")
    parser.add_argument(
        "--families",
        metavar="FILE",
        help="families of the languages, as for lass tree (default: a built-in table)",
    )
    parser.add_argument(
        "--centre",
        metavar="LANG",
        default="en",
        help="centre language, whose family is left out (default: en)",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the record of the preparation, show the table."""
    from lass_plugin.cli.table import show
    from lass_plugin.language_families import family_of, read_families
    from lass_plugin.tables.data import data_table, read_counts

    table = None if arguments.families is None else read_families(arguments.families)
    families = family_of if table is None else table.get
    made = data_table(read_counts(arguments.data), families, arguments.centre)
    show(arguments, [made], "Data", {"data": arguments.data}, [])
    return 0
