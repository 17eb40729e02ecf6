"""Gate sets: the gates of every language key of one model, and their folder.

    gates.json           what they are, and of which model
    gates.safetensors    the numbers: a row of all components for each key

Gates of 0 and 1 are one bit a component on disk, learned ones are float32. The record
is written last and has the digest of the numbers, so that the files belong together.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lass_plugin.anatomy.neurons import owned_parameters
from lass_plugin.anatomy.older_names import todays_names
from lass_plugin.errors import LassError
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint, same_weights
from lass_plugin.masks.packing import pack, packed_size, unpack
from lass_plugin.methods.gates.components import Components, check_sites, is_rank
from lass_plugin.methods.gates.dynamic import Slopes, check_grid, size_of
from lass_plugin.methods.gates.hard_concrete import HardConcrete
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat
from lass_plugin.tensor_files import OtherKind, Unreadable, read_tensors, write_tensors

FIXED, LEARNED, DYNAMIC = "fixed", "learned", "dynamic"
ROWS = {FIXED: ("open",), LEARNED: ("alpha",), DYNAMIC: ("offset", "slope", "size")}
"""Kind of gates -> the rows that each key has. ``fixed``: 0 or 1. ``learned``: α of a
hard concrete gate. ``dynamic``: a, θ and t̂ of Eq. 14 (see :mod:`.dynamic`)."""

SHARED = "shared"
"""The key of gates that serve all."""

RECORD = RecordFormat(
    "lass_plugin gates",
    "the gates.json of 'lass gates select'",
    sealed=1,
    advice="make it with 'lass gates select'",
)
NAME, NUMBERS = "gates.json", "gates.safetensors"
_ENTRY = "lass_gates"
VERSION = 2
"""Of the numbers; what has a digest begins with 2."""


@dataclass(frozen=True)
class GateSets:
    """The gates of every key of one model.

    Attributes:
        kind: one of :data:`ROWS`.
        rows: key -> name of a row -> ``(components,)``, boolean for ``open``, else
            float32.
        base: fingerprint of the weights that they were made for.
        gate: of learned and dynamic ones.
        grid: sizes of dynamic ones, rising from 0 to 1; empty for others.
        note: how they were made; plain values.
    """

    kind: str
    components: Components
    rows: Mapping[str, Mapping[str, Tensor]]
    base: Fingerprint
    gate: HardConcrete = HardConcrete()
    grid: tuple[float, ...] = ()
    note: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in ROWS:
            raise ValueError(f"its kind of gates is {self.kind!r}")
        components = self.components
        check_sites(components.counts, list(components.counts))
        if all(map(is_rank, components.counts)):
            raise ValueError("it has neither heads nor hidden units")
        heads = {s for s in components.counts if s.endswith(".heads")}
        narrowest = min(components.widths.values(), default=1)  # none without heads
        if components.widths.keys() != heads or narrowest < 1:
            raise ValueError("its widths are not those of its heads")
        if not self.rows:
            raise ValueError("it has no key")
        for key, rows in self.rows.items():
            if not key or "/" in key or tuple(rows) != ROWS[self.kind]:
                raise ValueError(f"{key!r} has the rows {list(rows)}")
            for name, row in rows.items():
                kind = torch.bool if self.kind == FIXED else torch.float32
                if row.shape != (components.total,) or row.dtype != kind:
                    raise ValueError(
                        f"{key}/{name} is {row.dtype} of {tuple(row.shape)}"
                    )
                if not bool(torch.isfinite(row).all()):
                    raise ValueError(f"{key}/{name} holds numbers that are not finite")
        if self.base.keys() != {s for s in components.counts if not is_rank(s)}:
            raise ValueError("its fingerprint is of other sites")
        if self.kind == DYNAMIC:
            check_grid(self.grid)
        elif self.grid:
            raise ValueError("it has sizes, but is not dynamic")

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.rows)

    def serves(self, key: str) -> str:
        """The key whose gates *key* has: its own, or the shared ones.

        Raises:
            LassError: there is neither.
        """
        if key in self.rows:
            return key
        if SHARED in self.rows:
            return SHARED
        raise LassError(
            f"there are no gates of {key}; there are {', '.join(self.rows)}"
        )

    def values(self, key: str, sparsity: float | None = None) -> dict[str, Tensor]:
        """The gates of *key* at inference: site -> ``(n,)`` float32 in [0, 1].

        Args:
            sparsity: of dynamic gates, which need one; None for others.

        Raises:
            LassError: no gates, or a sparsity that they were not made for.
        """
        rows = self.rows[self.serves(key)]
        size = self.size(sparsity)
        if self.kind == FIXED:
            return self.components.split(rows["open"].float())
        if self.kind == LEARNED:
            return self.components.split(self.gate.value(rows["alpha"]))
        assert size is not None
        return self.components.split(self.gate.value(slopes_in(rows).arguments(size)))

    def size(self, sparsity: float | None, flag: str = "--sparsity") -> float | None:
        """t of a sparsity that was chosen; None of gates that have but one.

        Raises:
            LassError: one is missing, has no effect, or is not of the grid.
        """
        if self.kind == DYNAMIC:
            if sparsity is None:
                raise LassError(
                    f"these gates serve any sparsity; say which one with {flag}"
                )
            return size_of(sparsity, self.grid, flag)
        if sparsity is not None:
            raise LassError(
                f"{flag} has no effect on gates that are {self.kind}, which have one "
                "sparsity; leave it out"
            )
        return None

    def check_base(self, tensors: Mapping[str, Tensor], what: str) -> None:
        """Refuse gates that were made for other weights than *tensors*.

        Raises:
            LassError: they were.
        """
        if not same_weights(self.base, base_of(self.components, tensors)):
            raise LassError(
                f"the gates were made for other weights than those of {what}; give the "
                "model that their importance was measured on"
            )

    def to_state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint; see :func:`from_state`."""
        return {"record": self._record(), "numbers": self._numbers()}

    def _record(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "keys": list(self.rows),
            "sites": dict(self.components.counts),
            "widths": dict(self.components.widths),
            "base": dict(self.base),
            "left": self.gate.left,
            "right": self.gate.right,
            "beta": self.gate.beta,
            "grid": list(self.grid),
            "note": dict(self.note),
        }

    def _numbers(self) -> dict[str, Tensor]:
        return {
            f"{key}/{name}": pack(row) if row.dtype == torch.bool else row.cpu()
            for key, rows in self.rows.items()
            for name, row in rows.items()
        }


