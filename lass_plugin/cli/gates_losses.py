"""Draw what pruning costs each language over the size of its corpus (Li 2022, Fig. 2).

    lass gates losses --dense dense.txt --pruned l0=l0.txt --pruned grad=grad.txt \\
        --sizes sizes.txt --out pictures/

A file has a line LANGUAGE NUMBER for each language: scores, or sizes of corpora in any
unit. The loss is the score of the dense model less that of the pruned one. For each
system Pearson's correlation of the loss and the logarithm of the size is printed. DIR
gets losses.json, .csv, .png and .svg.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.settings import Settings, required

HELP = "loss of each language over the size of its corpus (Li 2022)"


def parse_named(text: str) -> tuple[str, Path]:
    """``NAME=FILE``.

    Raises:
        LassError: one of them is missing.
    """
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise LassError(f"--pruned {text} is not NAME=FILE; write it so")
    return name, Path(path)


@dataclass(frozen=True, kw_only=True)
class LossSettings(Settings):
    """Which scores are compared, and where the files go."""

    dense: Path = required("scores of the dense model", metavar="FILE")
    pruned: tuple[tuple[str, Path], ...] = required(
        "name and scores of a pruned one; may be given several times",
        metavar="NAME=FILE",
        repeated=True,
        parse=parse_named,
    )
    sizes: Path = required("sizes of the corpora", metavar="FILE")
    out: Path = required("folder for the picture and its data", metavar="DIR")

    def check(self) -> None:
        """Refuse two systems of one name.

        Raises:
            LassError: names it.
        """
        super().check()
        names = [name for name, _ in self.pruned]
        for name in names:
            if names.count(name) > 1:
                raise LassError(f"--pruned has {name} twice; give each another name")


SETTINGS = LossSettings


def run(settings: LossSettings) -> int:
    """Print the correlations; write the files."""
    from lass_plugin.analysis.losses_by_size import losses, read_numbers, write_losses
    from lass_plugin.records.text_tables import print_table

    dense, sizes = read_numbers(settings.dense), read_numbers(settings.sizes)
    systems = [
        losses(name, dense, read_numbers(path), sizes) for name, path in settings.pruned
    ]
    rows = [["system", "languages", "mean loss", "r", "p"]]
    for one in systems:
        mean = sum(one.loss) / len(one.loss)
        found = [one.correlation[name] for name in ("r", "p")]
        cells = ["–" if value is None else f"{value:.3f}" for value in found]
        rows.append([one.system, str(len(one.loss)), f"{mean:.3f}", *cells])
    print_table(rows)
    print()
    for path in write_losses(systems, settings.out):
        print(path)
    return 0
