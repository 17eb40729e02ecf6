"""The answer that the outputs of a context's windows give, in its own characters."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Window:
    """What a model says of a part of a context.

    Attributes:
        starts, ends: ``(tokens,)`` logits; -inf where no answer begins or ends.
        characters: ``(tokens, 2)`` in the context, negative outside of it.
    """

    starts: Tensor
    ends: Tensor
    characters: Tensor

    @property
    def first(self) -> int:
        """The place of the first token of the context."""
        return int((self.characters[:, 0] >= 0).int().argmax())

    @property
    def length(self) -> int:
        """How many tokens of the context it has."""
        return int((self.characters[:, 0] >= 0).sum())


@dataclass(frozen=True)
class Answered:
    """A possible answer: the sum of its two logits, and its characters."""

    score: float
    start: int
    end: int


def ranked_answers(
    windows: Sequence[Window], stride: int, n_best: int = 20, longest: int = 30
) -> list[Answered]:
    """At most *n_best* answers by falling score, of every text place once.

    The *n_best* starts of a window are paired with its *n_best* ends. A start counts in
    the window that shows most on both of its sides (as in BERT's code), so that no
    token is judged at the edge of a window where another has it in the middle.

    Args:
        windows: of one context, in order.
        stride: tokens from one to the next, where the first has so many.
        longest: most tokens of an answer.
    """
    step = min(stride, windows[0].length)
    begins = [number * step for number in range(len(windows))]
    found: dict[tuple[int, int], float] = {}
    for number, window in enumerate(windows):
        first, tops = window.first, []
        for logits in (window.starts, window.ends):
            inside = logits[first : first + window.length]
            best = inside.topk(min(n_best, len(inside))).indices
            tops.append(best.tolist())
        for start in tops[0]:
            if _best_window(windows, begins, begins[number] + start) != number:
                continue
            for end in tops[1]:
                if not start <= end < start + longest:
                    continue
                score = window.starts[first + start] + window.ends[first + end]
                place = (
                    int(window.characters[first + start, 0]),
                    int(window.characters[first + end, 1]),
                )
                if place[0] < place[1]:
                    found[place] = max(float(score), found.get(place, -torch.inf))
    ranked = [Answered(score, *place) for place, score in found.items()]
    return sorted(ranked, key=lambda one: (-one.score, one.start, one.end))[:n_best]


def _best_window(
    windows: Sequence[Window], begins: Sequence[int], token: int
) -> int | None:
    """The window that shows most around the *token* of the context."""
    best, chosen = -1.0, None
    for number, (window, begin) in enumerate(zip(windows, begins, strict=True)):
        end = begin + window.length
        if begin <= token < end:
            shown = min(token - begin, end - 1 - token) + 0.01 * window.length
            if shown > best:
                best, chosen = shown, number
    return chosen
