"""Table what systems cost: parameters, bytes on disk, and tokens a second.

    lass table cost --system base=base.pt --system joint=joint.pt
    lass table cost --system joint=joint.pt --data data/ --pairs de-en --out tables/

Parameters of a pair and in all, and the bytes of checkpoint and masks, are read from
the files (He 2023, Table 12). With --data the speed is measured too (He 2023, Table
13): one sentence at a time on one thread of the CPU, and on a GPU where there is one. A
system with masks is measured under them and dense, in turns.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lass_plugin.evaluation.systems import System
    from lass_plugin.evaluation.throughput import Throughput

HELP = "parameters, bytes on disk, tokens a second"

_OF_SPEED = {
    **{"pairs": None, "split": "test", "sentences": 100, "runs": 5, "threads": 1},
    **{"beam": 5, "max_len_a": 0.0, "max_len_b": 200, "cpu": False},
}
"""Options that only matter with --data, and their defaults."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``lass table cost``."""
    from lass_plugin.cli.evaluate import add_base
    from lass_plugin.cli.table import add_output

    add = parser.add_argument_group("systems").add_argument
    add(
        "--system",
        metavar="NAME=CHECKPOINT",
        action="append",
        required=True,
        help="a system; give it again for more",
    )
    add(
        "--inference-masks",
        metavar="NAME=MASKS",
        action="append",
        default=[],
        help="masks of a system (a folder, files or a checkpoint) instead of those "
        "that its checkpoint carries",
    )
    add_base(add)
    add(
        "--scores",
        metavar="REPORT",
        help="report of lass evaluate with these systems; adds their mean score",
    )
    add("--metric", help="which score (default: BLEU)")
    add = parser.add_argument_group("speed").add_argument
    add("--data", metavar="DATA", help="data folder; measures the speed")
    add("--pairs", metavar="SRC-TGT,…", help="(default: the first pair only)")
    add("--split", metavar="NAME", help="split of the data (default: test)")
    add(
        "--sentences",
        metavar="N",
        type=int,
        help="first N sentences of each pair (default: 100)",
    )
    add("--runs", metavar="N", type=int, help="(default: 5)")
    add("--threads", metavar="N", type=int, help="threads of the CPU (default: 1)")
    add("--beam", metavar="N", type=int, help="(default: 5)")
    add(
        "--max-len-a",
        metavar="A",
        type=float,
        help="a translation has at most A × source + B tokens (default: 0)",
    )
    add("--max-len-b", metavar="B", type=int, help="(default: 200)")
    add("--cpu", action="store_true", default=None, help="not on the GPU")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the checkpoints, measure the speed, show the tables."""
    from lass_plugin.cli.evaluate import systems_of
    from lass_plugin.cli.table import show
    from lass_plugin.errors import LassError
    from lass_plugin.tables.cost import cost_of
    from lass_plugin.tables.cost_tables import pair_table, size_table, speed_table

    given = [name for name in _OF_SPEED if getattr(arguments, name) is not None]
    if given and arguments.data is None:
        raise LassError(
            f"--{given[0].replace('_', '-')} has no effect without --data; add the "
            "data folder to measure the speed, or leave it out"
        )
    for name, value in _OF_SPEED.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    systems = systems_of(
        arguments.system, arguments.inference_masks, base=arguments.base
    )
    scores = _scores(arguments, [each.name for each in systems])
    masks = {
        each.name: str(each.inference_masks)
        for each in systems
        if each.inference_masks is not None
    }
    costs = [
        cost_of(each.name, each.checkpoint, masks.get(each.name), each.base)
        for each in systems
    ]
    tables = [size_table(costs, scores)]
    of_pairs = pair_table(costs)
    tables += [] if of_pairs is None else [of_pairs]
    facts: dict = {
        "systems": {each.name: str(each.checkpoint) for each in systems},
        "inference_masks": masks,
    }
    notes = []
    if arguments.data is not None:
        from lass_plugin.evaluation.systems import System, check_names

        dense = [
            System(f"{cost.name} (dense)", Path(cost.checkpoint), dense=True)
            for cost in costs
            if cost.kept
        ]
        check_names([*systems, *dense])
        speeds, devices, note = _speeds(arguments, systems, dense)
        tables.append(speed_table(speeds, devices))
        notes.append(note)
        facts["devices"] = devices
    show(arguments, tables, "Cost", facts, notes)
    return 0


def _scores(
    arguments: argparse.Namespace, names: list[str]
) -> dict[str, tuple[str, float]]:
    """System -> metric and its mean over all pairs, from a report."""
    from lass_plugin.errors import LassError
    from lass_plugin.tables.side_by_side import Place, put_side_by_side

    if arguments.scores is None:
        if arguments.metric is not None:
            raise LassError("--metric has no effect without --scores; leave it out")
        return {}
    board = put_side_by_side([Place.read(arguments.scores)])
    metric = arguments.metric or "BLEU"
    if metric not in board.metrics:
        raise LassError(
            f"{arguments.scores} has no {metric}; choose {', '.join(board.metrics)}"
        )
    return {
        name: (metric, board.entry(name).mean(metric, board.pairs)) for name in names
    }


def _speeds(
    arguments: argparse.Namespace, systems: list["System"], dense: list["System"]
) -> tuple[dict[str, dict[str, "Throughput"]], dict[str, str], str]:
    """Device -> system -> its speed; device -> its name; what was translated."""
    from lass_plugin.data.progress import Progress
    from lass_plugin.evaluation.decoding import Decoding
    from lass_plugin.evaluation.evaluation import choose_pairs
    from lass_plugin.evaluation.systems import Saved
    from lass_plugin.evaluation.throughput import device_name, measure
    from lass_plugin.languages import parse_pairs

    limits = {"max_len_a": arguments.max_len_a, "max_len_b": arguments.max_len_b}
    decoding = Decoding(
        beam=arguments.beam, limit=arguments.sentences, cpu=arguments.cpu, **limits
    )
    saved = [Saved(system) for system in [*systems, *dense]]
    wanted = parse_pairs(arguments.pairs) if arguments.pairs else None
    pairs = choose_pairs(saved, wanted)
    pairs = pairs if wanted else pairs[:1]
    data = Path(arguments.data)
    ready = {one.system.name: one.set_up(data, pairs) for one in saved}
    places = {"CPU": Decoding(**{**vars(decoding), "cpu": True})}
    if decoding.device.type == "cuda":
        places["GPU"] = decoding
    speeds, devices = {}, {}
    for name, where in places.items():
        devices[name] = device_name(where.device)
        if name == "CPU":
            threads = arguments.threads
            devices[name] += f", {threads} thread{'s' if threads > 1 else ''}"
        total = arguments.sentences * len(pairs) * len(ready) * arguments.runs
        progress = Progress(f"timing on the {name}", total)
        speeds[name] = measure(
            ready,
            arguments.split,
            where,
            arguments.runs,
            arguments.threads,
            progress.advance,
        )
        progress.finish()
    note = (
        f"{arguments.split} of {', '.join(map(str, pairs))} in {data}: beam "
        f"{decoding.beam}, at most {decoding.max_len_a:g} × source + "
        f"{decoding.max_len_b} tokens, {decoding.precision}"
    )
    return speeds, devices, note
