"""Replacing a function of fairseq by one that calls it."""

from collections.abc import Callable
from functools import wraps
from typing import Any


def replace_once(
    owner: Any, name: str, wrapper: Callable[[Callable], Callable]
) -> None:
    """Put ``wrapper(stock)`` in the place of ``owner.name``, unless that was done.

    Args:
        owner: a module or a class.
    """
    stock = getattr(owner, name)
    if getattr(stock, "replaces_stock", False):
        return
    replaced = wraps(stock)(wrapper(stock))
    replaced.replaces_stock = True  # type: ignore[attr-defined]
    static = isinstance(vars(owner)[name], staticmethod)
    setattr(owner, name, staticmethod(replaced) if static else replaced)
