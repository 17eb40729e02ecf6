"""Our parameters, bytes and tokens a second, from files of ``lass table cost``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lass_plugin.papers.figures import DISK
from lass_plugin.papers.ours import Cell, Ours
from lass_plugin.records.fields import filled
from lass_plugin.tables.table_files import table_format

CHECKPOINT = "checkpoint"
"""The fact of a cell that says which checkpoint was counted."""

MILLION, MEBIBYTE = 1e6, 2**20


def costs_of(files: Sequence[Path]) -> Ours:
    """What the systems of *files* take; of one that two files have, the first counts.

    ``parameters`` are all that a system has, ``parameters-of-pair`` what a translation
    computes with, ``own-parameters`` those beside a frozen base, of a system without
    one all. ``disk`` is of weights and masks, without the optimizer's state.

    Raises:
        LassError: a file is damaged.
    """
    ours = Ours()
    for file in files:
        found = Ours()
        with table_format("cost").reading(file) as record:
            for table in filled(list[dict[str, Any]], record["tables"], "tables"):
                for line in table["records"]:
                    for code, value in _figures(table["name"], line).items():
                        name = filled(str, line["system"], "system")
                        number = filled(float, value, f"{code} of {name}")
                        facts = {k: line[k] for k in (CHECKPOINT,) if k in line}
                        found.cells[name, code] = Cell(number, facts=facts)
        found.systems = tuple(dict.fromkeys(name for name, _ in found.cells))
        ours.add(found, file)
    return ours


def _figures(table: str, line: Mapping[str, Any]) -> dict[str, Any]:
    """Code of a column -> what a line of the tables of cost says of it."""
    if table == "speed":
        return {line["device"]: line["tokens_per_second"]}
    if table != "size":
        return {}
    every, base = line["parameters"], line["of_the_base"]
    scored = {line["metric"]: line["score"]} if "metric" in line else {}
    return {
        "parameters": every / MILLION,
        "parameters-of-pair": line["of_a_pair"] / MILLION,
        "own-parameters": (every - base) / MILLION,
        DISK: (line["weight_bytes"] + line["mask_bytes"]) / MEBIBYTE,
        **scored,
    }
