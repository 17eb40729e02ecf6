"""The lines of a shell that make a run again."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.experiments.quickstart.recipe import Recipe as QuickstartRecipe
from lass_plugin.experiments.recipes.called import Called
from lass_plugin.experiments.recipes.lines import command_lines
from lass_plugin.report_page.holdings import Holdings
from lass_plugin.report_page.stages import Stages


@dataclass(frozen=True)
class Repeating:
    """How to make the run again."""

    command: str
    remark: str
    """What the command does not say."""
    lines: str = ""
    """The same as single commands."""


def of_recipe(call: Called, stages: Stages) -> Repeating:
    """The call of ``lass run``, and its stages' lines as ``--dry-run`` has them."""
    words = ["lass", "run", call.recipe, "--out", call.out]
    for value in call.values:
        words += ["--set", value]
    blocks = []
    for stage in stages.of_recipe:
        one = stage.called
        output = Path(one.output) if one.output else None
        made = [Path(place) for place in one.made]
        lines = command_lines(one.command, made, output, one.environment)
        blocks.append("\n".join([f"# {one.name}", *lines]))
    return Repeating(shlex.join(words), "", "\n\n".join(blocks))


def of_quickstart(holdings: Holdings, identity: Mapping[str, Any]) -> Repeating:
    """The call of ``lass quickstart``, with the lengths that are not its own."""
    words = ["lass", "quickstart", "--out", _folder(holdings)]
    remark = ""
    if "catalogues" not in identity["text"]:
        words += ["--data", "TEXT", "--pairs", ",".join(identity["options"]["pairs"])]
        remark = "TEXT is the folder of the text that it was made with."
    for one in fields(QuickstartRecipe):
        value = identity["recipe"].get(one.name)
        if "option" in one.metadata and value not in (None, one.default):
            words += [f"--{one.name.replace('_', '-')}", str(value)]
    return Repeating(shlex.join(words), remark)


def of_evaluation(holdings: Holdings) -> Repeating:
    """The call of ``lass evaluate``, as far as its records say."""
    report = report_file.read(holdings.folder / "scores.json")
    run = report_file.RUN.read_or_none(holdings.folder / "run.json") or {}
    words = ["lass", "evaluate", str(run.get("data", "DATA"))]
    for system in report.systems:
        words += ["--system", f"{system.name}={system.checkpoint}"]
    words += ["--pairs", ",".join(report.pairs)]
    words += ["--split", run["split"]] if "split" in run else []
    decoding, plain = run.get("decoding", {}), Decoding()
    for one in fields(Decoding):
        value = decoding.get(one.name, getattr(plain, one.name))
        if value != getattr(plain, one.name) and one.name != "remove_bpe":
            option = f"--{one.name.replace('_', '-')}"
            words += [option] if value is True else [option, str(value)]
    metrics = [name for name in report.metrics if name not in ("BLEU", "chrF")]
    words += ["--metrics", ",".join(metrics)] if metrics else []
    words += ["--out", _folder(holdings)]
    remark = (
        "Made from the report, which does not say every option of the command: masks "
        "and the form of the text are in its notes."
    )
    return Repeating(shlex.join(words), remark)


def _folder(holdings: Holdings) -> str:
    return holdings.folder.resolve().name
