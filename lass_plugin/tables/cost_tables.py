"""Tables of what systems cost: parameters, bytes, speed (He 2023, Tables 12 and 13)."""

from collections.abc import Mapping, Sequence
from typing import Any

from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.throughput import Throughput
from lass_plugin.records.table import Table
from lass_plugin.tables.cost import Cost

_MEBIBYTE = 2**20


def size_table(
    costs: Sequence[Cost], scores: Mapping[str, tuple[str, float]] | None = None
) -> Table:
    """Parameters and bytes, a row a system (He 2023, Table 12).

    Args:
        scores: system -> metric and its mean, for a column as in the paper.
    """
    scores = scores or {}
    metric = next((name for name, _ in scores.values()), None)
    header = ["system", *([metric] if metric else []), "a pair", "kept by a pair"]
    header += ["in all", "checkpoint", "of it weights", "masks", "bits/weight"]
    rows, records = [], []
    for cost in costs:
        score = scores.get(cost.name)
        cells = [cost.name]
        if metric:
            digits = digits_of(metric)
            cells.append("–" if score is None else f"{score[1]:.{digits}f}")
        cells += [_millions(cost.parameters_of_a_pair), _kept(cost)]
        cells.append(_millions(cost.parameters))
        sizes = (cost.checkpoint_bytes, cost.weight_bytes, cost.mask_bytes)
        cells += [_mebibytes(size) for size in sizes]
        cells.append("–" if cost.mask_bits is None else f"{cost.mask_bits:.3f}")
        rows.append(tuple(cells))
        record: dict[str, Any] = {
            "system": cost.name,
            "checkpoint": cost.checkpoint,
            "parameters": cost.parameters,
            "of_the_base": cost.base_parameters,
            "maskable": cost.maskable,
            "masks": len(cost.kept),
            "checkpoint_bytes": cost.checkpoint_bytes,
            "weight_bytes": cost.weight_bytes,
            "mask_bytes": cost.mask_bytes,
            "masks_in_checkpoint": cost.carried,
            "bits_per_weight": cost.mask_bits,
        }
        if score is not None:
            record |= {"metric": score[0], "score": score[1]}
        records.append(record)
    return Table(
        "size",
        "Parameters and disk",
        tuple(header),
        tuple(rows),
        notes=(
            "a pair: parameters that its translation computes with; kept by a pair: "
            "without those that its mask removes; in all: of all pairs together",
            "MiB on disk; checkpoint: the file without the masks in it, but with the "
            "optimizer's state where fairseq has saved that; masks: of all pairs",
            *_of_low_rank_modules(costs),
        ),
        records=tuple(records),
    )


def _of_low_rank_modules(costs: Sequence[Cost]) -> list[str]:
    names = [cost.name for cost in costs if cost.base_parameters]
    if not names:
        return []
    return [
        f"{', '.join(names)}: low-rank modules, merged into their base to translate; "
        "the MiB are those of the modules alone"
    ]


def pair_table(costs: Sequence[Cost]) -> list[Table]:
    """Parameters that each pair's sub-network keeps; no table without masks."""
    masked = [cost for cost in costs if cost.kept]
    if not masked:
        return []
    pairs = list(dict.fromkeys(pair for cost in masked for pair in cost.kept))
    rows, records = [], []
    for pair in pairs:
        cells = [pair]
        for cost in masked:
            if pair not in cost.kept:
                cells.append("–")
                continue
            kept = cost.kept[pair]
            maskable = kept - (cost.parameters - cost.maskable)
            share = maskable / cost.maskable
            cells.append(f"{_millions(kept)} ({100 * share:.1f} %)")
            records.append(
                {
                    "pair": pair,
                    "system": cost.name,
                    "kept": kept,
                    "parameters": cost.parameters,
                    "kept_of_maskable": maskable,
                    "maskable": cost.maskable,
                    "share_kept": share,
                }
            )
        rows.append(tuple(cells))
    return [
        Table(
            "pairs",
            "Parameters that each pair keeps",
            ("pair", *(cost.name for cost in masked)),
            tuple(rows),
            notes=("in parentheses: share kept of the weights that masks cover",),
            records=tuple(records),
        )
    ]


def speed_table(
    speeds: Mapping[str, Mapping[str, Throughput]], devices: Mapping[str, str]
) -> Table:
    """Tokens a second, a row a system (He 2023, Table 13).

    Args:
        speeds: device (``CPU``, ``GPU``) -> system -> its runs; the systems are the
            same on all devices.
        devices: device -> what it is, in words.
    """
    names = list(next(iter(speeds.values())))
    rows, records = [], []
    for name in names:
        cells = [name]
        for device, of in speeds.items():
            speed = of[name]
            spread = "" if speed.deviation is None else f" ± {speed.deviation:.2f}"
            cells.append(f"{speed.mean:.2f}{spread}")
            records.append(
                {
                    "system": name,
                    "device": device,
                    "name": devices[device],
                    "tokens_per_second": speed.mean,
                    "deviation": speed.deviation,
                    "runs": len(speed.runs),
                    "tokens": speed.tokens,
                    "sentences": speed.sentences,
                    "each_run": " ".join(f"{value:.4f}" for value in speed.runs),
                }
            )
        rows.append(tuple(cells))
    first = next(iter(next(iter(speeds.values())).values()))
    notes = [f"{device}: {text}" for device, text in devices.items()]
    runs = f"{len(first.runs)} runs" if len(first.runs) > 1 else "1 run"
    return Table(
        "speed",
        "Tokens a second, one sentence at a time",
        ("system", *speeds),
        tuple(rows),
        notes=(
            f"mean ± standard deviation (n - 1) over {runs} of {first.sentences} "
            "sentences; tokens of the translations, ends of sentences included",
            *notes,
        ),
        records=tuple(records),
    )


def _kept(cost: Cost) -> str:
    """The smallest and largest sub-network, as one number where they look alike."""
    if not cost.kept:
        return _millions(cost.parameters)
    ends = (_millions(min(cost.kept.values())), _millions(max(cost.kept.values())))
    return ends[0] if ends[0] == ends[1] else "–".join(ends)


def _millions(number: int) -> str:
    digits = 1 if number >= 10_000_000 else 2
    return f"{number / 1_000_000:.{digits}f}M"


def _mebibytes(size: int) -> str:
    if not size:
        return "–"
    value = size / _MEBIBYTE
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
