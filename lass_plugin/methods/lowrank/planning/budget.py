"""What individual ranks may cost together, as options of a command."""

from dataclasses import dataclass

from lass_plugin.errors import LassError
from lass_plugin.settings import OneOf, Settings, option

BUDGET = OneOf(required=True)

MODULE, LANGUAGE = "module", "language"
BY = (MODULE, LANGUAGE)
"""A rank for each language and matrix; or one for each language, beside all."""


def parse_budget(text: str) -> int:
    """Read a number of parameters: 500000, 500K or 15.3M."""
    from lass_plugin.data.amounts import parse_count

    try:
        return parse_count(text)
    except LassError as error:
        raise LassError(
            f"--budget '{text}' is not a number of parameters; write 500000, 500K or "
            "15.3M"
        ) from error


@dataclass(frozen=True, kw_only=True)
class BudgetSettings(Settings):
    """A number of parameters, and what gets a rank of its own."""

    budget: int | None = option(
        None,
        "parameters of all modules at most: 500000, 15.3M",
        metavar="N",
        parse=parse_budget,
        least=1,
        group=BUDGET,
    )
    budget_rank: int | None = option(
        None,
        "as many parameters as rank R for all languages of the estimate beside the "
        "same matrices",
        metavar="R",
        least=1,
        group=BUDGET,
    )
    by: str = option(
        MODULE,
        "a rank for each language and matrix, or one for each language "
        "(default: %(default)s)",
        choices=BY,
    )
