"""Table and draw several sweeps over ratios, such as of models of three sizes.

    lass table sweeps small=sweep-iwslt/ base=sweep-base/ big=sweep-big/ --out tables/

SWEEP is what 'lass sweep' wrote. A line is one method of one sweep, its mean over the
pairs of that sweep; ratio 0 is the dense baseline (Lin 2021, Fig. 7). With --out the
picture is DIR/sweeps.png and .svg.
"""

from dataclasses import dataclass

from lass_plugin.cli.table import OutputSettings
from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, argument, including

HELP = "several sweeps over ratios in one table and one picture"


@dataclass(frozen=True, kw_only=True)
class SweepsTableSettings(Settings):
    """Which sweeps, and where they go."""

    sweeps: tuple[str, ...] = argument(
        "folder that lass sweep wrote (default label: its name)",
        metavar="[LABEL=]SWEEP",
        nargs="+",
    )
    output: OutputSettings = including(OutputSettings)


SETTINGS = SweepsTableSettings


def run(settings: SweepsTableSettings) -> int:
    """Read the sweeps, show their table, draw them."""
    from lass_plugin.experiments.sweeps import side_by_side
    from lass_plugin.records.notes import said_of
    from lass_plugin.tables.compared_reports import labelled

    sweeps, texts, notes = {}, {}, {}
    for text in settings.sweeps:
        label, place = labelled(text)
        label = label or place.resolve().name
        if label in sweeps:
            raise LassError(f"two sweeps are called {label}; give others, LABEL=SWEEP")
        sweeps[label], texts[label], notes[label] = side_by_side.read_sweep(place)
    measure = side_by_side.measure_of(sweeps)
    if measure != side_by_side.LOSS:
        side_by_side.check_one_text(texts)
    lines = side_by_side.lines_of(sweeps, measure)
    tables = [side_by_side.table_of(lines, measure, said_of(notes))]
    settings.output.show("sweeps", tables, {"sweeps": list(settings.sweeps)})
    if settings.output.out is not None:
        print(*side_by_side.draw_sweeps(lines, measure, settings.output.out), sep="\n")
    return 0
