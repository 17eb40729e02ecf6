"""Penalties on the gates of all languages (Li 2022, Eq. 10 to 13)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.language_families import MISSING_FAMILY


def size(probabilities: Tensor, weights: Tensor) -> Tensor:
    """‖G‖₀ / Σ w: the weighted share of components that are expected to be there.

    Args:
        probabilities: ``(…, components)``, each ‖g‖₀ (Eq. 9).
        weights: ``(components,)`` (Appendix B); zero for what does not count.
    """
    return (probabilities * weights).sum(dim=-1) / weights.sum()


def native(probabilities: Tensor, weights: Tensor) -> Tensor:
    """Eq. 10, weighted: the shares of all languages added up.

    Args:
        probabilities: ``(languages, components)``.
    """
    return size(probabilities, weights).sum()


def constraint(
    probabilities: Tensor, weights: Tensor, target: float | Tensor
) -> Tensor:
    """Eq. 11: Σ over languages of | ‖G‖₀ − t |, both as shares.

    Args:
        probabilities: ``(languages, components)``.
        target: t, one minus the sparsity; one number, or ``(languages,)``.
    """
    return (size(probabilities, weights) - target).abs().sum()


def diversity(
    gates: Tensor, prior: Tensor | None = None, weights: Tensor | None = None
) -> Tensor:
    """Eq. 12: ‖P ⊙ Ḡ Ḡᵀ ⊙ (1 − I)‖₁, what every two languages have in common.

    Args:
        gates: ``(languages, components)``.
        prior: P, ``(languages, languages)``; None for ones.
        weights: ``(components,)`` to weigh components and divide by the sum, and to
            take of each language the mean over the others, so that a language counts
            at most 1 and pulls at a gate at most twice as hard as the constraint of
            Eq. 11 with the same factor, however many there are; None for the letter.
    """
    scaled = gates
    if weights is not None:
        others = max(1, len(gates) - 1)
        scaled = gates * (weights / weights.sum() / others)
    shared = scaled @ gates.transpose(0, 1)
    if prior is not None:
        shared = shared * prior
    return (shared - torch.diag(torch.diagonal(shared))).abs().sum()


def family_prior(languages: Sequence[str], families: Mapping[str, str]) -> Tensor:
    """P of Eq. 12: 0 for two languages of one family, 1 for others.

    Two languages whose family is missing are not taken to be related.

    Args:
        families: language -> family.

    Returns:
        ``(languages, languages)`` float32, zero on the diagonal.

    Raises:
        LassError: a language has no family.
    """
    for language in languages:
        if language not in families:
            raise LassError(
                f"no family of the language {language} is known; give a table of "
                "languages and families that has it (--gates-families FILE), or choose "
                "diversity without families (--gates-families none)"
            )
    related = [
        [a == b or (families[a] == families[b] != MISSING_FAMILY) for b in languages]
        for a in languages
    ]
    return 1.0 - torch.tensor(related, dtype=torch.float32)
