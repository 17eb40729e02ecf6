"""What erased neurons cost as files: ``erasure.json``, two CSV, Markdown, a picture.

``erasure.json`` holds everything; the others are made from it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from lass_plugin.evaluation.choice import EVERY_METRIC, METRICS, digits_of
from lass_plugin.evaluation.comparison import PairScores
from lass_plugin.files import write_text
from lass_plugin.languages import Pair
from lass_plugin.neurons.erasure import (
    GENERAL,
    NOTHING,
    SPECIFIC,
    UNUSED,
    Erased,
    Erasure,
    draws_of,
)
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.heat_map import heat_map
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.table import Table, to_markdown, wrap_note
from lass_plugin.records.table import to_text as table_to_text
from lass_plugin.records.text_tables import WIDTH, signed

NAME = "erasure.json"
FORM = RecordFormat(
    "lass_plugin neuron erasure", f"an {NAME} of 'lass neurons erase'", measured=True
)

LEVEL = 0.05

LEAST = 1.0
"""Least span of the colours in points, lest noise be painted as an effect."""

_EXPLAINED = {
    GENERAL: "general: {general:.4g} of the general neurons of every site",
    SPECIFIC: "specific of X: {specific:.4g} of the specific neurons of X at every "
    "site, also for the other pairs that have them",
    UNUSED: "not of X: the control, as many specific neurons of every site that X does "
    "not have, so that X itself translates as before",
}


def record_of(result: Erasure) -> dict[str, Any]:
    """Everything that the tables and the picture are made of, as JSON values."""
    report, allocation = result.evaluation.report, result.allocation
    scores = {system.name: system for system in report.systems}
    settings, whole = result.settings, report.baseline
    groups = draws_of(result.erased)
    general = sum(int(each.sum()) for each in allocation.general.values())
    return {
        "checkpoint": str(settings.checkpoint),
        "allocation": str(settings.allocation),
        "mask": whole.mask,
        "general": settings.general,
        "specific": settings.specific,
        "seeds": list(settings.seeds),
        "text": report.text,
        "sentences": {p: scored.sentences for p, scored in whole.pairs.items()},
        "neurons": {
            "all": sum(each.numel() for each in allocation.general.values()),
            "general": general,
            "specific": {p: allocation.count_specific(p) for p in allocation.kept},
        },
        "nothing": {pair: _scores(scored) for pair, scored in whole.pairs.items()},
        "erased": [
            {
                "kind": draws[0].kind,
                "pair": draws[0].pair,
                "label": draws[0].label,
                "neurons": draws[0].count,
                "draws": [
                    _draw(result, draw, scores[draw.name].pairs, scores[draw.name].mask)
                    for draw in draws
                ],
                "mean": _mean([scores[draw.name].pairs for draw in draws]),
            }
            for draws in groups
        ],
        "notes": [*_notes(result, groups), *result.notes, *report.notes],
    }


def _draw(
    result: Erasure, draw: Erased, scores: Mapping[str, PairScores], mask: str | None
) -> dict[str, Any]:
    return {
        "seed": draw.seed,
        "system": draw.name,
        "mask": mask,
        "sites": {site: int(each.sum()) for site, each in draw.neurons.items()},
        "pairs": {
            pair: {"neurons": draw.lost_by(result.masks, pair), **_scores(scored)}
            for pair, scored in scores.items()
        },
    }


def _scores(scored: PairScores) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for metric, score in scored.scores.items():
        difference = scored.differences.get(metric)
        found[metric] = {"value": score.value, "signature": score.signature}
        if difference is not None:
            found[metric]["difference"] = asdict(difference)
    return found


def _mean(draws: Sequence[Mapping[str, PairScores]]) -> dict[str, Any]:
    """Pair -> metric -> mean over the draws and (None for one draw) deviation."""
    means: dict[str, Any] = {}
    for pair in draws[0]:
        means[pair] = {}
        for metric in draws[0][pair].scores:
            differences = [draw[pair].differences[metric] for draw in draws]
            deltas = [difference.delta for difference in differences]
            means[pair][metric] = {
                "value": fmean(draw[pair].scores[metric].value for draw in draws),
                "delta": fmean(deltas),
                "deviation": stdev(deltas) if len(deltas) > 1 else None,
                "significant": sum(each.p_value < LEVEL for each in differences),
            }
    return means


def _notes(result: Erasure, groups: Sequence[Sequence[Erased]]) -> list[str]:
    """What the figures are, in sentences."""
    settings, report = result.settings, result.evaluation.report
    whole = report.baseline
    shares = {"general": settings.general, "specific": settings.specific}
    kinds = dict.fromkeys(draws[0].kind for draws in groups)
    notes = [_EXPLAINED[kind].format(**shares) for kind in kinds]
    test = next(iter(report.others[0].pairs.values())).differences[METRICS[0]]
    in_all = " in every draw" if len(settings.seeds) > 1 else ""
    notes.append(
        f"numbers: difference to {NOTHING} erased; *: p < {LEVEL}{in_all}, paired "
        f"bootstrap ({test.n_samples} samples, seed {test.seed}, p as by sacreBLEU)"
    )
    drawn = ", ".join(map(str, settings.seeds))
    notes.append(
        f"mean and standard deviation (n - 1) of the draws with the seeds {drawn}"
        if len(settings.seeds) > 1
        else f"one draw, seed {drawn}"
    )
    notes.append(f"checkpoint {settings.checkpoint}, mask {whole.mask}")
    for metric in report.metrics:
        signatures: dict[str, list[str]] = {}
        for pair, scored in whole.pairs.items():
            signatures.setdefault(scored.scores[metric].signature, []).append(pair)
        for signature, pairs in signatures.items():
            where = "" if len(signatures) == 1 else f" ({', '.join(pairs)})"
            notes.append(f"{metric}{where}: {signature}")
    return notes


def write(record: Mapping[str, Any], folder: str | os.PathLike) -> list[Path]:
    """Write ``erasure.json``, ``.draws.csv``, ``.csv``, ``.md`` and the picture."""
    data = FORM.write(Path(folder) / NAME, record)
    draws = write_csv(data.with_suffix(".draws.csv"), _draw_lines(record))
    means = write_csv(data.with_suffix(".csv"), _mean_lines(record))
    page = data.with_suffix(".md")
    write_text(page, to_markdown(tables(record), "Erased neurons", record["notes"]))
    return [data, draws, means, page, *draw_erasure(data)]


def to_text(record: Mapping[str, Any]) -> str:
    """The tables for a terminal, side by side as far as they fit, and the notes."""
    blocks = [
        table_to_text(part)
        for each in tables(record)
        for part in each.fitting(WIDTH, keep=2)
    ]
    notes = [line for note in record["notes"] for line in wrap_note(note)]
    return "\n".join([*blocks, *notes]) + "\n"


def tables(record: Mapping[str, Any]) -> list[Table]:
    """For each metric, and for the neurons that a pair loses, a row for each thing that
    is erased and a column for each pair. A pair's own specific neurons stand out."""
    pairs = list(record["nothing"])
    own = frozenset(
        (row, 2 + pairs.index(each["pair"]))
        for row, each in enumerate(record["erased"], start=1)
        if each["kind"] == SPECIFIC
    )
    made = []
    for metric in record["nothing"][pairs[0]]:
        digits = digits_of(metric)
        values = [record["nothing"][pair][metric]["value"] for pair in pairs]
        shown = [f"{value:.{digits}f}" for value in (*values, fmean(values))]
        rows = [[NOTHING, "0", *shown]]
        for each in record["erased"]:
            draws, means = len(each["draws"]), each["mean"]
            cells = [_cell(means[pair][metric], draws, digits) for pair in pairs]
            mean = signed(fmean(means[pair][metric]["delta"] for pair in pairs), digits)
            rows.append([each["label"], f"{each['neurons']:,}", *cells, mean])
        title = f"{metric} ({record['text']} text)"
        header = ["erased", "neurons", *pairs, "mean"]
        made.append(Table("erasure", title, header, rows, own))
    rows = [[NOTHING, "0", *["0"] * len(pairs)]]
    for each in record["erased"]:
        lost = [
            fmean(draw["pairs"][pair]["neurons"] for draw in each["draws"])
            for pair in pairs
        ]
        cells = [f"{count:,.1f}".removesuffix(".0") for count in lost]
        rows.append([each["label"], f"{each['neurons']:,}", *cells])
    title = "neurons that a pair loses"
    return [*made, Table("erasure", title, ["erased", "neurons", *pairs], rows, own)]


