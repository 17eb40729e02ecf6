"""Show what a checkpoint of low-rank modules holds, without its base.

    lass lslo show checkpoints/checkpoint_last.pt

Of each language its ranks (the lowest to the highest beside a matrix), the number of
its modules, their parameters, and the share of them that is pruned. Parameters are also
counted as the tables of Cao 2024 do, every matrix as a square of its smaller side. The
eight digits behind the path of the base are those that 'lass list' shows of a mask's.
"""

import json
import sys
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

from lass_plugin.settings import Settings, argument, switch

if TYPE_CHECKING:
    from lass_plugin.methods.lowrank.stored import LowRankCheckpoint

HELP = "what a checkpoint of low-rank modules holds"


@dataclass(frozen=True, kw_only=True)
class ShowSettings(Settings):
    """What is read, and how it is shown."""

    checkpoint: Path = argument(metavar="CHECKPOINT")
    by_matrix: bool = switch("also the rank beside each matrix")
    json: bool = switch("print JSON instead of tables")


SETTINGS = ShowSettings


def run(settings: ShowSettings) -> int:
    """Print the tables, or JSON."""
    from lass_plugin.methods.lowrank.stored import read_low_rank
    from lass_plugin.records.text_tables import print_table

    checkpoint = read_low_rank(settings.checkpoint)
    record = _record(checkpoint)
    if settings.json:
        json.dump(record, sys.stdout, indent=2, ensure_ascii=False)
        print()
        return 0
    for name, value in _facts(record).items():
        print(f"{name}: {value}")
    print()
    rows = [["language", "rank", "modules", "parameters", "as square", "pruned %"]]
    for language, entry in [*record["languages"].items(), ("all", record["all"])]:
        least, most = entry["ranks"]
        rank = str(most) if least == most else f"{least}–{most}"
        numbers = [entry[key] for key in ("modules", "parameters", "as_square")]
        share = 100 * entry["pruned"] / max(1, entry["parameters"])
        rows.append([language, rank, *(f"{n:,}" for n in numbers), f"{share:.2f}"])
    print_table(rows)
    if settings.by_matrix:
        print()
        _print_matrices(checkpoint)
    return 0


def _record(checkpoint: "LowRankCheckpoint") -> dict[str, Any]:
    """All that is shown; ``parameters`` and ``pruned`` count weights of A and B."""
    from lass_plugin.masks.fingerprint import short_name

    entry, plan = checkpoint.entry, checkpoint.entry.plan
    pruning = checkpoint.pruning
    return {
        "base": entry.base,
        "base_fingerprint": short_name(entry.fingerprint),
        "placement": plan.placement.to_dict(),
        "matrices": list(plan.ranks),
        "alpha": plan.alpha,
        "dropout": plan.dropout,
        "seed": plan.seed,
        "learned_weights": len(checkpoint.weights),
        "pruning": None if pruning is None else pruning.to_dict(),
        "epoch": checkpoint.epoch,
        "languages": {each: _counts(checkpoint, [each]) for each in plan.languages},
        "all": _counts(checkpoint, plan.languages),
    }


def _counts(
    checkpoint: "LowRankCheckpoint", languages: Sequence[str]
) -> dict[str, Any]:
    plan = checkpoint.entry.plan
    modules = [each for each in checkpoint.modules if each.language in languages]
    ranks = [found.get(each, 0) for found in plan.ranks.values() for each in languages]
    return {
        "ranks": [min(ranks), max(ranks)],
        "modules": len(modules),
        "parameters": sum(each.rank * each.matrix.units for each in modules),
        "as_square": sum(each.rank * each.matrix.square_units for each in modules),
        "pruned": sum(sum(each.pruned.values()) for each in modules),
    }


def _facts(record: dict[str, Any]) -> dict[str, str]:
    """What is told in a line each."""
    facts = {
        "base": f"{record['base']} ({record['base_fingerprint']})",
        "matrices": _kinds(record["matrices"]),
    }
    for side, indices in record["placement"].items():
        facts[f"{side} by"] = _runs(indices)
    if record["learned_weights"]:
        facts["weight learning"] = f"in {record['learned_weights']} layers"
    if pruning := record["pruning"]:
        last = pruning["start"] + pruning["length"]
        ratios = sorted(set(pruning["ratios"].values()))
        text = ", ".join(f"{ratio:g}" for ratio in ratios)
        facts["pruning"] = (
            f"by {pruning['group']}, ratio {text} from epoch {last} on; this is of "
            f"epoch {record['epoch']}"
        )
    factor = f"alpha {record['alpha']:g} / rank" if record["alpha"] else "no factor"
    facts["modules"] = f"{factor}, dropout {record['dropout']:g}, seed {record['seed']}"
    return facts


def _kinds(names: Sequence[str]) -> str:
    """``48 (q, k, fc1)``."""
    from lass_plugin.anatomy.matrices import KINDS, matrix_of

    present = {matrix_of(name, 0, 0).kind for name in names}
    return f"{len(names)} ({', '.join(kind for kind in KINDS if kind in present)})"


def _runs(indices: Sequence[str]) -> str:
    """``source in layers 0–8, target in layers 9–11``."""
    runs = []
    for index, run in groupby(enumerate(indices), itemgetter(1)):
        first, *others = [str(layer) for layer, _ in run]
        layers = f"layers {first}–{others[-1]}" if others else f"layer {first}"
        runs.append(f"{index} in {layers}")
    return ", ".join(runs)


def _print_matrices(checkpoint: "LowRankCheckpoint") -> None:
    """A row a matrix, a column a language."""
    from lass_plugin.records.text_tables import print_table

    plan = checkpoint.entry.plan
    rows = [["rank beside", "shape", *plan.languages]]
    for name, ranks in plan.ranks.items():
        matrix = checkpoint.matrices.get(name)
        shape = f"{matrix.outputs}×{matrix.inputs}" if matrix else "-"
        cells = [str(ranks.get(each, 0)) for each in plan.languages]
        rows.append([name, shape, *cells])
    print_table(rows)
