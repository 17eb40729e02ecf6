"""Nearest neighbours of sentences by their vectors, exactly and in little memory.

Tatoeba: an English sentence is translated by the one whose vector is nearest (cosine).
BUCC: pairs are scored by the ratio margin (Artetxe and Schwenk 2019) over the k nearest
neighbours of both sides, and mined above a threshold:

    margin(x, y) = cos(x, y) / ((mean cos of x's k nearest + mean of y's k nearest) / 2)
"""

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 1024
"""Rows and columns of similarities that are in memory at once."""


def normalised(vectors: Tensor) -> Tensor:
    """Rows ``(n, d)`` of length 1 in float32; a row of zeros stays so."""
    return torch.nn.functional.normalize(vectors.float(), dim=1)


def nearest(
    queries: Tensor, candidates: Tensor, k: int = 1, block: int = BLOCK
) -> tuple[Tensor, Tensor]:
    """The *k* candidates of largest cosine of each query, exactly.

    Args:
        queries, candidates: ``(n, d)`` and ``(m, d)`` of :func:`normalised`.

    Returns:
        ``(n, min(k, m))`` cosines, falling, and the numbers of the candidates; of equal
        ones the earlier comes first.
    """
    k = min(k, len(candidates))
    values, numbers = [], []
    for rows in queries.split(block):
        best = torch.empty(len(rows), 0, device=rows.device)
        where = torch.empty(len(rows), 0, dtype=torch.long, device=rows.device)
        for start in range(0, len(candidates), block):
            part = rows @ candidates[start : start + block].T
            places = torch.arange(start, start + part.shape[1], device=rows.device)
            best = torch.cat([best, part], dim=1)
            where = torch.cat([where, places.expand(len(rows), -1)], dim=1)
            order = best.argsort(dim=1, descending=True, stable=True)[:, :k]
            best, where = best.gather(1, order), where.gather(1, order)
        values.append(best)
        numbers.append(where)
    return torch.cat(values), torch.cat(numbers)


@dataclass(frozen=True)
class Candidates:
    """Pairs that may translate each other, by falling score.

    Attributes:
        scores: ``(c,)`` ratio margins.
        pairs: ``(c, 2)`` numbers of the sentences.
    """

    scores: Tensor
    pairs: Tensor


def candidates_by_margin(
    ours: Tensor, english: Tensor, k: int = 4, block: int = BLOCK
) -> Candidates:
    """The best partner of every sentence, both ways, each sentence in one pair at most.

    Of a sentence's k nearest neighbours the one of largest margin is its partner. All
    such pairs of both directions are gone through by falling margin, and one whose
    sentences are both free is taken, as LASER's mining does.

    Args:
        ours, english: ``(n, d)`` and ``(m, d)`` of :func:`normalised`.
    """
    forth, forth_at = nearest(ours, english, k, block)
    back, back_at = nearest(english, ours, k, block)
    mean_ours, mean_english = forth.mean(dim=1), back.mean(dim=1)
    forward = forth / ((mean_ours[:, None] + mean_english[forth_at]) / 2)
    backward = back / ((mean_english[:, None] + mean_ours[back_at]) / 2)
    found = []
    for margins, places, swapped in (
        (forward, forth_at, False),
        (backward, back_at, True),
    ):
        best, column = margins.max(dim=1)
        partners = places.gather(1, column[:, None])[:, 0]
        numbers = torch.arange(len(best), device=best.device)
        sides = (partners, numbers) if swapped else (numbers, partners)
        found.append((best, torch.stack(sides, dim=1)))
    scores = torch.cat([each for each, _ in found]).cpu()
    pairs = torch.cat([each for _, each in found]).cpu()
    kept, used, taken = [], set[int](), set[int]()
    order = scores.argsort(descending=True, stable=True).tolist()
    listed = pairs.tolist()
    for place in order:
        mine, theirs = listed[place]
        if mine not in used and theirs not in taken:
            used.add(mine)
            taken.add(theirs)
            kept.append(place)
    chosen = torch.tensor(kept, dtype=torch.long)
    return Candidates(scores[chosen], pairs[chosen])


def best_threshold(found: Candidates, gold: set[tuple[int, int]]) -> float:
    """The margin from which on F1 against *gold* is best: half-way to the next pair's.

    Returns:
        Infinity where no pair is right.
    """
    best, threshold, correct = 0.0, float("inf"), 0
    scores = found.scores.tolist()
    for number, (mine, theirs) in enumerate(found.pairs.tolist(), start=1):
        correct += (mine, theirs) in gold
        if number < len(scores) and scores[number] == scores[number - 1]:
            continue  # no threshold parts them
        f1 = 2 * correct / (number + len(gold))
        if f1 > best:
            after = scores[number] if number < len(scores) else scores[-1]
            best, threshold = f1, (scores[number - 1] + after) / 2
    return threshold
