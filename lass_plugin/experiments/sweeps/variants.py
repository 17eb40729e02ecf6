"""Variants: what a sweep compares, each a way to choose the masks of all pairs."""

from dataclasses import dataclass
from typing import Iterable, Protocol, Sequence, TypeVar

from lass_plugin.errors import LassError
from lass_plugin.masks import DEFAULT_TARGETS
from lass_plugin.methods.search.plan import SCHEDULES
from lass_plugin.schedules import check_ratio
from lass_plugin.scores import SCORES

RATIOS = tuple(number / 10 for number in range(1, 10))
"""0.1 to 0.9, as in He 2023, Fig. 1."""

SUB_LAYERS = tuple((target,) for target in DEFAULT_TARGETS)
"""Attention only and feed-forward only (He 2023, Table 2)."""

DENSE, RATIO, SUB_LAYER, OWN, RANDOM = (
    *("dense", "ratio", "sub-layer", "own ratios", "random"),
)


class Compared(Protocol):
    """A row of the table of any sweep: the masks of all pairs, or the baseline."""

    @property
    def name(self) -> str:
        """Name of its folders and of the system."""

    @property
    def kind(self) -> str:
        """:data:`DENSE` for the baseline, which has no masks."""


V = TypeVar("V", bound=Compared)


@dataclass(frozen=True)
class Method:
    """A score and a schedule: one of the four systems of He 2023, §4.3."""

    criterion: str
    schedule: str

    def __str__(self) -> str:
        return f"{self.criterion}-{self.schedule}"

    @classmethod
    def parse(cls, text: str) -> "Method":
        """Read ``gradient-oneshot``.

        Raises:
            LassError: no such method.
        """
        criterion, _, schedule = text.strip().rpartition("-")
        if criterion not in SCORES.names() or schedule not in SCHEDULES:
            known = ", ".join(f"{c}-{s}" for c in SCORES.names() for s in SCHEDULES)
            raise LassError(f"unknown method '{text.strip()}'; choose from {known}")
        return cls(criterion, schedule)


@dataclass(frozen=True)
class Variant:
    """One row of the table: a mask set and the model trained under it."""

    kind: str
    """:data:`DENSE`, :data:`RATIO`, :data:`SUB_LAYER`, :data:`OWN`, :data:`RANDOM`."""
    method: Method | None = None
    """None where no search is involved."""
    ratio: float | None = None
    """Share removed from each matrix; for own ratios the mean over the pairs."""
    targets: tuple[str, ...] | None = None
    """Matrices covered; None for all that were searched in."""

    @property
    def name(self) -> str:
        """Name of its folders and of the system, such as ``gradient-oneshot-0.6``."""
        if self.kind == DENSE:
            return DENSE
        if self.kind == RANDOM:
            return f"random-{self.ratio:g}"
        parts = [str(self.method)] + ["own"] * (self.kind == OWN)
        parts += [f"{self.ratio:g}", *(self.targets or ())]
        return "-".join(parts)


def list_variants(
    methods: Sequence[Method],
    ratios: Sequence[float],
    ablation: Sequence[float] = (),
    own: Sequence[float] = (),
    random: Sequence[float] = (),
) -> list[Variant]:
    """All variants, the dense baseline first.

    Args:
        methods: each gets every one of the following.
        ratios: one ratio for all pairs.
        ablation: ratios at which attention and feed-forward are also masked alone.
        own: mean ratios at which each pair has its own.
        random: ratios of random masks, the control.
    """
    check_ratios("--ratios", ratios)
    check_ratios("--ablation", ablation)
    check_ratios("--own-ratios", own)
    check_ratios("--random", random)
    variants = [Variant(DENSE)]
    for method in methods:
        together = dict.fromkeys((*ratios, *ablation))  # an ablation has its whole
        variants += [Variant(RATIO, method, ratio) for ratio in together]
        variants += [
            Variant(SUB_LAYER, method, ratio, targets)
            for ratio in ablation
            for targets in SUB_LAYERS
        ]
        variants += [Variant(OWN, method, ratio) for ratio in own]
    return variants + [Variant(RANDOM, ratio=ratio) for ratio in random]


def check_ratios(option: str, ratios: Sequence[float]) -> None:
    """Refuse a ratio that is out of range or given twice."""
    for ratio in ratios:
        check_ratio(ratio, option)
    check_once(option, [f"{ratio:g}" for ratio in ratios])


def check_once(option: str, values: Iterable[str]) -> None:
    """Refuse a value that is given twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise LassError(f"{option} names {value} twice; give each one once")
        seen.add(value)


def parse_ratios(option: str, text: str) -> tuple[float, ...]:
    """Read ``0.1,0.5`` or ``0.1:0.9`` (in steps of a tenth) or ``0.1:0.9:0.2``.

    Raises:
        LassError: names the option and what is wrong.
    """
    ratios = parse_numbers(option, text, "ratios")
    check_ratios(option, ratios)
    return ratios


def parse_numbers(option: str, text: str, what: str) -> tuple[float, ...]:
    """Numbers of any size, written as for :func:`parse_ratios`.

    Raises:
        LassError: it is no list of *what*.
    """
    numbers: list[float] = []
    for part in text.split(","):
        try:
            ends = [float(number) for number in part.split(":")]
            if len(ends) == 1:
                numbers += ends
                continue
            low, high, step = ends if len(ends) == 3 else (*ends, 0.1)
            if not (step > 0 and low <= high and (high - low) / step < 1000):
                raise ValueError
            count = int((high - low) / step + 1e-9) + 1
            numbers += [round(low + number * step, 9) for number in range(count)]
        except (ValueError, OverflowError):
            raise LassError(
                f"{option} {text} is no list of {what}; write 0.1,0.5,0.9 or 0.1:0.9"
            ) from None
    return tuple(numbers)
