"""Show a run: its scores, pictures, settings and how to repeat it, on one page.

    lass report runs/searches --html

RUN is the folder of 'lass run', of 'lass quickstart' or of 'lass evaluate'. The page is
one file of HTML that needs nothing else, for screen and paper.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.settings import Settings, argument, option

HELP = "a run as one page of HTML"
USAGE = "lass report RUN --html [FILE]"


@dataclass(frozen=True, kw_only=True)
class ReportSettings(Settings):
    """Which run is shown, and how."""

    folder: Path = argument("folder of a run", metavar="RUN")
    html: str | None = option(
        None,
        "write a page of HTML to FILE, in which {run} stands for RUN (without FILE: "
        "{run}/report.html)",
        metavar="FILE",
        nargs="?",
        bare="{run}/report.html",
    )


SETTINGS = ReportSettings


def run(settings: ReportSettings) -> int:
    """Write what is asked for."""
    from lass_plugin.errors import LassError
    from lass_plugin.report_page.page import write_page

    if settings.html is None:
        raise LassError("say what to make of the run: add --html")
    target = Path(settings.html.replace("{run}", str(settings.folder)))
    print(f"written to {write_page(settings.folder, target)}")
    return 0
