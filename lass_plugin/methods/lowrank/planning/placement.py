"""Placement: whether the modules of a layer are those of the source or of the target.

Cao 2024, §4.1: the lower encoder layers want the source language, the upper ones and
the decoder the target language. Weight learning finds it; here it is written down.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from lass_plugin.anatomy.places import SIDES
from lass_plugin.errors import LassError
from lass_plugin.languages import SOURCE, TARGET
from lass_plugin.records.fields import filled
from lass_plugin.records.json_record import RecordFormat

LEARN = "learn"
"""The rule by which both indices are tried."""
BOTH = "both"
INDICES = (SOURCE, TARGET, BOTH)

PLACEMENT = RecordFormat(
    "lass_plugin lslo placement",
    "a placement",
    advice="make it with 'lass lslo placement'",
    unmarked=True,
)
DEFAULT = "first:75%"
"""Nine of twelve encoder layers by source, all others by target: what weight learning
found in the paper (§6.1)."""


@dataclass(frozen=True)
class Placement:
    """The index of every layer, :data:`SOURCE`, :data:`TARGET` or :data:`BOTH`."""

    encoder: tuple[str, ...]
    decoder: tuple[str, ...]

    def __post_init__(self) -> None:
        for side in SIDES:
            for index in getattr(self, side):
                if index not in INDICES:
                    raise LassError(
                        f"a layer of the {side} is indexed by '{index}'; it is one of "
                        f"{', '.join(INDICES)}"
                    )

    @property
    def layers(self) -> dict[str, int]:
        """Side -> number of its layers."""
        return {side: len(getattr(self, side)) for side in SIDES}

    @property
    def learns(self) -> bool:
        """Whether both indices are tried (weight learning, Cao 2024, Eq. 5)."""
        return BOTH in (*self.encoder, *self.decoder)

    def of(self, side: str, layer: int) -> str:
        return getattr(self, side)[layer]

    def indices(self, side: str, layer: int) -> tuple[str, ...]:
        """The indices of the modules beside a matrix of that layer."""
        index = self.of(side, layer)
        return (SOURCE, TARGET) if index == BOTH else (index,)

    def to_dict(self) -> dict[str, list[str]]:
        return {side: list(getattr(self, side)) for side in SIDES}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Placement":
        return cls(*(filled(tuple[str, ...], values[side], side) for side in SIDES))

    def check_layers(self, layers: Mapping[str, int], what: str) -> None:
        """Refuse a placement of a model with another number of layers."""
        for side, count in self.layers.items():
            if count != layers[side]:
                raise LassError(
                    f"the placement {what} has {count} layers of the {side}, the model "
                    f"has {layers[side]}; give a placement of this model"
                )


def parse_placement(text: str, layers: Mapping[str, int]) -> Placement:
    """Read a rule, or a file of ``lass lslo placement``.

    Args:
        text: ``learn`` (both, weighed), ``source`` (encoder by source), ``target``
            (encoder by target), ``first:9`` or ``first:75%`` (so many of the first
            encoder layers by source); the decoder is by target in all but ``learn``.
            Or a JSON file.
        layers: side -> number of layers of the model.

    Raises:
        LassError: none of these, or a file for another number of layers.
    """
    encoder, decoder = layers["encoder"], layers["decoder"]
    if text == LEARN:
        return Placement((BOTH,) * encoder, (BOTH,) * decoder)
    rules = {SOURCE: f"first:{encoder}", TARGET: "first:0"}
    rule = rules.get(text, text)
    if rule.startswith("first:"):
        first = _first(rule.removeprefix("first:"), encoder, text)
        by_source, by_target = (SOURCE,) * first, (TARGET,) * (encoder - first)
        return Placement(by_source + by_target, (TARGET,) * decoder)
    placement = read_placement(text)
    placement.check_layers(layers, f"in {text}")
    return placement


def _first(number: str, layers: int, text: str) -> int:
    share = number.endswith("%")
    try:
        value = int(number.removesuffix("%"))
    except ValueError:
        value = -1
    first = round(value / 100 * layers) if share else value
    if not (0 <= first <= layers and value >= 0):
        raise LassError(
            f"--lslo-placement {text}: write first:N with N from 0 to {layers}, the "
            "encoder layers of the model, or first:P%"
        )
    return first


def write_placement(path: Path, placement: Placement, more: Mapping[str, Any]) -> None:
    """Write *placement* to *path* atomically.

    Args:
        more: for people, such as the weights that were learned.
    """
    PLACEMENT.write(path, {**placement.to_dict(), **more})


def read_placement(path: str | Path) -> Placement:
    """What :func:`write_placement` wrote, or the same by hand.

    Raises:
        LassError: missing or damaged.
    """
    if not Path(path).is_file():
        raise LassError(
            f"'{path}' is neither a rule of placement (learn, source, target, first:N, "
            "first:P%) nor a file"
        )
    with PLACEMENT.reading(path) as record:
        return Placement.from_dict(record)
