"""Table what systems cost: parameters, bytes on disk, and tokens a second.

    lass table cost --system base=base.pt --system joint=joint.pt
    lass table cost --system joint=joint.pt --data data/ --pairs de-en --out tables/

Parameters of a pair and in all, and the bytes of checkpoint and masks, are read from
the files (He 2023, Table 12). With --data the speed is measured too (He 2023, Table
13): one sentence at a time on one thread of the CPU, and on a GPU where there is one. A
system with masks is measured under them and dense, in turns.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lass_plugin.cli.table import OutputSettings
from lass_plugin.errors import LassError
from lass_plugin.evaluation.settings import Decoding, SystemsSettings
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import Settings, count, including, needless, option

if TYPE_CHECKING:
    from lass_plugin.evaluation.systems import System
    from lass_plugin.evaluation.throughput import Throughput

HELP = "parameters, bytes on disk, tokens a second"

_DECODING = ("beam", "max_len_a", "max_len_b", "cpu", "engine", "quantization")


@dataclass(frozen=True, kw_only=True)
class CostTableSettings(Settings):
    """Whose cost is tabled, and how the speed is measured."""

    GROUP = "speed"

    systems: SystemsSettings = including(SystemsSettings)
    scores: Path | None = option(
        None,
        "report of lass evaluate with these systems; adds their mean score",
        metavar="REPORT",
        group="systems",
    )
    metric: str | None = option(None, "which score (default: BLEU)", group="systems")
    data: Path | None = option(None, "data folder; measures the speed", metavar="DATA")
    pairs: tuple[Pair, ...] = option(
        (), "(default: the first pair only)", metavar="SRC-TGT,…", parse=parse_pairs
    )
    split: str = option(
        "test", "split of the data (default: %(default)s)", metavar="NAME"
    )
    sentences: int = count(100, "first N sentences of each pair (default: %(default)s)")
    runs: int = count(5, "(default: %(default)s)")
    threads: int = count(1, "threads of the CPU (default: %(default)s)")
    decoding: Decoding = including(Decoding, *_DECODING)
    output: OutputSettings = including(OutputSettings)

    def check(self) -> None:
        super().check()
        if self.data is None:
            measured = ("pairs", "split", "sentences", "runs", "threads", *_DECODING)
            why = "without --data, for which the speed is measured"
            needless(self, measured, why)
            needless(self.systems, "data_of", why)
        if self.scores is None:
            needless(self, "metric", "without --scores")


SETTINGS = CostTableSettings


def run(settings: CostTableSettings) -> int:
    """Read the checkpoints, measure the speed, show the tables."""
    from lass_plugin.evaluation.systems import check_names
    from lass_plugin.tables.cost import (
        cost_of_system,
        pair_table,
        size_table,
        speed_table,
    )

    systems = settings.systems.make()
    scores, notes = _scores(settings)
    masks = dict(settings.systems.inference_masks)
    costs = [cost_of_system(each, masks.get(each.name)) for each in systems]
    tables = [size_table(costs, scores), *pair_table(costs)]
    facts: dict[str, Any] = {
        "systems": {each.name: str(each.checkpoint) for each in systems},
        "inference_masks": masks,
    }
    if settings.data is not None:
        dense = [
            replace(
                system,
                name=f"{system.name} (dense)",
                inference_masks=None,
                dense=True,
                sparsity=None,
            )
            for system, cost in zip(systems, costs, strict=True)
            if cost.kept
        ]
        check_names([*systems, *dense])
        speeds, devices, note = _speeds(settings, settings.data, [*systems, *dense])
        tables.append(speed_table(speeds, devices))
        notes.append(note)
        facts["devices"] = devices
    settings.output.show("cost", tables, facts, notes)
    return 0


def _scores(
    settings: CostTableSettings,
) -> tuple[dict[str, tuple[str, float]], list[str]]:
    """System -> metric and its mean over all pairs, from a report; and notes on what
    was scored, and on those of another checkpoint than is counted."""
    from lass_plugin.evaluation.report_tables import system_note
    from lass_plugin.tables.compared_reports import LabelledReport, compare_reports

    if settings.scores is None:
        return {}, []
    compared = compare_reports([LabelledReport.read(settings.scores)])
    metric = settings.metric or "BLEU"
    if metric not in compared.metrics:
        raise LassError(
            f"{settings.scores} has no {metric}; choose {', '.join(compared.metrics)}"
        )
    found = {}
    notes = [f"{metric}: mean of {', '.join(compared.pairs)}"]
    for name, counted in settings.systems.system:
        scores = compared.system(name).scores
        found[name] = metric, scores.average(metric, compared.pairs)
        notes.append(f"{metric} of {system_note(scores)}")
        if Path(scores.checkpoint).resolve() != Path(counted).resolve():
            notes.append(
                f"the score of {name} is of {scores.checkpoint}, its parameters and "
                f"disk of {counted}"
            )
    return found, notes


def _speeds(
    settings: CostTableSettings, data: Path, systems: "list[System]"
) -> "tuple[dict[str, dict[str, Throughput]], dict[str, str], str]":
    """Device -> system -> its speed; device -> its name; what was translated."""
    from lass_plugin.data.progress import Progress
    from lass_plugin.evaluation.evaluation import choose_pairs, read_checkpoints
    from lass_plugin.evaluation.throughput import device_name, measure

    decoding = replace(settings.decoding, limit=settings.sentences)
    saved = read_checkpoints(systems)
    pairs = settings.pairs or choose_pairs(saved)[:1]
    ready = {one.system.name: one.set_up(data, pairs) for one in saved}
    places = {"CPU": replace(decoding, cpu=True)}
    if decoding.device.type == "cuda":
        places["GPU"] = decoding
    speeds, devices = {}, {}
    for name, where in places.items():
        devices[name] = device_name(where.device)
        if name == "CPU":
            threads = settings.threads
            devices[name] += f", {threads} thread{'s' if threads > 1 else ''}"
        total = settings.sentences * len(pairs) * len(ready) * settings.runs
        progress = Progress(f"timing on the {name}", total)
        speeds[name] = measure(
            ready,
            settings.split,
            where,
            settings.runs,
            settings.threads,
            progress.advance,
        )
        progress.finish()
    note = (
        f"{settings.split} of {', '.join(map(str, pairs))} in {data}: beam "
        f"{decoding.beam}, at most {decoding.max_len_a:g} × source + "
        f"{decoding.max_len_b} tokens, {decoding.precision}"
    )
    return speeds, devices, note
