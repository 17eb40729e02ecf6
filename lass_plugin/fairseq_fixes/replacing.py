"""Replacing a function of fairseq by one that calls it."""

from collections.abc import Callable
from functools import wraps
from typing import Any


def replace_once(
    owner: Any, name: str, wrapper: Callable[[Callable], Callable]
) -> None:
    """Put ``wrapper(stock)`` in the place of ``owner.name``, unless that was done.

    Args:
        owner: a module or a class whose functions are static.
    """
    stock = getattr(owner, name)
    if getattr(stock, "replaces_stock", False):
        return
    replaced = wraps(stock)(wrapper(stock))
    replaced.replaces_stock = True  # type: ignore[attr-defined]
    is_class = isinstance(owner, type)
    setattr(owner, name, staticmethod(replaced) if is_class else replaced)
