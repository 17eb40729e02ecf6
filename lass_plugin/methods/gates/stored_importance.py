"""The importance of components for every key, and its file."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lass_plugin.errors import DAMAGED, LassError
from lass_plugin.masks.fingerprint import Fingerprint
from lass_plugin.methods.gates.components import Components, check_sites
from lass_plugin.methods.gates.importance import GRANULARITIES
from lass_plugin.methods.gates.sets import SHARED
from lass_plugin.records.fields import filled
from lass_plugin.tensor_files import OtherKind, Unreadable, read_tensors, write_tensors

NAME = "component_importance.safetensors"
VERSION = 2
_ENTRY = "lass_component_importance"


@dataclass(frozen=True)
class ComponentImportance:
    """The importance of every component for every key.

    Attributes:
        rows: key -> ``(components,)`` float64, means of Eq. 4.
        terms: key -> sentences or batches that the mean is over.
        granularity: see :mod:`.importance`.
        base: fingerprint of the model.
        note: for people: the data and the sample.
    """

    components: Components
    rows: Mapping[str, Tensor]
    terms: Mapping[str, int]
    granularity: str
    base: Fingerprint
    note: str = ""

    def of(self, key: str) -> dict[str, Tensor]:
        """Site -> ``(n,)`` for *key*; ``shared`` is the mean over all sentences or
        batches of all keys, each counting the same.

        Raises:
            LassError: it was not measured.
        """
        if key in self.rows:
            return self.components.split(self.rows[key])
        if key != SHARED:
            raise LassError(
                f"the importance for {key} was not measured; it was for "
                f"{', '.join(self.rows)}"
            )
        whole = sum(self.terms.values())
        summed = sum(row * self.terms[name] for name, row in self.rows.items())
        return self.components.split(torch.as_tensor(summed) / whole)


def save_importance(folder: str | os.PathLike, importance: ComponentImportance) -> Path:
    """Write *importance* into *folder* atomically."""
    path = Path(folder) / NAME
    header = {
        "version": VERSION,
        "sites": dict(importance.components.counts),
        "order": list(importance.components.counts),
        "widths": dict(importance.components.widths),
        "keys": list(importance.rows),
        "terms": dict(importance.terms),
        "granularity": importance.granularity,
        "base": dict(importance.base),
        "note": importance.note,
    }
    write_tensors(path, _ENTRY, header, importance.rows)
    return path


def load_importance(folder: str | os.PathLike) -> ComponentImportance:
    """Read what :func:`save_importance` wrote.

    Raises:
        LassError: missing, damaged, or of something else.
    """
    path = Path(folder)
    path = path / NAME if path.is_dir() else path
    advice = "make it with 'lass gates importance'"
    if not path.is_file():
        raise LassError(f"there is no {path}; {advice}")
    try:
        header, tensors = read_tensors(path, _ENTRY)
        return _restore(header, tensors)
    except OtherKind as error:
        raise LassError(f"{path} is not the importance of components; {advice}") from (
            error
        )
    except (Unreadable, *DAMAGED) as error:
        raise LassError(
            f"{path} cannot be read as the importance of components ({error}); it is "
            f"damaged, {advice}"
        ) from error


def _restore(header: Any, tensors: Mapping[str, Tensor]) -> ComponentImportance:
    if header["version"] != VERSION:
        raise ValueError(f"its version is {header['version']}")
    counts = filled(dict[str, int], header["sites"], "sites")
    order = filled(list[str], header["order"], "order")
    if sorted(order) != sorted(counts):
        raise ValueError("its order is of other sites")
    counts = {site: counts[site] for site in order}
    check_sites(counts, order)
    widths = filled(dict[str, int], header["widths"], "widths")
    components = Components(counts, widths)
    keys = filled(list[str], header["keys"], "keys")
    terms = filled(dict[str, int], header["terms"], "terms")
    if not keys or sorted(keys) != sorted(tensors) or terms.keys() != set(keys):
        raise ValueError("its numbers are of other keys")
    for key, row in tensors.items():
        sound = row.dtype == torch.float64 and row.shape == (components.total,)
        if not sound or not bool(torch.isfinite(row).all()) or float(row.min()) < 0:
            raise ValueError(f"{key} is no importance")
        if terms[key] < 1:
            raise ValueError(f"{key} is of {terms[key]} sentences")
    if header["granularity"] not in GRANULARITIES:
        raise ValueError(f"its granularity is {header['granularity']!r}")
    base = filled(dict[str, float], header["base"], "base")
    if not all(map(math.isfinite, base.values())):
        raise ValueError("its fingerprint is broken")
    note = filled(str, header["note"], "note")
    rows = {key: tensors[key] for key in keys}
    return ComponentImportance(
        components, rows, terms, header["granularity"], base, note
    )