def _cell(mean: Mapping[str, Any], draws: int, digits: int) -> str:
    """``-1.20*``, or of several draws ``-1.20 ±0.31*``."""
    text = signed(mean["delta"], digits)
    if mean["deviation"] is not None:
        text += f" ±{mean['deviation']:.{digits}f}"
    return text + ("*" if mean["significant"] == draws else " ")


def _draw_lines(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line for each pair, with nothing erased and for each draw."""
    whole = {
        pair: {"neurons": 0, **scores} for pair, scores in record["nothing"].items()
    }
    nothing = {"seed": None, "mask": record["mask"], "pairs": whole}
    start = {"kind": NOTHING, "pair": None, "neurons": 0, "draws": [nothing]}
    for each in (start, *record["erased"]):
        for draw in each["draws"]:
            for pair, scores in draw["pairs"].items():
                yield {
                    "erased": each["kind"],
                    "of": each["pair"],
                    "seed": draw["seed"],
                    "neurons": each["neurons"],
                    **_pair(record, pair),
                    "neurons_of_pair": scores["neurons"],
                    "checkpoint": record["checkpoint"],
                    "mask": draw["mask"],
                    **_flat(scores),
                }


def _mean_lines(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line for each pair and thing that is erased, the means over the draws."""
    for each in record["erased"]:
        for pair, means in each["mean"].items():
            signed_by = record["nothing"][pair]
            scores = {
                metric: {
                    "value": mean["value"],
                    "signature": signed_by[metric]["signature"],
                    "difference": {
                        key: mean[key] for key in ("delta", "deviation", "significant")
                    },
                }
                for metric, mean in means.items()
            }
            yield {
                "erased": each["kind"],
                "of": each["pair"],
                "draws": len(each["draws"]),
                "neurons": each["neurons"],
                **_pair(record, pair),
                **_flat(scores),
            }


def _pair(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    pair = Pair.parse(key)
    place = {"pair": key, "source": pair.source, "target": pair.target}
    return {**place, "sentences": record["sentences"][key]}


def _flat(scores: Mapping[str, Any]) -> dict[str, Any]:
    """``bleu``, ``bleu_signature``, ``bleu_delta`` … of each metric."""
    flat: dict[str, Any] = {}
    for metric in EVERY_METRIC:
        if metric not in scores:
            continue
        name, score = metric.lower(), scores[metric]
        flat[name] = score["value"]
        flat[f"{name}_signature"] = score["signature"]
        for key, value in score.get("difference", {}).items():
            flat[f"{name}_{key}"] = value
    return flat


def draw_erasure(data: str | os.PathLike) -> list[Path]:
    """Draw ``erasure.png`` and ``.svg`` beside an ``erasure.json`` (Xie 2021, Fig. 5).

    A row for each thing that is erased, a column for each pair, the darker the more
    BLEU is lost. General neurons cost so much more than specific ones that the colours
    are those of the range without them; the values stand in the cells.

    Raises:
        LassError: *data* is not such a file.
    """
    metric = METRICS[0]
    with FORM.reading(data) as record:
        pairs, erased = list(record["nothing"]), record["erased"]
        values = np.array(
            [[each["mean"][pair][metric]["delta"] for pair in pairs] for each in erased]
        )
        labels = [each["label"] for each in erased]
        rest = [each["kind"] != GENERAL for each in erased]
        draws = len(record["seeds"])
    shown = values[rest] if any(rest) else values
    high = max(0.0, float(shown.max()))
    low = min(float(shown.min()), high - LEAST)
    caption = "one draw" if draws == 1 else f"mean of {draws} draws"
    if values.min() < low:
        caption += f"; all below {low:.2f} is as dark"
    return heat_map(
        values,
        labels,
        data,
        f"Δ {metric} with neurons erased",
        limits=(low, high),
        caption=caption,
        columns=pairs,
    )
