"""Draw what gates take away: by layer, by kind of component, and between languages.

    lass gates draw gradient/ dynamic/ l0=checkpoint_last.pt --out pictures/

Each folder of 'lass gates select', or checkpoint with gates, is a system. DIR gets
gates_drawn.json and .csv with every share, and pictures (.png, .svg):

layers                  heads and hidden units removed in each layer, a line for each
                        system (Li 2022, Fig. 3)
kinds_over_sparsity     heads, hidden units and ranks of the embedding removed, over the
                        sparsity, of gates that serve any (Fig. 5)
layers_over_sparsity    the same of each layer (Fig. 6)
distances-SYSTEM        Hamming distances between the gates of languages (Fig. 7)

Shares are means over languages. With --model a table of parameters follows, of the
layers and with the embedding (Fig. 4): parameters.csv.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.settings import Settings, argument, option, required

HELP = "pictures of what is removed where (Li 2022)"


@dataclass(frozen=True, kw_only=True)
class DrawSettings(Settings):
    """Which gates are drawn, and where the files go."""

    gates: tuple[str, ...] = argument(
        "folders of 'lass gates select', or checkpoints with gates; NAME=GATES gives a "
        "system another name than its folder or file has",
        metavar="GATES",
        nargs="+",
    )
    out: Path = required("folder for pictures and tables", metavar="DIR")
    sparsity: float = option(
        0.5,
        "of pictures that show one, of gates that serve any (default: %(default)s)",
        metavar="S",
        least=0,
    )
    model: Path | None = option(
        None,
        "the model that the gates are of, for a table of its parameters",
        metavar="FILE",
    )


SETTINGS = DrawSettings


def run(settings: DrawSettings) -> int:
    """Draw, and print the files and the table."""
    from lass_plugin.analysis.gate_parameters import check_model, write_parameters
    from lass_plugin.analysis.gate_shares import system_of, write_shares
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.methods.gates.export import with_todays_names

    places = named_places(settings.gates)
    systems = [system_of(name, place) for name, place in places]
    model = None
    if settings.model is not None:
        model = with_todays_names(Checkpoint.read(settings.model))
        for system in systems:  # before anything is written
            check_model(system, model)
    written = write_shares(systems, settings.sparsity, settings.out)
    if model is not None:
        written.append(write_parameters(systems, model, settings.out))
    for path in written:
        print(path)
    return 0


def named_places(texts: Sequence[str]) -> list[tuple[str, Path]]:
    """Name and place of each ``NAME=PLACE``, or of a place alone.

    Raises:
        LassError: two have one name.
    """
    from lass_plugin.errors import LassError

    places = [_named(text) for text in texts]
    names = [name for name, _ in places]
    for name in names:
        if names.count(name) > 1:
            raise LassError(
                f"several gates are called {name}, which would be the name of each; "
                "give one another with NAME=GATES"
            )
    return places


def _named(text: str) -> tuple[str, Path]:
    name, equals, place = text.partition("=")
    if equals and not Path(text).exists():
        return name, Path(place)
    return Path(text).resolve().name, Path(text)
