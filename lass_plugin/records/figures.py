"""Figures, for screen and print: PNG and SVG beside the data they are made of."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lass_plugin.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that differ for every eye (Okabe and Ito 2008; without the pale yellow)."""

_MARKERS = "osD^vPX*<>"
_LINES = ("-", "--", "-.", ":")

SPAN = 0.005
"""Least difference between the ends of a scale, lest noise be painted as structure."""

_PIXELS = 2800
"""Most pixels of a side of a PNG; figures above 14 inches have fewer an inch."""


def colour(number: int) -> str:
    """The colour of series *number*; after seven they repeat."""
    return _COLOURS[number % len(_COLOURS)]


def marker(number: int) -> str:
    """The shape that goes with the colour, for grey print."""
    return _MARKERS[number % len(_MARKERS)]


def line_style(number: int) -> str:
    """The line that tells series of one colour apart."""
    return _LINES[number // len(_COLOURS) % len(_LINES)]


def save_figure(figure: "Figure", path: Path) -> list[Path]:
    """Write a figure as PNG and SVG, without dates and release numbers.

    Args:
        path: its suffix is replaced by ``.png`` and ``.svg``.

    Returns:
        The two files written, the same bytes for the same figure.
    """
    import matplotlib

    written = []
    dpi = min(200, round(_PIXELS / max(figure.get_size_inches())))
    metadata: dict[str, dict[str, Any]] = {
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
    }
    for suffix, extra in metadata.items():
        target = path.with_suffix(suffix)
        with (
            atomic_path(target) as temporary,
            open(temporary, "wb") as file,
            matplotlib.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}),
        ):
            figure.savefig(file, format=suffix[1:], dpi=dpi, metadata=extra)
        written.append(target)
    return written


def remove_earlier(data: Path, drawn: Iterable[Path]) -> None:
    """Remove pictures of an earlier record in the place of *data*.

    They are called ``STEM.….png`` or ``.svg`` and lie beside it; left there, they would
    pass for pictures of what it holds now.

    Args:
        drawn: those of *data*, which stay.
    """
    kept = {*drawn}
    for path in [*data.parent.iterdir()]:
        ours = path.name.startswith(f"{data.stem}.") and path.suffix in (".png", ".svg")
        if ours and path not in kept:
            path.unlink(missing_ok=True)
