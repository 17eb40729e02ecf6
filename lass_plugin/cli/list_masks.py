"""List masks: what they cover, keep, and come from.

PATH is a mask file, a folder of mask files, or a jointly trained checkpoint.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

from lass_plugin.settings import Settings, argument, switch

if TYPE_CHECKING:
    from lass_plugin.masks import Mask

HELP = "list masks and where they come from"

_COLUMNS = {
    "key": "key",
    "criterion": "criterion",
    "schedule": "schedule",
    "ratio": "ratio",
    "updates": "updates",
    "weights": "units",
    "kept": "kept %",
    "base": "base",
    "bytes": "bytes",
    "bits_per_weight": "bits/unit",
}
"""Field of a mask's record and heading of its column."""


@dataclass(frozen=True, kw_only=True)
class ListSettings(Settings):
    """What is listed, and how."""

    places: tuple[Path, ...] = argument(metavar="PATH", nargs="+")
    by_site: bool = switch("also the share kept of each matrix")
    json: bool = switch("print JSON instead of tables")


SETTINGS = ListSettings


def run(settings: ListSettings) -> int:
    """Print the table, or JSON."""
    from lass_plugin.masks.file import SUFFIX, masks_at
    from lass_plugin.records.text_tables import print_table

    records = []
    for place in settings.places:
        files = sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else []
        for path in files or [place]:
            size = path.stat().st_size if path.suffix == SUFFIX else None
            records += [_record(mask, path, size) for mask in masks_at(path).values()]
    if not settings.by_site:
        for record in records:
            del record["sites"]
    if settings.json:
        print(json.dumps(records, indent=2, ensure_ascii=False))
        return 0
    columns = dict(_COLUMNS)
    if len(settings.places) > 1:
        columns["place"] = "place"
    rows = [[_text(name, record[name]) for name in columns] for record in records]
    print_table([list(columns.values()), *rows])
    for record in records:
        if record["note"]:
            print(f"{record['key']}: {record['note']}")
    if settings.by_site:
        print()
        print_table(_site_rows(records))
    return 0


def _record(mask: "Mask", path: Path, size: int | None) -> dict[str, Any]:
    """All that is listed of one mask; ``kept`` is a share, ``bytes`` those on disk.

    Args:
        size: of the file; None for a mask inside a checkpoint, where its bits count.
    """
    from lass_plugin.masks.fingerprint import short_name

    if size is None:
        size = sum(bits.numel() for bits in mask.bits.values())
    return {
        "key": mask.key,
        **asdict(mask.provenance),
        "weights": mask.units,
        "kept": mask.kept() / mask.units,
        "matrices": len(mask.shapes),
        "base": short_name(mask.base) if mask.base else None,
        "bytes": size,
        "bits_per_weight": 8 * size / mask.units,
        "place": str(path),
        "sites": {
            name: {"shape": list(shape), "kept": mask.kept(name)}
            for name, shape in mask.shapes.items()
        },
    }


def _text(name: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    if name == "kept":
        return f"{100 * value:.2f}"
    if name == "bits_per_weight":
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _site_rows(records: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The share kept: a row a matrix, a column a mask."""
    rows = [["kept % of", "shape", *(record["key"] for record in records)]]
    for name in dict.fromkeys(name for record in records for name in record["sites"]):
        found = [record["sites"].get(name) for record in records]
        shape = next(site["shape"] for site in found if site)
        units = math.prod(shape)
        cells = [f"{100 * site['kept'] / units:.2f}" if site else "-" for site in found]
        rows.append([name, "×".join(map(str, shape)), *cells])
    return rows
