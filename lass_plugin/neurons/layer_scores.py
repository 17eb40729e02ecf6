"""How the specific neurons are spread over layers and modules (Xie 2021, §5.2).

    LScore(l, m) = Ĩ_l^m / Ĩ_l                                            (Eq. 10)
    MScore(l, f) = 1/M Σ_m Ĩ_{l,f}^m / Ĩ_{l,f}                            (Eq. 11)

Ĩ_l is the number of specific neurons of layer l, those that are not general, and Ĩ_l^m
the number of them that are allocated to m, the encoder and the decoder apart; f is a
module (self-attention, cross-attention, FFN) or a site. Both shares are of the same
neurons, so that 1 means all of them in both. A neuron that is neither general nor
anybody's, which a budget can leave, counts in Ĩ.

Where a layer or module has no specific neuron, there are no shares: None, never 0.

Note:
    m is what the allocation is by: a pair, or a source or target, as the mean of Eq. 1
    is. The layers are numbered as in the names of the weights, from 0.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from lass_plugin.anatomy.components import ATTENTION_LABELS
from lass_plugin.anatomy.matrices import place_of
from lass_plugin.anatomy.places import SIDES, find_place
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, hub_of, keys_of
from lass_plugin.neurons.allocation import Allocation
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import LAYER_LABEL, Curve, draw_panels
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.records.plain_settings import record as options_of

LAYER = "layer"
MODULES = (*ATTENTION_LABELS.values(), "FFN")

NAME = "layer_scores.json"
FORM = RecordFormat(
    "lass_plugin layer scores",
    f"a {NAME} of 'lass neurons show'",
    version=2,
    unmarked=True,
    sealed=2,
    measured=True,
)
_MEASURES = {
    "lscore": "neurons allocated to the key / specific neurons of the layer (Xie 2021, "
    "Eq. 10)",
    "mscore": "mean over the keys of: neurons allocated to the key / specific neurons "
    "of the part (Eq. 11)",
    "specific": "neurons that are not general; without any, both scores are null",
}


@dataclass(frozen=True)
class Spread:
    """The neurons of one part of a layer."""

    side: str
    """``encoder`` or ``decoder``."""
    layer: int
    part: str
    """:data:`LAYER` for the whole, one of :data:`MODULES`, or a site of the layer, such
    as ``self_attn.out_proj``."""
    neurons: int
    specific: int
    """Ĩ, the number of neurons that are not general."""
    nobodys: int
    """How many of these are allocated to no key."""
    allocated: dict[str, int]
    """Key -> Ĩ^m, how many of the specific neurons it has."""

    def lscore(self, key: str) -> float | None:
        """LScore(l, m) of Eq. 10; None without specific neurons."""
        return self.allocated[key] / self.specific if self.specific else None

    def mscore(self) -> float | None:
        """MScore(l, f) of Eq. 11; None without specific neurons."""
        if not self.specific:
            return None
        return sum(self.allocated.values()) / self.specific / len(self.allocated)


def keys_of_side(allocation: Allocation, side: str) -> dict[str, str]:
    """What the neurons of the encoder or decoder are allocated to.

    Returns:
        Key -> a pair of that key, all of which have the same neurons of *side*.
    """
    place = SIDES.index(side)
    found: dict[str, str] = {}
    for pair in allocation.kept:
        found.setdefault(keys_of(pair, allocation.rule.by)[place], pair)
    return found


def spread_over_layers(allocation: Allocation) -> list[Spread]:
    """Count the specific neurons.

    Returns:
        Encoder, then decoder, layer by layer: the whole layer, its modules, its sites.
    """
    layers: dict[tuple[int, int], dict[str, str]] = {}
    for site in allocation.general:
        side, layer = place_of(site)
        of_layer = layers.setdefault((SIDES.index(side), layer), {})
        of_layer[find_place(site).part] = site
    spreads = []
    for (number, layer), sites in sorted(layers.items()):
        parts = {LAYER: list(sites.values())}
        for module in MODULES:
            parts[module] = [sites[part] for part in sites if module_of(part) == module]
        parts |= {part: [site] for part, site in sites.items()}
        spreads += [
            _count(allocation, SIDES[number], layer, part, own)
            for part, own in parts.items()
            if own
        ]
    return spreads


def module_of(part: str) -> str:
    """The module that a site of a layer, such as ``encoder_attn.out_proj``, is of."""
    return ATTENTION_LABELS.get(part.partition(".")[0], MODULES[-1])


def _count(
    allocation: Allocation, side: str, layer: int, part: str, sites: Sequence[str]
) -> Spread:
    specific = torch.cat([~allocation.general[site] for site in sites])
    own = {
        key: torch.cat([allocation.specific(pair, site) for site in sites])
        for key, pair in keys_of_side(allocation, side).items()
    }
    count = int(specific.sum())
    somebodys = int(torch.stack(list(own.values())).any(dim=0).sum())
    allocated = {key: int(each.sum()) for key, each in own.items()}
    neurons = specific.numel()
    return Spread(side, layer, part, neurons, count, count - somebodys, allocated)


def lscore_rows(side: str, spreads: Sequence[Spread]) -> list[list[str]]:
    """A row a key, a column a layer."""
    layers = [each for each in spreads if (each.side, each.part) == (side, LAYER)]
    rows = [[f"LScore, {side}", *(f"layer {each.layer}" for each in layers)]]
    for key in layers[0].allocated:
        rows.append([key, *(_text(each.lscore(key)) for each in layers)])
    return [*rows, ["specific neurons", *(f"{each.specific:,}" for each in layers)]]


def mscore_rows(side: str, spreads: Sequence[Spread]) -> list[list[str]]:
    """A row a module, below it its sites if there are several; a column a layer."""
    own = [each for each in spreads if each.side == side]
    scores = {(each.part, each.layer): each.mscore() for each in own}
    numbers = dict.fromkeys(each.layer for each in own)
    rows = [[f"MScore, {side}", *(f"layer {number}" for number in numbers)]]
    parts = dict.fromkeys(each.part for each in own if each.part != LAYER)
    for module in (part for part in MODULES if part in parts):
        sites = [p for p in parts if p not in MODULES and module_of(p) == module]
        for part in (module, *(sites if len(sites) > 1 else ())):
            values = [_text(scores.get((part, number))) for number in numbers]
            rows.append([part if part == module else f"  {part}", *values])
    return rows


def _text(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def write_layer_scores(
    spreads: Sequence[Spread], allocation: Allocation, folder: str | os.PathLike
) -> list[Path]:
    """Write ``layer_scores.json``, ``lscore`` and ``mscore`` (.csv, .png and .svg).

    Args:
        spreads: of :func:`spread_over_layers`, counted in *allocation*.
    """
    folder = Path(folder)
    layers, parts = [], []
    for each in spreads:
        if each.part == LAYER:
            scores = {key: each.lscore(key) for key in each.allocated}
            layers.append({**asdict(each), "lscore": scores})
        else:
            parts.append({**asdict(each), "mscore": each.mscore()})
    record = {
        "measure": _MEASURES,
        "rule": options_of(allocation.rule),
        "thresholds": allocation.thresholds,
        "layers": layers,
        "parts": parts,
    }
    data = FORM.write(folder / NAME, record)
    of_keys = [
        {
            **{name: layer[name] for name in ("side", "layer")},
            "key": key,
            "lscore": score,
            "allocated": layer["allocated"][key],
            "specific": layer["specific"],
        }
        for layer in layers
        for key, score in layer["lscore"].items()
    ]
    of_parts = [
        {
            **{name: part[name] for name in ("side", "layer", "part", "mscore")},
            "keys": len(part["allocated"]),
            "allocated": sum(part["allocated"].values()),
            **{name: part[name] for name in ("specific", "nobodys", "neurons")},
        }
        for part in parts
    ]
    lscores = write_csv(folder / "lscore.csv", of_keys)
    mscores = write_csv(folder / "mscore.csv", of_parts)
    return [data, lscores, mscores, *draw_layer_scores(data)]


def draw_layer_scores(data: str | os.PathLike) -> list[Path]:
    """Draw what is in a ``layer_scores.json``, beside that file (Xie 2021, Fig. 3).

    Raises:
        LassError: *data* is not such a file.
    """
    by_key: dict[str, list[Curve]] = {}
    by_module: dict[str, list[Curve]] = {}
    with FORM.reading(data) as record:
        rule, thresholds = record["rule"], record["thresholds"].values()
        least, most = min(thresholds), max(thresholds)  # a budget gives each pair its k
        k = f"{least:.4g}" if least == most else f"{least:.4g} to {most:.4g}"
        how = f"general {rule['general']:g}, k {k}"
        if share := rule.get("cumulative"):  # an earlier release had none
            how = f"cumulative share {share:g}"
        caption = f"{how}, by {rule['by']}"
        for side in SIDES:
            if layers := [each for each in record["layers"] if each["side"] == side]:
                keys = list(layers[0]["lscore"])
                by_key[side] = [
                    _curve(key, [(e["layer"], e["lscore"][key]) for e in layers], group)
                    for key, group in zip(keys, _directions(keys), strict=True)
                ]
            parts = [each for each in record["parts"] if each["side"] == side]
            for module in MODULES:
                own = [(e["layer"], e["mscore"]) for e in parts if e["part"] == module]
                if own:
                    by_module.setdefault(side, []).append(_curve(module, own))
    kind = "source or target" if rule["by"] == "separate" else rule["by"]
    written = []
    for name, panels, title, share in (
        ("lscore", by_key, f"LScore of each {kind}", "share of the layer's"),
        ("mscore", by_module, "MScore of each module", "mean share of the module's"),
    ):
        path, y_label = Path(data).with_name(f"{name}.png"), f"{share} specific neurons"
        written += draw_panels(
            panels, path, title, LAYER_LABEL, y_label, caption=caption
        )
    return written


def _curve(
    label: str, points: Sequence[tuple[int, float | None]], group: str = ""
) -> Curve:
    """A curve with a gap where there is no score."""
    x, y = zip(*points, strict=True)
    values = [math.nan if value is None else float(value) for value in y]
    return Curve(label, [int(layer) for layer in x], values, group=group)


def _directions(keys: Sequence[str]) -> list[str]:
    """For each pair ``en→X``, ``X→en`` or ``no en``; nothing for other keys."""
    try:
        pairs = [Pair.parse(key) for key in keys]
    except LassError:
        return [""] * len(keys)
    hub = hub_of(pairs)
    names, ends = (f"{hub}→X", f"X→{hub}"), [(p.source, p.target) for p in pairs]
    return [names[two.index(hub)] if hub in two else f"no {hub}" for two in ends]
