"""The page: what each section has, and the template that puts them together."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lass_plugin.errors import LassError
from lass_plugin.experiments.recipes.standing import Standing
from lass_plugin.experiments.stage import RECORD
from lass_plugin.files import write_text
from lass_plugin.records.table import Table, to_html
from lass_plugin.report_page import examples, pictures, repeating, scores, versions
from lass_plugin.report_page.holdings import Holdings, look_through
from lass_plugin.report_page.stages import Stages, earlier_stages, read_stages

WANTED = (
    "the records of 'lass run' (stages/recipe.stage.json), of 'lass quickstart' "
    "(stage.json) or of 'lass evaluate' (scores.json)"
)
PAPER = 112
"""Characters of a table beside each other that fit on a page of paper."""

_TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class About:
    """What stands at the head of the page."""

    title: str
    about: str
    date: str
    state: str
    """How far the run is, in a sentence."""
    finished: bool
    repeat: repeating.Repeating


def write_page(folder: Path, target: Path) -> Path:
    """Write the page of the run in *folder* to *target*, and return that.

    Raises:
        LassError: there is nothing to show, or a record of the run is damaged.
    """
    write_text(target, page_of(folder))
    return target


def page_of(folder: str | os.PathLike) -> str:
    """The page of the run in *folder*, as HTML.

    Raises:
        LassError: as :func:`write_page`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    holdings = look_through(Path(folder))
    stages = read_stages(holdings)
    about = _about(holdings, stages)
    reports = scores.of_reports(holdings, stages)
    parts: dict[str, Any] = {
        "scores": reports,
        "tables": scores.of_pages(holdings, stages, reports),
        "examples": examples.of_reports(holdings),
        "examples_on_paper": examples.MANY,
        "pictures": pictures.of_run(holdings, stages),
        "stages": stages.of_recipe,
        "trainings": stages.trainings(),
        "versions": versions.of_run(holdings),
    }
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["table"] = lambda table: Markup(_for_both(table))
    environment.filters["drawn"] = Markup  # of what pictures.drawing has made
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    template = environment.get_template("page.html")
    return template.render(about=about, style=Markup(style), **parts)


def _for_both(table: Table) -> str:
    """A table for screen and paper; one that is too wide for paper is there in parts,
    while on a screen the whole can be scrolled."""
    parts = list(table.fitting(PAPER))
    if len(parts) == 1:
        return to_html(table)
    on_paper = "".join(map(to_html, parts))
    return (
        f'<div class="on-screen">\n{to_html(table)}</div>\n'
        f'<div class="on-paper">\n{on_paper}</div>\n'
    )


def _about(holdings: Holdings, stages: Stages) -> About:
    """The head of the page, by the kind of the folder.

    Raises:
        LassError: it is none that has a page.
    """
    if stages.recipe:
        return _of_recipe(holdings, stages)
    record = stages.records.get(holdings.folder / RECORD)
    if record is not None and "recipe" in record["identity"]:
        return _of_quickstart(holdings, stages, record)
    if holdings.folder in holdings.reports:
        name = holdings.folder.resolve().name
        about = "Systems compared on one test set, as lass evaluate did it."
        repeat = repeating.of_evaluation(holdings)
        return About(name, about, _changed(holdings), "", True, repeat)
    raise LassError(f"{holdings.folder} has nothing to show; looked for {WANTED}")


def _of_recipe(holdings: Holdings, stages: Stages) -> About:
    call = stages.call
    if call is None:
        done, begun = earlier_stages(stages)
        state = f"{_counted(len(done))} done"
        state += f", {len(begun)} begun ({', '.join(begun)})" if begun else ""
        state += "; an earlier release ran them, which did not note what else there is."
        repeat = repeating.Repeating(
            "lass run RECIPE.yaml --out OUT",
            "The recipe and its values were not noted by the release that ran it.",
        )
        name = holdings.folder.resolve().name
        return About(name, "", _changed(holdings), state, not begun, repeat)
    left = [each for each in stages.of_recipe if not each.done]
    total = len(stages.of_recipe)
    state = f"All {total} stages are done."
    if left:
        names = ", ".join(
            f"{each.name} (begun)" if each.standing is Standing.CONTINUED else each.name
            for each in left
        )
        state = f"{_counted(total - len(left))} of {total} done; left: {names}."
    title, repeat = Path(call.recipe).stem, repeating.of_recipe(call, stages)
    date = call.date or _changed(holdings)
    return About(title, call.about, date, state, not left, repeat)


def _of_quickstart(
    holdings: Holdings, stages: Stages, record: Mapping[str, Any]
) -> About:
    identity, done = record["identity"], record["results"] is not None
    pairs = ", ".join(identity["options"]["pairs"])
    about = (
        f"One model for {pairs}: a base, the sub-network of every pair, joint training "
        "under these, and the same training without them."
    )
    state = "" if done else "The quick start has not ended; the same command goes on."
    repeat = repeating.of_quickstart(holdings, identity)
    return About("Quick start", about, _changed(holdings), state, done, repeat)


def _counted(number: int) -> str:
    return "1 stage" if number == 1 else f"{number} stages"


def _changed(holdings: Holdings) -> str:
    """The day on which the newest record was written."""
    newest = max(path.stat().st_mtime for path in holdings.records)
    return time.strftime("%Y-%m-%d", time.gmtime(newest))
