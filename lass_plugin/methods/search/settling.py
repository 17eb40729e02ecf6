"""Settling: how repeatable a search's mask is, and when to end it.

Agreement is one of two (see :meth:`.one_search.SubnetworkSearch.settled`): what the
masks of the even and of the odd updates share (gradient), or what the mask now and the
mask at half the updates share (magnitude, which has no two halves). Chance is taken out
of it, so that masks at different ratios can be compared.

It says how far the same search would find the same mask again, and is no figure of
quality: it was -.15 for masks that beat random ones by 4.8 BLEU, and .85 for one far
worse than random. What a mask is worth is for losses to say, see :mod:`.figures`.
"""

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from lass_plugin.errors import LassError

Record = Mapping[str, Any]
"""``updates``, ``chance`` and, once they are known, ``halves``, ``since_halfway``, and
``batches`` and ``losses`` (:data:`.figures.LOSSES`)."""

MEASURES = {
    "halves": "masks of even and odd updates share",
    "since_halfway": "mask now and at half the updates share",
}
"""In words. The first that a record has is the one that counts."""


def measure_of(record: Record) -> str | None:
    """The measure that counts for *record*; None while it is too early to say."""
    return next((name for name in MEASURES if name in record), None)


def described(record: Record) -> str:
    """Every measure of *record* in words, and chance."""
    said = [f"{words} {record[m]:.3f}" for m, words in MEASURES.items() if m in record]
    return f"{'; '.join(said) or 'too early to say'} (chance {record['chance']:.3f})"


def agreement(record: Record) -> float | None:
    """Overlap above chance, (s − c) / (1 − c): 0 is chance, 1 is the same mask.

    s is the share of weights kept by one mask that the other keeps too, c what two
    random masks share (1 − ratio). Where nothing is removed (c = 1) every two masks are
    the same. None while it is too early to say.
    """
    name = measure_of(record)
    if name is None:
        return None
    chance = float(record["chance"])
    return 1.0 if chance >= 1.0 else (float(record[name]) - chance) / (1.0 - chance)


def churn(record: Record) -> float | None:
    """The share of the mask that is new since half the updates; None if unknown."""
    same = record.get("since_halfway")
    return None if same is None else 1.0 - float(same)


def last_losses(history: Sequence[Record]) -> dict[str, float]:
    """The losses that were measured last, each."""
    found: dict[str, float] = {}
    for record in history:
        found |= record.get("losses", {})
    return found


def growth(history: Sequence[Record], place: int = -1) -> float | None:
    """How much :func:`agreement` has grown while the updates doubled.

    Args:
        history: records by increasing updates.
        place: of the record in question.

    Returns:
        Its agreement less that of the last record at half its updates or before; None
        without such a record.
    """
    now = agreement(history[place])
    half = history[place]["updates"] / 2
    values = [agreement(record) for record in history if record["updates"] <= half]
    known = [value for value in values if value is not None]
    return now - known[-1] if now is not None and known else None


@dataclass(frozen=True)
class StoppingRule:
    """When a search has settled; looked at whenever it reports."""

    settled: float = 0.0
    """End once the agreement has reached this, in (0, 1]; 0: never."""
    growth: float = 0.0
    """End once the agreement grows by less than this while the updates double, having
    grown by as much before; 0: never. (A search begins as noise that does not grow
    either.)"""
    patience: int = 0
    """End once the loss of the search's weights under its mask has not been lower than
    before in so many records; 0: never. What was measured on more or fewer batches, as
    by a search that went on for longer, is not compared."""

    def __post_init__(self) -> None:
        if self.patience < 0:
            raise LassError(
                f"--stop-patience {self.patience} is below 0; it is a number of "
                "reports, such as 3 (0: never)"
            )
        options = {"settled": self.settled, "growth-below": self.growth}
        for option, value in options.items():
            if not 0.0 <= value <= 1.0:
                raise LassError(
                    f"--stop-when-{option} {value:g} is outside [0, 1]; it is a share "
                    "of the mask above chance, such as 0.5 (0: never)"
                )

    def reason(self, history: Sequence[Record], earliest: int = 0) -> str:
        """Why a search with this *history* is to end now; empty if it is not.

        Args:
            earliest: updates before which losses do not count (the end of a ramp).
        """
        if self.patience:
            measured = [
                record
                for record in history
                if record["updates"] >= earliest and record.get("losses")
            ]
            losses = [
                record["losses"]["own"]
                for record in measured
                if record.get("batches") == measured[-1].get("batches")
            ]
            since = len(losses) - 1 - losses.index(min(losses)) if losses else 0
            if since >= self.patience:
                return (
                    f"the loss under the mask, {losses[-1]:.3f}, has not fallen below "
                    f"{min(losses):.3f} at {since} reports"
                )
        now = agreement(history[-1]) if history else None
        if now is None:
            return ""
        if self.settled and now >= self.settled:
            return f"agreement above chance {now:.3f} has reached {self.settled:g}"
        if self.growth:
            *before, last = (growth(history, place) for place in range(len(history)))
            has_grown = any(g is not None and g >= self.growth for g in before)
            if has_grown and last is not None and last < self.growth:
                return (
                    f"agreement above chance {now:.3f} has grown by {last:.3f} while "
                    f"the updates doubled, less than {self.growth:g}"
                )
        return ""

    def stops_at(self, history: Sequence[Record], earliest: int = 0) -> int | None:
        """The updates at which a search with this *history* would have ended.

        Args:
            earliest: updates before which it would not (the end of a gradual ramp).
        """
        for end, record in enumerate(history, start=1):
            begun = record["updates"] >= earliest
            if begun and self.reason(history[:end], earliest):
                return int(record["updates"])
        return None
