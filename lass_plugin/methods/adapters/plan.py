"""Whose adapters a model has, and how wide they are."""

from dataclasses import asdict, dataclass
from typing import Any, Iterable, Mapping

from lass_plugin.anatomy.places import SIDES
from lass_plugin.errors import LassError
from lass_plugin.languages import PAIR, SIDES_BY, Pair, keys_of
from lass_plugin.records.fields import filled, whole

OWNERS = {
    "pair": "each pair",
    "source": "each source",
    "target": "each target",
    "separate": "each source and each target",
}
"""What adapters belong to, in words."""


@dataclass(frozen=True)
class AdapterPlan:
    """What decides which adapters there are and which of them a pair computes with."""

    by: str
    """One of :data:`.languages.SIDES_BY`."""
    bottleneck: int
    encoder: tuple[str, ...]
    """Pairs, or languages, that have an adapter behind each layer; sorted."""
    decoder: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.by not in SIDES_BY:
            raise ValueError(f"adapters belong to '{self.by}'")
        whole(self.bottleneck, "bottleneck", 1)

    @classmethod
    def of(cls, pairs: Iterable[Pair], by: str, bottleneck: int) -> "AdapterPlan":
        """The plan of a model that is trained on *pairs*."""
        keys = [keys_of(str(pair), by) for pair in pairs]
        encoder, decoder = (
            tuple(sorted({each[side] for each in keys})) for side in range(len(SIDES))
        )
        return cls(by, bottleneck, encoder, decoder)

    def keys(self, side: str) -> tuple[str, ...]:
        """Whose adapters stand behind the layers of a *side*."""
        return self.encoder if side == SIDES[0] else self.decoder

    def index(self, side: str) -> str:
        """What of a pair chooses the adapter of a *side*."""
        return SIDES_BY[self.by][SIDES.index(side)]

    def keys_of(self, pair: Pair) -> dict[str, str]:
        """Side -> key of the adapters that *pair* computes with."""
        return dict(zip(SIDES, keys_of(str(pair), self.by), strict=True))

    def check_pairs(self, pairs: Iterable[Pair]) -> None:
        """Refuse pairs that have no adapters.

        Raises:
            LassError: names the first one, and what is there.
        """
        for pair in pairs:
            for side, key in self.keys_of(pair).items():
                if key in self.keys(side):
                    continue
                there = ", ".join(self.keys(side))
                hint = ""
                if self.by == PAIR:
                    hint = (
                        "; directions without training take adapters of languages "
                        "(--adapter-by separate)"
                    )
                raise LassError(
                    f"there is no adapter of {key} in the {side}, so {pair} cannot be "
                    f"computed (there are those of {there}); leave it out{hint}"
                )

    def only(self, pair: Pair) -> "AdapterPlan":
        """The plan of a model that has the adapters of *pair* alone."""
        return AdapterPlan.of([pair], self.by, self.bottleneck)

    def to_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        return {**plain, "encoder": list(self.encoder), "decoder": list(self.decoder)}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "AdapterPlan":
        """What :meth:`to_dict` gave.

        Raises:
            ValueError, KeyError: damaged.
        """
        return filled(cls, dict(state), "plan")

    def __str__(self) -> str:
        return f"adapters of {OWNERS[self.by]}, bottleneck {self.bottleneck}"
