"""Similarity of masks as files: JSON, CSV, and the pictures drawn from the JSON: heat
maps, and curves over the layers, a line for each matrix (Lin 2021, Fig. 6)."""

import os
import re
from itertools import combinations
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from lass_plugin.analysis.similarity import (
    EVERY,
    Overlap,
    average_by_group,
    curves_over_layers,
)
from lass_plugin.anatomy.components import ATTENTION_LABELS, WHOLE
from lass_plugin.anatomy.places import (
    CROSS_ATTENTION,
    FEED_FORWARD,
    PROJECTIONS,
    SELF_ATTENTION,
)
from lass_plugin.data.progress import Progress
from lass_plugin.languages import order_keys
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import LAYER_LABEL, Curve, draw_panels
from lass_plugin.records.figures import SPAN, remove_earlier
from lass_plugin.records.heat_map import heat_map
from lass_plugin.records.json_record import RecordFormat

SIMILARITY = RecordFormat(
    "lass_plugin similarity",
    "a similarity.json of 'lass compare'",
    unmarked=True,
    measured=True,
)
"""``keys`` and ``parts`` with a ``similarity`` and a ``chance``; any such matrices, as
the rank correlations of importance, are of this format."""

MEASURE = "mean of Sim(M1, M2) and Sim(M2, M1), Sim(M1, M2) = |M1 and M2| / |M1|"
_AVERAGES = ("part", "group", "comparisons", "mean", "least", "most", "chance")


