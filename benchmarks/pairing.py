"""Paired timing: contestants take turns, so that a slow spell of the machine hits all.

Every benchmark ends with lines ``NAME ratio R goal G``; ``scripts`` and people read
these. A value that has no goal is printed as ``NAME ratio R (information)``.
"""

import statistics
import time
from typing import Callable, Mapping, Sequence

import torch

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Contestant = Callable[[int], object]
"""Does one piece of work, given the number of the round."""


def seconds_of(work: Contestant, number: int, clock: str = "wall") -> float:
    """Time of one piece of work; work queued on a GPU is waited for."""
    now = CLOCKS[clock]
    _wait()
    start = now()
    work(number)
    _wait()
    return now() - start


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def take_turns(
    contestants: Mapping[str, Contestant],
    rounds: int,
    *,
    warm_up: int = 1,
    clock: str = "wall",
) -> dict[str, list[float]]:
    """Seconds of every contestant in every round; who begins changes each round.

    Args:
        warm_up: rounds before that are not counted (round 0 each time).
    """
    names = list(contestants)
    for _ in range(warm_up):
        for name in names:
            contestants[name](0)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            seconds[name].append(seconds_of(contestants[name], number, clock))
    return seconds


def median_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """Median over the rounds of first / second."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def spread(first: Sequence[float], second: Sequence[float]) -> str:
    """The rounds' ratios from the lower to the upper quartile, for the log."""
    ratios = sorted(a / b for a, b in zip(first, second, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return f"{low:.3f} to {high:.3f} in the middle half of {len(ratios)} rounds"


def information(name: str, ratio: float) -> None:
    """Print a value that has no goal."""
    print(f"{name} ratio {ratio:.4f} (information)", flush=True)


def result(name: str, ratio: float, goal: float, at_most: bool = False) -> bool:
    """Print the line that the benchmark is for; returns whether the goal is reached."""
    reached = ratio <= goal if at_most else ratio >= goal
    side = "at most" if at_most else "at least"
    verdict = "reached" if reached else "MISSED"
    print(f"{name} ratio {ratio:.4f} goal {goal:g} ({side}: {verdict})", flush=True)
    return reached
