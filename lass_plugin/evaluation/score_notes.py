"""What stands behind scores, in sentences below their tables."""

from collections.abc import Callable, Iterable

from lass_plugin.evaluation.metrics import Score
from lass_plugin.evaluation.significance import LEVEL, Difference

Mark = Callable[[str], str]
"""Marks up text from outside: ``str`` for a terminal, or as Markdown."""


def system_note(
    name: str, checkpoint: str, mask: str | None, plain: Mark = str, code: Mark = str
) -> str:
    """The checkpoint and the mask of a system.

    Args:
        plain, code: mark up a name, and what is verbatim.
    """
    under = "no mask (dense)" if mask is None else f"mask {code(mask)}"
    return f"{plain(name)}: checkpoint {code(checkpoint)}, {under}"


def difference_note(
    baseline: str, test: Difference, more: str = "", plain: Mark = str
) -> str:
    """What signed numbers and stars are, with the numbers of the resampling."""
    return (
        f"signed numbers: difference to {plain(baseline)}; {plain('*')}: p < {LEVEL}, "
        f"paired bootstrap ({test.n_samples} samples, seed {test.seed}{more})"
    )


def signature_notes(
    scores: Iterable[tuple[str, Score]], plain: Mark = str, code: Mark = str
) -> list[str]:
    """A sentence for each signature; it names its pairs where others have another.

    Args:
        scores: pair and score, in the order of the sentences.
    """
    pairs_of: dict[tuple[str, str], dict[str, None]] = {}
    every: dict[str, None] = {}
    for pair, score in scores:
        pairs_of.setdefault((score.metric, score.signature), {})[pair] = None
        every[pair] = None
    notes = []
    for (metric, signature), pairs in pairs_of.items():
        where = "" if len(pairs) == len(every) else f" ({plain(', '.join(pairs))})"
        notes.append(f"{metric}{where}: {code(signature)}")
    return notes