def slopes_in(rows: Mapping[str, Tensor]) -> Slopes:
    """The rows of a key of dynamic gates."""
    return Slopes(rows["offset"], rows["slope"], rows["size"])


def base_of(components: Components, tensors: Mapping[str, Tensor]) -> Fingerprint:
    """Fingerprint of the model that gates belong to: the first matrix of each row of
    heads and of units. The embedding, which is stored in two forms, is left out.

    Args:
        tensors: name -> weight; those of the public XLM-R have older names.
    """
    tensors = todays_names(tensors)
    owners = {
        site: owned_parameters(site)[0][0]
        for site in components.counts
        if not is_rank(site)
    }
    return fingerprint({s: tensors[n] for s, n in owners.items() if n in tensors})


def from_state(state: Any) -> GateSets:
    """The gate sets of what :meth:`GateSets.to_state` gave.

    Raises:
        ValueError, LookupError, TypeError: it is damaged.
    """
    record, numbers = state["record"], state["numbers"]
    kind = filled(str, record["kind"], "kind")
    if kind not in ROWS:
        raise ValueError(f"its kind of gates is {kind!r}")
    counts = filled(dict[str, int], record["sites"], "sites")
    widths = filled(dict[str, int], record["widths"], "widths")
    components = Components(counts, widths)
    keys = filled(list[str], record["keys"], "keys")
    if len(set(keys)) != len(keys):
        raise ValueError("it names a key twice")
    expected = {f"{key}/{name}" for key in keys for name in ROWS[kind]}
    if numbers.keys() != expected:
        raise ValueError("its numbers are of other keys")
    rows = {
        key: {
            name: _row(numbers[f"{key}/{name}"], kind, components, f"{key}/{name}")
            for name in ROWS[kind]
        }
        for key in keys
    }
    gate = HardConcrete(
        *(filled(float, record[name], name) for name in ("left", "right", "beta"))
    )
    return GateSets(
        kind,
        components,
        rows,
        filled(dict[str, float], record["base"], "base"),
        gate,
        tuple(filled(list[float], record["grid"], "grid")),
        filled(dict[str, Any], record["note"], "note"),
    )


def _row(stored: Tensor, kind: str, components: Components, name: str) -> Tensor:
    if kind != FIXED:
        return stored
    units = components.total
    if stored.dtype != torch.uint8 or stored.shape != (packed_size(units),):
        raise ValueError(f"{name} is {stored.dtype} of {tuple(stored.shape)}")
    row = unpack(stored, (units,))
    if not torch.equal(pack(row), stored):
        raise ValueError(f"{name} has stray bits after its end")
    return row


def save_gates(folder: str | os.PathLike, sets: GateSets) -> Path:
    """Write *sets* into *folder*; the same gates give the same bytes.

    Returns:
        The record, written last.
    """
    state, place = sets.to_state(), Path(folder)
    numbers: dict[str, Tensor] = state["numbers"]
    write_tensors(place / NUMBERS, _ENTRY, {"version": VERSION}, numbers)
    record = {**state["record"], "numbers": digest_of_numbers(numbers)}
    return RECORD.write(place / NAME, record)


def digest_of_numbers(numbers: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names and bytes of all rows."""
    result = hashlib.sha256()
    for name in sorted(numbers):
        result.update(f"{name}\0".encode() + numbers[name].cpu().numpy().tobytes())
    return result.hexdigest()


def load_gates(folder: str | os.PathLike) -> GateSets:
    """Read what :func:`save_gates` wrote.

    Raises:
        LassError: missing, damaged, or the two files are of different gates.
    """
    place = Path(folder)
    with RECORD.reading(place / NAME) as record:
        try:
            header, numbers = read_tensors(place / NUMBERS, _ENTRY)
        except (OtherKind, Unreadable) as error:
            raise LassError(
                f"{place / NUMBERS} cannot be read as gates ({error}); make them again "
                "with 'lass gates select'"
            ) from error
        if header["version"] != VERSION:
            raise ValueError(f"{NUMBERS} is of version {header['version']}")
        if record["numbers"] != digest_of_numbers(numbers):
            raise ValueError(f"{NUMBERS} beside it is of other gates")
        return from_state({"record": record, "numbers": numbers})