def write_similarity(
    parts: Mapping[str, Overlap],
    folder: str | os.PathLike,
    order: str = "direction",
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write ``similarity.json``, ``.csv``, ``.groups.csv`` and pictures to *folder*.

    Args:
        parts: name of a part -> counts; see :func:`draw_similarity` for the pictures.
        order: see :func:`.languages.order_keys`.
        notes: sentences on the masks, for whoever reads the JSON.
    """
    data = Path(folder) / "similarity.json"
    keys = order_keys(next(iter(parts.values())).keys, order)
    records = {name: _record(overlap, keys) for name, overlap in parts.items()}
    matrices = {
        name: (np.array(part["similarity"]), np.array(part["chance"]))
        for name, part in records.items()
    }
    averages = list(average_by_group(keys, matrices))
    content = {
        "measure": MEASURE,
        "notes": list(notes),
        "keys": keys,
        "parts": records,
        "averages": averages,
    }
    SIMILARITY.write(data, content, rows=True)
    table = write_csv(data.with_suffix(".csv"), _comparisons(content), floats=".6f")
    groups = write_csv(data.with_suffix(".groups.csv"), averages, _AVERAGES)
    return [data, table, groups, *draw_similarity(data)]


def _record(overlap: Overlap, keys: list[str]) -> dict[str, Any]:
    """One part as JSON, its rows and columns in the order of *keys*."""
    order = [overlap.keys.index(key) for key in keys]
    cells = np.ix_(order, order)

    def rounded(matrix: np.ndarray) -> list[list[float]]:
        return [[round(value, 6) for value in row] for row in matrix[cells].tolist()]

    return {
        "weights": overlap.units,
        "kept": overlap.kept[order].tolist(),
        "shared": overlap.shared[cells].tolist(),
        "similarity": rounded(overlap.symmetric()),
        "chance": rounded(overlap.chance()),
    }


def _comparisons(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A line for each part and two masks, both directions of Eq. 2 with it."""
    for name, part in record["parts"].items():
        for (i, first), (j, second) in combinations(enumerate(record["keys"]), 2):
            shared, kept = part["shared"][i][j], part["kept"]
            yield {
                "part": name,
                "first": first,
                "second": second,
                "similarity": part["similarity"][i][j],
                "chance": part["chance"][i][j],
                "first_in_second": shared / kept[i] if kept[i] else None,
                "second_in_first": shared / kept[j] if kept[j] else None,
                "shared": shared,
                "kept_first": kept[i],
                "kept_second": kept[j],
                "weights": part["weights"],
            }


def read_similarity(path: str | os.PathLike) -> dict[str, Any]:
    """Read a ``similarity.json``: its record, with the matrices as arrays.

    Raises:
        LassError: *path* is not such a file.
    """
    with SIMILARITY.reading(path) as record:
        keys = record["keys"] = [str(key) for key in record["keys"]]
        for part in record["parts"].values():
            for name in ("similarity", "chance"):
                part[name] = np.array(part[name], dtype=np.float64)
                if part[name].shape != (len(keys), len(keys)):
                    raise ValueError(f"{name} is not {len(keys)} by {len(keys)}")
        record["averages"] = list(record.get("averages", ()))
    return record


def draw_similarity(data: str | os.PathLike) -> list[Path]:
    """Draw what is in a ``similarity.json``, beside that file.

    A heat map of the whole model, of every component and of every layer; where there
    are single matrices of layers, curves over the layers for each group of masks.
    Pictures of an earlier file in its place go.

    Raises:
        LassError: *data* is not such a file.
    """
    data = Path(data)
    record = read_similarity(data)
    keys, curves = record["keys"], curves_over_layers(record["averages"])
    apart = ~np.eye(len(keys), dtype=bool)
    drawn = {
        name: part
        for name, part in record["parts"].items()
        if not re.fullmatch(r"(encoder|decoder) layer \d+ .+", name)
    }
    progress = Progress("drawing", len(drawn))
    written = []
    for name, part in drawn.items():
        suffix = "" if name == WHOLE else f".{re.sub(r'[^a-z0-9]+', '-', name)}"
        mean = f"{part['chance'][apart].mean():.2f}" if len(keys) > 1 else "-"
        written += heat_map(
            np.where(apart, part["similarity"], np.nan),  # 1 by definition
            keys,
            data.with_name(f"similarity{suffix}.png"),
            f"Similarity of masks, {name}",
            breaks=_group_starts(keys),
            caption=f"shared weights / weights kept; chance {mean}",
        )
        progress.advance(1, name)
    written += draw_layers(curves, data.with_name("similarity.layers.png"))
    remove_earlier(data.with_name("similarity.json"), written)
    progress.finish()
    return written


def _group_starts(keys: list[str]) -> list[int]:
    """Where neighbouring keys have neither source nor target in common, or where a
    run of one source ends and a run of one target begins."""
    sides = [key.partition("-")[::2] for key in keys]
    starts, common = [], {0, 1}
    for place in range(1, len(sides)):
        same = {side for side in (0, 1) if sides[place][side] == sides[place - 1][side]}
        common &= same
        if not common:
            starts.append(place)
            common = {0, 1}
    return starts


_MATRICES = (*PROJECTIONS, *FEED_FORWARD)
"""They have a colour each, the same in every picture."""
_LINES = {SELF_ATTENTION: "-", "": "-.", CROSS_ATTENTION: "--"}
"""In the order of the legend."""

Record = Mapping[str, Any]


def draw_layers(curves: Sequence[Record], path: Path) -> list[Path]:
    """Draw the encoder's and the decoder's curves, a picture for each group of masks.

    Args:
        curves: records of :func:`.similarity.curves_over_layers`.
        path: picture of all masks; those of the other groups have the group's name
            before the suffix.

    Returns:
        The files written; none without *curves*.
    """
    written = []
    for group in dict.fromkeys(record["group"] for record in curves):
        chosen = [record for record in curves if record["group"] == group]
        name = re.sub(r"\W+", "-", group.replace("→", "-to-").lower())
        chance = sum(record["chance"] for record in chosen) / len(chosen)
        count = max(record["comparisons"] for record in chosen)
        sides = sorted({record["side"] for record in chosen}, reverse=True)
        written += draw_panels(
            {side: _curves([r for r in chosen if r["side"] == side]) for side in sides},
            path if group == EVERY else path.with_stem(f"{path.stem}.{name}"),
            f"Similarity over the layers, {group} ({count:,} comparisons; chance "
            f"{chance:.2f})",
            LAYER_LABEL,
            "mean similarity",
            least=SPAN,
        )
    return written


def _curves(records: Sequence[Record]) -> list[Curve]:
    """A curve for each matrix; cross-attention is dashed, with hollow marks."""
    curves = []
    for matrix in sorted({record["matrix"] for record in records}, key=_rank):
        attention, _, last = matrix.rpartition(" ")
        points = sorted(
            (r["layer"], r["mean"]) for r in records if r["matrix"] == matrix
        )
        layers, means = zip(*points, strict=True)
        curves.append(
            Curve(
                f"{ATTENTION_LABELS.get(attention, attention)} {last}".strip(),
                layers,
                means,
                look=_rank(matrix)[1],
                line=_LINES.get(attention, ":"),
                hollow=attention == CROSS_ATTENTION,
            )
        )
    return curves


def _rank(matrix: str) -> tuple[int, int, str]:
    """Self-attention, feed-forward, cross-attention; each in the order of the model."""
    attention, _, last = matrix.rpartition(" ")
    number = _MATRICES.index(last) if last in _MATRICES else len(_MATRICES)
    order = [*_LINES].index(attention) if attention in _LINES else len(_LINES)
    return order, number, matrix
